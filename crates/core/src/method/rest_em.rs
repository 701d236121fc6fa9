//! Expectation and maximization by self-training (Singh et al. 2024, "Beyond Human Data"): many samples of each problem from the latest
//! model, the right ones up to a limit, and from these a fine-tuning of the base. Expert iteration with a reward of 0 or 1.

use super::rounds::{self, EarlyStop, Learning};
use super::{Approach, Estimate, Method};
use crate::config::{Invalid, MethodSettings};
use crate::error::Result;
use crate::method_run::MethodRun;
use crate::selection::SelectionRules;
use crate::task::Task;
use serde::{Deserialize, Serialize};

/// `kind = "rest_em"`. Samples of each problem are `sampling.samples_per_problem` (paper: 32), drawn at `sampling.temperature`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RestEm {
    /// Rounds, at most.
    pub iterations: u32,
    /// Right samples of one problem that are learned from, so that easy problems do not drown hard ones; 0 for all (paper: 10).
    pub max_per_problem: u32,
    /// Stop when accuracy has not risen for so many evaluations; 0 for never. Not with the test split.
    pub patience: u32,
}

impl Default for RestEm {
    fn default() -> Self {
        RestEm { iterations: 1, max_per_problem: 10, patience: 0 }
    }
}

impl Method for RestEm {
    fn approach(&self) -> Approach {
        Approach::RestEm
    }

    fn check(&self, settings: &MethodSettings) -> Result<(), Invalid> {
        rounds::check(self.iterations, self.patience, settings)
    }

    fn estimate(&self, settings: &MethodSettings, task: &dyn Task) -> Estimate {
        rounds::estimate(settings, task, self.iterations, rounds::every_problem(settings, task, 1))
    }

    fn run(&self, run: &mut MethodRun<'_>) -> Result<()> {
        rounds::run(run, self.iterations, EarlyStop::after(self.patience), |run, iteration| {
            let problems = run.training_problems(iteration);
            let attempts = run.collect_and_record(iteration, &problems, rounds::latest(iteration), None)?;
            // Samples of a problem are drawn alike, so the first ones of those that are right are as good as any.
            let rules = SelectionRules { max_per_problem: self.max_per_problem, ..SelectionRules::default() };
            let learning = Learning { reset_to_base: true, accumulate: false, rules };
            rounds::learn(run, iteration, |task, iteration| task.training_problems(iteration), attempts, learning)
        })
    }
}
