//! `SmolLM3` (Bakouch et al. 2025): llama with every fourth layer without positions.

use super::llama_like::{Defaults, LlamaLike};
use super::rotary::RotaryKeys;
use super::sizes::GroupedHeads;
use super::{ConfigReader, DecoderSpec};
use crate::error::Result;

const DEFAULTS: Defaults = Defaults {
    context: 32_768,
    heads: GroupedHeads { key_value_heads: Some(4), head_dim: None },
    norm_epsilon: 1e-6,
    tied: true,
    rotary: RotaryKeys { default_theta: 2_000_000.0, ..RotaryKeys::LLAMA },
};

pub(super) fn spec(config: &mut ConfigReader) -> Result<DecoderSpec> {
    LlamaLike::silu_only(config)?;
    let mut family = LlamaLike::read(config, DEFAULTS)?;
    family.read_attention_bias(config)?;
    family.mlp_bias = config.switch("mlp_bias", false)?;
    let interval = config.optional_size_within("no_rope_layer_interval", usize::MAX)?.unwrap_or(4);
    let turned = match config.get("no_rope_layers") {
        None => (0..family.layers).map(|layer| (layer + 1) % interval != 0).collect(),
        Some(list) => {
            let turned: Option<Vec<bool>> = list.as_array().and_then(|list| list.iter().map(|x| Some(x.as_u64()? != 0)).collect());
            let turned = turned.filter(|turned| turned.len() == family.layers);
            turned.ok_or_else(|| config.error("no_rope_layers", "expected a 0 (no positions) or 1 for each layer"))?
        }
    };
    family.layer_rotary = turned.iter().map(|turned| turned.then_some(0)).collect();
    family.read_switched_window(config)?;
    if config.get("layer_types").is_none() {
        // Here the layers without positions are those that slide.
        let window = family.windows.iter().flatten().next().copied();
        family.windows = turned.iter().map(|turned| window.filter(|_| !turned)).collect();
    }
    Ok(family.build())
}
