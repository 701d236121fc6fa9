//! Methods: what is done with a base model, a task and an engine. Each is one file here and one line in [`REGISTRY`].
//!
//! A method decides which problems are attempted and what is learned from; the stages themselves are [`crate::iterate`]'s and are shared.

use crate::config::{Invalid, MethodConfig, Section};
use crate::error::Result;
use crate::iterate::Arm;
use crate::task::{Style, Task};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

mod adastar;
mod approach;
mod b_star;
mod direct;
mod few_shot;
mod grpo;
mod partial_hints;
mod rest_em;
mod rft;
mod rounds;
mod spin;
mod star;
mod v_star;
mod warm_start;

pub use adastar::AdaStar;
pub use approach::Approach;
pub use b_star::BStar;
pub use direct::{Direct, Learn};
pub use few_shot::FewShot;
pub use grpo::Grpo;
pub use partial_hints::PartialHints;
pub use rest_em::RestEm;
pub use rft::Rft;
pub use spin::Spin;
pub use star::Star;
pub use v_star::{VStar, Verifier};
pub use warm_start::{FirstLesson, WarmStart};

/// A way to make use of a base model, with its settings.
pub trait Method: Debug + Send + Sync {
    /// What it does, in the terms of the paper's comparison.
    fn approach(&self) -> Approach;

    /// What the worked examples show when its model is measured.
    fn style(&self) -> Style {
        Style::Rationale
    }

    /// Checks the settings against each other; the key of an error is relative to `[methods.NAME]`.
    ///
    /// # Errors
    /// The first value that cannot be.
    fn check(&self, config: &MethodConfig) -> Result<(), Invalid>;

    /// Whether it lets a model go on in the middle of a completion, which cannot be where a chat template ends the user's turn.
    fn continues_completions(&self) -> bool {
        false
    }

    /// Checks, before any work is done, that the task has what the method needs.
    ///
    /// # Errors
    /// What is missing.
    fn check_task(&self, _task: &dyn Task) -> Result<()> {
        Ok(())
    }

    /// What it needs beyond samples and learning from examples, which only the embedded engine has.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// The plain fine-tuning that is its iteration 1, if it begins with one.
    fn warm_start(&self) -> Option<WarmStart> {
        None
    }

    /// What the method will do, at most.
    fn estimate(&self, config: &MethodConfig, task: &dyn Task) -> Estimate;

    /// Does it, stage by stage. Stages whose results are in the run directory are not done again.
    ///
    /// # Errors
    /// Whatever stopped a stage.
    fn run(&self, arm: &mut Arm<'_>) -> Result<()>;
}

/// What a method needs that servers and programs of the user's have not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// A trainer that learns from something else than examples, such as `preferences`.
    pub objective: Option<&'static str>,
    /// A policy that tells how likely a given text is.
    pub scores: bool,
}

/// What a method will do, at most; for `--dry-run`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// Outer iterations.
    pub iterations: u32,
    /// Completions sampled while collecting, rationalizations included (as if every problem needed one).
    pub attempts: u64,
    /// Completions sampled while evaluating, the base's included.
    pub evaluations: u64,
    /// Optimizer steps.
    pub steps: u64,
    /// Tokens that go through the model in training, as if every packed sequence were full.
    pub trained_tokens: u64,
}

/// A kind of method that configs can name.
pub struct Kind {
    /// The value of `kind`.
    pub kind: &'static str,
    /// Reads the keys of `[methods.NAME]` that are the method's own. Returns the method, and its settings with their defaults.
    pub read: Read,
}

/// Reads a method from its section.
pub type Read = fn(Section<'_>) -> Result<(Box<dyn Method>, toml::Table)>;

/// All kinds of methods: the paper's first, then its relatives in the order of docs/methods.md.
pub const REGISTRY: &[Kind] = &[
    Kind { kind: "few_shot", read: read::<FewShot> },
    Kind { kind: "direct", read: read::<Direct> },
    Kind { kind: "star", read: read::<Star> },
    Kind { kind: "partial_hints", read: read::<PartialHints> },
    Kind { kind: "rft", read: read::<Rft> },
    Kind { kind: "rest_em", read: read::<RestEm> },
    Kind { kind: "adastar", read: read::<AdaStar> },
    Kind { kind: "b_star", read: read::<BStar> },
    Kind { kind: "v_star", read: read::<VStar> },
    Kind { kind: "spin", read: read::<Spin> },
    Kind { kind: "grpo", read: read::<Grpo> },
];

fn read<M: Method + Serialize + DeserializeOwned + 'static>(section: Section<'_>) -> Result<(Box<dyn Method>, toml::Table)> {
    let method: M = section.read()?;
    // Settings are plain structs of numbers and booleans, which TOML can always hold.
    let settings = toml::Table::try_from(&method).unwrap_or_default();
    Ok((Box::new(method), settings))
}

/// What a method will do, at most, its final figure included.
pub(crate) fn estimate(config: &MethodConfig, task: &dyn Task) -> Estimate {
    let mut estimate = config.method.estimate(config, task);
    if let Some(split) = config.evaluation.final_split {
        estimate.evaluations += task.evaluation_problems(split, estimate.iterations).len() as u64;
    }
    estimate
}

/// What training and evaluating cost in a method that fine-tunes once in each of `iterations`.
fn estimate_training(config: &MethodConfig, task: &dyn Task, iterations: u32) -> Estimate {
    let mut estimate = Estimate { iterations, evaluations: evaluations(config, task, 0), ..Estimate::default() };
    for iteration in 1..=iterations {
        let steps = config.training.steps_in(iteration);
        estimate.steps += steps;
        estimate.trained_tokens += steps * (config.training.batch_size * config.training.sequence_length) as u64;
        if iteration == iterations || iteration % config.evaluation.every == 0 {
            estimate.evaluations += evaluations(config, task, iteration);
        }
    }
    estimate
}

/// Completions that measure the model of an iteration.
fn evaluations(config: &MethodConfig, task: &dyn Task, iteration: u32) -> u64 {
    task.evaluation_problems(config.evaluation.split, iteration).len() as u64
}
