//! Mistral (Jiang et al. 2023): llama with a sliding window.

use super::llama_like::{Defaults, LlamaLike};
use super::rotary::RotaryKeys;
use super::sizes::GroupedHeads;
use super::{ConfigReader, DecoderSpec};
use crate::error::Result;

const DEFAULTS: Defaults = Defaults {
    context: 131_072,
    heads: GroupedHeads { key_value_heads: Some(8), head_dim: None },
    norm_epsilon: 1e-6,
    tied: false,
    rotary: RotaryKeys::LLAMA,
};

pub(super) fn spec(config: &mut ConfigReader) -> Result<DecoderSpec> {
    LlamaLike::silu_only(config)?;
    let mut family = LlamaLike::read(config, DEFAULTS)?;
    let window = config.window(Some(4096))?;
    family.windows.fill(window);
    Ok(family.build())
}
