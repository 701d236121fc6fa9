//! Adapters in and out: `adapter_config.json` and `adapter_model.safetensors`, as PEFT writes and reads them.

use super::LoraConfig;
use crate::arch::{ConfigReader, DecoderSpec};
use crate::checkpoint::{self, Checkpoint, weights_sha256};
use crate::error::{Error, Result};
use crate::kernels::{Cpu, Kernels};
use crate::model::LanguageModel;
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

impl LanguageModel {
    /// Reads an adapter's directory and the base that it names.
    ///
    /// # Errors
    /// The base is not there or is another one than the adapter was trained on; a switch of PEFT that is not supported, named.
    pub fn load_adapter(dir: &Path) -> Result<Self> {
        let (lora, base) = read_config(dir)?;
        let weights = dir.join(ADAPTER_WEIGHTS);
        if let Some(expected) = checkpoint::note(&weights, BASE_SHA256)? {
            let found = weights_sha256(&base)?;
            if found != expected {
                return Err(Error::AnotherBase { adapter: dir.into(), base, expected, found });
            }
        }
        let model = Self::load(&base)?;
        let spec = model.spec().clone().adapted(&lora)?;
        let values = checkpoint::read_parameters(&weights, &spec.parameters[model.spec().parameters.len()..])?;
        Ok(LanguageModel::<Cpu>::extended(model, spec, values))
    }
}

impl<K: Kernels> LanguageModel<K> {
    /// Writes the adapters as a directory that was not there before, whole or not at all, for the base checkpoint at `base`, and returns the
    /// SHA-256 of their weights.
    ///
    /// # Panics
    /// The model has no adapters.
    pub fn save_adapter(&self, dir: &Path, base: &Path) -> Result<String> {
        let spec = self.spec();
        let adapters = spec.adapters.as_ref().expect("only a model with adapters is saved as one");
        let base = std::path::absolute(base)?;
        let config = config(spec, &adapters.settings, &base);
        let values = self.decoder.download().split_off(adapters.first);
        let note = (BASE_SHA256, weights_sha256(&base)?);
        checkpoint::create_whole(dir, |unfinished| {
            let config = serde_json::to_vec_pretty(&config).map_err(|source| Error::Json { path: dir.join(ADAPTER_CONFIG), source })?;
            checkpoint::write_synced(&unfinished.join(ADAPTER_CONFIG), &config)?;
            checkpoint::write_parameters(&unfinished.join(ADAPTER_WEIGHTS), &spec.parameters[adapters.first..], &values, note)
        })?;
        weights_sha256(dir)
    }
}

/// What PEFT needs to know; `fan_in_fan_out` says that the base stores its weights by input (gpt2).
fn config(spec: &DecoderSpec, lora: &LoraConfig, base: &Path) -> Value {
    let transposed = spec.layers.iter().any(|layer| spec.parameters[layer.qkv.weight].is_transposed());
    let targets = match lora.target_modules.as_slice() {
        [one] if one == super::ALL_LINEAR => json!(one),
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
    let text = fs_err::read_to_string(&path)?;
    let value: Value = serde_json::from_str(&text).map_err(|source| Error::Json { path: path.clone(), source })?;
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
        rank: config.size("r")?,
        alpha: config.number("lora_alpha", 8.0)?.into(),
        dropout: config.number("lora_dropout", 0.0)?.into(),
        target_modules,
    };
    let base = PathBuf::from(config.text("base_model_name_or_path")?);
    // As it is written, or beside the adapter.
    let base = [base.clone(), dir.join(&base)].into_iter().find(|base| base.is_dir()).ok_or_else(|| {
        config
            .error("base_model_name_or_path", format!("{} is no directory here; change it to where the base checkpoint is", base.display()))
    })?;
    Ok((lora, base))
}

impl Checkpoint {
    /// Reads a directory, of a checkpoint or of an adapter, whose adapters are then merged. Weights of 16 bits are rounded to their format
    /// again, which a small update may not survive.
    pub fn load_merged(dir: &Path) -> Result<Self> {
        if is_adapter(dir) { Ok(LanguageModel::load_adapter(dir)?.merged().to_checkpoint()) } else { Self::load(dir) }
    }

    /// The same with what is adapted in `f32`, where nothing of the update is lost, and the rest as it is stored.
    pub fn load_merged_in_full(dir: &Path) -> Result<Self> {
        if is_adapter(dir) { Ok(LanguageModel::load_adapter(dir)?.merged_in_full().to_checkpoint()) } else { Self::load(dir) }
    }
}
