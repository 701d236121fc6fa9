//! GSM8K: grade-school mathematics in words (Cobbe et al. 2021; Zelikman et al. 2022, section 4.2), from the official JSON lines.
//!
//! ```text
//! Q: Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. How many ... ? (72)
//! A: Natalia sold 48/2 = <<48/2=24>>24 clips in May.
//! Natalia sold 48+24 = <<48+24=72>>72 clips altogether in April and May.
//! #### 72
//! ```
//!
//! The hint, here ` (72)`, is the final answer, as in the paper. The released code showed the human solution instead.

pub(super) mod solution;

use crate::error::{Error, Result};
use crate::external::data_source::DataSource;
use crate::task::dataset::{Dataset, Entry, Files, Portions, Store};
use crate::task::identity::Identity;
use crate::task::prompts::{self, ANSWER, QUESTION, Solved};
use crate::task::rows::{self, DataRow};
use crate::task::{ConfigError, Task, TaskSettings, WorkedExample, leak, paper, verdict};
use crate::types::{Grade, Mode, Problem, ProblemId, Split, StopReason, Style};
use serde::{Deserialize, Serialize};
use solution::MARK;
use starloop_answers::verdict::Tolerance;
use starloop_answers::{Mark, number, steps};
use starloop_record::info::PaperFigure;
use std::path::PathBuf;

/// The name of the task and of its data.
const NAME: &str = "gsm8k";
/// Worked examples that were written for this program, in the form of the paper's.
const EXAMPLES: &str = include_str!("gsm8k/examples.txt");
/// Problems with this number of steps or more are one class.
const MANY_STEPS: usize = 8;

/// The problems to train on and to measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Gsm8kConfig {
    /// The training problems: rows with `question` and `answer` (`starloop get data gsm8k`).
    pub train: DataSource,
    /// The test problems, for the final figure.
    pub test: DataSource,
    /// The number of problems held out of `train` for decisions. They are the same in every run (the authors decided on the test problems).
    pub dev_problems: usize,
    /// Problems in each iteration, another selection for each; 0 for all (paper: all).
    pub problems_per_iteration: usize,
    /// Held-out problems that are measured; 0 for all.
    pub evaluation_problems: usize,
    /// Do not learn rationales with a false annotation, such as `<<2+2=5>>` (paper: only the answer counts).
    pub check_annotations: bool,
    /// A file of worked examples, `Q: ...`, `A: ...`, without hints. It replaces the built-in ones (the authors' `prompts.txt`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompts: Option<PathBuf>,
}

impl Default for Gsm8kConfig {
    fn default() -> Self {
        Gsm8kConfig {
            train: "data/gsm8k/train.jsonl".into(),
            test: "data/gsm8k/test.jsonl".into(),
            dev_problems: 500,
            problems_per_iteration: 0,
            evaluation_problems: 0,
            check_annotations: false,
            prompts: None,
        }
    }
}

impl TaskSettings for Gsm8kConfig {
    fn build(&self, seed: u64) -> Result<Box<dyn Task>, ConfigError> {
        let worked = self.worked()?;
        let read = |key, source| Store::read(key, source, entry, |_| ());
        let files = Files { train: read("train", &self.train)?, dev: None, test: read("test", &self.test)? };
        let dataset = Dataset::new(NAME, files, worked.iter().map(|solved| Identity::of_question(&solved.problem)), self.portions(), seed)?;
        Ok(Box::new(Gsm8kTask { dataset, worked, check_annotations: self.check_annotations }))
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let rows = [self.train.files(rows::split_of("train"))?, self.test.files(rows::split_of("test"))?];
        Ok(rows.into_iter().flatten().chain(self.prompts.clone()).collect())
    }

    fn data_set(&self) -> Option<&'static str> {
        Some(NAME)
    }

    fn grader(&self) -> Result<Box<dyn Task>, ConfigError> {
        let dataset = Dataset::empty(self.portions());
        Ok(Box::new(Gsm8kTask { dataset, worked: self.worked()?, check_annotations: self.check_annotations }))
    }
}

impl Gsm8kConfig {
    fn portions(&self) -> Portions {
        let Gsm8kConfig { dev_problems, problems_per_iteration, evaluation_problems, .. } = *self;
        Portions { dev_problems, problems_per_iteration, evaluation_problems }
    }

    fn worked(&self) -> Result<Vec<Solved>, ConfigError> {
        prompts::worked(EXAMPLES, self.prompts.as_deref(), worked_example)
    }
}

/// The task. Each problem has its human solution.
struct Gsm8kTask {
    dataset: Dataset<String>,
    worked: Vec<Solved>,
    check_annotations: bool,
}

impl Task for Gsm8kTask {
    fn name(&self) -> &'static str {
        NAME
    }

    fn classes(&self, _: u32) -> Vec<String> {
        let there = self.dataset.classes();
        (0..=MANY_STEPS).map(class).filter(|class| there.contains(class)).collect()
    }

    fn training_problems(&self, iteration: u32) -> Vec<Problem> {
        self.dataset.training_problems(iteration)
    }

    fn evaluation_problems(&self, split: Split, _: u32) -> Vec<Problem> {
        self.dataset.evaluation_problems(split)
    }

    fn training_count(&self, _: u32) -> usize {
        self.dataset.training_count()
    }

    fn evaluation_count(&self, split: Split, _: u32) -> usize {
        self.dataset.evaluation_count(split)
    }

    fn prompt(&self, problem: &Problem, mode: Mode) -> String {
        let hint = match mode {
            Mode::Unhinted => String::new(),
            Mode::Hinted => hint(&problem.answer),
        };
        format!("{QUESTION} {}{hint}\n{ANSWER}", problem.question)
    }

    fn worked_examples(&self, _: &Problem, mode: Mode, style: Style, count: usize) -> Vec<WorkedExample> {
        prompts::shown(self, &self.worked, mode, style, count)
    }

    fn separator(&self) -> &str {
        prompts::SEPARATOR
    }

    fn stop_strings(&self) -> Vec<String> {
        prompts::stop_strings()
    }

    fn verify(&self, problem: &Problem, completion: &str, stop_reason: &StopReason) -> Result<Grade> {
        let answer = number::known(&problem.answer)
            .ok_or_else(|| Error::KnownAnswer { problem: problem.id.to_string(), message: no_number(&problem.answer) })?;
        let ending = verdict::ending(stop_reason);
        Ok(starloop_answers::verdict::number(completion, &answer, &Tolerance::Exact, &Mark::ALL, ending))
    }

    fn reference(&self, problem: &Problem) -> Option<String> {
        self.dataset.rest(problem)
    }

    fn direct_completion(&self, problem: &Problem) -> String {
        format!(" {MARK} {}", problem.answer)
    }

    fn leaks_hint(&self, completion: &str) -> bool {
        leak::leaks(solution::rationale(completion))
    }

    /// The equations in order, without blanks. Without equations, the text.
    fn reasoning_path(&self, completion: &str) -> String {
        let rationale = solution::rationale(completion);
        steps::equations(rationale).unwrap_or_else(|| leak::words(rationale).collect::<Vec<_>>().join(" "))
    }

    /// ` (7...)`: the first characters of the answer.
    fn partly_hinted_prompt(&self, problem: &Problem, share: f64) -> Option<String> {
        let length = problem.answer.chars().count();
        let shown = (share * length as f64).ceil() as usize;
        let hint = match shown {
            0 => String::new(),
            _ if shown >= length => hint(&problem.answer),
            _ => hint(&format!("{}...", problem.answer.chars().take(shown).collect::<String>())),
        };
        Some(format!("{QUESTION} {}{hint}\n{ANSWER}", problem.question))
    }

    fn has_false_step(&self, _: &Problem, completion: &str) -> Option<bool> {
        let rationale = solution::rationale(completion);
        // The rule that drops rationales is about annotations alone.
        if self.check_annotations { steps::false_step(rationale) } else { steps::false_equation(rationale) }
    }

    fn checks_steps(&self) -> bool {
        true
    }

    fn calculations(&self, completion: &str) -> Vec<bool> {
        steps::checked(solution::rationale(completion))
    }

    fn drops_false_steps(&self) -> bool {
        self.check_annotations
    }

    fn paper_figures(&self) -> Vec<PaperFigure> {
        paper::gsm8k()
    }
}

fn entry(row: &DataRow) -> Result<Entry<String>, String> {
    let (question, solution) = (row.text("question")?.trim(), row.text("answer")?.trim());
    let problem = problem(format!("{:05}", row.number), question, solution)?;
    Ok(Entry::new(row.place.clone(), problem, format!(" {solution}")))
}

/// A problem with the answer and the number of steps of its solution.
fn problem(id: String, question: &str, solution: &str) -> Result<Problem, String> {
    let answer = solution::stated(solution).ok_or_else(|| format!("the solution has no line `{MARK} N` with the final answer"))?;
    number::known(answer).ok_or_else(|| no_number(answer))?;
    let steps = solution::rationale(solution).lines().filter(|line| !line.trim().is_empty()).count();
    Ok(Problem { id: ProblemId(id), class: class(steps), question: question.into(), answer: answer.into(), choices: Vec::new() })
}

/// A worked example of a prompt file. Its question must not show the answer.
fn worked_example(question: &str, solution: &str) -> Result<Problem, String> {
    let problem = problem(String::new(), question, solution)?;
    if question.ends_with(&hint(&problem.answer)) {
        return Err("the question ends with its answer; name the file without hints, for they are added where they belong".to_owned());
    }
    if solution::rationale(solution).trim().is_empty() {
        return Err("there are no steps before the answer; name the file with rationales, for the answers alone follow from it".to_owned());
    }
    Ok(problem)
}

fn hint(answer: &str) -> String {
    format!(" ({answer})")
}

fn no_number(answer: &str) -> String {
    format!("the known answer {answer:?} is not one number, such as 72, 1,200 or 3/4")
}

/// The name of a class by the lines of the human solution: `1 step`, `3 steps`, `8+ steps`.
fn class(steps: usize) -> String {
    match steps {
        1 => "1 step".to_owned(),
        MANY_STEPS.. => format!("{MANY_STEPS}+ steps"),
        _ => format!("{steps} steps"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
