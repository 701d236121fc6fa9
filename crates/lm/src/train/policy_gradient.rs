//! Group-relative policy optimization (GRPO: Shao et al. 2024, section 4.1; the recipe of DeepSeek-R1): samples with an advantage, the
//! clipped ratio of PPO, and a penalty for the divergence from an anchor model. With [`LengthNormalization::Constant`] it is Dr. GRPO (Liu et
//! al. 2025). The caller computes the advantages.

use super::{BatchSize, Document, Objective, Unit, UnitLoss};
use crate::error::InvalidSetting;
use serde::{Deserialize, Serialize};

/// A sample with its advantage over other samples of the same prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Rewarded {
    /// The prompt and the completion.
    pub document: Document,
    /// The advantage. Negative if the sample is worse than the others.
    pub advantage: f32,
    /// The log-probability of each target under the model that the samples come from.
    pub sampled: Vec<f32>,
    /// The log-probability of each target under the anchor model. Empty if [`PolicyGradient::kl`] is 0.
    pub anchor: Vec<f32>,
}

impl Unit for Rewarded {
    fn documents(&self) -> &[Document] {
        std::slice::from_ref(&self.document)
    }
}

/// The divisor of the sum over the targets of a sample. The sum is also divided by the number of samples in the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LengthNormalization {
    /// The number of targets of the sample (GRPO). A token of a long wrong answer then has a smaller weight than a token of a short one.
    Completion,
    /// [`PolicyGradient::max_new_tokens`], the same for all samples (Dr. GRPO).
    Constant,
    /// The mean number of targets of the samples in the batch (DAPO: Yu et al. 2025). Every target of the batch then has the same weight.
    Batch,
}

/// The mean over samples of a sum over targets: `-min(ratio * advantage, clip(ratio) * advantage) + kl * divergence`. The ratio is the
/// probability of the target under the model, divided by that under the sampling model. The divergence is `exp(d) - d - 1`, where `d` is the
/// log-probability under the anchor minus that under the model (Schulman's estimator of the Kullback-Leibler divergence, never negative).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PolicyGradient {
    /// The ratio is clipped to `1 - clip[0] ..= 1 + clip[1]`. `clip[0]` is at least 0 and less than 1; `clip[1]` is at least 0.
    pub clip: [f64; 2],
    /// The weight of the divergence from the anchor. 0 for no penalty.
    pub kl: f64,
    /// The divisor of the sum over the targets of a sample.
    pub length: LengthNormalization,
    /// The divisor of [`LengthNormalization::Constant`]. At least 1.
    pub max_new_tokens: usize,
}

impl PolicyGradient {
    /// Checks that `values` has one finite number for each of `targets` targets.
    fn check_logprobs(what: &str, values: &[f32], targets: usize) -> Result<(), String> {
        if values.len() != targets {
            return Err(format!(
                "{} log-probabilities under the {what} model, expected one for each of the {targets} targets",
                values.len()
            ));
        }
        match values.iter().find(|value| !value.is_finite()) {
            Some(value) => Err(format!("a log-probability under the {what} model is {value}, expected a finite number")),
            None => Ok(()),
        }
    }
}

impl Objective for PolicyGradient {
    type Unit = Rewarded;

    fn check(&self) -> Result<(), InvalidSetting> {
        let PolicyGradient { clip: [lower, upper], kl, length: _, max_new_tokens } = *self;
        let is_clip = (0.0..1.0).contains(&lower) && upper.is_finite() && upper >= 0.0;
        let expected = "a lower bound in 0..1, 1 excluded, and an upper bound of 0 or more";
        InvalidSetting::unless(is_clip, "clip", expected, self.clip)?;
        InvalidSetting::unless(kl.is_finite() && kl >= 0.0, "kl", "0 or more", kl)?;
        InvalidSetting::unless(max_new_tokens > 0, "max_new_tokens", "at least 1", max_new_tokens)
    }

    fn check_unit(&self, sample: &Rewarded) -> Result<(), String> {
        if !sample.advantage.is_finite() {
            return Err(format!("the advantage is {}, expected a finite number", sample.advantage));
        }
        let targets = sample.document.target_count();
        Self::check_logprobs("sampling", &sample.sampled, targets)?;
        if self.kl > 0.0 { Self::check_logprobs("anchor", &sample.anchor, targets) } else { Ok(()) }
    }

    fn unit_loss(&self, sample: &Rewarded, logprobs: &[f32], batch: BatchSize) -> UnitLoss {
        let share = match self.length {
            LengthNormalization::Completion => 1.0 / (batch.units * logprobs.len()) as f64,
            LengthNormalization::Constant => 1.0 / (batch.units * self.max_new_tokens) as f64,
            LengthNormalization::Batch => 1.0 / batch.targets as f64,
        };
        let advantage = f64::from(sample.advantage);
        let mut part = UnitLoss { loss: 0.0, logprob_grads: Vec::with_capacity(logprobs.len()) };
        for (at, logprob) in logprobs.iter().enumerate() {
            let logprob = f64::from(*logprob);
            let ratio = libm::exp(logprob - f64::from(sample.sampled[at]));
            let (unclipped, clipped) = (ratio * advantage, ratio.clamp(1.0 - self.clip[0], 1.0 + self.clip[1]) * advantage);
            // Where clipping is active, the loss is constant, so its derivative is 0.
            let mut grad = if unclipped <= clipped { -unclipped } else { 0.0 };
            let mut loss = -unclipped.min(clipped);
            if self.kl > 0.0 {
                let d = f64::from(sample.anchor[at]) - logprob;
                loss += self.kl * (libm::exp(d) - d - 1.0);
                grad += self.kl * (1.0 - libm::exp(d));
            }
            part.loss += share * loss;
            part.logprob_grads.push((share * grad) as f32);
        }
        part
    }
}
