//! Text to token ids and back: the only caller of the `tokenizers` crate. Ids and texts are those of `transformers`, with one difference:
//! the beginning token is never put before a text that begins with it already, as a rendered chat does.

use crate::error::{Error, Result};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

pub mod byte_pair;
mod ends;
mod unknown;

/// A checkpoint's tokenizer and end tokens.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    path: PathBuf,
    /// The token that is put before every text.
    begin_token: Option<u32>,
    end_tokens: Vec<u32>,
    /// The tokens that decoding leaves out.
    special: HashSet<u32>,
    /// The token that stands for text without tokens.
    unknown: Option<u32>,
}

impl Tokenizer {
    /// Reads `tokenizer.json`, and the end tokens from `generation_config.json`, or else `config.json`, or else `tokenizer_config.json`.
    pub fn load(dir: &Path) -> Result<Self> {
        let mut files = BTreeMap::from([("tokenizer.json".to_owned(), fs_err::read(dir.join("tokenizer.json"))?)]);
        for name in ["generation_config.json", "config.json", "tokenizer_config.json"] {
            let path = dir.join(name);
            if path.exists() {
                files.insert(name.into(), fs_err::read(path)?);
            }
        }
        Self::new(dir, &files)
    }

    /// The same from files in memory.
    pub fn from_files(files: &BTreeMap<String, Vec<u8>>, config: &Value) -> Result<Self> {
        let mut files = files.clone();
        files.insert("config.json".into(), config.to_string().into_bytes());
        Self::new(Path::new(""), &files)
    }

    fn new(dir: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<Self> {
        let path = dir.join("tokenizer.json");
        let error = |message: String| Error::Tokenizer { path: path.clone(), message };
        let bytes = files.get("tokenizer.json").map_or(&[][..], Vec::as_slice);
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes).map_err(|e| error(e.to_string()))?;
        // What a file says about these is left from the program that wrote it; nothing is to be cut off or filled up here.
        inner.with_padding(None).with_truncation(None).map_err(|e| error(e.to_string()))?;
        add_listed_tokens(dir, files, &mut inner)?;
        let end_tokens = end_tokens(dir, files, &inner)?;
        if end_tokens.is_empty() {
            return Err(error(
                "no eos_token_id in generation_config.json or config.json and no eos_token in tokenizer_config.json; a model that cannot \
                 end its answer cannot be sampled"
                    .into(),
            ));
        }
        let first = |add_special| {
            let encoding = inner.encode_fast("a", add_special).map_err(|e| error(e.to_string()))?;
            Ok::<_, Error>(encoding.get_ids().first().copied())
        };
        let begin_token = first(true)?.filter(|begin| !matches!(first(false), Ok(Some(plain)) if plain == *begin));
        let special = inner.get_added_tokens_decoder().into_iter().filter(|(_, token)| token.special).map(|(id, _)| id).collect();
        let unknown = unknown::unknown_token(bytes, &inner);
        Ok(Tokenizer { inner, path, begin_token, end_tokens, special, unknown })
    }

    /// Ids of a text. `add_special` adds the beginning token where the tokenizer has one, unless the text begins with it.
    ///
    /// ```
    /// use starloop_lm::Tokenizer;
    /// use std::path::Path;
    ///
    /// let tokenizer = Tokenizer::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/arithmetic"))?;
    /// let ids = tokenizer.encode("6 2 4 + 2 5 9", true)?;
    /// assert_eq!(tokenizer.decode(&ids)?, "6 2 4 + 2 5 9");
    /// assert!(tokenizer.encode("six", true).is_err());
    /// # Ok::<(), starloop_lm::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::UnknownText`] if a part of the text has no token. [`Tokenizer::encode_lossy`] accepts such a text.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>> {
        let ids = self.encode_lossy(text, add_special)?;
        self.check_known(text, &ids)?;
        Ok(ids)
    }

    /// As [`Tokenizer::encode`], but a part of the text that has no token becomes the tokenizer's unknown token, as in `transformers`.
    pub fn encode_lossy(&self, text: &str, add_special: bool) -> Result<Vec<u32>> {
        let encoding = self.inner.encode_fast(text, add_special).map_err(|e| self.error(&e))?;
        let ids = encoding.get_ids();
        let twice = add_special && self.begin_token.is_some_and(|begin| ids.starts_with(&[begin, begin]));
        Ok(ids[usize::from(twice)..].to_vec())
    }

    /// Ids of a text without special tokens, each with the byte of the text that it ends before. Where a token is but a part of a character,
    /// the first such has the whole of it.
    pub fn encode_with_ends(&self, text: &str) -> Result<Vec<(u32, usize)>> {
        let encoding = self.inner.encode(text, false).map_err(|e| self.error(&e))?;
        let ends = encoding.get_offsets().iter().scan(0, |end, &(_, to)| {
            *end = (to..text.len()).find(|&byte| text.is_char_boundary(byte)).unwrap_or(text.len()).max(*end);
            Some(*end)
        });
        Ok(encoding.get_ids().iter().copied().zip(ends).collect())
    }

    /// The text of ids, special tokens left out.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.inner.decode(ids, true).map_err(|e| self.error(&e))
    }

    /// The text that `ids` add after `context`. Decoding them alone could lose the blank or newline between the two.
    pub fn decode_after(&self, context: &[u32], ids: &[u32]) -> Result<String> {
        let tail = self.tail(context)?;
        let before = self.decode(&tail)?;
        let whole = self.decode(&[&tail, ids].concat())?;
        match whole.strip_prefix(&before) {
            Some(added) => Ok(added.into()),
            None => self.decode(ids),
        }
    }

    /// The last few tokens that have a text: from the beginning of a character on, because some decoders spoil all of a run of bytes that
    /// begins inside one.
    fn tail(&self, context: &[u32]) -> Result<Vec<u32>> {
        let visible = context.iter().copied().filter(|id| !self.special.contains(id)).collect::<Vec<_>>();
        let mut length = 4;
        loop {
            let tail = &visible[visible.len().saturating_sub(length)..];
            if tail.len() == visible.len() || !self.decode(tail)?.contains(char::REPLACEMENT_CHARACTER) {
                return Ok(tail.to_vec());
            }
            length *= 4;
        }
    }

    /// The tokens that end a completion; the first is the one that training appends.
    pub fn end_tokens(&self) -> &[u32] {
        &self.end_tokens
    }

    /// Every token with its id.
    pub(crate) fn tokens(&self) -> BTreeMap<String, u32> {
        self.inner.get_vocab(true).into_iter().collect()
    }

    /// One more than the largest id.
    pub fn vocabulary(&self) -> usize {
        self.inner.get_vocab(true).values().max().map_or(0, |id| *id as usize + 1)
    }

    fn error(&self, error: &tokenizers::Error) -> Error {
        Error::Tokenizer { path: self.path.clone(), message: error.to_string() }
    }
}

/// Adds the tokens that only `tokenizer_config.json` lists, in the order of their ids, as `transformers` does.
fn add_listed_tokens(dir: &Path, files: &BTreeMap<String, Vec<u8>>, tokenizer: &mut tokenizers::Tokenizer) -> Result<()> {
    let path = dir.join("tokenizer_config.json");
    let Some(bytes) = files.get("tokenizer_config.json") else { return Ok(()) };
    let config: Value = serde_json::from_slice(bytes).map_err(|source| Error::Json { path: path.clone(), source })?;
    let error = |message: String| Error::Tokenizer { path: path.clone(), message };
    let mut listed = BTreeMap::new();
    for (id, token) in config["added_tokens_decoder"].as_object().into_iter().flatten() {
        let wrong = |problem: &dyn std::fmt::Display| error(format!("key \"added_tokens_decoder\": token {id}: {problem}"));
        let token: tokenizers::AddedToken = serde_json::from_value(token.clone()).map_err(|e| wrong(&e))?;
        listed.insert(id.parse::<u32>().map_err(|e| wrong(&e))?, token);
    }
    for (id, token) in listed {
        let content = token.content.clone();
        if tokenizer.token_to_id(&content).is_some() {
            continue;
        }
        tokenizer.add_tokens([token]).map_err(|e| error(e.to_string()))?;
        if tokenizer.token_to_id(&content) != Some(id) {
            return Err(error(format!("token {content:?} has id {id} here, but tokenizer.json has no tokens up to there")));
        }
    }
    Ok(())
}

/// The end tokens of the first file that has some.
fn end_tokens(dir: &Path, files: &BTreeMap<String, Vec<u8>>, tokenizer: &tokenizers::Tokenizer) -> Result<Vec<u32>> {
    for name in ["generation_config.json", "config.json", "tokenizer_config.json"] {
        let Some(bytes) = files.get(name) else { continue };
        let config: Value = serde_json::from_slice(bytes).map_err(|source| Error::Json { path: dir.join(name), source })?;
        let found = if name == "tokenizer_config.json" { named_end_token(&config, tokenizer) } else { end_token_ids(&config) };
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// `eos_token_id`: a number or a list.
fn end_token_ids(config: &Value) -> Vec<u32> {
    let id = |value: &Value| value.as_u64().map(|id| id as u32);
    match &config["eos_token_id"] {
        Value::Array(ids) => ids.iter().filter_map(id).collect(),
        one => id(one).into_iter().collect(),
    }
}

/// `eos_token`: a text, or an object that holds one.
fn named_end_token(config: &Value, tokenizer: &tokenizers::Tokenizer) -> Vec<u32> {
    let token = &config["eos_token"];
    let text = token.as_str().or_else(|| token["content"].as_str());
    text.and_then(|text| tokenizer.token_to_id(text)).into_iter().collect()
}
