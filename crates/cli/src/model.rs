//! The `--model` of a command: a checkpoint directory, or a model that is part of the program.

use anyhow::{Context, Result};
use starloop_core::experiment::base_model::BaseModel;
use starloop_lm::LanguageModel;
use starloop_lm::checkpoint::is_gguf;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A checkpoint directory. It exists as long as this value.
#[derive(Debug)]
pub struct Model {
    directory: PathBuf,
    /// The temporary directory of an unpacked model. Dropping it deletes the files.
    _unpacked: Option<TempDir>,
}

impl Model {
    /// Finds a directory, unpacks `builtin:NAME`, or converts a GGUF file.
    pub fn find(model: &str) -> Result<Self> {
        if !model.starts_with("builtin:") && !is_gguf(Path::new(model)) {
            return Ok(Model { directory: model.into(), _unpacked: None });
        }
        let place = tempfile::tempdir()?;
        let directory = BaseModel::find(model)?.unpacked(&place.path().join("model"))?;
        Ok(Model { directory, _unpacked: Some(place) })
    }

    /// The checkpoint directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Reads the checkpoint.
    pub fn load(&self) -> Result<LanguageModel> {
        LanguageModel::load(&self.directory).context("cannot load the model")
    }
}
