//! A plain fine-tuning before the part that gives a method its name.

use crate::config::{Invalid, TrainingConfig};
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

impl WarmStart {
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

    /// The settings of the fine-tuning.
    pub(super) fn settings(self, training: &TrainingConfig) -> TrainingConfig {
        TrainingConfig { steps: self.steps, learning_rate: self.learning_rate, ..training.clone() }
    }
}
