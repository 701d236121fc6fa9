//! Fine-tuning on what is known, without sampling: the answers alone (the paper's direct fine-tuning), or the rationales that came with the
//! problems, such as GSM8K's human solutions.

use super::{Approach, Estimate, Method, estimate_training, rounds};
use crate::config::{Invalid, MethodSettings};
use crate::error::Result;
use crate::method_run::MethodRun;
use crate::selection::{Selection, TrainingData};
use crate::task::Task;
use crate::types::{ModelRef, Problem, Style};
use serde::{Deserialize, Serialize};

/// `kind = "direct"`. One fine-tuning of `training.steps` steps, as iteration 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Direct {
    /// The completion that is learned for each problem.
    pub learn: Learn,
    /// Trains on all the problems that so many iterations of STaR attempt.
    pub problems_of_iterations: u32,
}

/// The known part of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Learn {
    /// The answer alone (the paper's).
    Answers,
    /// The task's rationale with its answer; every problem must have one.
    Rationales,
}

impl Default for Direct {
    fn default() -> Self {
        Direct { learn: Learn::Answers, problems_of_iterations: 1 }
    }
}

impl Method for Direct {
    fn approach(&self) -> Approach {
        match self.learn {
            Learn::Answers => Approach::Direct,
            Learn::Rationales => Approach::Rationales,
        }
    }

    fn style(&self) -> Style {
        match self.learn {
            Learn::Answers => Style::Direct,
            Learn::Rationales => Style::Rationale,
        }
    }

    fn check(&self, _: &MethodSettings) -> Result<(), Invalid> {
        rounds::in_range("problems_of_iterations", self.problems_of_iterations)
    }

    fn check_task(&self, task: &dyn Task) -> Result<()> {
        let iterations = rounds::drawn_in_a_moment(task, self.problems_of_iterations);
        Direct { problems_of_iterations: iterations, ..self.clone() }.data(task).map(drop)
    }

    fn estimate(&self, settings: &MethodSettings, task: &dyn Task) -> Estimate {
        estimate_training(settings, task, 1)
    }

    fn run(&self, run: &mut MethodRun<'_>) -> Result<()> {
        run.measure_base(Style::Rationale)?;
        let last = true;
        run.iterate(1, last, |run| {
            let selection = Selection::without_attempts(self.data(run.task())?);
            Ok(run.plan(1, Vec::new(), selection, ModelRef::Base))
        })?;
        Ok(())
    }
}

impl Direct {
    fn data(&self, task: &dyn Task) -> Result<TrainingData> {
        let problems: Vec<Problem> = (1..=self.problems_of_iterations).flat_map(|iteration| task.training_problems(iteration)).collect();
        match self.learn {
            Learn::Answers => Ok(TrainingData::of_known_answers(task, &problems)),
            Learn::Rationales => TrainingData::of_known_rationales(task, &problems),
        }
    }
}
