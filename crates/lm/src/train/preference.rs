//! Direct preference optimization (Rafailov et al. 2023), which is also the loss of self-play fine-tuning (SPIN, Chen et al. 2024): a better
//! and a worse completion of one prompt, and a reference model that the better one's lead is measured from.

use super::{BatchSize, Document, Objective, Unit, Weighed};

/// A better and a worse completion of the same prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// The better one, then the worse.
    pub documents: [Document; 2],
    /// The sum of the log-probabilities of each one's targets under the reference model.
    pub reference: [f64; 2],
}

impl Unit for Pair {
    fn documents(&self) -> &[Document] {
        &self.documents
    }
}

/// The mean over the pairs of `-log sigmoid(beta * lead)`; the lead is how much more the model than the reference favours the better
/// completion, in log-probability summed over its targets, less the same of the worse one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preference {
    /// How strongly the model is held to the reference: the smaller, the farther it goes (`lambda` of SPIN).
    pub beta: f64,
}

impl Objective for Preference {
    type Unit = Pair;

    fn weigh(&self, pair: &Pair, logprobs: &[f32], batch: BatchSize) -> Weighed {
        let (better, worse) = logprobs.split_at(pair.documents[0].target_count());
        let gain = |logprobs: &[f32], reference: f64| logprobs.iter().map(|logprob| f64::from(*logprob)).sum::<f64>() - reference;
        let margin = self.beta * (gain(better, pair.reference[0]) - gain(worse, pair.reference[1]));
        let share = 1.0 / batch.units as f64;
        // log(1 + e^-m), without overflow where m is far below zero.
        let loss = (-margin).max(0.0) + libm::log1p(libm::exp(-margin.abs()));
        let slope = (self.beta * share / (1.0 + libm::exp(margin))) as f32;
        let slopes = better.iter().map(|_| -slope).chain(worse.iter().map(|_| slope)).collect();
        Weighed { loss: loss * share, slopes }
    }
}
