//! A user's own problems: a file of JSON lines and a config, without Rust code.
//!
//! Templates of the config render a row, and `answer_type` says how answers are compared. All rows are rendered and checked when the files are
//! read. Every row has a prompt with the hint and one without. The prompt without the hint does not depend on the answer. The known answer, as the
//! config writes it, is graded correct. An error names file and line, before any work is done.

mod answer;
mod choices;
mod command;
mod settings;
mod solution;
mod texts;

pub use choices::ChoiceColumns;
pub(crate) use choices::Listed;
pub use command::verdict;
pub use settings::{AnswerType, JsonlConfig};
pub(crate) use solution::Solution;

use crate::error::Result;
use crate::external::data_source::DataSource;
use crate::task::dataset::{Dataset, Files, Portions, Store};
use crate::task::identity::Identity;
use crate::task::{ConfigError, Task, WorkedExample};
use crate::types::{Grade, Mode, Problem, ProblemId, Split, StopReason, Style};
use answer::Answers;
use regex::RegexSet;
use starloop_answers::steps;
use std::collections::HashSet;
use texts::{RowTexts, Texts, WrongHint};

/// The name of the kind.
const NAME: &str = "jsonl";

/// The task. See the module's page.
pub struct JsonlTask {
    dataset: Dataset<Texts>,
    worked: Vec<(Problem, Texts)>,
    answers: Answers,
    leaks: RegexSet,
    separator: String,
    prompt: String,
    stop: Vec<String>,
    /// The accuracy of guessing.
    chance: f64,
    files: Sources,
    left_out: u64,
}

/// The files that problems come from.
#[derive(Clone)]
struct Sources {
    train: DataSource,
    dev: Option<DataSource>,
    test: Option<DataSource>,
}

impl JsonlTask {
    /// The task with its problems. If an iteration gets a part of the problems, the seed selects it.
    ///
    /// # Errors
    /// A value is not allowed, or a file has wrong content.
    pub fn new(config: &JsonlConfig, seed: u64) -> Result<Self, ConfigError> {
        let task = JsonlTask::without_problems(config)?;
        let layout = RowTexts::new(config, &task.answers)?;
        let worked = layout.worked()?;
        let mut guessing = Guessing::default();
        let mut read = |key, source| layout.read(key, source, |problem| guessing.add(problem));
        let files = Files {
            train: read("train", &config.train)?,
            dev: config.dev.as_ref().map(|source| read("dev", source)).transpose()?,
            test: config.test.as_ref().map_or(Ok(Store::empty()), |source| read("test", source))?,
        };
        let chance = config.chance.unwrap_or_else(|| guessing.accuracy());
        let shown: Vec<Identity> = worked.iter().flat_map(|entry| [entry.identity, Identity::of_question(&entry.problem)]).collect();
        let dataset = Dataset::new(NAME, files, shown, portions(config), seed)?;
        let worked = worked.into_iter().map(|entry| (entry.problem, entry.rest)).collect();
        Ok(JsonlTask { dataset, worked, chance, ..task })
    }

    /// The task without its problems, to grade answers.
    ///
    /// # Errors
    /// A value is not allowed.
    pub fn without_problems(config: &JsonlConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let leaks = RegexSet::new(&config.leaks).map_err(|error| ConfigError { key: "leaks", reason: answer::brief(&error) })?;
        Ok(JsonlTask {
            dataset: Dataset::empty(portions(config)),
            worked: Vec::new(),
            answers: Answers::new(config)?,
            leaks,
            separator: config.separator.clone(),
            prompt: config.prompt.clone(),
            stop: config.stop.clone(),
            chance: config.chance.unwrap_or_default(),
            files: Sources { train: config.train.clone(), dev: config.dev.clone(), test: config.test.clone() },
            left_out: 0,
        })
    }
}

fn portions(config: &JsonlConfig) -> Portions {
    let JsonlConfig { dev_problems, problems_per_iteration, evaluation_problems, .. } = *config;
    Portions { dev_problems, problems_per_iteration, evaluation_problems }
}

/// Random choices.
#[derive(Default)]
struct Guessing {
    problems: usize,
    /// The problems that are right on average.
    right: f64,
}

impl Guessing {
    fn add(&mut self, problem: &Problem) {
        self.problems += 1;
        if !problem.choices.is_empty() {
            self.right += 1.0 / problem.choices.len() as f64;
        }
    }

    /// The accuracy over all problems; 0 for problems without choices.
    fn accuracy(&self) -> f64 {
        self.right / self.problems as f64
    }
}

impl Task for JsonlTask {
    fn name(&self) -> &'static str {
        NAME
    }

    fn source(&self, problem: &Problem) -> Option<String> {
        let place = self.dataset.place(problem)?;
        let of = |split: &str| problem.id.0.split('/').nth(1) == Some(split);
        let other = if of("dev") { self.files.dev.as_ref() } else { self.files.test.as_ref().filter(|_| of("test")) };
        Some(format!("{}, {place}", other.unwrap_or(&self.files.train)))
    }

    fn leave_out(&mut self, problems: &HashSet<ProblemId>) {
        self.left_out += self.dataset.leave_out(problems);
    }

    fn left_out(&self) -> u64 {
        self.left_out
    }

    fn prompt_template(&self) -> Option<&str> {
        Some(&self.prompt)
    }

    fn prepare(&self) -> Result<(), ConfigError> {
        let known = self.dataset.first();
        self.answers.start(known.as_ref().map(|(problem, texts)| (problem, texts.direct.as_str())))
    }

    fn identity(&self, problem: &Problem) -> Identity {
        self.dataset.identity(problem).unwrap_or_else(|| Identity::of_question(problem))
    }

    fn classes(&self, _: u32) -> Vec<String> {
        self.dataset.classes()
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
        match mode {
            Mode::Unhinted => problem.question.clone(),
            Mode::Hinted => {
                let Texts { hinted, wrong, .. } = self.texts(problem);
                wrong.filter(|wrong| wrong.answer == problem.answer).map_or(hinted, |wrong| wrong.hinted)
            }
        }
    }

    fn with_wrong_answer(&self, problem: &Problem) -> Option<Problem> {
        let WrongHint { answer, .. } = self.texts(problem).wrong?;
        Some(Problem { answer, ..problem.clone() })
    }

    /// The same for every problem, so that the prefix can be shared.
    fn worked_examples(&self, _: &Problem, mode: Mode, style: Style, count: usize) -> Vec<WorkedExample> {
        let example = |(problem, texts): &(Problem, Texts)| WorkedExample {
            prompt: match mode {
                Mode::Unhinted => problem.question.clone(),
                Mode::Hinted => texts.hinted.clone(),
            },
            completion: match style {
                Style::Rationale => texts.completion.clone().expect("a worked example has a rationale"),
                Style::Direct => texts.direct.clone(),
            },
        };
        self.worked.iter().take(count).map(example).collect()
    }

    fn separator(&self) -> &str {
        &self.separator
    }

    fn stop_strings(&self) -> Vec<String> {
        self.stop.clone()
    }

    fn verify(&self, problem: &Problem, completion: &str, stop_reason: &StopReason) -> Result<Grade> {
        self.answers.verify(problem, completion, stop_reason)
    }

    fn reference(&self, problem: &Problem) -> Option<String> {
        self.dataset.rest(problem)?.completion
    }

    fn direct_completion(&self, problem: &Problem) -> String {
        self.texts(problem).direct
    }

    fn chance(&self) -> f64 {
        self.chance
    }

    /// Calculator annotations such as `<<2+2=4>>` and plain equations such as `2 + 2 = 4` are checked.
    fn has_false_step(&self, _: &Problem, completion: &str) -> Option<bool> {
        steps::false_equation(completion)
    }

    fn checks_steps(&self) -> bool {
        true
    }

    fn leaks_hint(&self, completion: &str) -> bool {
        self.leaks.is_match(completion)
    }
}

impl JsonlTask {
    fn texts(&self, problem: &Problem) -> Texts {
        self.dataset.rest(problem).expect("a problem that the task posed itself")
    }
}

#[cfg(test)]
mod tests;
