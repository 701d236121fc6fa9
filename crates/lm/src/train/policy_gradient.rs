//! Group-relative policy optimization (GRPO: Shao et al. 2024, section 4.1; the recipe of DeepSeek-R1): samples with an advantage, the
//! clipped ratio of PPO, and a penalty on straying from another model. Where its length normalization is `Constant` it is that of Dr. GRPO
//! (Liu et al. 2025). Where the advantages come from is the caller's business.

use super::{BatchSize, Document, Objective, Unit, Weighed};
use serde::{Deserialize, Serialize};

/// A sample and how much better it was than others of the same prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Rewarded {
    /// Its prompt and completion.
    pub document: Document,
    /// How much better it was; negative for worse.
    pub advantage: f32,
    /// The log-probability of each target under the model that the samples come from.
    pub sampled: Vec<f32>,
    /// The same under the model that the penalty holds to; empty where there is no penalty.
    pub anchor: Vec<f32>,
}

impl Unit for Rewarded {
    fn documents(&self) -> &[Document] {
        std::slice::from_ref(&self.document)
    }
}

/// What the sum over a sample's targets is divided by, apart from the number of samples in the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LengthNormalization {
    /// The sample's own targets (GRPO): a token of a long wrong answer is punished less than a token of a short one.
    Completion,
    /// [`PolicyGradient::max_new_tokens`], the same for all samples (Dr. GRPO).
    Constant,
    /// The mean number of targets of the batch's samples (DAPO: Yu et al. 2025): every target of the batch has the same weight.
    Batch,
}

/// The mean over samples of a sum over targets: `-min(ratio * advantage, clip(ratio) * advantage) + kl * divergence`. The ratio is of the
/// target's probability to that under the sampling model, the divergence `exp(d) - d - 1` with `d` the anchor's log-probability less the
/// model's (Schulman's estimator of the Kullback-Leibler divergence, never negative).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PolicyGradient {
    /// The ratio is clipped to `1 - clip[0] ..= 1 + clip[1]`.
    pub clip: [f64; 2],
    /// The weight of the divergence from the anchor; 0 for no penalty.
    pub kl: f64,
    /// What the sum over a sample's targets is divided by.
    pub length: LengthNormalization,
    /// The divisor of [`LengthNormalization::Constant`].
    pub max_new_tokens: usize,
}

impl Objective for PolicyGradient {
    type Unit = Rewarded;

    fn weigh(&self, sample: &Rewarded, logprobs: &[f32], batch: BatchSize) -> Weighed {
        let share = match self.length {
            LengthNormalization::Completion => 1.0 / (batch.units * logprobs.len()) as f64,
            LengthNormalization::Constant => 1.0 / (batch.units * self.max_new_tokens) as f64,
            LengthNormalization::Batch => 1.0 / batch.targets as f64,
        };
        let advantage = f64::from(sample.advantage);
        let mut weighed = Weighed { loss: 0.0, slopes: Vec::with_capacity(logprobs.len()) };
        for (at, logprob) in logprobs.iter().enumerate() {
            let logprob = f64::from(*logprob);
            let ratio = libm::exp(logprob - f64::from(sample.sampled[at]));
            let (free, clipped) = (ratio * advantage, ratio.clamp(1.0 - self.clip[0], 1.0 + self.clip[1]) * advantage);
            // Where the ratio is past its bound in the direction that the advantage drives it, nothing drives it on.
            let mut slope = if free <= clipped { -free } else { 0.0 };
            let mut loss = -free.min(clipped);
            if self.kl > 0.0 {
                let d = f64::from(sample.anchor[at]) - logprob;
                loss += self.kl * (libm::exp(d) - d - 1.0);
                slope += self.kl * (1.0 - libm::exp(d));
            }
            weighed.loss += share * loss;
            weighed.slopes.push((share * slope) as f32);
        }
        weighed
    }
}
