//! What a token costs in a model, counted from its decoder's parameters.

use crate::config::TrainingConfig;
use crate::error::{EngineContext, Result};
use serde::Serialize;
use starloop_lm::arch::DecoderSpec;

/// A model's cost for each token. An operation is a multiplication or an addition, so that a weight costs two for each token.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Model {
    /// What its shape was read from.
    pub source: String,
    /// All weights.
    pub parameters: usize,
    /// Weights that training changes.
    pub trained: usize,
    /// Weights that every token is multiplied with, the output head's aside.
    layer_weights: usize,
    /// Weights of the output head.
    head_weights: usize,
    /// Operations of attention for each token and each token that it sees.
    attention_flops: f64,
    /// Bytes of a token's keys and values in 16 bits.
    pub cache_bytes_per_token: f64,
    /// Forward passes that a trained token costs: itself, its two gradients, and the activations again where they are recomputed.
    pub passes: f64,
    /// Bytes of a training pass's activations on one device, in 16 bits, logits in 32.
    pub training_activation_bytes: f64,
}

impl Model {
    /// Counts a decoder's weights.
    pub(super) fn new(source: &str, spec: &DecoderSpec, training: &TrainingConfig) -> Result<Self> {
        let weights = |at: usize| spec.parameters[at].len();
        let layer_weights =
            spec.layers.iter().flat_map(|layer| [layer.qkv, layer.output, layer.up, layer.down]).map(|linear| weights(linear.weight)).sum();
        let parameters = spec.parameter_count();
        let trained = match &training.lora {
            None => parameters,
            Some(lora) => spec.clone().adapted(lora).during("planning")?.parameter_count() - parameters,
        };
        // Frozen weights need no gradient of their own.
        let passes = if training.lora.is_some() { 2.0 } else { 3.0 } + f64::from(u8::from(training.recompute_activations));
        let tokens = training.micro_batch_tokens.max(training.sequence_length).min(training.batch_size * training.sequence_length) as f64;
        let layers = spec.layers.len() as f64;
        // Of a layer: its input, norms, queries, keys, values, attention's output, and the feed-forward's two sides.
        let of_a_layer = 2.0 * (6.0 * spec.hidden as f64 + 2.0 * spec.cache_width() as f64 + 2.0 * spec.up_width() as f64);
        let kept = if training.recompute_activations { 2.0 * spec.hidden as f64 * layers + of_a_layer } else { of_a_layer * layers };
        Ok(Model {
            source: source.to_owned(),
            parameters,
            trained,
            layer_weights,
            head_weights: weights(spec.head.weight),
            attention_flops: 4.0 * layers * (spec.heads.query * spec.heads.dim) as f64,
            cache_bytes_per_token: 2.0 * 2.0 * layers * spec.cache_width() as f64,
            passes,
            training_activation_bytes: tokens * (kept + 2.0 * 4.0 * spec.vocabulary as f64),
        })
    }

    /// Operations of one token that is given `context` tokens, logits included.
    pub fn forward_flops(&self, context: f64) -> f64 {
        2.0 * (self.layer_weights + self.head_weights) as f64 + self.attention_flops * context
    }

    /// Operations of one token of a prompt of `length` tokens, whose logits nobody asks for.
    pub fn prefill_flops(&self, length: f64) -> f64 {
        2.0 * self.layer_weights as f64 + self.attention_flops * length / 2.0
    }

    /// Operations of one token in training, in examples of `length` tokens.
    pub fn training_flops(&self, length: f64) -> f64 {
        self.passes * self.forward_flops(length / 2.0)
    }
}
