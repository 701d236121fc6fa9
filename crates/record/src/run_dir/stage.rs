//! The chain of digests: what each finished stage read and wrote.
//!
//! `stages/STAGE.json` is in the directory of an iteration. It is written before the files get their final names, so a file without its
//! record, or with another digest than the recorded one, was not written by the run. The files of a run can be checked without the program:
//! each digest is what `sha256sum` prints.

use super::files::{read_json, write_json};
use crate::digest::file_sha256;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Names with their SHA-256. A file has its path relative to the run directory; the weights of a model have `weights`.
pub type Digests = BTreeMap<String, String>;

/// A stage that writes files of an iteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileStage {
    /// Unpacks a shipped base model.
    Unpack,
    /// Samples at several settings to choose one.
    Probe,
    /// Samples and grades attempts.
    Collect,
    /// Decides which attempts are learned.
    Select,
    /// Fine-tunes.
    Train,
    /// Measures a model.
    Evaluate,
    /// Scores candidates with a verifier.
    Score,
    /// Counts everything; the iteration is done.
    Count,
}

impl FileStage {
    /// The name of its record, without extension.
    pub fn name(self) -> &'static str {
        match self {
            FileStage::Unpack => "unpack",
            FileStage::Probe => "probe",
            FileStage::Collect => "collect",
            FileStage::Select => "select",
            FileStage::Train => "train",
            FileStage::Evaluate => "evaluate",
            FileStage::Score => "score",
            FileStage::Count => "count",
        }
    }
}

/// The program that made the files of a run, as every stage records it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maker {
    /// The program with its version.
    pub program: String,
    /// The device that computed.
    pub device: String,
}

/// The record of one finished stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageRecord {
    /// The stage.
    pub stage: FileStage,
    /// The program that made it.
    #[serde(flatten)]
    pub maker: Maker,
    /// The files that it read.
    pub read: Digests,
    /// The files that it wrote.
    pub wrote: Digests,
}

/// The name of the directory with the records of stages.
pub(super) const STAGES: &str = "stages";

/// The records of the stages in one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stages {
    directory: PathBuf,
}

impl Stages {
    pub(super) fn beside(files: &Path) -> Self {
        Stages { directory: files.join(STAGES) }
    }

    fn path(&self, stage: FileStage) -> PathBuf {
        self.directory.join(format!("{}.json", stage.name()))
    }

    /// The record of a stage, if it has begun to write its files.
    pub(super) fn get(&self, stage: FileStage) -> Result<Option<StageRecord>> {
        read_json(&self.path(stage))
    }

    pub(super) fn put(&self, record: &StageRecord) -> Result<()> {
        write_json(&self.path(record.stage), record)
    }

    /// Compares the digest of a file with the recorded one.
    ///
    /// # Errors
    /// [`Error::Altered`].
    pub(super) fn check(&self, stage: FileStage, file: &Path, name: &str, found: &str) -> Result<()> {
        let record = self.get(stage)?;
        let expected = record.as_ref().and_then(|record| record.wrote.get(name)).map_or("none recorded", String::as_str);
        if expected == found {
            return Ok(());
        }
        let (stage, found, expected) = (stage.name().to_owned(), found.to_owned(), expected.to_owned());
        Err(Error::Altered { path: file.to_owned(), stage, found, expected, delete: file.to_owned() })
    }

    /// Compares every file that a stage wrote below `prefix` with its record.
    ///
    /// # Errors
    /// [`Error::Altered`] names the first file that is missing or changed.
    pub(super) fn check_below(&self, stage: FileStage, root: &Path, prefix: &str) -> Result<()> {
        let Some(record) = self.get(stage)? else { return Ok(()) };
        for (name, expected) in record.wrote.iter().filter(|(name, _)| name.starts_with(prefix)) {
            let path = root.join(name);
            let found = if path.exists() { file_sha256(&path)? } else { "missing".to_owned() };
            if found != *expected {
                let (stage, expected) = (stage.name().to_owned(), expected.clone());
                return Err(Error::Altered { path, stage, found, expected, delete: root.join(prefix) });
            }
        }
        Ok(())
    }
}
