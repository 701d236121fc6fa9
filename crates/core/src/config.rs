//! The config of an experiment as plain data, from a TOML file or from code.
//!
//! A file or preset is read into a table, then overrides of the form `a.b=c` are written into it, then every section is read strictly: an
//! unknown key is an error that names its path and the nearest valid key. `[task]` and the methods stay tables here.
//! [`Experiment`](crate::experiment::Experiment) resolves them against a registry and checks every value. The sections `sampling`, `training`
//! and `evaluation` apply to all methods. A method's own sections of the same names override them key by key.
//!
//! A preset with an override:
//!
//! ```
//! use starloop_core::config::Config;
//!
//! let config = Config::load("arithmetic", &["training.steps=100".to_owned()])?;
//! assert_eq!(config.training.steps, 100);
//! # Ok::<(), starloop_core::error::Error>(())
//! ```
//!
//! The same in code, where a change of a field has the same effect as a change of the TOML:
//!
//! ```
//! use starloop_core::config::{Config, TrainingConfig};
//! use starloop_core::experiment::Experiment;
//! use starloop_core::method::Star;
//! use starloop_core::registry::Registry;
//! use starloop_core::task::arithmetic::ArithmeticConfig;
//!
//! let mut config = Config { name: "short".into(), training: TrainingConfig { steps: 30, ..Default::default() }, ..Config::default() };
//! config.set_task("arithmetic", &ArithmeticConfig { problems_per_iteration: 50, ..Default::default() })?;
//! config.add_method("star", "star", &Star { iterations: 2, ..Default::default() })?;
//! config.sampling.max_new_tokens = 96;
//! let experiment = Experiment::new(config, &Registry::default())?;
//! assert!(experiment.to_toml().contains("steps = 30"));
//! # Ok::<(), starloop_core::error::Error>(())
//! ```

use crate::error::{Error, Missing, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

pub(crate) mod check;
mod policy;
mod presets;
mod record;
mod sections;
mod selection;
pub(crate) mod strict;
mod trainer;
mod training;

pub(crate) use policy::KINDS as POLICY_KINDS;
pub use policy::{PolicyConfig, PromptForm, Reload, ReloadRecipe, ServerKind, ServingConfig};
pub use presets::presets;
pub use record::RecordConfig;
pub use sections::{EvaluationConfig, ModelConfig, SamplingConfig};
pub use selection::SelectionConfig;
pub use strict::{Invalid, Section, Source};
#[cfg(test)]
pub(crate) use trainer::PLACES;
pub use trainer::{TrainerConfig, TrainerKind};
pub use training::TrainingConfig;

/// The keys of `[task]` that name files.
const DATA: [&str; 5] = ["train", "dev", "test", "examples_file", "prompts"];

/// The config of an experiment: its methods, task, model and settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// The name of the run. Its directory is `runs/<name>` by default.
    pub name: String,
    /// The seed that all others are made from.
    pub seed: u64,
    /// The experiment is run once with each of these seeds, each in its own directory. If there are none, it is run once with `seed`.
    pub seeds: Vec<u64>,
    /// The methods to run, in order.
    pub run: Vec<String>,
    /// The method that reports state first. It is named before the run, so that no result chooses it.
    pub main: Option<String>,
    /// The pretrained model.
    pub model: ModelConfig,
    /// The policy, which samples.
    pub policy: PolicyConfig,
    /// `[task]`: its `kind`, and the keys that this kind reads.
    pub task: toml::Table,
    /// Sampling, for all methods.
    pub sampling: SamplingConfig,
    /// Selection, for all methods.
    pub selection: SelectionConfig,
    /// Fine-tuning, for all methods.
    pub training: TrainingConfig,
    /// The trainer, which fine-tunes.
    pub trainer: TrainerConfig,
    /// Measuring, for all methods.
    pub evaluation: EvaluationConfig,
    /// The data that the run records of each attempt.
    pub record: RecordConfig,
    /// `[methods.NAME]`: its `kind`, the keys that this kind reads, and sections that override the common ones.
    pub methods: BTreeMap<String, toml::Table>,
    /// The source of the config, for errors. A config that is made in code has `Source::default()`.
    pub source: Source,
}

impl Default for Config {
    /// The shipped arithmetic model and task, and no method: add one with [`Config::add_method`].
    fn default() -> Self {
        let task = toml::Table::from_iter([("kind".to_owned(), "arithmetic".into())]);
        Config {
            name: "experiment".to_owned(),
            seed: default_seed(),
            seeds: Vec::new(),
            run: Vec::new(),
            main: None,
            model: ModelConfig::default(),
            policy: PolicyConfig::default(),
            task,
            sampling: SamplingConfig::default(),
            selection: SelectionConfig::default(),
            training: TrainingConfig::default(),
            trainer: TrainerConfig::default(),
            evaluation: EvaluationConfig::default(),
            record: RecordConfig::default(),
            methods: BTreeMap::new(),
            source: Source::default(),
        }
    }
}

/// The settings that hold for one method: the common sections, merged with its own.
#[derive(Debug, Clone, PartialEq)]
pub struct MethodSettings {
    /// Sampling.
    pub sampling: SamplingConfig,
    /// Selection.
    pub selection: SelectionConfig,
    /// Fine-tuning.
    pub training: TrainingConfig,
    /// Measuring.
    pub evaluation: EvaluationConfig,
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
    #[serde(default)]
    main: Option<String>,
    model: ModelConfig,
    #[serde(default)]
    policy: Option<toml::Table>,
    task: toml::Table,
    #[serde(default)]
    sampling: toml::Table,
    #[serde(default)]
    selection: toml::Table,
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

// Keys that older recipes do not have are written only if they differ from the default, so that the hash of a recipe stays the same.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Config {
    /// Reads a preset by its name, or else a file by its path, with overrides of the form `a.b=c`.
    ///
    /// # Errors
    /// There is no such preset or file, it is not TOML, or a section has an unknown key or a value of the wrong type.
    pub fn load(preset_or_path: &str, overrides: &[String]) -> Result<Config> {
        if let Some((name, text)) = presets().iter().find(|(name, _)| *name == preset_or_path) {
            return Config::parse(&format!("preset {name}"), text, overrides);
        }
        let path = Path::new(preset_or_path);
        if !path.exists() {
            let presets: Vec<String> = presets().iter().map(|(name, _)| (*name).to_owned()).collect();
            let is_name = path.extension().is_none() && path.components().count() == 1;
            let nearest = strict::nearest(preset_or_path, &presets).filter(|_| is_name);
            return Err(Error::NotFound {
                what: Missing::Config,
                name: preset_or_path.to_owned(),
                known: presets,
                nearest,
                download: None,
            });
        }
        if path.is_dir() {
            let inside = path.join("config.toml");
            let hint = if inside.is_file() { format!("; the config in it is {}", inside.display()) } else { String::new() };
            let message = format!("{}: is a directory, expected the name of a preset or a TOML file{hint}", path.display());
            return Err(std::io::Error::new(std::io::ErrorKind::IsADirectory, message).into());
        }
        let mut config = Config::parse(preset_or_path, &fs_err::read_to_string(path)?, overrides)?;
        config.find_beside(path.parent().unwrap_or(Path::new("")));
        Ok(config)
    }

    /// Paths are relative to the working directory. A relative path that leads nowhere from there and to something from the config's directory is
    /// seen from the config's directory, so that a config can be run from anywhere.
    fn find_beside(&mut self, directory: &Path) {
        let beside = |path: &str| {
            let found = directory.join(path);
            (!path.is_empty() && !Path::new(path).exists() && found.exists()).then(|| found.display().to_string())
        };
        for key in DATA {
            if let Some(toml::Value::String(path)) = self.task.get_mut(key)
                && let Some(found) = beside(path)
            {
                *path = found;
            }
        }
        if let Some(found) = beside(&self.model.base) {
            self.model.base = found;
        }
    }

    /// Reads a config's text; `origin` names it in errors.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(origin: &str, text: &str, overrides: &[String]) -> Result<Config> {
        let (source, table) = Source::read(origin, text, overrides)?;
        let raw: Raw = source.section("", table).read()?;
        Ok(Config {
            name: raw.name,
            seed: raw.seed,
            seeds: raw.seeds,
            run: raw.run,
            main: raw.main,
            model: raw.model,
            policy: PolicyConfig::read(raw.policy.map(|table| source.section("policy", table)))?,
            task: raw.task,
            sampling: source.section("sampling", raw.sampling).read()?,
            selection: source.section("selection", raw.selection).read()?,
            training: source.section("training", raw.training).read()?,
            trainer: source.section("trainer", raw.trainer).read()?,
            evaluation: source.section("evaluation", raw.evaluation).read()?,
            record: source.section("record", raw.record).read()?,
            methods: raw.methods,
            source,
        })
    }

    /// Makes `[task]` the kind `kind` with these settings.
    ///
    /// # Errors
    /// TOML cannot hold the settings.
    pub fn set_task(&mut self, kind: &str, settings: &impl Serialize) -> Result<()> {
        self.task = self.source.table("task", settings)?;
        self.task.insert("kind".to_owned(), kind.into());
        Ok(())
    }

    /// Adds `[methods.NAME]` of the kind `kind` with these settings, and runs it after the methods that the config has.
    ///
    /// # Errors
    /// TOML cannot hold the settings.
    pub fn add_method(&mut self, name: &str, kind: &str, settings: &impl Serialize) -> Result<()> {
        let mut table = self.source.table(&format!("methods.{name}"), settings)?;
        table.insert("kind".to_owned(), kind.into());
        self.methods.insert(name.to_owned(), table);
        self.run.push(name.to_owned());
        Ok(())
    }

    /// The settings that hold for the method `name`, and the keys of its table that are its own.
    ///
    /// # Errors
    /// A section of the method is not a table, or has an unknown key or a value of the wrong type.
    pub(crate) fn settings_of(&self, name: &str) -> Result<(MethodSettings, toml::Table)> {
        let mut own = self.methods.get(name).cloned().unwrap_or_default();
        let mut merged = |section: &str, common: toml::Table| {
            let path = format!("methods.{name}.{section}");
            let overrides = match own.remove(section) {
                None => toml::Table::new(),
                Some(toml::Value::Table(overrides)) => overrides,
                Some(other) => {
                    let message = format!("expected a table, found {}", other.type_str());
                    return Err(self.source.invalid(Invalid { key: path, message }));
                }
            };
            Ok(self.source.section(&path, common.into_iter().chain(overrides).collect()))
        };
        let settings = MethodSettings {
            sampling: merged("sampling", self.source.table("sampling", &self.sampling)?)?.read()?,
            selection: merged("selection", self.source.table("selection", &self.selection)?)?.read()?,
            training: merged("training", self.source.table("training", &self.training)?)?.read()?,
            evaluation: merged("evaluation", self.source.table("evaluation", &self.evaluation)?)?.read()?,
        };
        Ok((settings, own))
    }

    /// The config as a table. `task` and `methods` are written without their defaults.
    pub(crate) fn to_table(&self) -> toml::Table {
        let mut table = toml::Table::new();
        table.insert("name".into(), self.name.clone().into());
        table.insert("seed".into(), toml::Value::Integer(self.seed as i64));
        if !self.seeds.is_empty() {
            let seeds = self.seeds.iter().map(|seed| toml::Value::Integer(*seed as i64));
            table.insert("seeds".into(), seeds.collect::<Vec<_>>().into());
        }
        table.insert("run".into(), self.run.clone().into());
        if let Some(main) = &self.main {
            table.insert("main".into(), main.clone().into());
        }
        table.insert("model".into(), strict::to_table(&self.model).into());
        if let Some(policy) = self.policy.to_table() {
            table.insert("policy".into(), policy.into());
        }
        table.insert("task".into(), self.task.clone().into());
        table.insert("sampling".into(), strict::to_table(&self.sampling).into());
        if !is_default(&self.selection) {
            table.insert("selection".into(), strict::to_table(&self.selection).into());
        }
        table.insert("training".into(), strict::to_table(&self.training).into());
        if !is_default(&self.trainer) {
            table.insert("trainer".into(), strict::to_table(&self.trainer).into());
        }
        table.insert("evaluation".into(), strict::to_table(&self.evaluation).into());
        if !is_default(&self.record) {
            table.insert("record".into(), strict::to_table(&self.record).into());
        }
        let methods: toml::Table = self.methods.iter().map(|(name, method)| (name.clone(), method.clone().into())).collect();
        table.insert("methods".into(), methods.into());
        table
    }
}
