//! The learning rate over the steps of a training.

use serde::{Deserialize, Serialize};

/// How the learning rate falls after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// It stays at the peak.
    Constant,
    /// It falls on a straight line.
    Linear,
    /// It falls on half a cosine wave.
    Cosine,
}

/// The learning rate of each step: a linear warm-up, a level stretch, then the decay to a fraction of the peak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LearningRate {
    /// The peak.
    pub learning_rate: f64,
    /// Steps until the peak is reached.
    pub warmup_steps: u64,
    /// All steps of the training.
    pub steps: u64,
    /// The form of the decay.
    pub schedule: Schedule,
    /// The fraction of all steps after which the decay begins.
    pub decay_start: f64,
    /// The fraction of the peak that is reached at the last step.
    pub final_fraction: f64,
}

impl LearningRate {
    /// The learning rate of update `step`, from 1.
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
