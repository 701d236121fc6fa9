//! Errors about a decoder in the words of the GGUF file that describes it.

use super::names::{NUMBERS, SIZES, in_llama_cpp};
use super::problem;
use crate::error::Error;
use serde_json::Value;
use std::path::Path;

/// An error about the config or a tensor that a GGUF file became. The file has other names for both.
pub(in crate::files::checkpoint) fn in_words_of_gguf(error: Error, path: &Path, config: &Value) -> Error {
    let architecture = match config["model_type"].as_str() {
        Some("mistral") => "llama",
        family => family.unwrap_or_default(),
    };
    let tensor = |name: &str| in_llama_cpp(name, architecture).unwrap_or_else(|| name.to_owned());
    match error {
        Error::ConfigKey { key, problem: said, .. } => match SIZES.iter().chain(&NUMBERS).find(|(_, name)| *name == key) {
            Some((name, _)) => problem(path, format!("metadata key \"{architecture}.{name}\": {said}")),
            None => problem(path, format!("the model that its metadata describe: {key}: {said}")),
        },
        Error::MissingTensor { name, expected, .. } => {
            problem(path, format!("tensor {} is missing (expected shape {expected:?})", tensor(&name)))
        }
        Error::TensorShape { name, expected, got, .. } => {
            problem(path, format!("tensor {} has shape {got:?}, expected {expected:?} by the metadata", tensor(&name)))
        }
        Error::ExtraTensor { name, .. } => {
            problem(path, format!("tensor {} is not part of the model that the metadata describe", tensor(&name)))
        }
        other => other,
    }
}
