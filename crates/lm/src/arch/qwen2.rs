//! Qwen 2 and 2.5 (Yang et al. 2024): llama with biases on queries, keys and values.

use super::llama_like::{Defaults, LlamaLike};
use super::sizes::GroupedHeads;
use super::{ConfigReader, DecoderSpec};
use crate::error::Result;

const HEADS: GroupedHeads = GroupedHeads { key_value_heads: Some(32), head_dim: None };

pub(super) fn spec(config: &mut ConfigReader) -> Result<DecoderSpec> {
    LlamaLike::silu_only(config)?;
    let mut family = LlamaLike::read(config, Defaults { context: 32_768, heads: HEADS, ..Defaults::default() })?;
    family.qkv_bias = true;
    family.read_switched_window(config)?;
    Ok(family.build())
}
