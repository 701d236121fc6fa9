//! A task: where problems come from, how they are put, and when an answer is right.

pub mod arithmetic;
mod choice;
pub mod commonsense_qa;
mod dataset;
pub mod gsm8k;
pub mod jsonl;
pub(crate) mod leak;
pub(crate) mod number;
mod prompts;
pub(crate) mod rows;

use crate::config::Section;
use crate::error::Result;
use crate::types::{Grade, Mode, Problem, StopReason};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// Which problems: those that are learned from, those that choose settings, those that give the final figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Problems that may be trained on.
    Train,
    /// Held out, for choices made while developing.
    Dev,
    /// Held out, for the final figure only.
    Test,
}

impl Split {
    /// The name that problem ids and configs use.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Dev => "dev",
            Split::Test => "test",
        }
    }
}

/// A setting of a task that cannot be, or a file that it names and that does not hold what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct ConfigError {
    /// The key, relative to the config that was checked.
    pub key: &'static str,
    /// What is wrong with its value.
    pub reason: String,
}

impl ConfigError {
    fn check(holds: bool, key: &'static str, reason: impl FnOnce() -> String) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(ConfigError { key, reason: reason() }) }
    }
}

/// The settings of a task, as `[task]` gives them.
pub trait Settings: std::fmt::Debug + Send + Sync {
    /// The task of a run with this seed, its files read.
    ///
    /// # Errors
    /// A value that cannot be, or a file that does not hold what it should.
    fn build(&self, seed: u64) -> Result<Box<dyn Task>, ConfigError>;

    /// The files that [`Settings::build`] reads.
    fn files(&self) -> Vec<&Path> {
        Vec::new()
    }

    /// The task without its problems: it grades answers, and needs no files for it.
    ///
    /// # Errors
    /// A value that cannot be.
    fn grader(&self) -> Result<Box<dyn Task>, ConfigError>;
}

/// A kind of task that configs can name.
pub struct Kind {
    /// The value of `kind`.
    pub kind: &'static str,
    /// Reads the other keys. Returns the settings, and all of them with their defaults.
    pub read: Read,
}

/// Reads a task's settings from its section.
pub type Read = fn(Section<'_>) -> Result<(Box<dyn Settings>, toml::Table)>;

/// All kinds of tasks.
pub const REGISTRY: &[Kind] = &[
    Kind { kind: "arithmetic", read: read::<arithmetic::ArithmeticConfig> },
    Kind { kind: "commonsense_qa", read: read::<commonsense_qa::CommonsenseQaConfig> },
    Kind { kind: "gsm8k", read: read::<gsm8k::Gsm8kConfig> },
    Kind { kind: "jsonl", read: read::<jsonl::JsonlConfig> },
];

fn read<S: Settings + Serialize + DeserializeOwned + 'static>(section: Section<'_>) -> Result<(Box<dyn Settings>, toml::Table)> {
    let settings: S = section.read()?;
    // Settings are plain structs of texts, numbers and lists, which TOML can always hold.
    let table = toml::Table::try_from(&settings).unwrap_or_default();
    Ok((Box::new(settings), table))
}

/// What the completion of a worked example shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// A rationale and the answer.
    Rationale,
    /// The answer alone (the paper's direct prompting).
    Direct,
}

/// A solved problem as it is shown in a few-shot prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkedExample {
    /// The problem as [`Task::prompt`] puts it, with the hint where the mode asks for it.
    pub prompt: String,
    /// Rationale and answer, or the answer alone.
    pub completion: String,
}

/// A kind of problem with known answers. Text in, text out: a task knows no model and no tokens.
pub trait Task: Send + Sync {
    /// The name that configs and `starloop verify --task` use.
    fn name(&self) -> &'static str;

    /// Makes ready what grading needs outside of this process: the user's own verifier is started. Until then no program of the user's runs,
    /// so that a run directory from elsewhere can be read without trusting it.
    ///
    /// # Errors
    /// It cannot be had, with the key relative to `[task]`.
    fn prepare(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    /// The classes in which accuracy is reported at this iteration, in the order of display.
    fn classes(&self, iteration: u32) -> Vec<String>;

    /// The problems that iteration `iteration` (from 1) attempts, all of [`Split::Train`]. Deterministic.
    fn training_problems(&self, iteration: u32) -> Vec<Problem>;

    /// The problems that measure accuracy after iteration `iteration` (0 is the base). Deterministic.
    fn evaluation_problems(&self, split: Split, iteration: u32) -> Vec<Problem>;

    /// The problem's own part of the prompt. Only [`Mode::Hinted`] shows the answer.
    fn prompt(&self, problem: &Problem, mode: Mode) -> String;

    /// Up to `count` solved problems to put before this one, none of them held out.
    fn worked_examples(&self, problem: &Problem, mode: Mode, style: Style, count: usize) -> Vec<WorkedExample>;

    /// What stands between a worked example and the next prompt.
    fn separator(&self) -> &str;

    /// The strings that end a completion besides the model's end token.
    fn stop_strings(&self) -> Vec<String>;

    /// Reads the final answer of a completion and compares it with the known one. Of the problem, only answer, choices and id are looked at.
    ///
    /// # Errors
    /// The problem's known answer cannot be an answer, or the user's own verifier cannot be had.
    fn verify(&self, problem: &Problem, completion: &str, stop_reason: &StopReason) -> Result<Grade>;

    /// The known rationale and answer, where the task has one.
    fn reference(&self, problem: &Problem) -> Option<String>;

    /// The completion that gives the answer alone, for direct fine-tuning.
    fn direct_completion(&self, problem: &Problem) -> String;

    /// The accuracy of guessing, in 0..=1; a base model that is no better cannot bootstrap.
    fn chance(&self) -> f64 {
        0.0
    }

    /// Whether a completion shows that it was given the answer, so that it must not be learned from.
    fn leaks_hint(&self, completion: &str) -> bool;

    /// The way that a completion takes, such that two that only word it differently take the same one (Yuan et al. 2023). By default the
    /// text without regard to blanks and capitals.
    fn reasoning_path(&self, completion: &str) -> String {
        leak::words(completion).collect::<Vec<_>>().join(" ")
    }

    /// The problem's own part of a prompt whose hint shows the given share of the answer, in 0..=1; `None` where a part of an answer cannot
    /// be shown.
    fn partly_hinted_prompt(&self, _problem: &Problem, _share: f64) -> Option<String> {
        None
    }

    /// Whether a rationale that reached the right answer has a step that is seen to be false, so that it must not be learned from.
    fn has_false_step(&self, _completion: &str) -> bool {
        false
    }
}
