//! Model families: one file each, which maps config.json to the decoder's specification and names its tensors.
//!
//! To add a family, write `arch/NAME.rs` with a function from [`ConfigReader`] to [`DecoderSpec`] and add it to `FAMILIES`; if it is a
//! llama with other switches, `llama_like` does most of it. No tensor is computed here: a family describes its blocks as data, and what the
//! decoder lacks becomes a new mixer, feed-forward or field of the decoder. Every key of config.json is either read, or refused with a value
//! that would change the logits, or known not to affect them, or warned of. None is ignored silently.

mod config;
mod gemma2;
mod gemma3;
mod gpt2;
mod gpt_neox;
mod gptj;
mod llama;
mod llama_like;
mod mistral;
mod olmo2;
mod phi3;
mod qwen2;
mod qwen3;
mod rotary;
mod sizes;
mod smollm3;

pub use crate::decoder::DecoderSpec;
pub use config::ConfigReader;

use crate::error::{Error, Result};
use serde_json::Value;
use std::path::Path;

/// A family's reader of config.json.
type Family = fn(&mut ConfigReader) -> Result<DecoderSpec>;

/// Every supported `model_type`.
const FAMILIES: &[(&str, Family)] = &[
    ("gemma2", gemma2::spec),
    ("gemma3_text", gemma3::spec),
    ("gpt2", gpt2::spec),
    ("gpt_neox", gpt_neox::spec),
    ("gptj", gptj::spec),
    ("llama", llama::spec),
    ("mistral", mistral::spec),
    ("olmo2", olmo2::spec),
    ("phi3", phi3::spec),
    ("qwen2", qwen2::spec),
    ("qwen3", qwen3::spec),
    ("smollm3", smollm3::spec),
];

impl DecoderSpec {
    /// Reads a config.json.
    pub fn from_config(config: &Value, path: &Path) -> Result<Self> {
        Self::from_reader(ConfigReader::new(config, path)?, path)
    }

    /// Reads the config.json of weights' files that hold `elements` numbers. Sizes that ask for far more are an error before memory is
    /// reserved for them.
    pub fn from_config_of(config: &Value, path: &Path, elements: u128) -> Result<Self> {
        let mut reader = ConfigReader::new(config, path)?;
        reader.elements = Some(elements);
        Self::from_reader(reader, path)
    }

    fn from_reader(mut reader: ConfigReader, path: &Path) -> Result<Self> {
        let found = reader.text("model_type")?;
        let Some((_, family)) = FAMILIES.iter().find(|(name, _)| *name == found) else {
            let supported = FAMILIES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            return Err(Error::UnknownModelType { path: path.into(), found, supported });
        };
        let spec = family(&mut reader)?;
        reader.warn_of_unread();
        Ok(spec)
    }
}
