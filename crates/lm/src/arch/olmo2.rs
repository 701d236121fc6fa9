//! `OLMo` 2 (Walsh et al. 2025): norms after attention and feed-forward, and over all query and key heads together.

use super::llama_like::{Defaults, LlamaLike, NormPlacement};
use super::{ConfigReader, DecoderSpec};
use crate::decoder::NormedHeads;
use crate::error::Result;

pub(super) fn spec(config: &mut ConfigReader) -> Result<DecoderSpec> {
    LlamaLike::silu_only(config)?;
    let mut family = LlamaLike::read(config, Defaults { norm_epsilon: 1e-5, ..Defaults::default() })?;
    family.read_attention_bias(config)?;
    family.norms = NormPlacement::After;
    family.query_key_norm = Some(NormedHeads::All);
    Ok(family.build())
}
