//! Rejection-sampling fine-tuning (Yuan et al. 2023): a fine-tuned model samples many rationales of each problem, and the base is fine-tuned
//! on those that reach the answer by different paths.

use super::rounds::{self, EarlyStop};
use super::{Approach, Estimate, Method};
use crate::config::{Invalid, MethodConfig};
use crate::error::Result;
use crate::iterate::{Arm, Lesson, Start};
use crate::metrics::SelectionCounts;
use crate::task::Task;
use crate::training_set::{Round, Same, SelectionRules, TrainingSet};
use crate::types::{GradedAttempt, Problem};
use serde::{Deserialize, Serialize};

/// `kind = "rft"`. Iteration 1 makes the model that samples, iteration 2 learns from its samples. Samples of each problem are
/// `sampling.samples_per_problem` (paper: 100), drawn at `sampling.temperature` (paper: 0.7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rft {
    /// What the model that samples has learned.
    pub sampler: Sampler,
    /// Samples all the problems that so many iterations of STaR attempt.
    pub problems_of_iterations: u32,
    /// Different paths of one problem that are learned from; 0 for all (paper: all).
    pub max_per_problem: u32,
}

/// What the model that samples has learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampler {
    /// The rationales that came with the problems (paper); they are learned once more beside the samples.
    Rationales,
    /// What the base itself got right with worked examples in its prompt, where there are no known rationales.
    Samples,
}

impl Default for Rft {
    fn default() -> Self {
        Rft { sampler: Sampler::Rationales, problems_of_iterations: 1, max_per_problem: 0 }
    }
}

impl Method for Rft {
    fn approach(&self) -> Approach {
        Approach::RejectionSampling
    }

    fn check(&self, _: &MethodConfig) -> Result<(), Invalid> {
        rounds::at_least_one("problems_of_iterations", self.problems_of_iterations)
    }

    fn check_task(&self, task: &dyn Task) -> Result<()> {
        match self.sampler {
            Sampler::Rationales => TrainingSet::of_known_rationales(task, &self.problems(task)).map(drop),
            Sampler::Samples => Ok(()),
        }
    }

    fn estimate(&self, config: &MethodConfig, task: &dyn Task) -> Estimate {
        let samples = self.problems(task).len() as u64 * u64::from(config.sampling.samples_per_problem);
        let samples_of = |iteration| if iteration == 1 && self.sampler == Sampler::Rationales { 0 } else { samples };
        rounds::estimate(config, task, 2, samples_of)
    }

    fn run(&self, arm: &mut Arm<'_>) -> Result<()> {
        rounds::run(arm, 2, EarlyStop::Never, |arm, iteration| {
            let problems = self.problems(arm.task());
            if iteration == 1 && self.sampler == Sampler::Rationales {
                let training_set = TrainingSet::of_known_rationales(arm.task(), &problems)?;
                return Ok(Lesson { attempts: Vec::new(), training_set, selection: SelectionCounts::default(), start: Start::Base });
            }
            let attempts = arm.collect(iteration, &problems, rounds::latest(iteration), None)?;
            self.lesson(arm, iteration, problems, attempts)
        })
    }
}

impl Rft {
    fn problems(&self, task: &dyn Task) -> Vec<Problem> {
        rounds::pool(task, self.problems_of_iterations)
    }

    /// What the samples teach, and beside them what the model that drew them had learned.
    fn lesson(&self, arm: &mut Arm<'_>, iteration: u32, problems: Vec<Problem>, attempts: Vec<GradedAttempt>) -> Result<Lesson> {
        let mut rounds = vec![Round { problems, attempts }];
        if iteration == 2 && self.sampler == Sampler::Samples {
            rounds.push(Round { problems: rounds[0].problems.clone(), attempts: arm.earlier_attempts(1)? });
        }
        let rules = SelectionRules { max_per_problem: self.max_per_problem, same: Same::Path, ..SelectionRules::default() };
        let (mut training_set, selection) = rounds::select(arm, &rounds, rules)?;
        let Round { problems, attempts } = rounds.swap_remove(0);
        if self.sampler == Sampler::Rationales {
            training_set = training_set.and(TrainingSet::of_known_rationales(arm.task(), &problems)?);
        }
        Ok(Lesson { attempts, training_set, selection, start: Start::Base })
    }
}
