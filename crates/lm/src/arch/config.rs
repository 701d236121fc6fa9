//! A config.json that knows which of its keys were read.

use crate::error::{Error, Result};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// Keys that say nothing about the computation of logits.
const IRRELEVANT: &[&str] = &[
    "architectures",
    "attention_dropout",
    "attn_pdrop",
    "auto_map",
    "bos_token_id",
    "cache_implementation",
    "chunk_size_feed_forward",
    "classifier_dropout",
    "dtype",
    "embd_pdrop",
    "eos_token_id",
    "gradient_checkpointing",
    "hidden_dropout",
    "id2label",
    "initializer_range",
    "is_encoder_decoder",
    "label2id",
    "model_type",
    "output_attentions",
    "output_hidden_states",
    "pad_token_id",
    "pretraining_tp",
    "problem_type",
    // The reader of the weights uses these two.
    "quantization",
    "quantization_config",
    "resid_pdrop",
    "return_dict",
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    "task_specific_params",
    "tokenizer_class",
    "torch_dtype",
    "transformers_version",
    "unk_token_id",
    "use_cache",
];

/// The largest epsilon of a norm. Published models have at most 0.001.
const MOST_EPSILON: f32 = 0.1;

/// A config.json, or an object in it, that knows which of its keys were read.
#[derive(Debug)]
pub struct ConfigReader {
    pub(super) path: PathBuf,
    /// The elements of all tensors in the weights' files, where there are such files.
    pub(super) elements: Option<u128>,
    /// The key of the object that this is, in a part of the file.
    within: Option<&'static str>,
    keys: Map<String, Value>,
    read: Vec<String>,
}

impl ConfigReader {
    /// The config at `path`, which errors name.
    pub fn new(config: &Value, path: &Path) -> Result<Self> {
        let Value::Object(keys) = config else {
            return Err(Error::ConfigKey { path: path.into(), key: "(whole file)".into(), problem: "expected a JSON object".into() });
        };
        Ok(ConfigReader { path: path.into(), elements: None, within: None, keys: keys.clone(), read: Vec::new() })
    }

    /// The object `value` of a key, as a reader of its keys.
    pub(crate) fn part(&self, key: &'static str, value: Value) -> Result<Self> {
        let Value::Object(keys) = value else { return Err(self.error(key, format!("expected an object, found {}", shortened(&value)))) };
        Ok(ConfigReader { path: self.path.clone(), elements: None, within: Some(key), keys, read: Vec::new() })
    }

    /// An error about a key.
    pub fn error(&self, key: &str, problem: impl Into<String>) -> Error {
        Error::ConfigKey { path: self.path.clone(), key: self.full_name(key), problem: problem.into() }
    }

    /// An error about all of the object.
    pub(crate) fn whole_error(&self, problem: impl Into<String>) -> Error {
        Error::ConfigKey { path: self.path.clone(), key: self.within.unwrap_or("(whole file)").into(), problem: problem.into() }
    }

    /// The keys that were not read, and their values.
    pub(crate) fn unread(&self) -> impl Iterator<Item = (String, Value)> {
        self.keys.iter().filter(|(key, _)| !self.read.contains(key)).map(|(key, value)| (key.clone(), value.clone()))
    }

    /// A key with the key of its object before it.
    fn full_name(&self, key: &str) -> String {
        self.within.map_or_else(|| key.to_owned(), |within| format!("{within}.{key}"))
    }

    /// The value of a key; `null` counts as absent.
    pub fn get(&mut self, key: &str) -> Option<Value> {
        self.read.push(key.into());
        self.keys.get(key).filter(|value| !value.is_null()).cloned()
    }

    /// Marks keys as read that change nothing here.
    pub fn ignore(&mut self, keys: &[&str]) {
        self.read.extend(keys.iter().map(|key| (*key).to_owned()));
    }

    fn missing(&self, key: &str) -> Error {
        self.error(key, "is missing")
    }

    /// A text, if there.
    pub fn optional_text(&mut self, key: &str) -> Result<Option<String>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.as_str().map(|text| Some(text.into())).ok_or_else(|| self.error(key, format!("expected a text, found {value}")))
    }

    /// A required text.
    pub fn text(&mut self, key: &str) -> Result<String> {
        self.optional_text(key)?.ok_or_else(|| self.missing(key))
    }

    /// Returns whether a key is there, also with `null`.
    pub fn has(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    /// Returns whether a key is not there, or `null`, or an object without keys.
    pub(super) fn is_empty(&self, key: &str) -> bool {
        self.keys.get(key).is_none_or(|value| value.is_null() || value.as_object().is_some_and(Map::is_empty))
    }

    /// A positive whole number up to `most`, if there.
    pub fn optional_size_within(&mut self, key: &str, most: usize) -> Result<Option<usize>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let size = value.as_u64().filter(|n| *n > 0);
        let size = size.ok_or_else(|| self.error(key, format!("expected a positive whole number, found {value}")))?;
        match usize::try_from(size).ok().filter(|size| *size <= most) {
            Some(size) => Ok(Some(size)),
            None => Err(self.error(key, format!("expected at most {most}, found {size}"))),
        }
    }

    /// The same, or `default` where the key is not there; `null` is no number.
    pub fn size_or(&mut self, key: &str, default: Option<usize>, most: usize) -> Result<Option<usize>> {
        let is_there = self.has(key);
        Ok(self.optional_size_within(key, most)?.or(default.filter(|_| !is_there)))
    }

    /// A required positive whole number up to `most`.
    pub fn size_within(&mut self, key: &str, most: usize) -> Result<usize> {
        self.optional_size_within(key, most)?.ok_or_else(|| self.missing(key))
    }

    /// A finite number, if there.
    pub fn optional_number(&mut self, key: &str) -> Result<Option<f32>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let number = value.as_f64().map(|x| x as f32).filter(|x| x.is_finite());
        number.map(Some).ok_or_else(|| self.error(key, format!("expected a finite number, found {value}")))
    }

    /// A finite number, or `default`.
    pub fn number(&mut self, key: &str, default: f32) -> Result<f32> {
        Ok(self.optional_number(key)?.unwrap_or(default))
    }

    /// A positive finite number, if there.
    pub fn optional_positive(&mut self, key: &str) -> Result<Option<f32>> {
        match self.optional_number(key)? {
            Some(x) if x <= 0.0 => Err(self.error(key, format!("expected a positive number, found {x}"))),
            number => Ok(number),
        }
    }

    /// A positive finite number, or `default`.
    pub fn positive(&mut self, key: &str, default: f32) -> Result<f32> {
        Ok(self.optional_positive(key)?.unwrap_or(default))
    }

    /// A required positive finite number.
    pub(super) fn required_positive(&mut self, key: &str) -> Result<f32> {
        self.optional_positive(key)?.ok_or_else(|| self.missing(key))
    }

    /// The epsilon of a norm, a small positive number, or `default`.
    pub(super) fn norm_epsilon(&mut self, key: &str, default: f32) -> Result<f32> {
        let epsilon = self.number(key, default)?;
        if epsilon > 0.0 && epsilon <= MOST_EPSILON {
            return Ok(epsilon);
        }
        Err(self.error(key, format!("expected a number above 0 and at most {MOST_EPSILON}, found {epsilon}")))
    }

    /// `sliding_window`, or `default` where the key is not there.
    pub(super) fn window(&mut self, default: Option<usize>) -> Result<Option<usize>> {
        self.size_or("sliding_window", default, super::sizes::MOST_POSITIONS)
    }

    /// A switch, or `default`.
    pub fn switch(&mut self, key: &str, default: bool) -> Result<bool> {
        let Some(value) = self.get(key) else { return Ok(default) };
        value.as_bool().ok_or_else(|| self.error(key, format!("expected true or false, found {value}")))
    }

    /// Refuses every value of a key but those listed (absence is fine).
    pub fn only(&mut self, key: &str, supported: &[Value]) -> Result<()> {
        match self.get(key) {
            Some(value) if !supported.contains(&value) => {
                let list = supported.iter().map(Value::to_string).collect::<Vec<_>>().join(" or ");
                Err(self.error(key, format!("{value} is not supported; only {list} is")))
            }
            _ => Ok(()),
        }
    }

    /// For each layer whether it is of the kind `chosen` rather than `other`, if `layer_types` is there.
    pub fn layer_types(&mut self, layers: usize, chosen: &str, other: &str) -> Result<Option<Vec<bool>>> {
        const KEY: &str = "layer_types";
        let Some(value) = self.get(KEY) else { return Ok(None) };
        let kinds = value.as_array().filter(|kinds| kinds.len() == layers);
        let kinds = kinds.ok_or_else(|| self.error(KEY, format!("expected a list of {layers} layer types, one for each layer")))?;
        let known = |kind: &Value| match kind.as_str() {
            Some(kind) if kind == chosen => Ok(true),
            Some(kind) if kind == other => Ok(false),
            _ => Err(self.error(KEY, format!("{kind} is not supported; only \"{chosen}\" and \"{other}\" are"))),
        };
        kinds.iter().map(known).collect::<Result<Vec<_>>>().map(Some)
    }

    /// Refuses keys that were not read and ask for something: those with another value than `null`, `false`, 0 or nothing.
    pub fn refuse_unread(&self) -> Result<()> {
        let asks = |value: &Value| match value {
            Value::Null => false,
            Value::Bool(on) => *on,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::String(text) => !text.is_empty(),
            Value::Array(list) => !list.is_empty(),
            Value::Object(entries) => !entries.is_empty(),
        };
        match self.keys.iter().find(|(key, value)| !self.read.contains(key) && asks(value)) {
            Some((key, value)) => Err(self.error(key, format!("{} is not supported; remove it if it changes nothing", shortened(value)))),
            None => Ok(()),
        }
    }

    /// Warns of keys that were not read and may change the model. Keys that begin with an underscore do not.
    pub fn warn_of_unread(&self) {
        let irrelevant = |key: &str| key.starts_with('_') || IRRELEVANT.contains(&key);
        for key in self.keys.keys().filter(|key| !self.read.contains(key) && !irrelevant(key)) {
            let key = self.full_name(key);
            log::warn!("{}: key \"{key}\" is not known for this family and was not used", self.path.display());
        }
    }
}

/// A value as a message shows it.
fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
