//! Llama (Touvron et al. 2023; Llama 3.x, `SmolLM2` and many more): the shape from which the others differ.

use super::llama_like::{Defaults, LlamaLike};
use super::{ConfigReader, DecoderSpec};
use crate::error::Result;
use serde_json::json;

pub(super) fn spec(config: &mut ConfigReader) -> Result<DecoderSpec> {
    LlamaLike::silu_only(config)?;
    config.only("pretraining_tp", &[json!(1)])?;
    let mut family = LlamaLike::read(config, Defaults::default())?;
    family.read_attention_bias(config)?;
    family.mlp_bias = config.switch("mlp_bias", false)?;
    Ok(family.build())
}
