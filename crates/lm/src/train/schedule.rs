//! The learning rate over the steps of a training.

use crate::error::InvalidSetting;
use serde::{Deserialize, Serialize};

/// How the learning rate decays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// It stays at the peak.
    Constant,
    /// It falls linearly.
    Linear,
    /// It falls along half a cosine wave.
    Cosine,
}

/// The learning rate of each step: a linear warm-up, a constant part, then the decay to a fraction of the peak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LearningRate {
    /// The peak. Above 0.
    pub learning_rate: f64,
    /// Steps until the peak is reached. 0 for no warm-up.
    pub warmup_steps: u64,
    /// All steps of the training. At least 1.
    pub steps: u64,
    /// The form of the decay.
    pub schedule: Schedule,
    /// The fraction of all steps after which the decay begins, 0 to 1.
    pub decay_start: f64,
    /// The fraction of the peak that is reached at the last step, 0 to 1.
    pub final_fraction: f64,
}

impl LearningRate {
    /// The same learning rate at every step.
    pub const fn constant(learning_rate: f64) -> Self {
        LearningRate { learning_rate, warmup_steps: 0, steps: 1, schedule: Schedule::Constant, decay_start: 0.0, final_fraction: 0.0 }
    }

    /// Checks every value. [`TrainingSession::new`](super::TrainingSession::new) does so first.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        let LearningRate { learning_rate, warmup_steps: _, steps, schedule: _, decay_start, final_fraction } = self;
        super::check_positive("learning_rate", *learning_rate)?;
        InvalidSetting::unless(*steps > 0, "steps", "at least 1", steps)?;
        InvalidSetting::unless((0.0..=1.0).contains(decay_start), "decay_start", "in 0..1", decay_start)?;
        InvalidSetting::unless((0.0..=1.0).contains(final_fraction), "final_fraction", "in 0..1", final_fraction)
    }

    /// The learning rate of step `step`, counted from 1.
    pub fn at(&self, step: u64) -> f64 {
        if step <= self.warmup_steps {
            return self.learning_rate * step as f64 / self.warmup_steps as f64;
        }
        let start = self.decay_start * self.steps as f64;
        let progress = ((step as f64 - start) / (self.steps as f64 - start).max(1.0)).clamp(0.0, 1.0);
        let fallen = match self.schedule {
            Schedule::Constant => 0.0,
            Schedule::Linear => progress,
            Schedule::Cosine => 0.5 - 0.5 * libm::cos(std::f64::consts::PI * progress),
        };
        self.learning_rate * (1.0 - fallen * (1.0 - self.final_fraction))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warms_up_stays_and_decays() {
        let linear = LearningRate {
            learning_rate: 2.0,
            warmup_steps: 10,
            steps: 100,
            schedule: Schedule::Linear,
            decay_start: 0.5,
            final_fraction: 0.05,
        };
        for (step, expected) in [(1, 0.2), (10, 2.0), (50, 2.0), (75, 1.05), (100, 0.1), (200, 0.1)] {
            assert!((linear.at(step) - expected).abs() < 1e-12, "step {step}");
        }
        let cosine = LearningRate { schedule: Schedule::Cosine, decay_start: 0.0, final_fraction: 0.0, ..linear };
        assert!((cosine.at(50) - 1.0).abs() < 1e-12);
        let constant = LearningRate { schedule: Schedule::Constant, ..linear };
        assert!((constant.at(100) - 2.0).abs() < 1e-12);
    }
}
