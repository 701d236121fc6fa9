//! Qwen 2 and 2.5 (Yang et al. 2024): llama with biases on queries, keys and values.

use super::llama_like::LlamaLike;
use super::{ConfigReader, DecoderSpec};
use crate::error::Result;

pub(super) fn spec(config: &mut ConfigReader) -> Result<DecoderSpec> {
    LlamaLike::silu_only(config)?;
    let mut family = LlamaLike::read(config)?;
    family.qkv_bias = true;
    family.read_switched_window(config)?;
    Ok(family.build())
}
