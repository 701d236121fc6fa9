//! The keys and values at the beginning of a GGUF file.

use crate::error::{Error, Result};
use anamnesis::{GgufMetadataArray, GgufMetadataValue};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The metadata of a file.
#[derive(Debug)]
pub(super) struct Metadata {
    pub path: PathBuf,
    pub values: HashMap<String, GgufMetadataValue>,
}

impl Metadata {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Sets a value.
    pub fn put(&mut self, key: &str, value: GgufMetadataValue) {
        self.values.insert(key.to_owned(), value);
    }

    pub fn error(&self, key: &str, problem: &str) -> Error {
        super::problem(&self.path, format!("metadata key \"{key}\": {problem}"))
    }

    /// The family, such as `llama`.
    pub fn architecture(&self) -> Result<&str> {
        self.text("general.architecture").ok_or_else(|| self.error("general.architecture", "is missing; a model names its family there"))
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key)?.as_string()
    }

    pub fn flag(&self, key: &str) -> Option<bool> {
        if let GgufMetadataValue::Bool(flag) = self.values.get(key)? { Some(*flag) } else { None }
    }

    /// A whole number, however many bits it has.
    pub fn whole(&self, key: &str) -> Option<u64> {
        match *self.values.get(key)? {
            GgufMetadataValue::U8(n) => Some(n.into()),
            GgufMetadataValue::U16(n) => Some(n.into()),
            GgufMetadataValue::U32(n) => Some(n.into()),
            GgufMetadataValue::U64(n) => Some(n),
            GgufMetadataValue::I32(n) => n.try_into().ok(),
            GgufMetadataValue::I64(n) => n.try_into().ok(),
            _ => None,
        }
    }

    /// A number, as the shortest decimal that is the same `f32`: `0.00001` and not `0.000009999999747378752`.
    pub fn number(&self, key: &str) -> Option<f64> {
        match *self.values.get(key)? {
            GgufMetadataValue::F32(number) => number.to_string().parse().ok(),
            GgufMetadataValue::F64(number) => Some(number),
            _ => self.whole(key).map(|whole| whole as f64),
        }
    }

    pub fn texts(&self, key: &str) -> Option<&[String]> {
        self.array(key)?.as_string_slice()
    }

    pub fn array(&self, key: &str) -> Option<&GgufMetadataArray> {
        self.values.get(key)?.as_array()
    }

    /// A whole number that must be there.
    pub fn require(&self, key: &str) -> Result<u64> {
        self.whole(key).ok_or_else(|| self.error(key, "is missing or is no whole number"))
    }
}
