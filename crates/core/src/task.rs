//! A task: where problems come from, how they are put, and when an answer is right.

pub mod arithmetic;

use crate::types::{FinishReason, Mode, Problem, Verdict};

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

/// A solved problem as it is shown in a few-shot prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkedExample {
    /// The problem as [`Task::prompt`] puts it, with the hint where the mode asks for it.
    pub prompt: String,
    /// Rationale and answer.
    pub completion: String,
}

/// A kind of problem with known answers. Text in, text out: a task knows no model and no tokens.
pub trait Task: Send + Sync {
    /// The name that configs and `starloop verify --task` use.
    fn name(&self) -> &'static str;

    /// The classes in which accuracy is reported at this iteration, in the order of display.
    fn classes(&self, iteration: u32) -> Vec<String>;

    /// The problems that iteration `iteration` (from 1) attempts, all of [`Split::Train`]. Deterministic.
    fn training_problems(&self, iteration: u32) -> Vec<Problem>;

    /// The problems that measure accuracy after iteration `iteration` (0 is the base). Deterministic.
    fn evaluation_problems(&self, split: Split, iteration: u32) -> Vec<Problem>;

    /// The problem's own part of the prompt. Only [`Mode::Hinted`] shows the answer.
    fn prompt(&self, problem: &Problem, mode: Mode) -> String;

    /// Up to `count` solved problems to put before this one, none of them held out.
    fn worked_examples(&self, problem: &Problem, mode: Mode, count: usize) -> Vec<WorkedExample>;

    /// What stands between a worked example and the next prompt.
    fn separator(&self) -> &'static str;

    /// The strings that end a completion besides the model's end token.
    fn stop_strings(&self) -> Vec<String>;

    /// Reads the final answer of a completion and compares it with the known one.
    fn verify(&self, answer: &str, completion: &str, finish: FinishReason) -> Verdict;

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
}
