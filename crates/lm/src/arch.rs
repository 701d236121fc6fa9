//! Model families: one file each, which maps config.json to the decoder's specification and names its tensors.
//!
//! To add a family, write `arch/NAME.rs` with a function from [`ConfigReader`] to [`DecoderSpec`] and add it to `FAMILIES`. No arithmetic
//! here: what a family needs beyond what the decoder does becomes a field of [`DecoderSpec`]. Every key of config.json is either read, or
//! refused with a value that would change the logits, or known to say nothing about them, or warned of; none is passed over in silence.

mod llama;

use crate::error::{Error, Result};
use crate::kernels::Heads;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// A family's reader of config.json.
type Family = fn(&mut ConfigReader) -> Result<DecoderSpec>;

/// Every supported `model_type`.
const FAMILIES: &[(&str, Family)] = &[("llama", llama::spec)];

/// Keys that say nothing about the computation of logits.
const IRRELEVANT: &[&str] = &[
    "architectures",
    "attention_dropout",
    "auto_map",
    "bos_token_id",
    "dtype",
    "eos_token_id",
    "id2label",
    "initializer_range",
    "label2id",
    "model_type",
    "pad_token_id",
    "pretraining_tp",
    "torch_dtype",
    "transformers_version",
    "use_cache",
    "_name_or_path",
    "chunk_size_feed_forward",
    "output_attentions",
    "output_hidden_states",
    "return_dict",
    "is_encoder_decoder",
    "problem_type",
];

/// The numbers and switches of one decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderSpec {
    /// Rows of the embedding.
    pub vocabulary: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Attention heads.
    pub heads: Heads,
    /// Width of the gated feed-forward.
    pub intermediate: usize,
    /// The longest sequence.
    pub context: usize,
    /// Epsilon of the norms.
    pub norm_epsilon: f32,
    /// Base of the rotary frequencies.
    pub rope_theta: f32,
    /// Every parameter, in the decoder's order.
    pub parameters: Vec<ParameterSpec>,
}

/// One parameter of the decoder: a matrix (a norm's weight has one row), made of one or more tensors of the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterSpec {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// The checkpoint's tensors, stacked by rows.
    pub tensors: Vec<TensorSpec>,
}

/// One tensor of the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name in the checkpoint.
    pub name: String,
    /// Its shape in the checkpoint.
    pub shape: Vec<usize>,
}

impl ParameterSpec {
    /// A weight `[rows, columns]` stored as one tensor.
    pub fn matrix(name: impl Into<String>, rows: usize, columns: usize) -> Self {
        Self::stacked(&[(name.into(), rows)], columns)
    }

    /// Several weights with the same input, computed as one.
    pub fn stacked(parts: &[(String, usize)], columns: usize) -> Self {
        let tensors = parts.iter().map(|(name, rows)| TensorSpec { name: name.clone(), shape: vec![*rows, columns] }).collect();
        ParameterSpec { rows: parts.iter().map(|(_, rows)| rows).sum(), columns, tensors }
    }

    /// A vector, such as a norm's weight.
    pub fn vector(name: impl Into<String>, columns: usize) -> Self {
        ParameterSpec { rows: 1, columns, tensors: vec![TensorSpec { name: name.into(), shape: vec![columns] }] }
    }

    /// Elements.
    pub fn len(&self) -> usize {
        self.rows * self.columns
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where each parameter stands in [`DecoderSpec::parameters`]: the embedding, then [`index::LAYER`] per layer, then the final norm, then the
/// output head unless it is tied to the embedding.
pub mod index {
    /// Token embedding, `[vocabulary, hidden]`.
    pub const EMBEDDING: usize = 0;
    /// Parameters of one layer.
    pub const LAYER: usize = 6;
    /// Norm before attention, `[hidden]`.
    pub const ATTENTION_NORM: usize = 0;
    /// Queries, keys and values, `[fused width, hidden]`.
    pub const QKV: usize = 1;
    /// Attention's output projection, `[hidden, query * dim]`.
    pub const OUTPUT: usize = 2;
    /// Norm before the feed-forward, `[hidden]`.
    pub const MLP_NORM: usize = 3;
    /// Gates and ups, `[2 * intermediate, hidden]`.
    pub const GATE_UP: usize = 4;
    /// Downs, `[hidden, intermediate]`.
    pub const DOWN: usize = 5;

    /// Parameter `part` of layer `layer`.
    pub fn layer(layer: usize, part: usize) -> usize {
        1 + layer * LAYER + part
    }
}

impl DecoderSpec {
    /// Reads a config.json.
    pub fn from_config(config: &Value, path: &Path) -> Result<Self> {
        let mut reader = ConfigReader::new(config, path)?;
        let found = reader.text("model_type")?;
        let Some((_, family)) = FAMILIES.iter().find(|(name, _)| *name == found) else {
            let supported = FAMILIES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            return Err(Error::UnknownModelType { path: path.into(), found, supported });
        };
        let spec = family(&mut reader)?;
        reader.warn_of_unread();
        Ok(spec)
    }

    /// Where the final norm stands.
    pub fn final_norm(&self) -> usize {
        1 + self.layers * index::LAYER
    }

    /// Where the output head stands: its own parameter, or the embedding when tied.
    pub fn head(&self) -> usize {
        if self.tied() { index::EMBEDDING } else { self.final_norm() + 1 }
    }

    /// Whether the output head is the embedding.
    pub fn tied(&self) -> bool {
        self.parameters.len() == self.final_norm() + 1
    }

    /// Number of weights.
    pub fn parameter_count(&self) -> usize {
        self.parameters.iter().map(ParameterSpec::len).sum()
    }
}

/// A config.json that knows which of its keys were read.
#[derive(Debug)]
pub struct ConfigReader {
    path: PathBuf,
    keys: Map<String, Value>,
    read: Vec<String>,
}

impl ConfigReader {
    fn new(config: &Value, path: &Path) -> Result<Self> {
        let Value::Object(keys) = config else {
            return Err(Error::ConfigKey { path: path.into(), key: "(whole file)".into(), problem: "expected a JSON object".into() });
        };
        Ok(ConfigReader { path: path.into(), keys: keys.clone(), read: Vec::new() })
    }

    fn error(&self, key: &str, problem: impl Into<String>) -> Error {
        Error::ConfigKey { path: self.path.clone(), key: key.into(), problem: problem.into() }
    }

    /// The value of a key; `null` counts as absent.
    fn get(&mut self, key: &str) -> Option<Value> {
        self.read.push(key.into());
        self.keys.get(key).filter(|value| !value.is_null()).cloned()
    }

    /// A required text.
    pub fn text(&mut self, key: &str) -> Result<String> {
        let value = self.get(key).ok_or_else(|| self.error(key, "is missing"))?;
        value.as_str().map(Into::into).ok_or_else(|| self.error(key, format!("expected a text, found {value}")))
    }

    /// A positive whole number, if there.
    pub fn optional_size(&mut self, key: &str) -> Result<Option<usize>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let size = value.as_u64().filter(|n| *n > 0);
        size.map(|n| Some(n as usize)).ok_or_else(|| self.error(key, format!("expected a positive whole number, found {value}")))
    }

    /// A required positive whole number.
    pub fn size(&mut self, key: &str) -> Result<usize> {
        self.optional_size(key)?.ok_or_else(|| self.error(key, "is missing"))
    }

    /// A number, or `default`.
    pub fn number(&mut self, key: &str, default: f32) -> Result<f32> {
        let Some(value) = self.get(key) else { return Ok(default) };
        value.as_f64().map(|x| x as f32).ok_or_else(|| self.error(key, format!("expected a number, found {value}")))
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

    /// The rotary base, from `rope_parameters` (new) or `rope_theta` and `rope_scaling` (old). Scaled rotary embeddings are refused.
    pub fn rope_theta(&mut self) -> Result<f32> {
        let mut theta = self.number("rope_theta", 10_000.0)?;
        for key in ["rope_scaling", "rope_parameters"] {
            let Some(value) = self.get(key) else { continue };
            let kind = value.get("rope_type").or_else(|| value.get("type")).and_then(Value::as_str).unwrap_or("default");
            if kind != "default" {
                return Err(self.error(key, format!("rope_type \"{kind}\" is not supported; only \"default\" is")));
            }
            if let Some(given) = value.get("rope_theta").and_then(Value::as_f64) {
                theta = given as f32;
            }
        }
        Ok(theta)
    }

    fn warn_of_unread(&self) {
        for key in self.keys.keys().filter(|key| !self.read.contains(key) && !IRRELEVANT.contains(&key.as_str())) {
            tracing::warn!("{}: key \"{key}\" is not known for this family and was not used", self.path.display());
        }
    }
}
