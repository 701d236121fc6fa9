//! Adapters in and out: `adapter_config.json` and `adapter_model.safetensors`, as PEFT writes and reads them.

use super::checkpoint::{self, weights_sha256};
use crate::arch::ConfigReader;
use crate::decoder::{Block, DecoderSpec};
use crate::error::{Error, Result};
use crate::lora::{ALL_LINEAR, LoraConfig};
use crate::weights::{ParameterSpec, Values};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The file that tells an adapter's directory from a checkpoint's.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";
/// The adapter's weights.
pub(crate) const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";
/// The key of the base's hash in the metadata of the weights.
const BASE_SHA256: &str = "base_sha256";

/// Whether a directory holds an adapter.
pub fn is_adapter(dir: &Path) -> bool {
    dir.join(ADAPTER_CONFIG).exists()
}

/// Checks that an adapter was trained on the weights at `base`, if it names them.
pub(crate) fn check_base(dir: &Path, base: &Path) -> Result<()> {
    let Some(expected) = checkpoint::note(&dir.join(ADAPTER_WEIGHTS), BASE_SHA256)? else { return Ok(()) };
    let found = weights_sha256(base)?;
    if found == expected {
        return Ok(());
    }
    Err(Error::AnotherBase { adapter: dir.into(), base: base.into(), expected, found })
}

/// Reads an adapter's values, one matrix for each of `parameters`. The file holds nothing else.
pub(crate) fn read_weights(dir: &Path, parameters: &[ParameterSpec]) -> Result<Vec<Values>> {
    checkpoint::read_parameters(&dir.join(ADAPTER_WEIGHTS), parameters)
}

/// Writes adapters as a directory that was not there before, whole or not at all, for the base checkpoint at `base`, and returns the
/// SHA-256 of their weights. `values` are those of the parameters from [`Adapters::first`](crate::lora::Adapters::first) on.
///
/// # Panics
/// `spec` has no adapters.
pub(crate) fn write(dir: &Path, base: &Path, spec: &DecoderSpec, values: &[Values]) -> Result<String> {
    let adapters = spec.adapters.as_ref().expect("only a decoder with adapters is written as one");
    let base = std::path::absolute(base)?;
    let config = config(spec, &adapters.settings, &base);
    let note = (BASE_SHA256, weights_sha256(&base)?);
    checkpoint::create_whole(dir, |unfinished| {
        let config = serde_json::to_vec_pretty(&config).map_err(|source| Error::Json { path: dir.join(ADAPTER_CONFIG), source })?;
        checkpoint::write_synced(&unfinished.join(ADAPTER_CONFIG), &config)?;
        checkpoint::write_parameters(&unfinished.join(ADAPTER_WEIGHTS), &spec.parameters[adapters.first..], values, note)
    })?;
    weights_sha256(dir)
}

/// What PEFT needs to know; `fan_in_fan_out` says that the base stores its weights by input (gpt2).
fn config(spec: &DecoderSpec, lora: &LoraConfig, base: &Path) -> Value {
    let transposed = spec.blocks.iter().flat_map(Block::linears).any(|linear| spec.parameters[linear.weight].is_transposed());
    let targets = match lora.target_modules.as_slice() {
        [one] if one == ALL_LINEAR => json!(one),
        several => json!(several),
    };
    json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": lora.rank,
        "lora_alpha": lora.alpha as f32,
        "lora_dropout": lora.dropout as f32,
        "target_modules": targets,
        "fan_in_fan_out": transposed,
        "bias": "none",
        "inference_mode": true,
    })
}

/// The base checkpoint that an adapter names.
pub fn base_of(dir: &Path) -> Result<PathBuf> {
    Ok(read_config(dir)?.1)
}

/// What `adapter_config.json` says, and the base that it names.
pub(crate) fn read_config(dir: &Path) -> Result<(LoraConfig, PathBuf)> {
    let path = dir.join(ADAPTER_CONFIG);
    let value = super::read_json(&fs_err::read(&path)?, &path)?;
    let mut config = ConfigReader::new(&value, &path)?;
    config.only("peft_type", &[json!("LORA")])?;
    config.only("bias", &[json!("none")])?;
    for key in ["use_dora", "use_rslora", "lora_bias", "use_qalora"] {
        config.only(key, &[json!(false)])?;
    }
    for key in ["rank_pattern", "alpha_pattern"] {
        config.only(key, &[json!({})])?;
    }
    for key in ["modules_to_save", "layers_to_transform", "exclude_modules", "target_parameters", "layer_replication"] {
        config.only(key, &[json!([])])?;
    }
    let target_modules = match config.get("target_modules") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(list)) => list.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        _ => return Err(config.error("target_modules", "expected a list of module names")),
    };
    let lora = LoraConfig {
        rank: config.size_within("r", 1 << 16)?,
        alpha: config.number("lora_alpha", 8.0)?.into(),
        dropout: config.number("lora_dropout", 0.0)?.into(),
        target_modules,
    };
    let base = PathBuf::from(config.text("base_model_name_or_path")?);
    // A relative path is meant from beside the adapter, so that both can be moved together, or else from the working directory.
    let base = [dir.join(&base), base.clone()].into_iter().find(|base| base.is_dir()).ok_or_else(|| {
        config.error("base_model_name_or_path", format!("{} is not a directory; change it to where the base checkpoint is", base.display()))
    })?;
    Ok((lora, base))
}
