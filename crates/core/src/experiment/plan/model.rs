//! The cost of a token in a model, computed from its decoder's parameters.

use super::memory::adapted;
use crate::config::TrainingConfig;
use crate::error::Result;
use serde::Serialize;
use starloop_lm::decoder::{CacheDtype, DecoderSpec, Flops};

/// A model's cost for each token. An operation is a multiplication or an addition, so that a weight costs two for each token.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelCost {
    /// The source of its shape.
    pub source: String,
    /// All weights.
    pub parameters: usize,
    /// Weights that training changes.
    pub trained: usize,
    /// Operations of the blocks for one token.
    block_flops: Flops,
    /// Operations of the output head for one token.
    head_flops: Flops,
    /// Bytes of a token's keys and values in 16 bits.
    pub cache_bytes_per_token: f64,
    /// Forward passes that a trained token costs: itself, its two gradients, and the activations again where they are recomputed.
    pub passes: f64,
    /// Bytes of a training pass's activations on one device, in 16 bits, logits in 32.
    pub training_activation_bytes: f64,
}

impl ModelCost {
    /// Counts a decoder's weights.
    pub(super) fn new(source: &str, spec: &DecoderSpec, training: &TrainingConfig) -> Result<Self> {
        let parameters = spec.parameter_count();
        let trained = match &training.lora {
            None => parameters,
            Some(lora) => adapted(spec, lora)?.parameter_count() - parameters,
        };
        // Frozen weights need no gradient.
        let passes = if training.lora.is_some() { 2.0 } else { 3.0 } + f64::from(u8::from(training.recompute_activations));
        let tokens = training.micro_batch_tokens.max(training.sequence_length).min(training.batch_size * training.sequence_length) as f64;
        let kept = 2.0 * spec.usual_training_values(training.recompute_activations) as f64;
        Ok(ModelCost {
            source: source.to_owned(),
            parameters,
            trained,
            block_flops: spec.block_flops(),
            head_flops: spec.head_flops(),
            cache_bytes_per_token: (spec.cached_values() * CacheDtype::F16.width()) as f64,
            passes,
            training_activation_bytes: tokens * (kept + 2.0 * 4.0 * spec.vocabulary as f64),
        })
    }

    /// Operations of one token that is given `context` tokens, logits included.
    pub fn forward_flops(&self, context: f64) -> f64 {
        (self.block_flops + self.head_flops).total(context)
    }

    /// Operations of one token of a prompt of `length` tokens, whose logits nobody asks for.
    pub fn prefill_flops(&self, length: f64) -> f64 {
        self.block_flops.total(length / 2.0)
    }

    /// Operations of one token in training, in examples of `length` tokens.
    pub fn training_flops(&self, length: f64) -> f64 {
        self.passes * self.forward_flops(length / 2.0)
    }
}
