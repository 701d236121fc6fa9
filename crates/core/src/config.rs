//! One TOML file is one experiment.
//!
//! A file or preset is read into a table, overrides (`--set a.b=c`) are written into it, and every section is then read strictly: an
//! unknown key is an error that names its path and the nearest valid one. Values are checked once, here; the rest of the crate trusts them.
//! The sections `sampling`, `training` and `evaluation` hold for all methods; a method's own sections of the same names override them key by
//! key.

use crate::error::{Error, Result};
use crate::method::{self, Method};
use crate::task::Split;
use serde::{Deserialize, Serialize};
use starloop_lm::engine::{CacheDtype, SamplingParams};
use std::collections::BTreeMap;
use std::path::Path;

mod check;
mod corpus;
mod policy;
mod presets;
mod pretrain;
mod record;
mod source;
mod task;
mod trainer;
mod training;

pub use corpus::{Corpus, DocumentUnit, TextCorpus, TextFile, TextKind, TokenizerConfig, TokenizerKind};
pub use policy::{PolicyConfig, PromptForm, Recipe, Reload, ServerKind, ServingConfig};
pub use presets::presets;
pub use pretrain::PretrainConfig;
pub use record::RecordConfig;
pub use source::{Invalid, Section};
pub use task::TaskConfig;
#[cfg(test)]
pub(crate) use trainer::PLACES;
pub use trainer::{TrainerConfig, TrainerKind};
pub use training::TrainingConfig;

use source::Source;

/// An experiment: what is run, on what, and how.
#[derive(Debug)]
pub struct Config {
    /// The name of the run; its directory is `runs/<name>` unless told otherwise.
    pub name: String,
    /// The seed that all others are made from.
    pub seed: u64,
    /// The same experiment is run once with each of these seeds, in a directory of its own; if there is none, once with `seed`.
    pub seeds: Vec<u64>,
    /// The methods to run, in order.
    pub run: Vec<String>,
    /// The pretrained model.
    pub model: ModelConfig,
    /// What samples.
    pub policy: PolicyConfig,
    /// The problems.
    pub task: TaskConfig,
    /// Sampling, for all methods.
    pub sampling: SamplingConfig,
    /// Fine-tuning, for all methods.
    pub training: TrainingConfig,
    /// What does the fine-tuning.
    pub trainer: TrainerConfig,
    /// Measuring, for all methods.
    pub evaluation: EvaluationConfig,
    /// What is written down of each attempt.
    pub record: RecordConfig,
    /// Every method of the file, whether it is run or not.
    pub methods: BTreeMap<String, MethodConfig>,
}

/// `[model]`: the pretrained model that everything starts from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// `builtin:NAME` for a shipped model, or a checkpoint directory in the Hugging Face layout.
    pub base: String,
    /// Put prompts as what the user says in a conversation, by the checkpoint's chat template, in sampling and in training. By default they
    /// stand as they are.
    #[serde(default, skip_serializing_if = "is_default")]
    pub chat: bool,
    /// The type of the cached keys and values in sampling. `f16` takes half the memory of `f32` and moves log-probabilities by some 1e-3.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kv_cache: CacheDtype,
    /// The name under which `starloop get model` finds it, to be told where the directory is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<String>,
}

/// `[sampling]`: how rationales are drawn while collecting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SamplingConfig {
    /// Divides the logits; 0 takes the most likely token (the paper samples near greedily).
    pub temperature: f64,
    /// Only the `top_k` most likely tokens; 0 for all.
    pub top_k: usize,
    /// Only the most likely tokens whose probabilities add up to this; 1 for all.
    pub top_p: f64,
    /// Tokens after which a completion is cut off.
    pub max_new_tokens: usize,
    /// Samples for each problem (paper: 1).
    pub samples_per_problem: u32,
    /// Worked examples in front of a problem (paper: 10).
    pub few_shot: usize,
    /// The worked examples are shown in the first so many iterations; 0 for always (paper: dropped after iteration 1 for arithmetic).
    pub few_shot_iterations: u32,
}

impl Default for SamplingConfig {
    fn default() -> Self {
        SamplingConfig {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            max_new_tokens: 256,
            samples_per_problem: 1,
            few_shot: 0,
            few_shot_iterations: 0,
        }
    }
}

impl SamplingConfig {
    /// Worked examples shown in `iteration` (from 1).
    pub fn few_shot_in(&self, iteration: u32) -> usize {
        if self.few_shot_iterations == 0 || iteration <= self.few_shot_iterations { self.few_shot } else { 0 }
    }

    /// How completions are drawn, with the task's stop strings.
    pub fn params(&self, stop: Vec<String>) -> SamplingParams {
        let SamplingConfig { temperature, top_k, top_p, max_new_tokens, .. } = *self;
        SamplingParams { temperature, top_k, top_p, max_new_tokens, stop }
    }
}

// Keys of which older recipes know nothing are written only where they say something, so that a recipe's hash stays.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// `[evaluation]`: how accuracy is measured. Always one greedy completion for each problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluationConfig {
    /// Which held-out problems: `dev` for choices, `test` for the final figure.
    pub split: Split,
    /// Worked examples shown to a fine-tuned model. By default, as many as the next iteration's sampling shows. The base always gets
    /// `sampling.few_shot`.
    pub few_shot: Option<usize>,
    /// Evaluate after every so many iterations, and after the last.
    pub every: u32,
    /// `test`: at the end of each method, its best model on `split` = `dev` is measured once more, on the problems of the final figure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_split: Option<Split>,
}

impl Default for EvaluationConfig {
    fn default() -> Self {
        EvaluationConfig { split: Split::Dev, few_shot: None, every: 1, final_split: None }
    }
}

/// `[methods.NAME]`: one method with its settings, the common sections merged with its own.
#[derive(Debug)]
pub struct MethodConfig {
    /// The kind, as in the method registry.
    pub kind: &'static str,
    /// The method with its own keys.
    pub method: Box<dyn Method>,
    /// Sampling, as it holds for this method.
    pub sampling: SamplingConfig,
    /// Fine-tuning, as it holds for this method.
    pub training: TrainingConfig,
    /// Measuring, as it holds for this method.
    pub evaluation: EvaluationConfig,
    /// The method's table for the echo: all its own keys, and the overriding ones of the common sections.
    echo: toml::Table,
}

impl MethodConfig {
    /// Fine-tuning as it is in an iteration: the first may be a lesson with settings of its own.
    pub(crate) fn training_in(&self, iteration: u32) -> TrainingConfig {
        let first = self.method.warm_start().filter(|_| iteration == 1);
        first.map_or_else(|| self.training.clone(), |lesson| lesson.settings(&self.training))
    }
}

/// The file as it stands, its sections still unread.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    #[serde(default = "default_seed")]
    seed: u64,
    #[serde(default)]
    seeds: Vec<u64>,
    run: Vec<String>,
    model: ModelConfig,
    #[serde(default)]
    policy: Option<toml::Table>,
    task: toml::Table,
    #[serde(default)]
    sampling: toml::Table,
    #[serde(default)]
    training: toml::Table,
    #[serde(default)]
    trainer: toml::Table,
    #[serde(default)]
    evaluation: toml::Table,
    #[serde(default)]
    record: toml::Table,
    methods: BTreeMap<String, toml::Table>,
}

fn default_seed() -> u64 {
    1
}

impl Config {
    /// Reads a preset by its name, or else a file by its path, with overrides of the form `a.b=c`.
    ///
    /// # Errors
    /// Anything that is wrong with the config, named by file and key.
    pub fn load(preset_or_path: &str, overrides: &[String]) -> Result<Config> {
        if let Some((name, text)) = presets().iter().find(|(name, _)| *name == preset_or_path) {
            return Config::parse(&format!("preset {name}"), text, overrides);
        }
        let path = Path::new(preset_or_path);
        if !path.exists() && path.extension().is_none() && path.components().count() == 1 {
            let presets: Vec<String> = presets().iter().map(|(name, _)| (*name).to_owned()).collect();
            let nearest = source::nearest(preset_or_path, &presets);
            return Err(Error::NoSuchConfig { name: preset_or_path.to_owned(), presets, nearest });
        }
        Config::parse(preset_or_path, &fs_err::read_to_string(path)?, overrides)
    }

    /// Reads a config's text; `origin` names it in errors.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(origin: &str, text: &str, overrides: &[String]) -> Result<Config> {
        let (source, table) = Source::read(origin, text, overrides)?;
        let raw: Raw = source.section("", table).read()?;
        // Before the methods, which are read with the common sections merged in: an error there must not blame a method.
        let sampling = source.section("sampling", raw.sampling.clone()).read()?;
        let training = source.section("training", raw.training.clone()).read()?;
        let evaluation = source.section("evaluation", raw.evaluation.clone()).read()?;
        let mut methods = BTreeMap::new();
        for (name, table) in raw.methods.clone() {
            let config = read_method(&source, &name, table, &raw)?;
            methods.insert(name, config);
        }
        let config = Config {
            name: raw.name,
            seed: raw.seed,
            seeds: raw.seeds,
            run: raw.run,
            model: raw.model,
            policy: PolicyConfig::read(raw.policy.map(|table| source.section("policy", table)))?,
            task: TaskConfig::read(source.section("task", raw.task))?,
            sampling,
            training,
            trainer: source.section("trainer", raw.trainer).read()?,
            evaluation,
            record: source.section("record", raw.record).read()?,
            methods,
        };
        check::check(&config).map_err(|invalid| source.invalid(invalid))?;
        Ok(config)
    }

    /// The methods to run, in order, with their names.
    pub fn methods_to_run(&self) -> impl Iterator<Item = (&str, &MethodConfig)> {
        self.run.iter().filter_map(|name| self.methods.get_key_value(name)).map(|(name, method)| (name.as_str(), method))
    }

    /// The whole config with its defaults, as TOML that reads back to the same.
    pub fn to_toml(&self) -> String {
        self.to_table().to_string()
    }

    /// The keys that differ from `other`, each with the value here and there; those left out that say only where and how is asked.
    pub fn changed_keys(&self, other: &Config) -> Vec<String> {
        let is_circumstance = |line: &String| line.split(' ').next().is_some_and(PolicyConfig::is_circumstance);
        let keys = source::changed_keys(&self.to_table(), &other.to_table());
        keys.into_iter().filter(|line| !is_circumstance(line)).collect()
    }

    /// Everything that holds for a method, by dotted keys: its own settings stand under `method`.
    pub fn settings_of(&self, method: &str) -> BTreeMap<String, toml::Value> {
        let mut table = self.to_table();
        for common in ["name", "seeds", "run", "methods"] {
            table.remove(common);
        }
        if let Some(method) = self.methods.get(method) {
            table.insert("sampling".into(), source::to_table(&method.sampling).into());
            table.insert("training".into(), source::to_table(&method.training).into());
            table.insert("evaluation".into(), source::to_table(&method.evaluation).into());
            let own = method.echo.iter().filter(|(_, value)| !value.is_table());
            table.insert("method".into(), own.map(|(key, value)| (key.clone(), value.clone())).collect::<toml::Table>().into());
        }
        let mut settings = Vec::new();
        source::flatten("", &table, &mut settings);
        settings.into_iter().collect()
    }

    fn to_table(&self) -> toml::Table {
        let mut table = toml::Table::new();
        table.insert("name".into(), self.name.clone().into());
        table.insert("seed".into(), toml::Value::Integer(self.seed as i64));
        if !self.seeds.is_empty() {
            let seeds = self.seeds.iter().map(|seed| toml::Value::Integer(*seed as i64));
            table.insert("seeds".into(), seeds.collect::<Vec<_>>().into());
        }
        table.insert("run".into(), self.run.clone().into());
        table.insert("model".into(), source::to_table(&self.model).into());
        if let Some(policy) = self.policy.to_table() {
            table.insert("policy".into(), policy.into());
        }
        table.insert("task".into(), self.task.to_table().into());
        table.insert("sampling".into(), source::to_table(&self.sampling).into());
        table.insert("training".into(), source::to_table(&self.training).into());
        // Older runs know nothing of it.
        if !is_default(&self.trainer) {
            table.insert("trainer".into(), source::to_table(&self.trainer).into());
        }
        table.insert("evaluation".into(), source::to_table(&self.evaluation).into());
        if !is_default(&self.record) {
            table.insert("record".into(), source::to_table(&self.record).into());
        }
        let methods: toml::Table = self.methods.iter().map(|(name, method)| (name.clone(), method.echo.clone().into())).collect();
        table.insert("methods".into(), methods.into());
        table
    }
}

fn read_method(source: &Source, name: &str, mut table: toml::Table, common: &Raw) -> Result<MethodConfig> {
    let path = format!("methods.{name}");
    let entry = source.kind(&path, &mut table, method::REGISTRY, |entry| entry.kind)?;
    let mut overriding = toml::Table::new();
    let mut merged = |section: &str, common: &toml::Table| {
        let own = match table.remove(section) {
            None => return Ok(source.section(section, common.clone())),
            Some(toml::Value::Table(own)) => own,
            Some(other) => {
                let message = format!("expected a table, found {}", other.type_str());
                return Err(source.invalid(Invalid { key: format!("{path}.{section}"), message }));
            }
        };
        overriding.insert(section.to_owned(), own.clone().into());
        let mut merged = common.clone();
        merged.extend(own);
        Ok(source.section(&format!("{path}.{section}"), merged))
    };
    let sampling = merged("sampling", &common.sampling)?.read()?;
    let training = merged("training", &common.training)?.read()?;
    let evaluation = merged("evaluation", &common.evaluation)?.read()?;
    let (method, mut echo) = (entry.read)(source.section(&path, table))?;
    echo.insert("kind".into(), entry.kind.into());
    echo.extend(overriding);
    Ok(MethodConfig { kind: entry.kind, method, sampling, training, evaluation, echo })
}
