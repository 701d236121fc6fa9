//! The files and programs that a command may use besides those that its arguments name.

use crate::EVERY_COMMAND;
use anyhow::{Context, Result};
use starloop_core::config::Config;
use starloop_core::error::Error;
use starloop_core::experiment::Experiment;
use starloop_core::registry::Registry;
use starloop_record::run_dir::{Outside, leads_outside};
use starloop_record::{Error as RecordError, RunDir};
use std::path::{Path, PathBuf};

/// Options for files and configs of other people.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Access {
    /// Let a run that was copied here use files, programs and servers outside of its directory
    #[arg(long, global = true, help_heading = EVERY_COMMAND)]
    pub trust: bool,
    /// Start no program that a config names (verifier, trainer, server), and no pager
    #[arg(long, global = true, help_heading = EVERY_COMMAND)]
    pub no_programs: bool,
}

/// The part of a run that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunPart {
    /// Its own files.
    Files,
    /// Its checkpoints too, with the bases of adapters.
    Checkpoints,
    /// Its base model too, which `run.json` names.
    Base,
}

impl Access {
    /// Checks that a run which was copied here leads to nothing outside of its directory, unless the user trusts it.
    ///
    /// # Errors
    /// The run leads outside. The error lists where.
    pub fn check_run(self, root: &Path, part: RunPart) -> Result<()> {
        if self.trust || !root.is_dir() {
            return Ok(());
        }
        let mut outside = RunDir::outside(root)?;
        outside.retain(|outside| part != RunPart::Files || matches!(outside, Outside::Link { .. }));
        // An unreadable `run.json` is an error of the command that needs it.
        if part == RunPart::Base
            && !RunDir::was_made_here(root)
            && let Ok(info) = RunDir::open_read_only(root).and_then(|run| run.info())
            && leads_outside(root, Path::new(&info.model.base))
        {
            outside.push(Outside::Named { key: "the base model", target: info.model.base });
        }
        refuse(root, &outside)
    }

    /// Checks likewise what the config of a run names. `outside` lists it: [`Experiment::outside`], or a part of that.
    ///
    /// # Errors
    /// The run was copied here, and its config leads outside. The error lists where. Or a data set is not on this machine.
    pub fn check_config(self, root: &Path, outside: impl FnOnce(&Path) -> starloop_core::error::Result<Vec<Outside>>) -> Result<()> {
        if self.trust || RunDir::was_made_here(root) { Ok(()) } else { refuse(root, &outside(root)?) }
    }

    /// The experiment of a preset or a config file. The config of a run that was copied here is checked likewise.
    ///
    /// # Errors
    /// The config is not valid, and as [`Access::check_config`].
    pub fn experiment(self, config: &str, overrides: &[String], registry: &Registry) -> Result<Experiment> {
        let experiment = Experiment::new(Config::load(config, overrides)?, registry)?;
        run_of(config).map_or(Ok(()), |root| self.check_config(&root, |root| experiment.outside(root)))?;
        Ok(experiment)
    }

    /// Checks that an experiment starts no program, if none may be started.
    ///
    /// # Errors
    /// The config names a program.
    pub fn check_programs(self, experiment: &Experiment) -> Result<()> {
        if self.no_programs { Ok(experiment.refuse_programs().context("--no-programs starts no program")?) } else { Ok(()) }
    }
}

/// The run that a config file belongs to: its directory has a `run.json`.
pub fn run_of(config: &str) -> Option<PathBuf> {
    let directory = Path::new(config).is_file().then(|| std::path::absolute(config).ok()?.parent().map(Path::to_owned))??;
    directory.join("run.json").exists().then_some(directory)
}

fn refuse(root: &Path, outside: &[Outside]) -> Result<()> {
    if outside.is_empty() {
        return Ok(());
    }
    let places = outside.iter().map(ToString::to_string).collect();
    Err(Error::Record(RecordError::LeadsOutside { path: root.to_owned(), places }).into())
}
