//! Fine-tuning on what is known, without sampling: the answers alone (the paper's direct fine-tuning), or the rationales that came with the
//! problems, such as GSM8K's human solutions.

use super::{Approach, Estimate, Method, estimate_training};
use crate::config::{Invalid, MethodConfig};
use crate::error::Result;
use crate::iterate::{Arm, Lesson, Start};
use crate::metrics::SelectionCounts;
use crate::task::{Style, Task};
use crate::training_set::TrainingSet;
use crate::types::Problem;
use serde::{Deserialize, Serialize};

/// `kind = "direct"`. One fine-tuning of `training.steps` steps, as iteration 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Direct {
    /// What is learned of each problem.
    pub learn: Learn,
    /// Trains on all the problems that so many iterations of STaR attempt.
    pub problems_of_iterations: u32,
}

/// What is known of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

    fn check(&self, _: &MethodConfig) -> Result<(), Invalid> {
        if self.problems_of_iterations == 0 {
            return Err(Invalid { key: "problems_of_iterations".into(), message: "must be at least 1".into() });
        }
        Ok(())
    }

    fn check_task(&self, task: &dyn Task) -> Result<()> {
        self.training_set(task).map(drop)
    }

    fn estimate(&self, config: &MethodConfig, task: &dyn Task) -> Estimate {
        estimate_training(config, task, 1)
    }

    fn run(&self, arm: &mut Arm<'_>) -> Result<()> {
        arm.measure_base(Style::Rationale)?;
        let last = true;
        arm.iterate(1, last, |arm| {
            let training_set = self.training_set(arm.task())?;
            Ok(Lesson { attempts: Vec::new(), training_set, selection: SelectionCounts::default(), start: Start::Base })
        })?;
        Ok(())
    }
}

impl Direct {
    fn training_set(&self, task: &dyn Task) -> Result<TrainingSet> {
        let problems: Vec<Problem> = (1..=self.problems_of_iterations).flat_map(|iteration| task.training_problems(iteration)).collect();
        match self.learn {
            Learn::Answers => Ok(TrainingSet::of_known_answers(task, &problems)),
            Learn::Rationales => TrainingSet::of_known_rationales(task, &problems),
        }
    }
}
