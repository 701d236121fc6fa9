//! The tokens that end a text, and the ones among them that training appends.

use super::turns::{KnownTokens, end_of_turn};
use crate::error::{Error, Result};
use crate::files::chat::ChatTemplate;
use crate::files::{read_json, read_object};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use tokenizers::Tokenizer;

const KEY: &str = "eos_token_id";

/// The tokens that end a text.
#[derive(Debug, Clone)]
pub(super) struct EndTokens {
    /// Sampling stops at each of these, none of which is listed twice.
    pub all: Vec<u32>,
    /// Ends a text that is no answer in a conversation.
    pub of_text: u32,
    /// Ends an assistant's answer.
    pub of_turn: u32,
}

impl EndTokens {
    /// The ids of `generation_config.json`, or else of `config.json`, then the tokenizer's `name`, then what `template` writes after an
    /// answer.
    pub(super) fn read(
        dir: &Path,
        files: &BTreeMap<String, Vec<u8>>,
        tokenizer: &Tokenizer,
        name: Option<&String>,
        template: Option<&ChatTemplate>,
    ) -> Result<Self> {
        let named = name.map(|text| named_end(dir, tokenizer, text)).transpose()?;
        let mut all = listed(dir, files, tokenizer)?;
        let Some(of_text) = named.or_else(|| all.first().copied()) else {
            let message = "no eos_token_id in generation_config.json or config.json and no eos_token in tokenizer_config.json; a model that \
                           cannot end its answer cannot be sampled";
            return Err(Error::Tokenizer { path: dir.join(super::FILE), message: message.into() });
        };
        let known = KnownTokens { tokenizer, ends: &[&all[..], &[of_text]].concat() };
        let of_turn = template.and_then(|template| end_of_turn(template, &known)).unwrap_or(of_text);
        for token in [of_text, of_turn] {
            if !all.contains(&token) {
                all.push(token);
            }
        }
        Ok(EndTokens { all, of_text, of_turn })
    }
}

/// The id of the `eos_token`.
fn named_end(dir: &Path, tokenizer: &Tokenizer, text: &str) -> Result<u32> {
    let message = || {
        format!(
            "has no token {text:?}, which tokenizer_config.json or special_tokens_map.json names as \"eos_token\"; name a token that it has"
        )
    };
    tokenizer.token_to_id(text).ok_or_else(|| Error::Tokenizer { path: dir.join(super::FILE), message: message() })
}

/// The ids of the first file that has some.
fn listed(dir: &Path, files: &BTreeMap<String, Vec<u8>>, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
    let model = files.get("config.json").map(|bytes| read_json(bytes, &dir.join("config.json"))).transpose()?;
    let generation =
        files.get("generation_config.json").map(|bytes| read_object(bytes, &dir.join("generation_config.json"))).transpose()?;
    // A model may have more rows than its tokenizer has tokens.
    let rows = model.as_ref().and_then(|config| config["vocab_size"].as_u64());
    let vocabulary = rows.unwrap_or_else(|| super::vocabulary(tokenizer) as u64);
    for (name, config) in [("generation_config.json", generation), ("config.json", model)] {
        let Some(config) = config else { continue };
        let ids = match &config[KEY] {
            Value::Null => continue,
            Value::Array(ids) => ids.iter().collect(),
            one => vec![one],
        };
        let mut found = Vec::new();
        for id in ids {
            let known = id.as_u64().filter(|id| *id < vocabulary).and_then(|id| u32::try_from(id).ok());
            let problem = || format!("{id} is no token; expected whole numbers below the vocabulary's size, {vocabulary}");
            let known = known.ok_or_else(|| Error::ConfigKey { path: dir.join(name), key: KEY.into(), problem: problem() })?;
            if !found.contains(&known) {
                found.push(known);
            }
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}
