//! Gemma 2 (Riviere et al. 2024): norms around attention and feed-forward, bounded scores and logits, every other layer with a sliding
//! window, a scaled embedding.

use super::llama_like::{Defaults, LlamaLike, NormPlacement};
use super::rotary::RotaryKeys;
use super::sizes::GroupedHeads;
use super::{ConfigReader, DecoderSpec};
use crate::error::Result;
use crate::kernels::ActivationFunction;
use crate::weights::Layout;
use serde_json::json;

pub(super) const DEFAULTS: Defaults = Defaults {
    context: 8192,
    heads: GroupedHeads { key_value_heads: Some(4), head_dim: Some(256) },
    norm_epsilon: 1e-6,
    tied: true,
    rotary: RotaryKeys::LLAMA,
};

pub(super) fn spec(config: &mut ConfigReader) -> Result<DecoderSpec> {
    let mut family = LlamaLike::read(config, DEFAULTS)?;
    read_gemma(&mut family, config, [Some(50.0), Some(30.0)])?;
    let window = config.window(Some(4096))?;
    let sliding = config.layer_types(family.layers, "sliding_attention", "full_attention")?;
    let sliding = sliding.unwrap_or_else(|| (0..family.layers).map(|layer| layer % 2 == 0).collect());
    family.windows = sliding.into_iter().map(|sliding| window.filter(|_| sliding)).collect();
    Ok(family.build())
}

/// Reads the keys that Gemma 2 and 3 share; `softcaps` are the defaults of attention's and the logits' bounds.
pub(super) fn read_gemma(family: &mut LlamaLike, config: &mut ConfigReader, softcaps: [Option<f32>; 2]) -> Result<()> {
    for key in ["hidden_activation", "hidden_act"] {
        config.only(key, &[json!("gelu_pytorch_tanh")])?;
    }
    config.only("use_bidirectional_attention", &[json!(false)])?;
    family.read_attention_bias(config)?;
    family.activation = ActivationFunction::GeluTanh;
    family.norms = NormPlacement::Around;
    family.norm_layout = Layout::LessOne;
    family.embedding_scale = (family.hidden as f32).sqrt();
    family.attention_scale = 1.0 / config.positive("query_pre_attn_scalar", 256.0)?.sqrt();
    let mut softcap = |key: &str, default: Option<f32>| {
        let is_there = config.has(key);
        Ok::<_, crate::error::Error>(config.optional_positive(key)?.or(default.filter(|_| !is_there)))
    };
    family.attention_softcap = softcap("attn_logit_softcapping", softcaps[0])?;
    family.logit_softcap = softcap("final_logit_softcapping", softcaps[1])?;
    Ok(())
}
