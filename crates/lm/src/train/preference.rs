//! Direct preference optimization (DPO, Rafailov et al. 2023). Self-play fine-tuning (SPIN, Chen et al. 2024) has the same loss. A unit is a
//! better and a worse completion of one prompt, with their log-probabilities under a reference model.

use super::{BatchSize, Document, Objective, Unit, UnitLoss};
use crate::error::InvalidSetting;

/// A better and a worse completion of the same prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// The better completion, then the worse one, each after the prompt.
    pub documents: [Document; 2],
    /// For each document, the summed log-probability of its targets under the reference model.
    pub reference: [f64; 2],
}

impl Unit for Pair {
    fn documents(&self) -> &[Document] {
        &self.documents
    }
}

/// The mean over the pairs of `-log sigmoid(beta * (gain(better) - gain(worse)))`. The gain of a completion is its summed log-probability
/// under the model minus that under the reference model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preference {
    /// How strongly the model is held to the reference model. A smaller value allows larger changes. Above 0 (`lambda` of SPIN).
    pub beta: f64,
}

impl Default for Preference {
    /// `beta` = 0.1, as in TRL.
    fn default() -> Self {
        Preference { beta: 0.1 }
    }
}

impl Objective for Preference {
    type Unit = Pair;

    fn check(&self) -> Result<(), InvalidSetting> {
        super::check_positive("beta", self.beta)
    }

    fn check_unit(&self, pair: &Pair) -> Result<(), String> {
        if pair.reference.iter().all(|sum| sum.is_finite()) {
            return Ok(());
        }
        Err(format!("the log-probabilities under the reference model are {:?}, expected finite numbers", pair.reference))
    }

    fn unit_loss(&self, pair: &Pair, logprobs: &[f32], batch: BatchSize) -> UnitLoss {
        let (better, worse) = logprobs.split_at(pair.documents[0].target_count());
        let gain = |logprobs: &[f32], reference: f64| logprobs.iter().map(|logprob| f64::from(*logprob)).sum::<f64>() - reference;
        let margin = self.beta * (gain(better, pair.reference[0]) - gain(worse, pair.reference[1]));
        let share = 1.0 / batch.units as f64;
        // log(1 + e^-m), without overflow where m is far below zero.
        let loss = (-margin).max(0.0) + libm::log1p(libm::exp(-margin.abs()));
        let grad = (self.beta * share / (1.0 + libm::exp(margin))) as f32;
        let logprob_grads = better.iter().map(|_| -grad).chain(worse.iter().map(|_| grad)).collect();
        UnitLoss { loss: loss * share, logprob_grads }
    }
}
