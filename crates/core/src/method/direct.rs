//! Direct fine-tuning: the answers alone, without rationales (the paper's second baseline).

use super::{Estimate, Method, estimate_training};
use crate::config::{Invalid, MethodConfig};
use crate::error::Result;
use crate::iterate::{Arm, Lesson, Start};
use crate::metrics::SelectionCounts;
use crate::task::Task;
use crate::training_set::TrainingSet;
use serde::{Deserialize, Serialize};

/// `kind = "direct"`. One fine-tuning of `training.steps` steps, as iteration 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Direct {
    /// Trains on all the problems that so many iterations of STaR attempt.
    pub problems_of_iterations: u32,
}

impl Default for Direct {
    fn default() -> Self {
        Direct { problems_of_iterations: 1 }
    }
}

impl Method for Direct {
    fn check(&self, _: &MethodConfig) -> Result<(), Invalid> {
        if self.problems_of_iterations == 0 {
            return Err(Invalid { key: "problems_of_iterations".into(), message: "must be at least 1".into() });
        }
        Ok(())
    }

    fn estimate(&self, config: &MethodConfig, task: &dyn Task) -> Estimate {
        estimate_training(config, task, 1)
    }

    fn run(&self, arm: &mut Arm<'_>) -> Result<()> {
        arm.measure_base()?;
        let last = true;
        arm.iterate(1, last, |arm| {
            let problems: Vec<_> = (1..=self.problems_of_iterations).flat_map(|iteration| arm.training_problems(iteration)).collect();
            let training_set = TrainingSet::of_known_answers(arm.task(), &problems);
            Ok(Lesson { attempts: Vec::new(), training_set, selection: SelectionCounts::default(), start: Start::Base })
        })?;
        Ok(())
    }
}
