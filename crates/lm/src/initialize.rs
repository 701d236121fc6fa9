//! Models with random weights, to train from scratch.

use crate::arch::DecoderSpec;
use crate::error::{InvalidSetting, Result};
use crate::files::checkpoint::Checkpoint;
use crate::weights::{Role, Values};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// How random weights are scaled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Initialization {
    /// Standard deviation of the embedding.
    pub embedding_std: f64,
    /// The weights of a linear layer have the standard deviation `linear_gain / sqrt(inputs)`. The weights of layers that write to the residual
    /// stream are also divided by `sqrt(2 * layers)` (Radford et al. 2019).
    pub linear_gain: f64,
}

impl Initialization {
    /// Checks every value. [`initialize`] does so first.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        for (key, value) in [("embedding_std", self.embedding_std), ("linear_gain", self.linear_gain)] {
            let single = value as f32;
            InvalidSetting::unless(single.is_finite() && single >= 0.0, key, "0 or more", value)?;
        }
        Ok(())
    }
}

/// A checkpoint with random weights for a config.json. `companions` are the files of its tokenizer. The same seed gives the same bytes.
///
/// # Errors
/// [`Initialization::check`] fails, or the config is not supported.
pub fn initialize(config: Value, companions: BTreeMap<String, Vec<u8>>, scale: Initialization, seed: u64) -> Result<Checkpoint> {
    scale.check()?;
    let spec = DecoderSpec::from_config(&config, Path::new("config.json"))?;
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let parameters = (0..spec.parameters.len()).map(|at| Values::Full(values(&spec, at, scale, &mut generator))).collect();
    Ok(Checkpoint { config, spec, companions, parameters })
}

fn values(spec: &DecoderSpec, at: usize, scale: Initialization, generator: &mut ChaCha8Rng) -> Vec<f32> {
    let parameter = &spec.parameters[at];
    let linear = scale.linear_gain as f32 / (parameter.columns as f32).sqrt();
    let std = match parameter.role {
        Role::Norm => return vec![1.0; parameter.len()],
        Role::Bias => return vec![0.0; parameter.len()],
        Role::Embedding => scale.embedding_std as f32,
        Role::Linear | Role::Adapter => linear,
        Role::Residual => linear / (2.0 * spec.blocks.len() as f32).sqrt(),
    };
    (0..parameter.len()).map(|_| std * normal(generator)).collect()
}

/// A standard normal number (Box and Muller 1958), the same on every platform.
fn normal(generator: &mut ChaCha8Rng) -> f32 {
    let (u, v): (f64, f64) = (1.0 - generator.random::<f64>(), generator.random());
    (libm::sqrt(-2.0 * libm::log(u)) * libm::cos(std::f64::consts::TAU * v)) as f32
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::decoder::{FeedForward, Mixer};

    #[test]
    fn weights_have_the_asked_scale_and_repeat() {
        let config = serde_json::json!({
            "model_type": "llama", "vocab_size": 200, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
            "intermediate_size": 100, "max_position_embeddings": 32, "tie_word_embeddings": true,
        });
        let make =
            |seed| initialize(config.clone(), BTreeMap::new(), Initialization { embedding_std: 0.1, linear_gain: 0.7 }, seed).unwrap();
        let model = make(1);
        let values = |at: usize| model.parameters[at].clone().into_full();
        let std = |at: usize| (values(at).iter().map(|x| x * x).sum::<f32>() / values(at).len() as f32).sqrt();
        assert!((std(model.spec.embedding) - 0.1).abs() < 0.005);
        let Mixer::Attention(attention) = &model.spec.blocks[0].mixer;
        let FeedForward::Dense(dense) = &model.spec.blocks[1].feed_forward;
        assert!((std(attention.qkv.weight) - 0.7 / 8.0).abs() < 0.005);
        assert!((std(dense.down.weight) - 0.7 / 10.0 / 2.0).abs() < 0.005);
        assert!(values(model.spec.final_norm.weight()).iter().all(|w| w.to_bits() == 1.0f32.to_bits()));
        assert_eq!(model.parameters, make(1).parameters);
        assert_ne!(model.parameters, make(2).parameters);
    }
}
