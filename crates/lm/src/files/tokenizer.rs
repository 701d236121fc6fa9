//! Text to token ids and back: the only caller of the `tokenizers` crate. Ids and texts are those of `transformers`, with two differences.
//! The beginning token is never put before a text that begins with it already, as a rendered chat does. And merges are never left out at
//! random (`dropout`), so that a text always has the same ids.
//!
//! The crate panics on some files. Every call goes through `guarded`, which makes a panic an error that names the file.

use super::chat::ChatTemplate;
use super::checkpoint::require_directory;
use super::contained::contained;
use super::named_tokens::{MAP, named_tokens};
use super::peft;
use super::{read_object, refuse_pointer, without_mark};
use crate::error::{Error, Result};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use tokenizers::models::ModelWrapper;

mod beside;
pub mod byte_pair;
mod charsmap;
mod definition;
mod end_tokens;
mod ends;
mod growth;
mod turns;
mod unknown;
mod vocabulary_files;

use beside::Beside;
use definition::Definition;
use end_tokens::EndTokens;
use unknown::Unknown;
pub(crate) use vocabulary_files::complete;
pub use vocabulary_files::{ADDED_TOKENS, VOCABULARY_FILES};

const FILE: &str = "tokenizer.json";
const CONFIG: &str = "tokenizer_config.json";
/// The files that are read beside it.
const OTHER_FILES: [&str; 5] = ["generation_config.json", "config.json", CONFIG, MAP, "chat_template.jinja"];

/// A checkpoint's tokenizer and end tokens.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    path: PathBuf,
    /// The token that is put before every text.
    begin_token: Option<u32>,
    end: EndTokens,
    /// The tokens that decoding leaves out.
    special: HashSet<u32>,
    unknown: Unknown,
}

impl Tokenizer {
    /// Reads `tokenizer.json`, or makes it from `vocab.json` and `merges.txt`, and reads the end tokens from the files beside it. The
    /// `dropout` of a file, which trains a tokenizer's model on more ways to split a text, is switched off.
    ///
    /// # Errors
    /// No file names an end token, or one names a token that the vocabulary does not have.
    pub fn load(dir: &Path) -> Result<Self> {
        require_directory(dir)?;
        let (dir, mut files) = files_of(dir)?;
        complete(&dir, &mut files)?;
        Self::new(&dir, &files)
    }

    /// The same from files in memory.
    pub fn from_files(files: &BTreeMap<String, Vec<u8>>, config: &Value) -> Result<Self> {
        let mut files = files.clone();
        files.insert("config.json".into(), config.to_string().into_bytes());
        Self::new(Path::new(""), &files)
    }

    fn new(dir: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<Self> {
        let path = dir.join(FILE);
        let bytes = files.get(FILE).map_or(&[][..], Vec::as_slice);
        refuse_pointer(bytes, &path)?;
        let bytes = without_mark(bytes);
        let definition = Definition::read(bytes, &path)?;
        let mut inner = guarded(&path, || tokenizers::Tokenizer::from_bytes(bytes))?;
        definition.check_ids(&inner, &path)?;
        switch_dropout_off(&mut inner);
        // A file holds these settings from the program that wrote it. Nothing is cut off or filled up here.
        guarded(&path, || inner.with_padding(None).with_truncation(None).map(|_| ()))?;
        let config = match files.get(CONFIG) {
            Some(bytes) => read_object(bytes, &dir.join(CONFIG))?,
            None => Value::Null,
        };
        let names = named_tokens(&config, dir, files)?;
        Beside::read(dir, files, &config, &names)?.complete(&mut inner)?;
        let first = |add_special| {
            let encoding = guarded(&path, || inner.encode_fast("a", add_special))?;
            Ok::<_, Error>(encoding.get_ids().first().copied())
        };
        let begin_token = first(true)?.filter(|begin| !matches!(first(false), Ok(Some(plain)) if plain == *begin));
        let template = match ChatTemplate::new(dir, files) {
            // A pointer in its place is a file that was not downloaded.
            Err(error @ Error::Weights { .. }) => return Err(error),
            // A template that cannot be read is an error where it is used.
            template => template.ok().flatten(),
        };
        let end = EndTokens::read(dir, files, &inner, names.get("eos_token"), template.as_ref())?;
        let special = inner.get_added_tokens_decoder().into_iter().filter(|(_, token)| token.special).map(|(id, _)| id).collect();
        let unknown = Unknown::of(&definition, &inner);
        Ok(Tokenizer { inner, path, begin_token, end, special, unknown })
    }

    /// Ids of a text. `add_special` adds the beginning token where the tokenizer has one, unless the text begins with it.
    ///
    /// ```
    /// use starloop_lm::Tokenizer;
    /// use std::path::Path;
    ///
    /// let tokenizer = Tokenizer::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/models/arithmetic"))?;
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

    /// As [`Tokenizer::encode`], but a part of the text that has no token becomes the tokenizer's unknown token, as in `transformers`. If
    /// the tokenizer has no such token, the part is left out.
    pub fn encode_lossy(&self, text: &str, add_special: bool) -> Result<Vec<u32>> {
        let encoding = guarded(&self.path, || self.inner.encode_fast(text, add_special))?;
        let ids = encoding.get_ids();
        let twice = add_special && self.begin_token.is_some_and(|begin| ids.starts_with(&[begin, begin]));
        Ok(ids[usize::from(twice)..].to_vec())
    }

    /// Ids of a text without special tokens, each with the byte of the text that it ends before. Of several tokens that are parts of
    /// one character, the first has the whole character.
    pub fn encode_with_ends(&self, text: &str) -> Result<Vec<(u32, usize)>> {
        let encoding = guarded(&self.path, || self.inner.encode(text, false))?;
        let ends = encoding.get_offsets().iter().scan(0, |end, &(_, to)| {
            *end = (to..text.len()).find(|&byte| text.is_char_boundary(byte)).unwrap_or(text.len()).max(*end);
            Some(*end)
        });
        Ok(encoding.get_ids().iter().copied().zip(ends).collect())
    }

    /// The name of a token in the tokenizer's file, such as `<|endoftext|>`. Special tokens have a name and no text.
    pub fn name(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The text of ids, special tokens left out.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        guarded(&self.path, || self.inner.decode(ids, true))
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

    /// The text that one token adds after `context`; of a special token, its name.
    pub fn piece(&self, context: &[u32], id: u32) -> Result<String> {
        let name = self.special.contains(&id).then(|| self.inner.id_to_token(id)).flatten();
        name.map_or_else(|| self.decode_after(context, &[id]), Ok)
    }

    /// The last few tokens that have a text. They begin at the beginning of a character: some decoders write a replacement character for
    /// each byte of a run that begins inside a character.
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

    /// The tokens that end a completion when it is sampled.
    pub fn eos_token_ids(&self) -> &[u32] {
        &self.end.all
    }

    /// The same without tokens that end a completion.
    pub(crate) fn without_end_tokens(mut self) -> Self {
        self.end.all.clear();
        self
    }

    /// The token that training appends to a text: the tokenizer's `eos_token`, or else the first end token.
    pub fn end_of_text(&self) -> u32 {
        self.end.of_text
    }

    /// The token that training appends to an assistant's answer: the one that the chat template writes there, or else
    /// [`Tokenizer::end_of_text`].
    pub fn end_of_turn(&self) -> u32 {
        self.end.of_turn
    }

    /// The token that is put before every text.
    pub(crate) fn begin_token(&self) -> Option<u32> {
        self.begin_token
    }

    /// The tokens that were added to those of the model. The value is true if decoding leaves the token out.
    pub(crate) fn added_tokens(&self) -> BTreeMap<u32, bool> {
        self.inner.get_added_tokens_decoder().into_iter().map(|(id, token)| (id, token.special)).collect()
    }

    /// Every token with its id.
    pub(crate) fn tokens(&self) -> BTreeMap<String, u32> {
        self.inner.get_vocab(true).into_iter().collect()
    }

    /// One more than the largest id.
    pub fn vocabulary(&self) -> usize {
        vocabulary(&self.inner)
    }

    /// Checks that a model whose embedding has so many `rows` has a row for each token. `config` is the file of the model's description.
    ///
    /// # Errors
    /// The tokenizer has more tokens, or it puts a token with a larger id around each text.
    pub(crate) fn check_fits(&self, rows: usize, config: &Path) -> Result<()> {
        if self.vocabulary() > rows {
            let problem = format!("the model has {rows} rows, but tokenizer.json has ids up to {}", self.vocabulary() - 1);
            return Err(Error::ConfigKey { path: config.into(), key: "vocab_size".into(), problem });
        }
        match self.encode_lossy("", true)?.into_iter().max().filter(|&id| id as usize >= rows) {
            Some(id) => {
                let message = format!("key \"post_processor\": puts the token {id} around each text, but the model has {rows} rows");
                Err(Error::Tokenizer { path: self.path.clone(), message })
            }
            None => Ok(()),
        }
    }
}

/// The files of a directory that describe its tokenizer and chat template, and the directory that has the tokenizer. Adapters have those of their
/// base, unless a tokenizer was saved with them.
pub(crate) fn files_of(dir: &Path) -> Result<(PathBuf, BTreeMap<String, Vec<u8>>)> {
    let read = |dir: &Path| {
        let mut files = BTreeMap::new();
        for name in OTHER_FILES.into_iter().chain([FILE, ADDED_TOKENS]).chain(VOCABULARY_FILES) {
            let path = dir.join(name);
            if path.exists() {
                files.insert(name.to_owned(), super::read_file(&path)?);
            }
        }
        Ok::<_, Error>(files)
    };
    let own = read(dir)?;
    if !peft::is_adapter(dir) {
        return Ok((dir.to_owned(), own));
    }
    let base = peft::base_of(dir)?;
    let mut files = read(&base)?;
    if !own.contains_key(FILE) {
        return Ok((base, files));
    }
    files.retain(|name, _| ["config.json", "generation_config.json"].contains(&name.as_str()));
    files.extend(own);
    Ok((dir.to_owned(), files))
}

/// One more than the largest id.
fn vocabulary(tokenizer: &tokenizers::Tokenizer) -> usize {
    tokenizer.get_vocab(true).values().max().map_or(0, |id| *id as usize + 1)
}

/// Returns the result of a call of the `tokenizers` crate. Its error, or its panic, becomes an error that names the file.
fn guarded<T>(path: &Path, call: impl FnOnce() -> tokenizers::Result<T>) -> Result<T> {
    let message = match contained(call) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.to_string(),
        Err(panic) => format!("the tokenizer is damaged; the program that reads it failed: {panic}"),
    };
    Err(Error::Tokenizer { path: path.into(), message })
}

/// Makes a text have the same ids each time.
fn switch_dropout_off(tokenizer: &mut tokenizers::Tokenizer) {
    if let ModelWrapper::BPE(model) = tokenizer.get_model()
        && model.dropout.is_some()
    {
        let mut model = model.clone();
        model.dropout = None;
        tokenizer.with_model(model);
    }
}
