//! Adapters in and out: `adapter_config.json` and `adapter_model.safetensors`, as PEFT writes and reads them.

mod weights;

pub(super) use weights::weights_file;
pub(crate) use weights::{AdapterWeights, cannot_untie, check_base, read_all, read_weights, unties};

use super::checkpoint::{self, weights_sha256};
use crate::arch::ConfigReader;
use crate::decoder::{Block, DecoderSpec};
use crate::error::{Error, Result};
use crate::lora::{ALL_LINEAR, LARGEST_ALPHA, LARGEST_RANK, LoraConfig, PeftRules};
use crate::weights::Values;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file by which an adapter's directory is recognized.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";
/// The adapter's weights.
pub(crate) const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";
/// The same as older versions of PEFT wrote them.
pub(crate) const OLDER_WEIGHTS: &str = "adapter_model.bin";
/// The key of the base's hash in the metadata of the weights.
const BASE_SHA256: &str = "base_sha256";

/// Returns whether a directory holds an adapter.
pub fn is_adapter(dir: &Path) -> bool {
    dir.join(ADAPTER_CONFIG).exists()
}

/// Writes adapters as a directory that was not there before, whole or not at all, for the base checkpoint at `base`, and returns the
/// SHA-256 of their weights. `values` are those of the parameters from [`Adapters::first`](crate::lora::Adapters::first) on.
///
/// # Panics
/// `spec` has no adapters.
pub(crate) fn write(dir: &Path, base: &Path, spec: &DecoderSpec, values: &[Values]) -> Result<String> {
    let adapters = spec.adapters.as_ref().expect("only a decoder with adapters is written as one");
    let base = std::path::absolute(base)?;
    let config = config(spec, &adapters.settings, &adapters.rules, &base);
    let note = (BASE_SHA256, weights_sha256(&base)?);
    checkpoint::create_whole(dir, |unfinished| {
        let config = serde_json::to_vec_pretty(&config).map_err(|source| Error::Json { path: dir.join(ADAPTER_CONFIG), source })?;
        checkpoint::write_synced(&unfinished.join(ADAPTER_CONFIG), &config)?;
        checkpoint::write_parameters(&unfinished.join(ADAPTER_WEIGHTS), &spec.parameters[adapters.first..], values, note)
    })?;
    weights_sha256(dir)
}

/// The config for PEFT. `fan_in_fan_out` says that the base stores its weights by input (gpt2).
fn config(spec: &DecoderSpec, lora: &LoraConfig, rules: &PeftRules, base: &Path) -> Value {
    let transposed = spec.blocks.iter().flat_map(Block::linears).any(|linear| spec.parameters[linear.weight].is_transposed());
    let targets = match (&rules.target_pattern, lora.target_modules.as_slice()) {
        (Some(pattern), _) => json!(pattern),
        (None, [one]) if one == ALL_LINEAR => json!(one),
        (None, several) => json!(several),
    };
    let mut config = json!({
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
    });
    // A plain adapter's config stays as short as it was.
    if *rules != PeftRules::default() {
        config["use_rslora"] = json!(rules.root_scale);
        config["rank_pattern"] = json!(rules.ranks);
        config["alpha_pattern"] = json!(rules.alphas);
        config["layers_to_transform"] = if rules.layers.is_empty() { Value::Null } else { json!(rules.layers) };
        config["layers_pattern"] = if rules.layers_patterns.is_empty() { Value::Null } else { json!(rules.layers_patterns) };
        let excluded = || if rules.excluded.is_empty() { Value::Null } else { json!(rules.excluded) };
        config["exclude_modules"] = rules.exclude_pattern.as_ref().map_or_else(excluded, |pattern| json!(pattern));
    }
    config
}

/// The base checkpoint that an adapter names.
pub fn base_of(dir: &Path) -> Result<PathBuf> {
    Ok(read_config(dir)?.base)
}

/// The content of `adapter_config.json`.
#[derive(Debug)]
pub(crate) struct AdapterConfig {
    pub settings: LoraConfig,
    pub rules: PeftRules,
    /// The base that it names.
    pub base: PathBuf,
    /// `ensure_weight_tying`: an embedding that the adapter holds is the output head too, if they are one in the base.
    pub keeps_tied: bool,
}

impl AdapterConfig {
    /// An error about the adapted modules of a base with `layers` layers, with the file and the key to change.
    pub(crate) fn explained(&self, error: Error, dir: &Path, layers: usize) -> Error {
        let wrong = |key: &str, problem| Error::ConfigKey { path: dir.join(ADAPTER_CONFIG), key: key.into(), problem };
        let listed = &self.rules.layers;
        match error {
            Error::AdapterPattern { key, pattern, problem } => wrong(&key, format!("the pattern \"{pattern}\": {problem}")),
            Error::NoSuchModule { .. } if !listed.is_empty() && listed.iter().all(|layer| *layer >= layers) => {
                wrong("layers_to_transform", format!("selects none of the base's layers 0 to {}, found {listed:?}", layers - 1))
            }
            Error::NoSuchModule { .. } => wrong("target_modules", error.to_string()),
            other => other,
        }
    }
}

/// The values of `init_lora_weights` that leave the base as it is. Others (pissa, olora, corda, loftq) change the base's weights.
const INITIAL_WEIGHTS: [&str; 4] = ["gaussian", "orthogonal", "eva", "true"];
/// Keys that do not change the adapted model, or that have an effect only through another key, which is checked.
const IRRELEVANT: [&str; 13] = [
    "auto_mapping",
    "corda_config",
    "eva_config",
    "fan_in_fan_out",
    "inference_mode",
    "loftq_config",
    "lora_ga_config",
    "megatron_config",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
];

/// Reads `adapter_config.json`. A key that is not known, or not supported, is an error unless it asks for nothing.
pub(crate) fn read_config(dir: &Path) -> Result<AdapterConfig> {
    let path = dir.join(ADAPTER_CONFIG);
    let value = super::read_json(&super::read_file(&path)?, &path)?;
    let mut config = ConfigReader::new(&value, &path)?;
    config.only("peft_type", &[json!("LORA")])?;
    config.only("bias", &[json!("none")])?;
    config.only("task_type", &[json!("CAUSAL_LM")])?;
    match config.get("init_lora_weights") {
        None | Some(Value::Bool(_)) => {}
        Some(Value::String(way)) if INITIAL_WEIGHTS.contains(&way.as_str()) => {}
        Some(other) => {
            let problem =
                format!("{other} changes the base's weights, which this adapter does not hold; convert it to a plain one with PEFT");
            return Err(config.error("init_lora_weights", problem));
        }
    }
    let (target_modules, target_pattern) = names_or_pattern(&mut config, "target_modules")?;
    if target_modules.is_empty() && target_pattern.is_none() {
        return Err(config.error("target_modules", "expected a list of module names or a regular expression"));
    }
    let (excluded, exclude_pattern) = names_or_pattern(&mut config, "exclude_modules")?;
    let rank = config.size_within("r", LARGEST_RANK)?;
    let settings = LoraConfig { rank, alpha: alpha(&mut config)?, dropout: dropout(&mut config)?, target_modules };
    let (layers_patterns, layers_pattern) = names_or_pattern(&mut config, "layers_pattern")?;
    let rules = PeftRules {
        target_pattern,
        excluded,
        exclude_pattern,
        layers: layers(&mut config)?,
        layers_patterns: layers_patterns.into_iter().chain(layers_pattern).collect(),
        ranks: patterns(&mut config, "rank_pattern", |value| {
            value.as_u64().map(|rank| rank as usize).filter(|rank| (1..=LARGEST_RANK).contains(rank))
        })?,
        alphas: patterns(&mut config, "alpha_pattern", |value| value.as_f64().filter(|alpha| is_alpha(*alpha)))?,
        root_scale: config.switch("use_rslora", false)?,
        dora: config.switch("use_dora", false)?,
        saved: names_or_pattern(&mut config, "modules_to_save")?.0,
    };
    let base = base_in(dir, &mut config)?;
    let keeps_tied = config.switch("ensure_weight_tying", false)?;
    config.ignore(&IRRELEVANT);
    config.refuse_unread()?;
    Ok(AdapterConfig { settings, rules, base, keeps_tied })
}

fn is_alpha(alpha: f64) -> bool {
    alpha > 0.0 && alpha <= LARGEST_ALPHA
}

fn alpha(config: &mut ConfigReader) -> Result<f64> {
    const KEY: &str = "lora_alpha";
    let alpha = f64::from(config.number(KEY, 8.0)?);
    let problem = || format!("expected a number above 0 and at most {LARGEST_ALPHA}, found {alpha}");
    if is_alpha(alpha) { Ok(alpha) } else { Err(config.error(KEY, problem())) }
}

fn dropout(config: &mut ConfigReader) -> Result<f64> {
    const KEY: &str = "lora_dropout";
    let dropout = config.number(KEY, 0.0)?;
    let problem = || format!("expected a number from 0 to 1, 1 excluded, found {dropout}");
    if (0.0..1.0).contains(&dropout) { Ok(dropout.into()) } else { Err(config.error(KEY, problem())) }
}

/// The base checkpoint. A relative path is meant from beside the adapter, so that both can be moved together, or else from the working
/// directory.
fn base_in(dir: &Path, config: &mut ConfigReader) -> Result<PathBuf> {
    const KEY: &str = "base_model_name_or_path";
    let base = PathBuf::from(config.text(KEY)?);
    let problem = || format!("{} is not a directory; change it to where the base checkpoint is", base.display());
    let found = [dir.join(&base), base.clone()].into_iter().find(|base| base.is_dir()).ok_or_else(|| config.error(KEY, problem()))?;
    if is_adapter(&found) {
        let problem = format!("{} is an adapter itself; expected a whole checkpoint, so merge that adapter first", found.display());
        return Err(config.error(KEY, problem));
    }
    Ok(found)
}

/// A list of names, or one text that is a regular expression; `all-linear` is a name.
fn names_or_pattern(config: &mut ConfigReader, key: &str) -> Result<(Vec<String>, Option<String>)> {
    let wrong = |config: &ConfigReader| config.error(key, "expected a list of names or a regular expression");
    match config.get(key) {
        None => Ok((Vec::new(), None)),
        Some(Value::String(one)) if one == ALL_LINEAR => Ok((vec![one], None)),
        Some(Value::String(pattern)) => Ok((Vec::new(), Some(pattern))),
        Some(Value::Array(list)) => {
            let names = list.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
            Ok((names.ok_or_else(|| wrong(config))?, None))
        }
        Some(_) => Err(wrong(config)),
    }
}

/// `layers_to_transform`: a number or a list.
fn layers(config: &mut ConfigReader) -> Result<Vec<usize>> {
    const KEY: &str = "layers_to_transform";
    let listed = match config.get(KEY) {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(one) => vec![one],
    };
    let numbers = listed.iter().map(|layer| layer.as_u64().map(|layer| layer as usize)).collect::<Option<Vec<_>>>();
    numbers.ok_or_else(|| config.error(KEY, "expected the numbers of layers, from 0"))
}

/// An object of values by pattern.
fn patterns<T>(config: &mut ConfigReader, key: &str, read: impl Fn(&Value) -> Option<T>) -> Result<BTreeMap<String, T>> {
    let Some(value) = config.get(key) else { return Ok(BTreeMap::new()) };
    let entries = value.as_object().ok_or_else(|| config.error(key, "expected an object of numbers by module name"))?;
    let entry = |(name, value): (&String, &Value)| {
        let problem = || format!("\"{name}\": {value} is out of range; expected a positive number as the key without a pattern has it");
        Ok((name.clone(), read(value).ok_or_else(|| config.error(key, problem()))?))
    };
    entries.iter().map(entry).collect()
}
