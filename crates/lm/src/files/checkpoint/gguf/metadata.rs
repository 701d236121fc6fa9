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
            GgufMetadataValue::I8(n) => n.try_into().ok(),
            GgufMetadataValue::I16(n) => n.try_into().ok(),
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

    /// A whole number, if the key is there. Another type is an error.
    pub fn optional_whole(&self, key: &str) -> Result<Option<u64>> {
        self.of_type(key, self.whole(key), "a whole number of 0 or more")
    }

    /// A finite number, if the key is there. Another type is an error.
    pub fn optional_number(&self, key: &str) -> Result<Option<f64>> {
        self.of_type(key, self.number(key).filter(|number| number.is_finite()), "a finite number")
    }

    /// A text, if the key is there. Another type is an error.
    pub fn optional_text(&self, key: &str) -> Result<Option<&str>> {
        self.of_type(key, self.text(key), "a text")
    }

    /// A switch, if the key is there. Another type is an error.
    pub fn optional_flag(&self, key: &str) -> Result<Option<bool>> {
        self.of_type(key, self.flag(key), "true or false")
    }

    fn of_type<T>(&self, key: &str, found: Option<T>, expected: &str) -> Result<Option<T>> {
        match self.values.get(key) {
            Some(value) if found.is_none() => Err(self.error(key, &format!("expected {expected}, found {}", shown(value)))),
            _ => Ok(found),
        }
    }

    /// A whole number that must be there.
    pub fn require(&self, key: &str) -> Result<u64> {
        self.optional_whole(key)?.ok_or_else(|| self.missing(key))
    }

    pub fn missing(&self, key: &str) -> Error {
        self.error(key, "is missing")
    }
}

/// A value as a message shows it.
fn shown(value: &GgufMetadataValue) -> String {
    match value {
        GgufMetadataValue::Array(_) => "a list".into(),
        GgufMetadataValue::String(text) => format!("the text {:?}", text.chars().take(60).collect::<String>()),
        GgufMetadataValue::U8(n) => n.to_string(),
        GgufMetadataValue::I8(n) => n.to_string(),
        GgufMetadataValue::U16(n) => n.to_string(),
        GgufMetadataValue::I16(n) => n.to_string(),
        GgufMetadataValue::U32(n) => n.to_string(),
        GgufMetadataValue::I32(n) => n.to_string(),
        GgufMetadataValue::U64(n) => n.to_string(),
        GgufMetadataValue::I64(n) => n.to_string(),
        GgufMetadataValue::F32(n) => n.to_string(),
        GgufMetadataValue::F64(n) => n.to_string(),
        GgufMetadataValue::Bool(flag) => flag.to_string(),
        _ => "a value of another type".into(),
    }
}
