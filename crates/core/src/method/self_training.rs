//! Self-training, the control of a method that learns right answers: the model learns its own samples, whatever their verdict. The number of
//! examples and of steps is that of the controlled method.
//!
//! The difference between the controlled method and this one is what the known answers taught. The difference between this one and the few-shot
//! base is what the form of the model's own text taught: how to end, and how to state an answer without worked examples in the prompt.

use super::rounds::{self, EarlyStop, Learning};
use super::{Approach, Estimate, Method};
use crate::config::{Invalid, MethodSettings};
use crate::error::{Error, Result};
use crate::method_run::{MethodRun, TrainingPlan};
use crate::selection::{self, SelectionRules};
use crate::task::Task;
use serde::{Deserialize, Serialize};

/// `kind = "self_training"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SelfTraining {
    /// The method that it is the control of, by its name in the config. That method must be named in `run` before this one.
    pub controls: String,
    /// Outer iterations, at most; never more than the controlled method had.
    pub iterations: u32,
    /// Fine-tune the base model each time; otherwise go on from the latest model. As in the controlled method.
    pub reset_to_base: bool,
    /// Draw from the samples of all iterations so far; otherwise from this iteration's alone. As in the controlled method.
    pub accumulate: bool,
}

impl Default for SelfTraining {
    fn default() -> Self {
        SelfTraining { controls: "star".to_owned(), iterations: 1, reset_to_base: true, accumulate: false }
    }
}

impl Method for SelfTraining {
    fn approach(&self) -> Approach {
        Approach::SelfTraining
    }

    fn check(&self, _: &MethodSettings) -> Result<(), Invalid> {
        rounds::in_range("iterations", self.iterations)
    }

    fn controls(&self) -> Option<&str> {
        Some(&self.controls)
    }

    fn estimate(&self, settings: &MethodSettings, task: &dyn Task) -> Estimate {
        let samples = rounds::every_problem(settings, task, 1);
        // Those of iteration 1 are the controlled method's.
        rounds::estimate(settings, task, self.iterations, |iteration| if iteration == 1 { 0 } else { samples(iteration) })
    }

    fn run(&self, run: &mut MethodRun<'_>) -> Result<()> {
        let iterations = self.iterations.min(run.trained_iterations(&self.controls)?);
        if iterations == 0 {
            return Err(Error::NothingToControl { controls: self.controls.clone() });
        }
        rounds::run(run, iterations, EarlyStop::Never, |run, iteration| self.plan(run, iteration))
    }
}

impl SelfTraining {
    /// As many of the samples as the controlled method learned in this iteration.
    fn plan(&self, run: &mut MethodRun<'_>, iteration: u32) -> Result<TrainingPlan> {
        let problems = run.training_problems(iteration);
        // Both methods begin with the same model, problems and settings.
        let attempts = match iteration {
            1 => run.share_attempts(&self.controls, 1)?,
            _ => run.collect_and_record(iteration, &problems, rounds::latest(iteration), None)?,
        };
        let (wanted, read) = run.examples_of(&self.controls, iteration)?;
        let learning = Learning {
            reset_to_base: self.reset_to_base,
            accumulate: self.accumulate,
            rules: SelectionRules { few_shot: rounds::few_shot_in_training(run), ..SelectionRules::default() },
        };
        let seed = run.drawing_seed(iteration);
        let of_iteration = |task: &dyn Task, iteration| task.training_problems(iteration);
        let plan = rounds::learn_selected(run, iteration, of_iteration, attempts, learning, |run, rounds, rules| {
            selection::drawn(run.task(), rounds, wanted, seed, rules.few_shot)
        })?;
        let learned = plan.selection.data.rows().len();
        if learned < wanted {
            run.warn(&format!(
                "iteration {iteration}: {} learned {wanted} examples, and only {learned} samples are complete",
                self.controls
            ))?;
        }
        Ok(TrainingPlan { read, ..plan })
    }
}
