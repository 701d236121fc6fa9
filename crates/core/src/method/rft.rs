//! Rejection-sampling fine-tuning (Yuan et al. 2023): a fine-tuned model samples many rationales of each problem, and the base is fine-tuned
//! on those that reach the answer by different paths.

use super::rounds::{self, EarlyStop};
use super::{Approach, Estimate, Method};
use crate::config::{Invalid, MethodSettings};
use crate::error::Result;
use crate::method_run::{MethodRun, TrainingPlan};
use crate::selection::{Round, Same, Selection, SelectionRules, TrainingData};
use crate::task::Task;
use crate::types::{ModelRef, Problem};
use serde::{Deserialize, Serialize};

/// `kind = "rft"`. Iteration 1 makes the model that samples, iteration 2 learns from its samples. Samples of each problem are
/// `sampling.samples_per_problem` (paper: 100), drawn at `sampling.temperature` (paper: 0.7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Rft {
    /// The training data of the model that samples.
    pub sampler: RftSampler,
    /// Samples all the problems that so many iterations of STaR attempt.
    pub problems_of_iterations: u32,
    /// Different paths of one problem that are learned from; 0 for all (paper: all).
    pub max_per_problem: u32,
}

/// The training data of the model that samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RftSampler {
    /// The rationales that came with the problems (paper); they are learned once more beside the samples.
    Rationales,
    /// The base's own right answers with worked examples in its prompt, if there are no known rationales.
    Samples,
}

impl Default for Rft {
    fn default() -> Self {
        Rft { sampler: RftSampler::Rationales, problems_of_iterations: 1, max_per_problem: 0 }
    }
}

impl Method for Rft {
    fn approach(&self) -> Approach {
        Approach::RejectionSampling
    }

    fn check(&self, _: &MethodSettings) -> Result<(), Invalid> {
        rounds::in_range("problems_of_iterations", self.problems_of_iterations)
    }

    fn check_task(&self, task: &dyn Task) -> Result<()> {
        match self.sampler {
            RftSampler::Rationales => {
                let problems = rounds::pool(task, rounds::drawn_in_a_moment(task, self.problems_of_iterations));
                TrainingData::of_known_rationales(task, &problems).map(drop)
            }
            RftSampler::Samples => Ok(()),
        }
    }

    fn estimate(&self, settings: &MethodSettings, task: &dyn Task) -> Estimate {
        let problems = rounds::pool_count(task, self.problems_of_iterations);
        let samples = problems.saturating_mul(u64::from(settings.sampling.samples_per_problem));
        let samples_of = |iteration| if iteration == 1 && self.sampler == RftSampler::Rationales { 0 } else { samples };
        rounds::estimate(settings, task, 2, samples_of)
    }

    fn run(&self, run: &mut MethodRun<'_>) -> Result<()> {
        rounds::run(run, 2, EarlyStop::Never, |run, iteration| {
            let problems = self.problems(run.task());
            if iteration == 1 && self.sampler == RftSampler::Rationales {
                let selection = Selection::without_attempts(TrainingData::of_known_rationales(run.task(), &problems)?);
                return Ok(run.plan(iteration, Vec::new(), selection, ModelRef::Base));
            }
            let attempts = run.collect_and_record(iteration, &problems, rounds::latest(iteration), None)?;
            self.plan(run, Round { iteration, problems, attempts })
        })
    }
}

impl Rft {
    fn problems(&self, task: &dyn Task) -> Vec<Problem> {
        rounds::pool(task, self.problems_of_iterations)
    }

    /// The samples, followed by what the model that drew them was trained on.
    fn plan(&self, run: &MethodRun<'_>, round: Round) -> Result<TrainingPlan> {
        let iteration = round.iteration;
        let mut rounds = vec![round];
        let mut earlier = Vec::new();
        if iteration == 2 && self.sampler == RftSampler::Samples {
            rounds.push(Round { iteration: 1, problems: rounds[0].problems.clone(), attempts: run.earlier_attempts(1)? });
            earlier.push(1);
        }
        let rules = SelectionRules { max_per_problem: self.max_per_problem, same: Same::Path, ..SelectionRules::default() };
        let mut selection = rounds::select(run, &rounds, rules)?;
        let Round { problems, attempts, .. } = rounds.swap_remove(0);
        if self.sampler == RftSampler::Rationales {
            selection.data = selection.data.and(TrainingData::of_known_rationales(run.task(), &problems)?);
        }
        Ok(TrainingPlan { earlier, ..run.plan(iteration, attempts, selection, ModelRef::Base) })
    }
}
