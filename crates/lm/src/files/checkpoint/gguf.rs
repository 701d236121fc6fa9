//! GGUF files, the format of llama.cpp: one file with weights, tokenizer and chat template.
//!
//! [`open`] gives the parts of a checkpoint. `Checkpoint::save` then writes the Hugging Face directory that the rest of this crate reads.
//! `Checkpoint::save_gguf` writes such a file.
//! Quantised weights become `f32`, so that no further precision is lost. The crate `anamnesis` reads the header and dequantises blocks; this
//! module knows how llama.cpp names and arranges the tensors of a family, and how it describes a tokenizer.

mod blocks;
mod checks;
mod config;
mod container;
mod describe;
mod errors;
mod metadata;
mod modelfile;
mod names;
mod save;
mod tensors;
mod tokenizer;
mod vocabulary;

pub use blocks::GgufType;
pub(super) use errors::in_words_of_gguf;
pub(super) use tensors::GgufFile;

use super::source::TensorSource;
use crate::error::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Returns true if a path names a GGUF file, by the end of its name.
pub fn is_gguf(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"))
}

/// A file as the parts of a checkpoint. The weights are not read yet.
pub(super) struct GgufParts {
    pub source: TensorSource,
    /// The model's config, in the form of `config.json`.
    pub config: Value,
    /// Tokenizer and generation settings, by file name.
    pub companions: BTreeMap<String, Vec<u8>>,
}

/// Reads the header of a file.
pub(super) fn open(path: &Path) -> Result<GgufParts> {
    let file = GgufFile::open(path)?;
    let config = config::of(file.metadata(), &file)?;
    checks::tokenizer(file.metadata(), file.rows(names::EMBEDDING).unwrap_or(0))?;
    let companions = tokenizer::files(file.metadata())?;
    Ok(GgufParts { source: TensorSource::of_gguf(file), config, companions })
}

/// A problem of a file, with the key or tensor in it.
fn problem(path: &Path, problem: impl Into<String>) -> Error {
    Error::Weights { path: path.into(), problem: problem.into() }
}
