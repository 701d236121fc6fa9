//! The tokens and merges of `vocab.json` and `merges.txt`, checked so that an error names the file that has the fault.

use super::{ADDED_TOKENS, VOCABULARY_FILES};
use crate::error::{Error, Result};
use crate::files::{read_json, refuse_pointer, without_mark};
use serde_json::{Map, Value};
use std::path::Path;

/// A byte-pair vocabulary.
pub(super) struct Vocabulary {
    pub tokens: Map<String, Value>,
    /// Each is two tokens with a blank between them.
    pub merges: Vec<String>,
}

impl Vocabulary {
    pub(super) fn read(dir: &Path, vocabulary: &[u8], merges: &[u8]) -> Result<Self> {
        let [vocabulary_path, merges_path] = VOCABULARY_FILES.map(|name| dir.join(name));
        let tokens = read_tokens(vocabulary, &vocabulary_path)?;
        refuse_pointer(merges, &merges_path)?;
        let wrong = |message: String| Error::Tokenizer { path: merges_path.clone(), message };
        let merges = std::str::from_utf8(without_mark(merges)).map_err(|_| wrong("is not UTF-8".into()))?;
        let lines = merges.lines().enumerate().filter(|(_, line)| !line.starts_with("#version") && !line.trim().is_empty());
        let mut merges = Vec::new();
        for (at, line) in lines {
            if !is_merge(line, &tokens) {
                return Err(wrong(format!("line {}: {line:?} is no merge; expected two tokens of vocab.json that make a third", at + 1)));
            }
            merges.push(line.to_owned());
        }
        Ok(Vocabulary { tokens, merges })
    }

    /// The tokens of an `added_tokens.json` and their ids, in order.
    pub(super) fn further_tokens(&self, dir: &Path, file: &[u8]) -> Result<Vec<(u64, String)>> {
        let further: Vec<(u64, String)> = added_tokens(dir, file)?.into_iter().map(|(id, token)| (id.into(), token)).collect();
        let mut next = self.tokens.len() as u64;
        for (id, token) in &further {
            let own = self.tokens.get(token).and_then(Value::as_u64);
            let expected = own.unwrap_or(next);
            if *id != expected {
                let message =
                    format!("token {token:?} has id {id}, but it would get {expected}; expected the ids after those of vocab.json");
                return Err(Error::Tokenizer { path: dir.join(ADDED_TOKENS), message });
            }
            next += u64::from(own.is_none());
        }
        Ok(further)
    }
}

/// The tokens of an `added_tokens.json` in the order of their ids.
pub(in super::super) fn added_tokens(dir: &Path, file: &[u8]) -> Result<Vec<(u32, String)>> {
    let listed = read_tokens(file, &dir.join(ADDED_TOKENS))?;
    let mut tokens: Vec<(u32, String)> =
        listed.into_iter().filter_map(|(token, id)| Some((id.as_u64()?.try_into().ok()?, token))).collect();
    tokens.sort_unstable();
    Ok(tokens)
}

/// An object of tokens and their ids.
fn read_tokens(file: &[u8], path: &Path) -> Result<Map<String, Value>> {
    let wrong = |message: String| Error::Tokenizer { path: path.into(), message };
    let Value::Object(tokens) = read_json(file, path)? else { return Err(wrong("expected an object of tokens and ids".into())) };
    match tokens.iter().find(|(_, id)| id.as_u64().is_none_or(|id| id > u32::MAX.into())) {
        Some((token, id)) => Err(wrong(format!("token {token:?} has the id {id}; expected a whole number below 2^32"))),
        None => Ok(tokens),
    }
}

fn is_merge(line: &str, tokens: &Map<String, Value>) -> bool {
    let Some((left, right)) = line.split_once(' ') else { return false };
    [left, right, &format!("{left}{right}")].into_iter().all(|token| tokens.contains_key(token))
}
