//! Phi 3 and 4-mini (Abdin et al. 2024): llama with fused projections, a part of each head turning, and longrope.

use super::llama_like::{Defaults, LlamaLike};
use super::{ConfigReader, DecoderSpec};
use crate::error::Result;

pub(super) fn spec(config: &mut ConfigReader) -> Result<DecoderSpec> {
    LlamaLike::silu_only(config)?;
    let mut family = LlamaLike::read(config, Defaults { context: 4096, norm_epsilon: 1e-5, ..Defaults::default() })?;
    family.fused_tensors = true;
    let window = config.window(None)?;
    family.windows.fill(window);
    Ok(family.build())
}
