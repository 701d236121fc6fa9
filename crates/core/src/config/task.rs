//! `[task]`: which problems. The key `kind` says which task reads the other keys.

use super::source::{Section, Source, to_table};
use crate::error::Result;
use crate::task::Task;
use crate::task::arithmetic::{ArithmeticConfig, ArithmeticTask, ConfigError};

/// The settings of a task, by its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskConfig {
    /// Sums of n-digit numbers.
    Arithmetic(ArithmeticConfig),
}

/// The kinds that a config can name.
const KINDS: &[&str] = &["arithmetic"];

impl TaskConfig {
    pub(super) fn read(mut section: Section<'_>) -> Result<TaskConfig> {
        match *section.kind(KINDS, |kind| kind)? {
            "arithmetic" => Ok(TaskConfig::Arithmetic(section.read()?)),
            other => unreachable!("{other} is in KINDS and has no reader"),
        }
    }

    /// A task by the name of its kind, with its defaults.
    ///
    /// # Errors
    /// There is no such kind.
    pub fn named(kind: &str) -> Result<TaskConfig> {
        let (source, mut table) = Source::read("--task", "", &[])?;
        table.insert("kind".into(), kind.into());
        TaskConfig::read(source.section("task", table))
    }

    /// The task of a run with this seed.
    ///
    /// # Errors
    /// A value that cannot be, with its key relative to `[task]`.
    pub fn build(&self, seed: u64) -> Result<Box<dyn Task>, ConfigError> {
        match self {
            TaskConfig::Arithmetic(config) => Ok(Box::new(ArithmeticTask::new(config.clone(), seed)?)),
        }
    }

    pub(super) fn to_table(&self) -> toml::Table {
        let (kind, mut table) = match self {
            TaskConfig::Arithmetic(config) => ("arithmetic", to_table(config)),
        };
        table.insert("kind".into(), kind.into());
        table
    }
}
