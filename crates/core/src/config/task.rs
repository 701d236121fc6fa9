//! `[task]`: which problems. The key `kind` says which task reads the other keys.

use super::source::{Section, Source};
use crate::error::Result;
use crate::task::{self, ConfigError, Settings, Task};
use serde::Deserialize;
use std::path::Path;

/// The settings of a task.
#[derive(Debug)]
pub struct TaskConfig {
    settings: Box<dyn Settings>,
    /// The table for the echo: the kind and all keys with their defaults.
    echo: toml::Table,
}

/// A config that holds a task alone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfTask {
    task: toml::Table,
}

impl TaskConfig {
    pub(super) fn read(mut section: Section<'_>) -> Result<TaskConfig> {
        let entry = section.kind(task::REGISTRY, |entry| entry.kind)?;
        let (settings, mut echo) = (entry.read)(section)?;
        echo.insert("kind".into(), entry.kind.into());
        Ok(TaskConfig { settings, echo })
    }

    /// A task by the name of its kind, with its defaults and overrides of the form `task.key=value`.
    ///
    /// # Errors
    /// There is no such kind or key.
    pub fn named(kind: &str, overrides: &[String]) -> Result<TaskConfig> {
        let overrides: Vec<String> = [format!("task.kind={kind:?}")].into_iter().chain(overrides.iter().cloned()).collect();
        let (source, table) = Source::read("--task", "", &overrides)?;
        let raw: OfTask = source.section("", table).read()?;
        TaskConfig::read(source.section("task", raw.task))
    }

    /// The value of `kind`.
    pub fn kind(&self) -> &str {
        self.echo.get("kind").and_then(toml::Value::as_str).unwrap_or_default()
    }

    /// The task of a run with this seed.
    ///
    /// # Errors
    /// A value that cannot be, or a file that does not hold what it should, with the key relative to `[task]`.
    pub fn build(&self, seed: u64) -> Result<Box<dyn Task>, ConfigError> {
        self.settings.build(seed)
    }

    /// The files that the problems come from.
    pub fn files(&self) -> Vec<&Path> {
        self.settings.files()
    }

    /// The task without its problems, to grade answers.
    ///
    /// # Errors
    /// A value that cannot be, with the key relative to `[task]`.
    pub fn grader(&self) -> Result<Box<dyn Task>, ConfigError> {
        self.settings.grader()
    }

    pub(super) fn to_table(&self) -> toml::Table {
        self.echo.clone()
    }
}
