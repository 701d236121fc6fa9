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
//!
//! With `choice_style = "text"`, choices are shown as `- umbrella`, and worked examples end with `the answer is umbrella.`: small models do
//! not bind letters to choices.

use crate::error::{Error, Result};
use crate::external::data_source::DataSource;
use crate::task::dataset::{Dataset, Entry, Files, Portions, Store};
use crate::task::identity::Identity;
use crate::task::prompts::{self, ANSWER, QUESTION, Solved};
use crate::task::rows::{self, DataRow};
use crate::task::verdict::{self, MOST_CHOICES, letter};
use crate::task::{ConfigError, Task, TaskSettings, WorkedExample, leak, paper};
use crate::types::{Grade, Mode, Problem, ProblemId, Split, StopReason, Style};
use serde::{Deserialize, Serialize};
use starloop_answers::choice::{self, ChoicePreference};
use starloop_answers::{Ending, Mark, ReadOutcome, end_of_turn, steps};
use starloop_record::info::PaperFigure;
use std::fmt::Write;
use std::path::PathBuf;

/// The name of the task and of its data.
const NAME: &str = "commonsense_qa";
/// Worked examples that were written for this program, in the form of the paper's.
const EXAMPLES: &str = include_str!("commonsense_qa/examples.txt");
/// The line between the question and its choices.
const CHOICES: &str = "Answer Choices:";
/// The text after the right choice in a hinted prompt.
const HINT: &str = " (CORRECT)";

/// The problems to train on and to measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct CommonsenseQaConfig {
    /// The training problems: the official JSON lines (`starloop get data commonsense_qa`), or the rows on the hub.
    pub train: DataSource,
    /// The test problems, for the final figure (paper: the official dev file; the answers of the official test file are not published).
    pub test: DataSource,
    /// The number of problems held out of `train` for decisions. They are the same in every run.
    pub dev_problems: usize,
    /// Problems in each iteration, another selection for each; 0 for all (paper: all).
    pub problems_per_iteration: usize,
    /// Held-out problems that are measured; 0 for all.
    pub evaluation_problems: usize,
    /// How choices are shown and named: with letters (paper), or by their text alone.
    pub choice_style: choice::ChoiceStyle,
    /// The part that counts if letter and text of an answer name different choices. `"neither"` makes it a contradiction.
    pub choice_preference: ChoicePreference,
    /// A file of worked examples, `Q: ...`, `A: ...`, without hints. It replaces the built-in ones (the authors' `prompts.txt`).
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
            choice_style: choice::ChoiceStyle::Letters,
            choice_preference: ChoicePreference::Letter,
            prompts: None,
        }
    }
}

impl TaskSettings for CommonsenseQaConfig {
    fn build(&self, seed: u64) -> Result<Box<dyn Task>, ConfigError> {
        let worked = self.worked()?;
        let read = |key, source| Store::read(key, source, entry, |_| ());
        let files = Files { train: read("train", &self.train)?, dev: None, test: read("test", &self.test)? };
        let dataset = Dataset::new(NAME, files, worked.iter().map(|solved| Identity::of_question(&solved.problem)), self.portions(), seed)?;
        Ok(Box::new(self.task(dataset, worked)))
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let rows = [self.train.files(rows::split_of("train"))?, self.test.files(rows::split_of("test"))?];
        Ok(rows.into_iter().flatten().chain(self.prompts.clone()).collect())
    }

    fn data_set(&self) -> Option<&'static str> {
        Some(NAME)
    }

    fn grader(&self) -> Result<Box<dyn Task>, ConfigError> {
        Ok(Box::new(self.task(Dataset::empty(self.portions()), self.worked()?)))
    }
}

impl CommonsenseQaConfig {
    fn portions(&self) -> Portions {
        let CommonsenseQaConfig { dev_problems, problems_per_iteration, evaluation_problems, .. } = *self;
        Portions { dev_problems, problems_per_iteration, evaluation_problems }
    }

    fn task(&self, dataset: Dataset<()>, worked: Vec<Solved>) -> CommonsenseQaTask {
        CommonsenseQaTask { dataset, worked, style: self.choice_style, preference: self.choice_preference }
    }

    fn worked(&self) -> Result<Vec<Solved>, ConfigError> {
        let mut worked = prompts::worked(EXAMPLES, self.prompts.as_deref(), worked_example)?;
        if self.choice_style == choice::ChoiceStyle::Text {
            for Solved { problem, completion } in &mut worked {
                let letter = format!(" ({})", problem.answer);
                if let Some(at) = completion.rfind(&letter) {
                    completion.replace_range(at..at + letter.len(), "");
                }
            }
        }
        Ok(worked)
    }
}

/// The task. There are no human rationales.
struct CommonsenseQaTask {
    dataset: Dataset<()>,
    worked: Vec<Solved>,
    style: choice::ChoiceStyle,
    preference: ChoicePreference,
}

impl Task for CommonsenseQaTask {
    fn name(&self) -> &'static str {
        NAME
    }

    /// By the letter of the answer, so that a model's preference for one letter is visible.
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

    fn training_count(&self, _: u32) -> usize {
        self.dataset.training_count()
    }

    fn evaluation_count(&self, split: Split, _: u32) -> usize {
        self.dataset.evaluation_count(split)
    }

    fn prompt(&self, problem: &Problem, mode: Mode) -> String {
        let right = if mode == Mode::Hinted { choice::known(&problem.answer, &problem.choices) } else { None };
        let mut prompt = format!("{QUESTION} {}\n{CHOICES}\n", problem.question);
        for (index, choice) in problem.choices.iter().enumerate() {
            let hint = if right == Some(index) { HINT } else { "" };
            let name = match self.style {
                choice::ChoiceStyle::Letters => format!("({})", letter(index)),
                choice::ChoiceStyle::Text => "-".to_owned(),
            };
            writeln!(prompt, "{name} {choice}{hint}").expect("writing to a string does not fail");
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
        let choices = check(choices)
            .and_then(|()| verdict::choices(answer, choices, self.style, self.preference))
            .map_err(|message| Error::KnownAnswer { problem: id.to_string(), message })?;
        Ok(starloop_answers::verdict::choice(completion, &choices, &Mark::ALL, verdict::ending(stop_reason)))
    }

    fn reference(&self, _: &Problem) -> Option<String> {
        None
    }

    fn direct_completion(&self, problem: &Problem) -> String {
        match self.style {
            choice::ChoiceStyle::Letters => format!(" ({}).", problem.answer),
            choice::ChoiceStyle::Text => {
                let right = choice::known(&problem.answer, &problem.choices);
                format!(" {}.", right.map_or(problem.answer.as_str(), |right| problem.choices[right].as_str()))
            }
        }
    }

    fn paper_figures(&self) -> Vec<PaperFigure> {
        paper::commonsense_qa()
    }

    /// One in five.
    fn chance(&self) -> f64 {
        0.2
    }

    /// Calculator annotations such as `<<2+2=4>>` and plain equations such as `2 + 2 = 4` are checked.
    fn has_false_step(&self, _: &Problem, completion: &str) -> Option<bool> {
        steps::false_equation(completion)
    }

    fn leaks_hint(&self, completion: &str) -> bool {
        leak::leaks(rationale(completion))
    }
}

/// Checks the number of choices and that each has a text.
fn check(choices: &[String]) -> Result<(), String> {
    match choices.len() {
        2..=MOST_CHOICES if choices.iter().all(|choice| !choice.trim().is_empty()) => Ok(()),
        0 => Err("the problem has no choices; a choice question needs them".to_owned()),
        found => Err(format!("expected 2 to {MOST_CHOICES} choices with a text each, found {found}: {choices:?}")),
    }
}

/// The text before the sentence that states the answer by a letter. It is the whole text if no sentence does.
fn rationale(completion: &str) -> &str {
    let own = &completion[..end_of_turn(completion).unwrap_or(completion.len())];
    // Letters are read without the texts of the choices, which are not needed to find the sentence.
    match choice::find(own, &[""; MOST_CHOICES], choice::ChoiceStyle::Letters, &Mark::ALL, Ending::Complete).place() {
        Some(place) if place.reading.is_stated() => own[..place.span.start].rfind(['.', '!', '?', '\n']).map_or("", |end| &own[..=end]),
        _ => own,
    }
}

/// The place of a letter among the labels.
fn index_of_label(label: &str, count: usize) -> Option<usize> {
    let mut chars = label.trim().chars();
    let place = (0..count).find(|&place| chars.clone().next().is_some_and(|c| c.eq_ignore_ascii_case(&letter(place))));
    chars.next().and(place).filter(|_| chars.next().is_none())
}

fn entry(row: &DataRow) -> Result<Entry<()>, String> {
    let (labels, choices, question) = if row.get("choices").is_some() { columns_of_hub(row) } else { columns_of_authors(row) }?;
    check(&choices)?;
    for (index, label) in labels.iter().enumerate() {
        if index_of_label(label, labels.len()) != Some(index) {
            let expected = letter(index).to_ascii_uppercase();
            return Err(format!("the choices must be labelled A, B, ... in this order; found {label:?} in the place of {expected}"));
        }
    }
    let key = row.text("answerKey")?;
    let answer = index_of_label(key, choices.len())
        .ok_or_else(|| format!("\"answerKey\" is {key:?}, expected one of the labels {}", labels.join(", ")))?;
    let problem = problem(row.text("id")?, question.trim(), answer, choices);
    Ok(Entry::new(row.place.clone(), problem, ()))
}

/// The labels, the choices and the question of a row of the authors' files.
fn columns_of_authors(row: &DataRow) -> Result<(Vec<String>, Vec<String>, &str), String> {
    let choices = row.list("question.choices", |choice| {
        let text = |part: &str| choice.get(part)?.as_str().map(|text| text.trim().to_owned());
        Some((text("label")?, text("text")?))
    })?;
    let (labels, choices) = choices.into_iter().unzip();
    Ok((labels, choices, row.text("question.stem")?))
}

/// The same of a row of the data set on the hub.
fn columns_of_hub(row: &DataRow) -> Result<(Vec<String>, Vec<String>, &str), String> {
    let texts = |column| row.list(column, |text| text.as_str().map(|text| text.trim().to_owned()));
    Ok((texts("choices.label")?, texts("choices.text")?, row.text("question")?))
}

fn problem(id: &str, question: &str, answer: usize, choices: Vec<String>) -> Problem {
    let answer = letter(answer);
    Problem { id: ProblemId(id.into()), class: format!("({answer})"), question: question.into(), answer: answer.into(), choices }
}

/// A worked example of a prompt file. Its choices must not show the answer.
fn worked_example(question: &str, solution: &str) -> Result<Problem, String> {
    let (stem, listed) = question.split_once(&format!("\n{CHOICES}")).ok_or_else(|| format!("no line `{CHOICES}` follows the question"))?;
    let choice = |(index, line): (usize, &str)| {
        let text = line.trim().strip_prefix(&format!("({}) ", letter(index)));
        text.map(|text| text.trim().to_owned()).ok_or_else(|| format!("expected `({}) <text>`, found {line:?}", letter(index)))
    };
    let choices: Vec<String> = listed.trim().lines().take(MOST_CHOICES).enumerate().map(choice).collect::<Result<_, _>>()?;
    check(&choices)?;
    if choices.iter().any(|choice| choice.ends_with(HINT)) {
        return Err(format!("a choice is marked{HINT}; name the file without hints, for they are added where they belong"));
    }
    let answer = match choice::find(solution, &choices, choice::ChoiceStyle::Letters, &Mark::ALL, Ending::Complete) {
        ReadOutcome::Found(found) if found.place.reading.is_stated() && !found.answer.is_contradiction() => found.answer.letter,
        _ => None,
    };
    let answer =
        answer.ok_or_else(|| "the solution does not end with `the answer is <text> (b).`, with the letter of a choice".to_owned())?;
    if rationale(solution).trim().is_empty() {
        return Err(
            "there is no rationale before the answer; name the file with rationales, for the answers alone follow from it".to_owned()
        );
    }
    Ok(problem("", stem.trim(), answer, choices))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
