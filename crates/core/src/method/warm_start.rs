//! A plain fine-tuning before the part that gives a method its name.

use crate::config::{Invalid, TrainingConfig};
use crate::error::Result;
use crate::iterate::{Arm, Lesson, Start};
use crate::metrics::SelectionCounts;
use crate::objective::Adjusted;
use crate::training_set::{Round, SelectionRules, TrainingSet};
use serde::{Deserialize, Serialize};

/// `[methods.NAME.warm_start]`: iteration 1 is a plain fine-tuning of the base model with these settings, and all else as in `training`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WarmStart {
    /// Optimizer steps.
    pub steps: u64,
    /// Peak learning rate.
    pub learning_rate: f64,
}

/// What a warm start learns from the problems of iteration 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstLesson {
    /// The base model's own right answers, as the first iteration of STaR without rationalization does.
    Own,
    /// The rationales that came with the problems (the cold start of DeepSeek-R1).
    Known,
}

impl WarmStart {
    /// The lesson of iteration 1.
    pub(super) fn lesson(self, arm: &mut Arm<'_>, first: FirstLesson) -> Result<Lesson<Adjusted<TrainingSet>>> {
        let problems = arm.training_problems(1);
        let (material, selection, attempts) = match first {
            FirstLesson::Known => (TrainingSet::of_known_rationales(arm.task(), &problems)?, SelectionCounts::default(), Vec::new()),
            FirstLesson::Own => {
                let attempts = arm.collect(1, &problems, Start::Base, None)?;
                let round = [Round { problems, attempts }];
                let (material, selection) = TrainingSet::select(arm.task(), &round, SelectionRules::default())?;
                let [round] = round;
                (material, selection, round.attempts)
            }
        };
        let training_set = Adjusted { material, settings: self.settings(&arm.config().training) };
        Ok(Lesson { attempts, training_set, selection, start: Start::Base })
    }

    /// Checks the values; the key of an error is relative to `[methods.NAME]`.
    pub(super) fn check(self) -> Result<(), Invalid> {
        let invalid = |key: &str, message: &str| Err(Invalid { key: format!("warm_start.{key}"), message: message.into() });
        if self.steps == 0 {
            return invalid("steps", "must be at least 1");
        }
        if !self.learning_rate.is_finite() || self.learning_rate <= 0.0 {
            return invalid("learning_rate", "must be a number above 0");
        }
        Ok(())
    }

    fn settings(self, training: &TrainingConfig) -> TrainingConfig {
        TrainingConfig { steps: self.steps, learning_rate: self.learning_rate, ..training.clone() }
    }
}
