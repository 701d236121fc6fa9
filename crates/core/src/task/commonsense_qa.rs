//! CommonsenseQA: questions with five choices (Talmor et al. 2019; Zelikman et al. 2022, section 4.2), from the official JSON lines.
//!
//! ```text
//! Q: What do people open when it begins to rain?
//! Answer Choices:
//! (a) window
//! (b) umbrella (CORRECT)
//! ...
//! A: The answer must be something that keeps the rain off. ... Therefore, the answer is umbrella (b).
//! ```
//!
//! ` (CORRECT)` is the hint. The direct answer is ` (b).`, as in the authors' prompts.

use crate::error::{Error, Result};
use crate::task::choice::{self, MOST, index_of_letter, letter};
use crate::task::dataset::{Dataset, Entry, Files, Portions};
use crate::task::identity::Identity;
use crate::task::prompts::{self, ANSWER, QUESTION, Solved, own_text};
use crate::task::rows::{self, DataRow};
use crate::task::{ConfigError, Task, TaskSettings, WorkedExample, annotations, leak, paper};
use crate::types::{Grade, Mode, Problem, ProblemId, Split, StopReason, Style};
use serde::{Deserialize, Serialize};
use starloop_record::info::PaperFigure;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The name of the task and of its data.
const NAME: &str = "commonsense_qa";
/// Written for this program, in the form of the paper's.
const EXAMPLES: &str = include_str!("commonsense_qa/examples.txt");
/// The line between the question and its choices.
const CHOICES: &str = "Answer Choices:";
/// Stands after the right choice in a hinted prompt.
const HINT: &str = " (CORRECT)";

/// Which problems are learned and measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CommonsenseQaConfig {
    /// The problems to learn from: the official JSON lines (`starloop get data commonsense_qa`).
    pub train: PathBuf,
    /// The problems of the final figure (paper: the official dev file, for the answers of the official test file are not published).
    pub test: PathBuf,
    /// Problems that are held out of train for choices, the same in every run.
    pub dev_problems: usize,
    /// Problems sampled in each iteration, drawn anew for each; 0 for all (paper: all).
    pub problems_per_iteration: usize,
    /// Held-out problems that are measured; 0 for all.
    pub evaluation_problems: usize,
    /// A file of worked examples, `Q: ...`, `A: ...`, without hints, instead of the program's own (the authors' `prompts.txt`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompts: Option<PathBuf>,
}

impl Default for CommonsenseQaConfig {
    fn default() -> Self {
        CommonsenseQaConfig {
            train: "data/commonsense_qa/train_rand_split.jsonl".into(),
            test: "data/commonsense_qa/dev_rand_split.jsonl".into(),
            dev_problems: 500,
            problems_per_iteration: 0,
            evaluation_problems: 0,
            prompts: None,
        }
    }
}

impl TaskSettings for CommonsenseQaConfig {
    fn build(&self, seed: u64) -> Result<Box<dyn Task>, ConfigError> {
        let worked = self.worked()?;
        let read = |key, path| rows::of_setting(key, path, entry);
        let files = Files { train: read("train", &self.train)?, dev: None, test: read("test", &self.test)? };
        let dataset = Dataset::new(NAME, files, worked.iter().map(|solved| Identity::of_question(&solved.problem)), self.portions(), seed)?;
        Ok(Box::new(CommonsenseQaTask { dataset, worked }))
    }

    fn files(&self) -> Vec<&Path> {
        [&self.train, &self.test].into_iter().chain(&self.prompts).map(PathBuf::as_path).collect()
    }

    fn data_set(&self) -> Option<&'static str> {
        Some(NAME)
    }

    fn grader(&self) -> Result<Box<dyn Task>, ConfigError> {
        Ok(Box::new(CommonsenseQaTask { dataset: Dataset::empty(self.portions()), worked: self.worked()? }))
    }
}

impl CommonsenseQaConfig {
    fn portions(&self) -> Portions {
        let CommonsenseQaConfig { dev_problems, problems_per_iteration, evaluation_problems, .. } = *self;
        Portions { dev_problems, problems_per_iteration, evaluation_problems }
    }

    fn worked(&self) -> Result<Vec<Solved>, ConfigError> {
        prompts::worked(EXAMPLES, self.prompts.as_deref(), worked_example)
    }
}

/// The task. There are no human rationales.
struct CommonsenseQaTask {
    dataset: Dataset<()>,
    worked: Vec<Solved>,
}

impl Task for CommonsenseQaTask {
    fn name(&self) -> &'static str {
        NAME
    }

    /// By the letter of the answer: a model that likes one letter shows it here.
    fn classes(&self, _: u32) -> Vec<String> {
        let mut classes = self.dataset.classes();
        classes.sort_unstable();
        classes
    }

    fn training_problems(&self, iteration: u32) -> Vec<Problem> {
        self.dataset.training_problems(iteration)
    }

    fn evaluation_problems(&self, split: Split, _: u32) -> Vec<Problem> {
        self.dataset.evaluation_problems(split)
    }

    fn prompt(&self, problem: &Problem, mode: Mode) -> String {
        let right = if mode == Mode::Hinted { choice::known(&problem.answer, &problem.choices) } else { None };
        let mut prompt = format!("{QUESTION} {}\n{CHOICES}\n", problem.question);
        for (index, choice) in problem.choices.iter().enumerate() {
            let hint = if right == Some(index) { HINT } else { "" };
            writeln!(prompt, "({}) {choice}{hint}", letter(index)).expect("a text takes what is written to it");
        }
        prompt + ANSWER
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
        let Problem { id, answer, choices, .. } = problem;
        let answer = check(choices)
            .and_then(|()| choice::known(answer, choices).ok_or_else(|| no_choice(answer, choices)))
            .map_err(|message| Error::KnownAnswer { problem: id.to_string(), message })?;
        let own = own_text(completion);
        // What goes on with another question has ended its own answer.
        let stop_reason = if own.len() < completion.len() { &StopReason::Unspecified } else { stop_reason };
        Ok(choice::verify(choices, answer, own, stop_reason))
    }

    fn reference(&self, _: &Problem) -> Option<String> {
        None
    }

    fn direct_completion(&self, problem: &Problem) -> String {
        format!(" ({}).", problem.answer)
    }

    /// One in five.
    fn paper_figures(&self) -> Vec<PaperFigure> {
        paper::commonsense_qa()
    }

    fn chance(&self) -> f64 {
        0.2
    }

    /// Calculator annotations such as `<<2+2=4>>` are checked.
    fn has_false_step(&self, _: &Problem, completion: &str) -> Option<bool> {
        annotations::false_step(completion)
    }

    fn leaks_hint(&self, completion: &str) -> bool {
        leak::leaks(choice::rationale(own_text(completion)))
    }
}

/// Whether there is something to choose from.
fn check(choices: &[String]) -> Result<(), String> {
    match choices.len() {
        2..=MOST if choices.iter().all(|choice| !choice.trim().is_empty()) => Ok(()),
        0 => Err("there are no choices, and without them no answer can be told from another".to_owned()),
        found => Err(format!("expected 2 to {MOST} choices with a text each, found {found}: {choices:?}")),
    }
}

fn no_choice(answer: &str, choices: &[String]) -> String {
    format!("the known answer {answer:?} is neither the letter nor the text of one of the choices: {}", choices.join(", "))
}

fn entry(row: &DataRow) -> Result<Entry<()>, String> {
    let choices = row.list("question.choices", |choice| {
        let text = |part: &str| choice.get(part)?.as_str().map(|text| text.trim().to_owned());
        Some((text("label")?, text("text")?))
    })?;
    let (labels, choices): (Vec<String>, Vec<String>) = choices.into_iter().unzip();
    check(&choices)?;
    for (index, label) in labels.iter().enumerate() {
        if index_of_letter(label, labels.len()) != Some(index) {
            let expected = letter(index).to_ascii_uppercase();
            return Err(format!("the choices must be labelled A, B, ... in this order; found {label:?} in the place of {expected}"));
        }
    }
    let key = row.text("answerKey")?;
    let answer = index_of_letter(key, choices.len())
        .ok_or_else(|| format!("\"answerKey\" is {key:?}, which is none of the labels {}", labels.join(", ")))?;
    let problem = problem(row.text("id")?, row.text("question.stem")?.trim(), answer, choices);
    Ok(Entry::new(row.line, problem, ()))
}

fn problem(id: &str, question: &str, answer: usize, choices: Vec<String>) -> Problem {
    let answer = letter(answer);
    Problem { id: ProblemId(id.into()), class: format!("({answer})"), question: question.into(), answer: answer.into(), choices }
}

/// A worked example of a prompt file, whose choices must not show the answer.
fn worked_example(question: &str, solution: &str) -> Result<Problem, String> {
    let (stem, listed) = question.split_once(&format!("\n{CHOICES}")).ok_or_else(|| format!("no line `{CHOICES}` follows the question"))?;
    let choice = |(index, line): (usize, &str)| {
        let text = line.trim().strip_prefix(&format!("({}) ", letter(index)));
        text.map(|text| text.trim().to_owned()).ok_or_else(|| format!("expected `({}) <text>`, found {line:?}", letter(index)))
    };
    let choices: Vec<String> = listed.trim().lines().take(MOST).enumerate().map(choice).collect::<Result<_, _>>()?;
    check(&choices)?;
    if choices.iter().any(|choice| choice.ends_with(HINT)) {
        return Err(format!("a choice is marked{HINT}; name the file without hints, for they are added where they belong"));
    }
    let answer = choice::strict(solution, &choices)
        .ok_or_else(|| "the solution does not end with `the answer is <text> (b).`, with the letter of a choice".to_owned())?;
    if choice::rationale(solution).trim().is_empty() {
        return Err(
            "there is no rationale before the answer; name the file with rationales, for the answers alone follow from it".to_owned()
        );
    }
    Ok(problem("", stem.trim(), answer, choices))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
