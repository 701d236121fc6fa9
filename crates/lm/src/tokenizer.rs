//! Text to token ids and back: the only caller of the `tokenizers` crate.

use crate::error::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub mod byte_pair;

/// A checkpoint's tokenizer and end tokens.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    path: PathBuf,
    end_tokens: Vec<u32>,
}

impl Tokenizer {
    /// Reads `tokenizer.json`, and the end tokens from `generation_config.json` or else `config.json`.
    pub fn load(dir: &Path) -> Result<Self> {
        let read = |name: &str| -> Result<Option<Vec<u8>>> {
            let path = dir.join(name);
            if path.exists() { Ok(Some(fs_err::read(path)?)) } else { Ok(None) }
        };
        let tokenizer = fs_err::read(dir.join("tokenizer.json"))?;
        Self::new(dir, &tokenizer, read("generation_config.json")?.as_deref(), read("config.json")?.as_deref())
    }

    /// The same from files in memory.
    pub fn from_files(files: &BTreeMap<String, Vec<u8>>, config: &Value) -> Result<Self> {
        let tokenizer = files.get("tokenizer.json").map_or(&[][..], Vec::as_slice);
        let generation = files.get("generation_config.json").map(Vec::as_slice);
        Self::new(Path::new(""), tokenizer, generation, Some(config.to_string().as_bytes()))
    }

    fn new(dir: &Path, tokenizer: &[u8], generation: Option<&[u8]>, config: Option<&[u8]>) -> Result<Self> {
        let path = dir.join("tokenizer.json");
        let error = |message: String| Error::Tokenizer { path: path.clone(), message };
        let inner = tokenizers::Tokenizer::from_bytes(tokenizer).map_err(|e| error(e.to_string()))?;
        let mut end_tokens = Vec::new();
        for (name, bytes) in [("generation_config.json", generation), ("config.json", config)] {
            if end_tokens.is_empty() {
                end_tokens = parse_end_tokens(&dir.join(name), bytes)?;
            }
        }
        if end_tokens.is_empty() {
            return Err(error(
                "no eos_token_id in generation_config.json or config.json; a model that cannot end its answer cannot be sampled".into(),
            ));
        }
        Ok(Tokenizer { inner, path, end_tokens })
    }

    /// Ids of a text; `add_special` adds the beginning token, once, where the tokenizer has one.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>> {
        let encoding = self.inner.encode_fast(text, add_special).map_err(|e| self.error(&e))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of ids, special tokens left out.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.inner.decode(ids, true).map_err(|e| self.error(&e))
    }

    /// The text that `ids` add after `context`. Decoding them alone could lose the blank or newline between the two.
    pub fn decode_after(&self, context: &[u32], ids: &[u32]) -> Result<String> {
        const CONTEXT: usize = 4;
        let tail = &context[context.len().saturating_sub(CONTEXT)..];
        let before = self.decode(tail)?;
        let whole = self.decode(&[tail, ids].concat())?;
        match whole.strip_prefix(&before) {
            Some(added) => Ok(added.into()),
            None => self.decode(ids),
        }
    }

    /// The tokens that end a completion; the first is the one that training appends.
    pub fn end_tokens(&self) -> &[u32] {
        &self.end_tokens
    }

    /// One more than the largest id.
    pub fn vocabulary(&self) -> usize {
        self.inner.get_vocab(true).values().max().map_or(0, |id| *id as usize + 1)
    }

    fn error(&self, error: &tokenizers::Error) -> Error {
        Error::Tokenizer { path: self.path.clone(), message: error.to_string() }
    }
}

/// `eos_token_id`, a number or a list; none when the file or the key is not there.
fn parse_end_tokens(path: &Path, bytes: Option<&[u8]>) -> Result<Vec<u32>> {
    let Some(bytes) = bytes else { return Ok(Vec::new()) };
    let config: Value = serde_json::from_slice(bytes).map_err(|source| Error::Json { path: path.into(), source })?;
    let id = |value: &Value| value.as_u64().map(|id| id as u32);
    Ok(match &config["eos_token_id"] {
        Value::Array(ids) => ids.iter().filter_map(id).collect(),
        one => id(one).into_iter().collect(),
    })
}
