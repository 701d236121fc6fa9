//! The self-taught reasoner (paper, section 3 and algorithm 1): attempt, rationalize the failures, keep what is right, fine-tune, repeat.

use super::rounds::{self, EarlyStop, Learning};
use super::{Approach, Estimate, Method};
use crate::config::{Invalid, MethodSettings};
use crate::error::Result;
use crate::method_run::MethodRun;
use crate::selection::SelectionRules;
use crate::task::Task;
use crate::types::ModelRef;
use serde::{Deserialize, Serialize};

/// `kind = "star"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Star {
    /// Outer iterations, at most.
    pub iterations: u32,
    /// Ask again, with the answer as a hint, where every unaided attempt failed.
    pub rationalize: bool,
    /// The model that is shown the hint. In the paper, it is the model that failed; the base model has never been taught to do without hints.
    pub rationalizer: Rationalizer,
    /// Fine-tune the base model each time (the paper's choice); otherwise go on from the latest model.
    pub reset_to_base: bool,
    /// Train on what was kept in all iterations so far; otherwise on this iteration's alone (the paper's choice).
    pub accumulate: bool,
    /// Stop when accuracy has not risen for so many evaluations; 0 for never. Not with the test split.
    pub patience: u32,
    /// Examples of one problem that are trained on; 0 for no limit.
    pub max_per_problem: u32,
}

/// A model that rationalizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Rationalizer {
    /// The model whose attempts failed (the paper's choice).
    Current,
    /// The base model, with worked examples in its prompt.
    Base,
}

impl Default for Star {
    fn default() -> Self {
        Star {
            iterations: 1,
            rationalize: true,
            rationalizer: Rationalizer::Current,
            reset_to_base: true,
            accumulate: false,
            patience: 0,
            max_per_problem: 0,
        }
    }
}

impl Method for Star {
    fn approach(&self) -> Approach {
        if self.rationalize { Approach::StarRationalized } else { Approach::Star }
    }

    fn check(&self, settings: &MethodSettings) -> Result<(), Invalid> {
        rounds::check(self.iterations, self.patience, settings)
    }

    fn estimate(&self, settings: &MethodSettings, task: &dyn Task) -> Estimate {
        let modes = rounds::modes(self.rationalize, settings);
        rounds::estimate(settings, task, self.iterations, rounds::every_problem(settings, task, modes))
    }

    fn run(&self, run: &mut MethodRun<'_>) -> Result<()> {
        rounds::run(run, self.iterations, EarlyStop::after(self.patience), |run, iteration| {
            let current = rounds::latest(iteration);
            let problems = run.training_problems(iteration);
            let rationalizer = self.rationalize.then_some(self.rationalizer.model(current));
            let attempts = run.collect_and_record(iteration, &problems, current, rationalizer)?;
            let rules = SelectionRules { max_per_problem: self.max_per_problem, ..SelectionRules::default() };
            let learning = Learning { reset_to_base: self.reset_to_base, accumulate: self.accumulate, rules };
            rounds::learn(run, iteration, |task, iteration| task.training_problems(iteration), attempts, learning)
        })
    }
}

impl Rationalizer {
    /// The model to ask, where `current` is the one whose attempts failed.
    pub(super) fn model(self, current: ModelRef) -> ModelRef {
        match self {
            Rationalizer::Current => current,
            Rationalizer::Base => ModelRef::Base,
        }
    }
}
