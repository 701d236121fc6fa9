//! Mistral (Jiang et al. 2023): llama with a sliding window.

use super::llama_like::LlamaLike;
use super::{ConfigReader, DecoderSpec};
use crate::error::Result;

pub(super) fn spec(config: &mut ConfigReader) -> Result<DecoderSpec> {
    LlamaLike::silu_only(config)?;
    let mut family = LlamaLike::read(config)?;
    let window = config.optional_size("sliding_window")?;
    family.windows.fill(window);
    Ok(family.build())
}
