//! `[training]`: how a model is fine-tuned.

use super::strict::Source;
use super::{check, is_default};
use crate::error::Result;
use serde::{Deserialize, Serialize};
use starloop_lm::lora::LoraConfig;
use starloop_lm::train::{Hyperparameters, LearningRate, Schedule};

/// `[training]`: one fine-tuning, and how its length grows with the iterations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Optimizer steps in iteration 1 (paper: 40; arithmetic with rationalization: 300).
    pub steps: u64,
    /// Factor on the steps from one iteration to the next (paper: 1.2).
    pub step_growth: f64,
    /// Steps added from one iteration to the next, instead of a factor (paper, arithmetic with rationalization: 20).
    pub step_increment: u64,
    /// No iteration has more steps than this (paper, GSM8K: 7912).
    pub max_steps: Option<u64>,
    /// Packed sequences in a step (paper: 8).
    pub batch_size: usize,
    /// Tokens in a packed sequence (paper: 1024).
    pub sequence_length: usize,
    /// Leave out examples that are longer than `sequence_length`, count them and warn; otherwise they are an error. None is ever cut.
    #[serde(skip_serializing_if = "is_default")]
    pub drop_too_long: bool,
    /// Tokens that go through the model at once; what a step has more is accumulated. Changes memory and speed, and results only by rounding.
    pub micro_batch_tokens: usize,
    /// Compute activations again on the way back instead of keeping them: less memory, a third more work, the same results.
    #[serde(skip_serializing_if = "is_default")]
    pub recompute_activations: bool,
    /// `[training.lora]`: train low-rank adapters and freeze the model, which then stays in 16 bits where it is stored so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lora: Option<LoraConfig>,
    /// Peak learning rate of `AdamW` (paper: 1e-6, searched in 1e-7..1e-4).
    pub learning_rate: f64,
    /// Decay of the running means of gradient and squared gradient.
    pub betas: [f64; 2],
    /// Added to the root of the mean squared gradient.
    pub epsilon: f64,
    /// Decoupled weight decay (paper: 0).
    pub weight_decay: f64,
    /// The norm that gradients are clipped to (paper: 1).
    pub max_grad_norm: f64,
    /// Steps in which the learning rate rises from 0 (paper: 100).
    pub warmup_steps: u64,
    /// How it falls afterwards (paper: constant).
    pub schedule: Schedule,
    /// The fraction of all steps after which a linear or cosine schedule begins to fall.
    pub decay_start: f64,
    /// The fraction of the peak at which it ends.
    pub final_fraction: f64,
    /// Keep the worked examples in front of the training prompts (an ablation of the paper; the default trains on the bare prompt).
    pub train_with_few_shot: bool,
    /// Steps between two saved states, from which an interrupted fine-tuning is resumed; 0 for none.
    pub checkpoint_every: u64,
    /// Checkpoints that are kept of each method, counted from the last iteration; 0 for all.
    pub keep_checkpoints: u32,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        TrainingConfig {
            steps: 40,
            step_growth: 1.0,
            step_increment: 0,
            max_steps: None,
            batch_size: 8,
            sequence_length: 1024,
            drop_too_long: false,
            micro_batch_tokens: 4096,
            recompute_activations: false,
            lora: None,
            learning_rate: 1e-6,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 0.0,
            max_grad_norm: 1.0,
            warmup_steps: 100,
            schedule: Schedule::Constant,
            decay_start: 0.0,
            final_fraction: 0.0,
            train_with_few_shot: false,
            checkpoint_every: 0,
            keep_checkpoints: 0,
        }
    }
}

impl TrainingConfig {
    /// The defaults with overrides of the form `steps=100`, for a training outside of an experiment.
    ///
    /// # Errors
    /// An override of an unknown key, or a value that is not allowed.
    pub fn from_overrides(overrides: &[String]) -> Result<Self> {
        let (source, table) = Source::read("the overrides", "", overrides)?;
        let config = source.section("", table).read()?;
        check::training("training", &config).map_err(|invalid| source.invalid(invalid))?;
        Ok(config)
    }

    /// Optimizer steps in `iteration` (from 1): `steps * step_growth^(iteration-1) + step_increment * (iteration-1)`, rounded, at most
    /// `max_steps` (paper, section 4.1 and appendix).
    pub fn steps_in(&self, iteration: u32) -> u64 {
        let earlier = iteration.saturating_sub(1);
        let grown = self.steps as f64 * self.step_growth.powi(i32::try_from(earlier).unwrap_or(i32::MAX));
        let steps = (grown.round() as u64).saturating_add(self.step_increment.saturating_mul(u64::from(earlier)));
        self.max_steps.map_or(steps, |most| steps.min(most))
    }

    /// The learning rate over a training of `steps` steps.
    pub fn learning_rate(&self, steps: u64) -> LearningRate {
        let TrainingConfig { learning_rate, warmup_steps, schedule, decay_start, final_fraction, .. } = *self;
        LearningRate { learning_rate, warmup_steps, steps, schedule, decay_start, final_fraction }
    }

    /// The settings of a training of `steps` steps, with the seed of what the adapters drop.
    pub fn hyperparameters(&self, steps: u64, dropout_seed: u64) -> Hyperparameters {
        let TrainingConfig { betas, epsilon, weight_decay, max_grad_norm, micro_batch_tokens, recompute_activations, .. } = *self;
        let learning_rate = self.learning_rate(steps);
        Hyperparameters {
            learning_rate,
            betas,
            epsilon,
            weight_decay,
            max_grad_norm,
            micro_batch_tokens,
            recompute_activations,
            dropout_seed,
        }
    }
}
