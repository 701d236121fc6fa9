//! Qwen 3 (Yang et al. 2025): llama with norms on each query and key head.

use super::llama_like::{Defaults, LlamaLike};
use super::sizes::GroupedHeads;
use super::{ConfigReader, DecoderSpec};
use crate::decoder::NormedHeads;
use crate::error::Result;

const HEADS: GroupedHeads = GroupedHeads { key_value_heads: Some(32), head_dim: Some(128) };

pub(super) fn spec(config: &mut ConfigReader) -> Result<DecoderSpec> {
    LlamaLike::silu_only(config)?;
    let mut family = LlamaLike::read(config, Defaults { context: 32_768, heads: HEADS, ..Defaults::default() })?;
    family.read_attention_bias(config)?;
    family.query_key_norm = Some(NormedHeads::Each);
    family.read_switched_window(config)?;
    Ok(family.build())
}
