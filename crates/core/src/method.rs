//! Methods. A method decides which problems are attempted and which attempts are learned. It is one file here and one line in
//! [`crate::registry`].
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
mod self_training;
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
pub use self_training::SelfTraining;
pub use spin::Spin;
pub use star::Star;
pub use starloop_record::approach::Approach;
pub use starloop_record::info::Estimate;
pub use v_star::{VStar, VerifierTraining};
pub use warm_start::{FirstLesson, WarmStart};

/// A way to use a base model, with its settings.
pub trait Method: Debug + Send + Sync {
    /// Its approach, in the terms of the paper's comparison. Reports put the paper's figures for this approach beside the method's. A method
    /// from outside this project is [`Approach::Other`], which the paper has no figures for.
    fn approach(&self) -> Approach {
        Approach::Other
    }

    /// The style of the worked examples when its model is measured.
    fn style(&self) -> Style {
        Style::Rationale
    }

    /// Checks the settings against each other; the key of an error is relative to `[methods.NAME]`.
    ///
    /// # Errors
    /// The first value that is not allowed.
    fn check(&self, settings: &MethodSettings) -> Result<(), Invalid>;

    /// Returns true if a greater number of `iterations` only adds iterations after the last, and changes none before it.
    fn can_go_on(&self) -> bool {
        true
    }

    /// Returns true if a prompt may end in the middle of a completion. A chat template does not support that, because it ends the user's turn.
    fn continues_completions(&self) -> bool {
        false
    }

    /// Checks, before any work is done, that the task has what the method needs.
    ///
    /// # Errors
    /// The task lacks something.
    fn check_task(&self, _task: &dyn Task) -> Result<()> {
        Ok(())
    }

    /// The features that it needs beyond sampling and learning from examples. Only the embedded engine has them.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// The plain fine-tuning that is its iteration 1, if it begins with one.
    fn warm_start(&self) -> Option<WarmStart> {
        None
    }

    /// The method that it is the control of, by its name in the config. It reads the record of that method, which must be run before it.
    fn controls(&self) -> Option<&str> {
        None
    }

    /// The most work that the method will do.
    fn estimate(&self, settings: &MethodSettings, task: &dyn Task) -> Estimate;

    /// Runs the stages of the method. Stages whose results are in the run directory are not done again.
    ///
    /// # Errors
    /// The error that stopped a stage.
    fn run(&self, run: &mut MethodRun<'_>) -> Result<()>;
}

/// Features that a method needs and that servers and trainer programs lack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// A trainer that learns from other data than examples, such as `preferences`.
    pub objective: Option<&'static str>,
    /// A policy that can score text.
    pub scores: bool,
}

/// The most work that a method will do, its final figure included.
pub(crate) fn estimate(method: &dyn Method, settings: &MethodSettings, task: &dyn Task) -> Estimate {
    let mut estimate = method.estimate(settings, task);
    if let Some(split) = settings.evaluation.final_split {
        estimate.evaluations += settings.evaluation.count(task, split, estimate.iterations) as u64;
    }
    estimate.capped()
}

/// The cost of training and evaluation in a method that fine-tunes once in each of `iterations`.
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
    settings.evaluation.count(task, settings.evaluation.split, iteration) as u64
}

/// The settings of the fine-tuning in an iteration. A warm start has its own.
pub(crate) fn training_in(method: &dyn Method, settings: &MethodSettings, iteration: u32) -> TrainingConfig {
    let first = method.warm_start().filter(|_| iteration == 1);
    first.map_or_else(|| settings.training.clone(), |warm_start| warm_start.settings(&settings.training))
}
