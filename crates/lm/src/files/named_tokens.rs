//! The named special tokens of a tokenizer: `bos_token`, `eos_token` and further ones.

use crate::error::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The file that lists special tokens by name.
pub(super) const MAP: &str = "special_tokens_map.json";
const CONFIG: &str = "tokenizer_config.json";
/// The keys of the tokens that every tokenizer may have. Other keys that end the same may hold something else, such as `add_bos_token`.
const NAMES: [&str; 7] = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// The text of each named token by `tokenizer_config.json` and `special_tokens_map.json`. As in `transformers`, the second file holds where
/// the first lists no `added_tokens_decoder`, and an `extra_special_tokens` object names further tokens.
pub(super) fn named_tokens(config: &Value, dir: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<BTreeMap<String, String>> {
    let mut tokens = tokens_in(config, &dir.join(CONFIG))?;
    if let Some(bytes) = files.get(MAP).filter(|_| config["added_tokens_decoder"].is_null()) {
        let path = dir.join(MAP);
        tokens.extend(tokens_in(&super::read_object(bytes, &path)?, &path)?);
    }
    Ok(tokens)
}

/// The tokens that one file names, each a text or an object that holds one.
fn tokens_in(file: &Value, path: &Path) -> Result<BTreeMap<String, String>> {
    for key in NAMES {
        let token = &file[key];
        if !token.is_null() && text_of(token).is_none() {
            let problem = format!("{token} is no token; expected its text, or an object with its text as \"content\"");
            return Err(Error::ConfigKey { path: path.into(), key: key.into(), problem });
        }
    }
    let entries = file.as_object().into_iter().flatten().filter(|(name, _)| name.ends_with("_token"));
    let extra = file["extra_special_tokens"].as_object().into_iter().flatten();
    Ok(entries.chain(extra).filter_map(|(name, token)| Some((name.clone(), text_of(token)?.to_owned()))).collect())
}

/// The text of a token: a text, or the content of an object.
pub(super) fn text_of(token: &Value) -> Option<&str> {
    token.as_str().or_else(|| token["content"].as_str())
}

/// The texts that a list of further special tokens holds (`extra_special_tokens`, or `additional_special_tokens` before `transformers` 5).
pub(super) fn listed_tokens(config: &Value) -> Vec<&str> {
    let list = ["extra_special_tokens", "additional_special_tokens"].into_iter().find_map(|key| config[key].as_array());
    list.into_iter().flatten().filter_map(text_of).collect()
}
