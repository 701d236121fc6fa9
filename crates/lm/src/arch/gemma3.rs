//! Gemma 3, text (Kamath et al. 2025): Gemma 2 with norms on each query and key head and two rotary bases, one for the layers with a sliding
//! window and one for every sixth, which sees all.

use super::gemma2::{DEFAULTS, read_gemma};
use super::llama_like::{Defaults, LlamaLike};
use super::rotary::{RotaryKeys, SHARE};
use super::{ConfigReader, DecoderSpec};
use crate::decoder::NormedHeads;
use crate::error::Result;

const GLOBAL: RotaryKeys =
    RotaryKeys { layers: Some("full_attention"), theta: "rope_theta", default_theta: 1_000_000.0, share: SHARE, scaled: true };
const LOCAL: RotaryKeys =
    RotaryKeys { layers: Some("sliding_attention"), theta: "rope_local_base_freq", default_theta: 10_000.0, share: SHARE, scaled: false };

pub(super) fn spec(config: &mut ConfigReader) -> Result<DecoderSpec> {
    let mut family = LlamaLike::read(config, Defaults { context: 131_072, rotary: GLOBAL, ..DEFAULTS })?;
    read_gemma(&mut family, config, [None, None])?;
    family.query_key_norm = Some(NormedHeads::Each);
    let (local, _) = config.rotary(LOCAL, family.heads.dim, family.context)?;
    family.rotary.push(local);
    let window = config.window(Some(4096))?;
    let pattern = match config.optional_size_within("sliding_window_pattern", usize::MAX)? {
        Some(pattern) => pattern,
        None => config.optional_size_within("_sliding_window_pattern", usize::MAX)?.unwrap_or(6),
    };
    let sliding = config.layer_types(family.layers, "sliding_attention", "full_attention")?;
    let sliding = sliding.unwrap_or_else(|| (0..family.layers).map(|layer| (layer + 1) % pattern != 0).collect());
    family.layer_rotary = sliding.iter().map(|sliding| Some(usize::from(*sliding))).collect();
    family.windows = sliding.into_iter().map(|sliding| window.filter(|_| sliding)).collect();
    Ok(family.build())
}
