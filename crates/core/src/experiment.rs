//! A whole experiment: a config that was resolved against a registry and checked once. It runs in a run directory.

pub mod base_model;
mod check;
pub mod export;
pub mod init;
pub mod inputs;
mod outside;
pub mod plan;
pub mod prompts;
pub mod records;
mod resolve;
mod run;

use crate::config::{Config, PolicyConfig, Reload};
use crate::error::masks::without_password;
use crate::error::{Error, Result};
use crate::method::Estimate;
use crate::registry::Registry;
use crate::task::{Task, TaskSettings};
pub use resolve::ResolvedMethod;
use resolve::{ResolvedPolicy, ResolvedTask, resolve_method, resolve_policy, resolve_task};
use starloop_record::run_dir::settings;
use std::collections::BTreeMap;

/// An experiment whose every key is known and every value checked.
#[derive(Debug)]
pub struct Experiment {
    config: Config,
    task: ResolvedTask,
    methods: BTreeMap<String, ResolvedMethod>,
    /// The policy from outside this crate, if the config names one.
    policy: Option<ResolvedPolicy>,
}

impl Experiment {
    /// Resolves a config against a registry and checks all values. No file of the task is read.
    ///
    /// # Errors
    /// An unknown kind or key, or a value that is out of range; each names the file and the key.
    pub fn new(config: Config, registry: &Registry) -> Result<Self> {
        let task = resolve_task(&config, registry)?;
        let mut methods = BTreeMap::new();
        for name in config.methods.keys() {
            methods.insert(name.clone(), resolve_method(&config, name, registry)?);
        }
        let policy = resolve_policy(&config, registry)?;
        let experiment = Experiment { config, task, methods, policy };
        experiment.check().map_err(|invalid| experiment.config.source.invalid(invalid))?;
        Ok(experiment)
    }

    /// Loads a preset or a file as [`Config::load`] does, with the kinds that this project ships.
    ///
    /// ```
    /// use starloop_core::experiment::Experiment;
    ///
    /// let experiment = Experiment::load("arithmetic", &["methods.star.iterations=2".to_owned()])?;
    /// let names: Vec<&str> = experiment.methods_to_run().map(|method| method.name.as_str()).collect();
    /// assert!(names.contains(&"star"));
    /// # Ok::<(), starloop_core::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Config::load`] and [`Experiment::new`].
    pub fn load(preset_or_path: &str, overrides: &[String]) -> Result<Self> {
        Experiment::new(Config::load(preset_or_path, overrides)?, &Registry::default())
    }

    /// The config.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The methods to run, in order.
    pub fn methods_to_run(&self) -> impl Iterator<Item = &ResolvedMethod> {
        self.config.run.iter().filter_map(|name| self.methods.get(name))
    }

    /// A method by its name in the config, whether it is run or not.
    pub fn method(&self, name: &str) -> Option<&ResolvedMethod> {
        self.methods.get(name)
    }

    /// The kind of the task.
    pub fn task_kind(&self) -> &str {
        &self.task.kind
    }

    /// The settings of the task.
    pub fn task_settings(&self) -> &dyn TaskSettings {
        self.task.settings.as_ref()
    }

    /// The whole config with all its defaults, as TOML that reads back to the same experiment. Passwords in addresses are masked.
    pub fn to_toml(&self) -> String {
        self.to_table().to_string()
    }

    /// [`Experiment::to_toml`] as a table.
    pub fn to_table(&self) -> toml::Table {
        let mut table = self.config.to_table();
        mask_passwords(&mut table);
        table.insert("task".into(), self.task.table.clone().into());
        let methods: toml::Table = self.methods.iter().map(|(name, method)| (name.clone(), method.table.clone().into())).collect();
        table.insert("methods".into(), methods.into());
        if let Some(policy) = &self.policy {
            table.insert("policy".into(), policy.table.clone().into());
        }
        table
    }

    /// The keys that differ from `other`, each with the value there and here. Keys that change no result are left out.
    pub fn changed_keys(&self, other: &Experiment) -> Vec<String> {
        let circumstances = PolicyConfig::circumstances();
        let mut keys = settings::changed_keys(&self.to_table(), &other.to_table());
        keys.retain(|change| !circumstances.iter().any(|key| change.split(' ').next() == Some(key)));
        keys
    }

    /// The task with the run's seed, its files read and its verifier started.
    ///
    /// # Errors
    /// A value of `[task]` is out of range, a file does not hold what it should, a split to be measured has no problems, or a method needs
    /// something that the task does not have.
    pub fn task(&self) -> Result<Box<dyn Task>> {
        let task = self.read_task()?;
        task.prepare().map_err(|error| self.invalid(format!("task.{}", error.key), error.reason))?;
        Ok(task)
    }

    /// [`Experiment::task`] without its verifier. No program is started.
    ///
    /// # Errors
    /// As [`Experiment::task`].
    pub fn read_task(&self) -> Result<Box<dyn Task>> {
        self.refuse_missing_files()?;
        let task = self.task.settings.build(self.config.seed);
        let task = task.map_err(|error| self.invalid(format!("task.{}", error.key), error.reason))?;
        for ResolvedMethod { name, method, settings, .. } in self.methods_to_run() {
            method.check_task(task.as_ref())?;
            self.check_worked_examples(task.as_ref(), name, settings, method.style())?;
            if let Some(key) = settings.selection.needs_checked_steps().filter(|_| !task.checks_steps()) {
                let message = format!("method {name}: the task {} cannot check the steps of a rationale; remove this key", self.task.kind);
                return Err(self.invalid(format!("selection.{key}"), message));
            }
            for split in std::iter::once(settings.evaluation.split).chain(settings.evaluation.final_split) {
                if task.evaluation_problems(split, 0).is_empty() {
                    let message = format!("the task has no {} problems to measure accuracy on; see the keys of [task]", split.name());
                    return Err(self.invalid("evaluation.split".to_owned(), message));
                }
            }
        }
        Ok(task)
    }

    fn invalid(&self, key: String, message: String) -> Error {
        Error::ConfigValue { origin: self.config.name.clone(), key, message }
    }

    /// The programs that a run starts: the key that names each, and the program.
    pub fn programs(&self) -> Vec<(&'static str, &str)> {
        let mut programs: Vec<(&str, &str)> = self.task.settings.program().map(|program| ("task.command", program)).into_iter().collect();
        programs.extend(self.config.trainer.command.first().map(|program| ("trainer.command", program.as_str())));
        if let PolicyConfig::OpenAi(serving) = &self.config.policy {
            programs.extend(serving.launch.first().map(|program| ("policy.launch", program.as_str())));
            if let Some(Reload::Command(command)) = &serving.reload {
                programs.extend(command.first().map(|program| ("policy.reload", program.as_str())));
            }
        }
        programs
    }

    /// The most work that each method will do, by its name.
    pub fn estimate(&self, task: &dyn Task) -> Vec<(String, Estimate)> {
        self.methods_to_run().map(|method| (method.name.clone(), method.estimate(task))).collect()
    }
}

/// Masks passwords in the addresses of servers: the table is kept and shown.
fn mask_passwords(table: &mut toml::Table) {
    let endpoints = table.get_mut("policy").and_then(|policy| policy.get_mut("endpoints")).and_then(toml::Value::as_array_mut);
    for endpoint in endpoints.into_iter().flatten() {
        if let toml::Value::String(address) = endpoint {
            *address = without_password(address);
        }
    }
}
