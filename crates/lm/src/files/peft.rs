//! Adapters in and out: `adapter_config.json` and `adapter_model.safetensors`, as PEFT writes and reads them.

use super::checkpoint::{self, weights_sha256};
use crate::arch::ConfigReader;
use crate::decoder::{Block, DecoderSpec};
use crate::error::{Error, Result};
use crate::lora::{ALL_LINEAR, LoraConfig, PREFIX, PeftRules};
use crate::weights::{ParameterSpec, Role, Values};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file by which an adapter's directory is recognized.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";
/// The adapter's weights.
pub(crate) const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";
/// The largest rank.
const MOST_RANK: usize = 1 << 16;
/// The key of the base's hash in the metadata of the weights.
const BASE_SHA256: &str = "base_sha256";

/// Returns whether a directory holds an adapter.
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
}

/// The values of `init_lora_weights` that leave the base as it is. Others (pissa, olora, corda, loftq) change the base's weights.
const INITIAL_WEIGHTS: [&str; 4] = ["gaussian", "orthogonal", "eva", "true"];
/// Keys that do not change the adapted model, or that have an effect only through another key, which is checked.
const IRRELEVANT: [&str; 14] = [
    "auto_mapping",
    "corda_config",
    "ensure_weight_tying",
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
    let settings = LoraConfig {
        rank: config.size_within("r", MOST_RANK)?,
        alpha: config.number("lora_alpha", 8.0)?.into(),
        dropout: config.number("lora_dropout", 0.0)?.into(),
        target_modules,
    };
    let (layers_patterns, layers_pattern) = names_or_pattern(&mut config, "layers_pattern")?;
    let rules = PeftRules {
        target_pattern,
        excluded,
        exclude_pattern,
        layers: layers(&mut config)?,
        layers_patterns: layers_patterns.into_iter().chain(layers_pattern).collect(),
        ranks: patterns(&mut config, "rank_pattern", |value| {
            value.as_u64().map(|rank| rank as usize).filter(|rank| (1..=MOST_RANK).contains(rank))
        })?,
        alphas: patterns(&mut config, "alpha_pattern", Value::as_f64)?,
        root_scale: config.switch("use_rslora", false)?,
        dora: config.switch("use_dora", false)?,
        saved: names_or_pattern(&mut config, "modules_to_save")?.0,
    };
    let base = base_in(dir, &mut config)?;
    config.ignore(&IRRELEVANT);
    config.refuse_unread()?;
    Ok(AdapterConfig { settings, rules, base })
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
    let entries = value.as_object().map(|entries| entries.iter().map(|(name, value)| Some((name.clone(), read(value)?))).collect());
    entries.flatten().ok_or_else(|| config.error(key, "expected an object of positive numbers by module name"))
}

/// The content of an adapter's weights file.
#[derive(Debug, Default)]
pub(crate) struct AdapterWeights {
    /// One matrix for each of the adapters' parameters.
    pub pairs: Vec<Values>,
    /// Parameters of the base that the adapter holds whole, by their places.
    pub replaced: Vec<(usize, Values)>,
    /// For each tensor that `use_dora` adapts, by parameter and first row, the lengths of its rows.
    pub lengths: Vec<(usize, usize, Vec<f32>)>,
}

/// Reads all of an adapter's file for a decoder with its adapters.
pub(crate) fn read_all(dir: &Path, spec: &DecoderSpec) -> Result<AdapterWeights> {
    let path = dir.join(ADAPTER_WEIGHTS);
    let Some(adapters) = &spec.adapters else { return Ok(AdapterWeights::default()) };
    let (base, pairs) = spec.parameters.split_at(adapters.first);
    let there = checkpoint::tensor_names(&path)?;
    let mut wanted = pairs.to_vec();
    let mut replaced = Vec::new();
    for (at, parameter) in base.iter().enumerate() {
        let mut parameter = parameter.clone();
        parameter.tensors.iter_mut().for_each(|tensor| tensor.name = format!("{PREFIX}{}", tensor.name));
        if parameter.tensors.iter().all(|tensor| there.contains(&tensor.name)) {
            replaced.push(at);
            wanted.push(parameter);
        }
    }
    let mut lengths = Vec::new();
    for (weight, of) in adapters.of.iter().filter(|_| adapters.rules.dora) {
        for adapter in of {
            let up = &spec.parameters[adapter.up];
            let name = up.tensors[0].name.replace(".lora_B.weight", ".lora_magnitude_vector");
            wanted.push(ParameterSpec::vector(Role::Adapter, name, up.rows).laid_out([up.tensors[0].layout.clone()]));
            lengths.push((*weight, adapter.start));
        }
    }
    let mut values = checkpoint::read_parameters(&path, &wanted)?;
    let of_lengths = values.split_off(pairs.len() + replaced.len());
    let of_replaced = values.split_off(pairs.len());
    let with_place = |((weight, start), values): ((usize, usize), Values)| (weight, start, values.into_full());
    Ok(AdapterWeights {
        pairs: values,
        replaced: replaced.into_iter().zip(of_replaced).collect(),
        lengths: lengths.into_iter().zip(of_lengths).map(with_place).collect(),
    })
}
