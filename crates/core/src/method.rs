//! Methods: each decides which problems are attempted and what is learned. Each is one file here and one line in [`crate::registry`].
//!
//! The stages themselves belong to [`crate::method_run`] and are shared.

use crate::config::{Invalid, MethodSettings, TrainingConfig};
use crate::error::Result;
use crate::method_run::MethodRun;
use crate::task::Task;
use crate::types::Style;
use std::fmt::Debug;

mod adastar;
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
pub use b_star::BStar;
pub use direct::{Direct, Learn};
pub use few_shot::FewShot;
pub use grpo::Grpo;
pub use partial_hints::PartialHints;
pub use rest_em::RestEm;
pub use rft::Rft;
pub use spin::Spin;
pub use star::Star;
pub use starloop_record::approach::Approach;
pub use starloop_record::info::Estimate;
pub use v_star::{VStar, Verifier};
pub use warm_start::{FirstLesson, WarmStart};

/// A way to make use of a base model, with its settings.
pub trait Method: Debug + Send + Sync {
    /// What it does, in the terms of the paper's comparison. A method from outside this project is [`Approach::Other`].
    fn approach(&self) -> Approach;

    /// The words that tables and pages show.
    fn label(&self) -> String {
        self.approach().title().to_owned()
    }

    /// What the worked examples show when its model is measured.
    fn style(&self) -> Style {
        Style::Rationale
    }

    /// Checks the settings against each other; the key of an error is relative to `[methods.NAME]`.
    ///
    /// # Errors
    /// The first value that cannot be.
    fn check(&self, settings: &MethodSettings) -> Result<(), Invalid>;

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
    fn estimate(&self, settings: &MethodSettings, task: &dyn Task) -> Estimate;

    /// Does it, stage by stage. Stages whose results are in the run directory are not done again.
    ///
    /// # Errors
    /// Whatever stopped a stage.
    fn run(&self, run: &mut MethodRun<'_>) -> Result<()>;
}

/// What a method needs that servers and programs of the user's have not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// A trainer that learns from something else than examples, such as `preferences`.
    pub objective: Option<&'static str>,
    /// A policy that tells how likely a given text is.
    pub scores: bool,
}

/// What a method will do, at most, its final figure included.
pub(crate) fn estimate(method: &dyn Method, settings: &MethodSettings, task: &dyn Task) -> Estimate {
    let mut estimate = method.estimate(settings, task);
    if let Some(split) = settings.evaluation.final_split {
        estimate.evaluations += task.evaluation_problems(split, estimate.iterations).len() as u64;
    }
    estimate.capped()
}

/// What training and evaluating cost in a method that fine-tunes once in each of `iterations`.
fn estimate_training(settings: &MethodSettings, task: &dyn Task, iterations: u32) -> Estimate {
    let mut estimate = Estimate { iterations, evaluations: evaluations(settings, task, 0), ..Estimate::default() };
    for iteration in 1..=iterations {
        let steps = settings.training.steps_in(iteration);
        // Steps that grow by a factor soon reach any number.
        let tokens = (settings.training.batch_size * settings.training.sequence_length) as u64;
        estimate.steps = estimate.steps.saturating_add(steps);
        estimate.trained_tokens = estimate.trained_tokens.saturating_add(steps.saturating_mul(tokens));
        if iteration == iterations || iteration % settings.evaluation.every == 0 {
            estimate.evaluations += evaluations(settings, task, iteration);
        }
    }
    estimate
}

/// Completions that measure the model of an iteration.
fn evaluations(settings: &MethodSettings, task: &dyn Task, iteration: u32) -> u64 {
    task.evaluation_problems(settings.evaluation.split, iteration).len() as u64
}

/// Fine-tuning as it is in an iteration: a warm start has settings of its own.
pub(crate) fn training_in(method: &dyn Method, settings: &MethodSettings, iteration: u32) -> TrainingConfig {
    let first = method.warm_start().filter(|_| iteration == 1);
    first.map_or_else(|| settings.training.clone(), |warm_start| warm_start.settings(&settings.training))
}
