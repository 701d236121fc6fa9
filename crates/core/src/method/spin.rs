//! Self-play fine-tuning (SPIN: Chen et al. 2024): in each round the model learns to prefer the known rationales to what it wrote itself at the
//! end of the round before. No new problems, no answers graded.

use super::warm_start::NothingToLearn;
use super::{Approach, Estimate, FirstLesson, Method, WarmStart, rounds, warm_start};
use crate::config::{Invalid, MethodSettings};
use crate::error::Result;
use crate::method_run::{MethodRun, TrainingPlan};
use crate::metrics::SelectionCounts;
use crate::selection::{Round, TrainingData, known_against_own};
use crate::task::Task;
use serde::{Deserialize, Serialize};
use starloop_lm::train::{Objective, Preference};

/// `kind = "spin"`. Every problem must have a known rationale; all rounds learn from the problems of iteration 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Spin {
    /// Outer iterations, at most, the warm start included.
    pub iterations: u32,
    /// How strongly a round's model is held to the one before (SPIN's lambda, 0.1 in its first rounds and 5 in its last).
    pub beta: f64,
    /// A fine-tuning on the known rationales first, as iteration 1: self-play begins with a model that has had that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_start: Option<WarmStart>,
}

impl Default for Spin {
    fn default() -> Self {
        Spin { iterations: 1, beta: 0.1, warm_start: None }
    }
}

impl Method for Spin {
    fn approach(&self) -> Approach {
        Approach::Spin
    }

    fn check(&self, _: &MethodSettings) -> Result<(), Invalid> {
        Preference { beta: self.beta }.check()?;
        warm_start::check(self.iterations, self.warm_start)
    }

    fn needs(&self) -> super::Needs {
        super::Needs { objective: Some("preferences"), scores: false }
    }

    fn check_task(&self, task: &dyn Task) -> Result<()> {
        TrainingData::of_known_rationales(task, &task.training_problems(1)).map(drop)
    }

    fn warm_start(&self) -> Option<WarmStart> {
        self.warm_start
    }

    fn estimate(&self, settings: &MethodSettings, task: &dyn Task) -> Estimate {
        let samples = rounds::every_problem(settings, task, 1)(1);
        let unsampled = u32::from(self.warm_start.is_some());
        rounds::estimate(settings, task, self.iterations, |iteration| if iteration > unsampled { samples } else { 0 })
    }

    fn run(&self, run: &mut MethodRun<'_>) -> Result<()> {
        let first = self.warm_start.map(|warm_start| (warm_start, FirstLesson::Known));
        let all_known = |found: &SelectionCounts| {
            (found.pairs == 0).then(|| "the model writes the known rationales itself and self-play ends here".to_owned())
        };
        warm_start::run(run, self.iterations, first, |run, iteration| self.plan(run, iteration), NothingToLearn::Ends(all_known))
    }
}

impl Spin {
    fn plan(&self, run: &mut MethodRun<'_>, iteration: u32) -> Result<TrainingPlan> {
        let opponent = rounds::latest(iteration);
        let problems = run.training_problems(1);
        let attempts = run.collect_and_record(iteration, &problems, opponent, None)?;
        let round = Round { iteration, problems, attempts };
        let selection = known_against_own(run.task(), &round, self.beta)?;
        Ok(run.plan(iteration, round.attempts, selection, opponent))
    }
}
