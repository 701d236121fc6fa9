//! The learning rate over the steps of a training.

/// How the learning rate falls after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decay {
    /// Not at all.
    Constant,
    /// In a straight line.
    Linear,
    /// Along half a cosine.
    Cosine,
}

/// Linear warm-up, a level stretch, then decay to a share of the peak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// The peak.
    pub learning_rate: f64,
    /// Steps until the peak is reached.
    pub warmup_steps: u64,
    /// All steps of the training.
    pub steps: u64,
    /// The decay's form.
    pub decay: Decay,
    /// The share of all steps after which decay begins.
    pub decay_start: f64,
    /// The share of the peak that is reached at the last step.
    pub final_share: f64,
}

impl Schedule {
    /// The learning rate of update `step`, from 1.
    pub fn learning_rate(&self, step: u64) -> f64 {
        if step <= self.warmup_steps {
            return self.learning_rate * step as f64 / self.warmup_steps as f64;
        }
        let start = self.decay_start * self.steps as f64;
        let progress = ((step as f64 - start) / (self.steps as f64 - start).max(1.0)).clamp(0.0, 1.0);
        let fallen = match self.decay {
            Decay::Constant => 0.0,
            Decay::Linear => progress,
            Decay::Cosine => 0.5 - 0.5 * libm::cos(std::f64::consts::PI * progress),
        };
        self.learning_rate * (1.0 - fallen * (1.0 - self.final_share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warms_up_stays_and_decays() {
        let schedule =
            Schedule { learning_rate: 2.0, warmup_steps: 10, steps: 100, decay: Decay::Linear, decay_start: 0.5, final_share: 0.05 };
        for (step, expected) in [(1, 0.2), (10, 2.0), (50, 2.0), (75, 1.05), (100, 0.1), (200, 0.1)] {
            assert!((schedule.learning_rate(step) - expected).abs() < 1e-12, "step {step}");
        }
        let cosine = Schedule { decay: Decay::Cosine, decay_start: 0.0, final_share: 0.0, ..schedule };
        assert!((cosine.learning_rate(50) - 1.0).abs() < 1e-12);
        let constant = Schedule { decay: Decay::Constant, ..schedule };
        assert!((constant.learning_rate(100) - 2.0).abs() < 1e-12);
    }
}
