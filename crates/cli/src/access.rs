//! The files and programs that a command may use besides those that its arguments name.

use crate::EVERY_COMMAND;
use anyhow::{Context, Result};
use starloop_core::error::Error;
use starloop_core::experiment::Experiment;
use starloop_record::run_dir::Outside;
use starloop_record::{Error as RecordError, RunDir};
use std::path::Path;

/// Options for files and configs of other people.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Access {
    /// Let a run that was copied here read files outside of its directory
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
        outside.retain(|outside| part == RunPart::Checkpoints || matches!(outside, Outside::Link { .. }));
        if outside.is_empty() {
            return Ok(());
        }
        let places = outside.iter().map(ToString::to_string).collect();
        Err(Error::Record(RecordError::LeadsOutside { path: root.to_owned(), places }).into())
    }

    /// Checks that an experiment starts no program, if none may be started.
    ///
    /// # Errors
    /// The config names a program.
    pub fn check_programs(self, experiment: &Experiment) -> Result<()> {
        if self.no_programs { Ok(experiment.refuse_programs().context("--no-programs starts no program")?) } else { Ok(()) }
    }
}
