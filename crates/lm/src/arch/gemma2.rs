//! Gemma 2 (Riviere et al. 2024): norms around attention and feed-forward, bounded scores and logits, every other layer with a sliding
//! window, a scaled embedding.

use super::llama_like::{LlamaLike, NormPlacement};
use super::{ConfigReader, DecoderSpec};
use crate::error::Result;
use crate::kernels::ActivationFunction;
use crate::weights::Layout;
use serde_json::json;

pub(super) fn spec(config: &mut ConfigReader) -> Result<DecoderSpec> {
    let mut family = LlamaLike::read(config)?;
    read_gemma(&mut family, config)?;
    let window = config.optional_size("sliding_window")?;
    let sliding = config.layer_types(family.layers, "sliding_attention", "full_attention")?;
    let sliding = sliding.unwrap_or_else(|| (0..family.layers).map(|layer| layer % 2 == 0).collect());
    family.windows = sliding.into_iter().map(|sliding| window.filter(|_| sliding)).collect();
    Ok(family.build())
}

/// What Gemma 2 and 3 have in common.
pub(super) fn read_gemma(family: &mut LlamaLike, config: &mut ConfigReader) -> Result<()> {
    for key in ["hidden_activation", "hidden_act"] {
        config.only(key, &[json!("gelu_pytorch_tanh")])?;
    }
    config.only("use_bidirectional_attention", &[json!(false)])?;
    family.tied = config.switch("tie_word_embeddings", true)?;
    family.read_attention_bias(config)?;
    family.activation = ActivationFunction::GeluTanh;
    family.norms = NormPlacement::Around;
    family.norm_layout = Layout::LessOne;
    family.embedding_scale = (family.hidden as f32).sqrt();
    family.attention_scale = 1.0 / config.number("query_pre_attn_scalar", 256.0)?.sqrt();
    family.attention_softcap = config.optional_number("attn_logit_softcapping")?;
    family.logit_softcap = config.optional_number("final_logit_softcapping")?;
    Ok(())
}
