//! A task: where problems come from, how prompts show them, and when an answer is right.

pub mod arithmetic;
pub mod commonsense_qa;
mod dataset;
pub mod gsm8k;
pub mod identity;
pub mod jsonl;
pub(crate) mod leak;
mod paper;
pub mod prompt;
mod prompts;
pub(crate) mod rows;
pub mod template;
mod verdict;
pub mod verifier;
pub mod word_problems;

use crate::error::{Error, Result};
use crate::types::{Attempt, Grade, GradedAttempt, Mode, Problem, ProblemId, Split, StopReason, Style};
use serde::{Deserialize, Serialize};
use starloop_record::digest::sha256_hex;
use starloop_record::info::PaperFigure;
use std::collections::HashSet;
use std::path::PathBuf;

pub use identity::Identity;

/// A setting of a task that is not allowed, or a file of the task with wrong content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct ConfigError {
    /// The key, relative to the config that was checked.
    pub key: &'static str,
    /// The fault of its value.
    pub reason: String,
}

impl ConfigError {
    fn check(holds: bool, key: &'static str, reason: impl FnOnce() -> String) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(ConfigError { key, reason: reason() }) }
    }
}

/// The settings of a task, as `[task]` gives them.
pub trait TaskSettings: std::fmt::Debug + Send + Sync {
    /// The task of a run with this seed, its files read.
    ///
    /// # Errors
    /// A value is not allowed, or a file has wrong content.
    fn build(&self, seed: u64) -> Result<Box<dyn Task>, ConfigError>;

    /// The files that [`TaskSettings::build`] reads.
    ///
    /// # Errors
    /// A data set is not on this machine, or a folder lacks the split or the configuration.
    fn files(&self) -> Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }

    /// The published data set that these files are, if it can be downloaded by a name.
    fn data_set(&self) -> Option<&'static str> {
        None
    }

    /// The program that [`Task::prepare`] starts, if there is one.
    fn program(&self) -> Option<&str> {
        None
    }

    /// The treatment of problems whose prompts are too long for the model.
    fn too_long(&self) -> TooLong {
        TooLong::Error
    }

    /// The task without its problems: it grades answers, and needs no files for it.
    ///
    /// # Errors
    /// A value is not allowed.
    fn grader(&self) -> Result<Box<dyn Task>, ConfigError>;
}

/// The treatment of problems whose prompts are too long for the model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TooLong {
    /// The run does not begin, and the error names the first one.
    #[default]
    Error,
    /// They are left out, and the run records how many.
    Skip,
}

impl TooLong {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_default(&self) -> bool {
        *self == TooLong::default()
    }
}

/// A solved problem as it is shown in a few-shot prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkedExample {
    /// The prompt of the problem, as [`Task::prompt`] writes it in the same mode.
    pub prompt: String,
    /// Rationale and answer, or the answer alone.
    pub completion: String,
}

/// A kind of problem with known answers. Text in, text out: a task knows no model and no tokens.
pub trait Task: Send + Sync {
    /// The name that configs and `starloop verify --task` use.
    fn name(&self) -> &str;

    /// The file and the line of a problem, for errors; `None` if problems are not read from a file.
    fn source(&self, _problem: &Problem) -> Option<String> {
        None
    }

    /// Leaves these problems out from now on. A task whose settings never say [`TooLong::Skip`] needs no such method.
    fn leave_out(&mut self, _problems: &HashSet<ProblemId>) {}

    /// The number of problems that [`Task::leave_out`] removed.
    fn left_out(&self) -> u64 {
        0
    }

    /// The template that makes the prompts, if the user wrote one. A checkpoint records it.
    fn prompt_template(&self) -> Option<&str> {
        None
    }

    /// Prepares what grading needs outside of this process: it starts the user's verifier program. No program of the user runs before, so that a
    /// run directory from elsewhere can be read without trusting it.
    ///
    /// # Errors
    /// It cannot be started. The key is relative to `[task]`.
    fn prepare(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    /// The classes in which accuracy is reported at this iteration, in the order of display.
    fn classes(&self, iteration: u32) -> Vec<String>;

    /// The problems that iteration `iteration` (from 1) attempts, all of [`Split::Train`]. Deterministic.
    fn training_problems(&self, iteration: u32) -> Vec<Problem>;

    /// The problems that measure accuracy after iteration `iteration` (0 is the base). Deterministic.
    fn evaluation_problems(&self, split: Split, iteration: u32) -> Vec<Problem>;

    /// The number of [`Task::training_problems`]. An estimate of a run asks for it in every iteration.
    fn training_count(&self, iteration: u32) -> usize {
        self.training_problems(iteration).len()
    }

    /// The number of [`Task::evaluation_problems`].
    fn evaluation_count(&self, split: Split, iteration: u32) -> usize {
        self.evaluation_problems(split, iteration).len()
    }

    /// The identity of a problem, independent of the prompt. A checkpoint records the identities of the problems that it was
    /// trained on, and measuring it on one of them is refused. By default the question and the choices: a task whose questions come from a
    /// template must use the data instead.
    fn identity(&self, problem: &Problem) -> Identity {
        Identity::of_question(problem)
    }

    /// The problem's own part of the prompt. Only [`Mode::Hinted`] shows the answer.
    fn prompt(&self, problem: &Problem, mode: Mode) -> String;

    /// Up to `count` solved problems for the prompt before this one. None of them is held out. By
    /// default there are none.
    fn worked_examples(&self, _problem: &Problem, _mode: Mode, _style: Style, _count: usize) -> Vec<WorkedExample> {
        Vec::new()
    }

    /// The text between a worked example and the next prompt.
    fn separator(&self) -> &str;

    /// The strings that end a completion besides the model's end token.
    fn stop_strings(&self) -> Vec<String>;

    /// Reads the final answer of a completion and compares it with the known one. Of the problem, only answer, choices and id are looked at.
    ///
    /// # Errors
    /// The problem's known answer is not an answer of its type, or the user's verifier program fails.
    fn verify(&self, problem: &Problem, completion: &str, stop_reason: &StopReason) -> Result<Grade>;

    /// As [`Task::verify`] for several answers. Returns a grade for each, in their order. By default one after the other.
    ///
    /// # Errors
    /// As [`Task::verify`].
    fn verify_all(&self, answers: &[Answered<'_>]) -> Result<Vec<Grade>> {
        answers.iter().map(|answer| self.verify(answer.problem, answer.completion, answer.stop_reason)).collect()
    }

    /// The known rationale and answer, if the task has them. By default it has none.
    fn reference(&self, _problem: &Problem) -> Option<String> {
        None
    }

    /// The completion that gives the answer alone, for direct fine-tuning.
    fn direct_completion(&self, problem: &Problem) -> String;

    /// The paper's figures for this task, which reports show beside the measured ones. A task from outside this project has none.
    fn paper_figures(&self) -> Vec<PaperFigure> {
        Vec::new()
    }

    /// The accuracy of guessing, in 0..=1; a base model that is no better cannot bootstrap.
    fn chance(&self) -> f64 {
        0.0
    }

    /// Returns true if a completion shows that it was given the answer, so that it must not be learned from.
    fn leaks_hint(&self, completion: &str) -> bool;

    /// The reasoning path of a completion. Two completions that differ only in wording have the same path (Yuan et al. 2023). By default it is
    /// the text without blanks and capitals.
    fn reasoning_path(&self, completion: &str) -> String {
        leak::words(completion).collect::<Vec<_>>().join(" ")
    }

    /// The problem's own part of a prompt whose hint shows the given share of the answer, in 0..=1; `None` where a part of an answer cannot
    /// be shown.
    fn partly_hinted_prompt(&self, _problem: &Problem, _share: f64) -> Option<String> {
        None
    }

    /// Returns true if a step of a rationale is false; `None` if no step can be checked, which is the default.
    fn has_false_step(&self, _problem: &Problem, _completion: &str) -> Option<bool> {
        None
    }

    /// For each calculation of a rationale that can be checked: true if it is true. By default there are none.
    fn calculations(&self, _completion: &str) -> Vec<bool> {
        Vec::new()
    }

    /// The same problem with a wrong answer in place of the known one, for a wrong hint; `None` if there is none. By default another choice, or
    /// another whole number.
    fn with_wrong_answer(&self, problem: &Problem) -> Option<Problem> {
        leak::with_wrong_answer(problem)
    }

    /// Returns true if the task can find the calculations of a rationale and check them, so that [`Task::has_false_step`] gives `None` for a
    /// rationale without a calculation only.
    fn checks_steps(&self) -> bool {
        false
    }

    /// Returns true if a rationale with a false step must not be learned, although its answer is right.
    fn drops_false_steps(&self) -> bool {
        false
    }
}

/// The first digits of a SHA-256, enough to tell the reasoning paths of one problem apart.
const PATH_DIGITS: usize = 16;

/// A completion of a problem, to be graded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered<'a> {
    /// The problem.
    pub problem: &'a Problem,
    /// The completion.
    pub completion: &'a str,
    /// The cause of its end.
    pub stop_reason: &'a StopReason,
}

/// Everything that a task can say about attempts, each with its problem. A run records it, so that no reader needs the task.
///
/// # Errors
/// As [`Task::verify`], or the task gave another number of grades.
pub fn grade(task: &dyn Task, attempts: Vec<(&Problem, Attempt)>) -> Result<Vec<GradedAttempt>> {
    let answers: Vec<Answered<'_>> = attempts
        .iter()
        .map(|(problem, attempt)| Answered { problem, completion: &attempt.completion, stop_reason: &attempt.stop_reason })
        .collect();
    let grades = checked(task.verify_all(&answers)?, answers.len())?;
    Ok(attempts.into_iter().zip(grades).map(|((problem, attempt), grade)| graded(task, problem, attempt, grade)).collect())
}

/// The grades, if there is one for each answer.
pub(crate) fn checked(grades: Vec<Grade>, expected: usize) -> Result<Vec<Grade>> {
    let got = grades.len();
    if got == expected { Ok(grades) } else { Err(Error::GradeCount { expected, got }) }
}

fn graded(task: &dyn Task, problem: &Problem, attempt: Attempt, grade: Grade) -> GradedAttempt {
    let Grade { verdict, place, contradiction } = grade;
    let faithful = task.reference(problem).map(|reference| reference.trim() == attempt.completion.trim());
    let false_step = task.has_false_step(problem, &attempt.completion);
    let mut path = sha256_hex(task.reasoning_path(&attempt.completion));
    path.truncate(PATH_DIGITS);
    GradedAttempt { place, contradiction, faithful, false_step, path, ..GradedAttempt::bare(attempt, verdict) }
}
