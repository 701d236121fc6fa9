//! The values of a config that name kinds, resolved against a registry.

use crate::config::{Config, Invalid, MethodSettings, POLICY_KINDS, PolicyConfig, TrainingConfig};
use crate::error::Result;
use crate::method::{self, Estimate, Method};
use crate::registry::{PolicySettings, Registry};
use crate::task::verifier::{Verified, Verifier};
use crate::task::{Task, TaskSettings};
use crate::types::Style;

/// The task of an experiment.
#[derive(Debug)]
pub(super) struct ResolvedTask {
    pub(super) kind: String,
    pub(super) label: String,
    pub(super) settings: Box<dyn TaskSettings>,
    /// All keys with their defaults.
    pub(super) table: toml::Table,
}

/// A policy from outside this crate.
#[derive(Debug)]
pub(super) struct ResolvedPolicy {
    pub(super) settings: Box<dyn PolicySettings>,
    /// All keys with their defaults.
    pub(super) table: toml::Table,
}

/// A method of an experiment.
#[derive(Debug)]
pub struct ResolvedMethod {
    /// Its name in the config.
    pub name: String,
    /// The value of `kind`.
    pub kind: String,
    /// The words that tables and pages show.
    pub label: String,
    /// Its purpose.
    pub method: Box<dyn Method>,
    /// The settings that hold for it.
    pub settings: MethodSettings,
    /// Its own keys with their defaults, and its overrides of the common sections.
    pub(super) table: toml::Table,
}

impl ResolvedMethod {
    /// The most work that the method will do, its final figure included.
    pub fn estimate(&self, task: &dyn Task) -> Estimate {
        method::estimate(self.method.as_ref(), &self.settings, task)
    }

    /// The settings of the fine-tuning in an iteration. A warm start has its own.
    pub fn training_in(&self, iteration: u32) -> TrainingConfig {
        method::training_in(self.method.as_ref(), &self.settings, iteration)
    }

    pub(super) fn at_work(&self) -> (&str, &MethodSettings, Style) {
        (&self.name, &self.settings, self.method.style())
    }
}

pub(super) fn resolve_task(config: &Config, registry: &Registry) -> Result<ResolvedTask> {
    let mut keys = config.task.clone();
    let entry = config.source.kind("task", &mut keys, &registry.tasks, |entry| &entry.kind)?;
    let verifier = resolve_verifier(config, &mut keys, registry)?;
    let (mut settings, mut table) = entry.reader.read(config.source.section("task", keys))?;
    table.insert("kind".into(), entry.kind.clone().into());
    if let Some((verifier, keys)) = verifier {
        settings = Box::new(Verified { settings, verifier: verifier.into() });
        table.insert("verifier".into(), keys.into());
    }
    Ok(ResolvedTask { kind: entry.kind.clone(), label: entry.label.clone(), settings, table })
}

/// The verifier that `[task.verifier]` names, and its keys. Without registered verifiers, the section is left to the task.
pub(super) fn resolve_verifier(
    config: &Config,
    task: &mut toml::Table,
    registry: &Registry,
) -> Result<Option<(Box<dyn Verifier>, toml::Table)>> {
    const PATH: &str = "task.verifier";
    if registry.verifiers.is_empty() {
        return Ok(None);
    }
    let mut keys = match task.remove("verifier") {
        None => return Ok(None),
        Some(toml::Value::Table(keys)) => keys,
        Some(other) => {
            let message = format!("expected a table with the key kind, found {}", other.type_str());
            return Err(config.source.invalid(Invalid { key: PATH.to_owned(), message }));
        }
    };
    let entry = config.source.kind(PATH, &mut keys, &registry.verifiers, |entry| &entry.kind)?;
    let (verifier, mut table) = entry.reader.read(config.source.section(PATH, keys))?;
    table.insert("kind".into(), entry.kind.clone().into());
    Ok(Some((verifier, table)))
}

pub(super) fn resolve_method(config: &Config, name: &str, registry: &Registry) -> Result<ResolvedMethod> {
    let (settings, mut keys) = config.settings_of(name)?;
    let path = format!("methods.{name}");
    let entry = config.source.kind(&path, &mut keys, &registry.methods, |entry| &entry.kind)?;
    let (method, mut table) = entry.reader.read(config.source.section(&path, keys))?;
    table.insert("kind".into(), entry.kind.clone().into());
    let overrides = config.methods.get(name).into_iter().flatten();
    table.extend(
        overrides
            .filter(|(key, _)| ["sampling", "selection", "training", "evaluation"].contains(&key.as_str()))
            .map(|(k, v)| (k.clone(), v.clone())),
    );
    let label = entry.label.clone().unwrap_or_else(|| method.approach().title().to_owned());
    Ok(ResolvedMethod { name: name.to_owned(), kind: entry.kind.clone(), label, method, settings, table })
}

pub(super) fn resolve_policy(config: &Config, registry: &Registry) -> Result<Option<ResolvedPolicy>> {
    let PolicyConfig::Other { kind, keys } = &config.policy else { return Ok(None) };
    let found = registry.policies.iter().find(|entry| entry.kind == *kind);
    let Some(entry) = found else {
        let kinds = registry.policies.iter().map(|entry| entry.kind.clone());
        let kinds: Vec<String> = POLICY_KINDS.iter().map(|&kind| kind.to_owned()).chain(kinds).collect();
        return Err(config.source.unknown_kind("policy", &kind.as_str().into(), &kinds));
    };
    let (settings, mut table) = entry.reader.read(config.source.section("policy", keys.clone()))?;
    table.insert("kind".into(), kind.as_str().into());
    Ok(Some(ResolvedPolicy { settings, table }))
}
