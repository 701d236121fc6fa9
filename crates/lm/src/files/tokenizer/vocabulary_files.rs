//! `tokenizer.json` made from the older files `vocab.json` and `merges.txt`, for the tokenizers of which `transformers` makes the same.
//!
//! The two files hold a byte-pair vocabulary and no rule of how a text is split. The rule follows from the class of the tokenizer, so other
//! classes are refused.

use super::{CONFIG, FILE};
use crate::error::{Error, Result};
use crate::files::named_tokens::{listed_tokens, named_tokens};
use crate::files::{POINTER, read_json, read_object, refuse_pointer};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;
use vocabulary::Vocabulary;

mod vocabulary;

pub(super) use vocabulary::added_tokens;

/// The files of a byte-pair vocabulary.
pub const VOCABULARY_FILES: [&str; 2] = ["vocab.json", "merges.txt"];
/// The file of tokens that were added to them, if there are some.
pub const ADDED_TOKENS: &str = "added_tokens.json";
/// Files of vocabularies that are not read.
const OTHER_VOCABULARIES: [&str; 4] = ["tokenizer.model", "tekken.json", "spiece.model", "vocab.txt"];
const END_OF_TEXT: &str = "<|endoftext|>";
/// The pattern of Qwen's tokenizers (`transformers`: `Qwen2Converter`).
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// A tokenizer class of `transformers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Gpt2,
    Qwen2,
}

impl Class {
    /// By `tokenizer_class`, or else by the family of the model.
    fn of(config: &Value, model: &Value) -> Option<Self> {
        match (config["tokenizer_class"].as_str(), model["model_type"].as_str()) {
            (Some("GPT2Tokenizer" | "GPT2TokenizerFast"), _) | (None, Some("gpt2" | "gptj")) => Some(Class::Gpt2),
            (Some("Qwen2Tokenizer" | "Qwen2TokenizerFast"), _) | (None, Some("qwen2" | "qwen3")) => Some(Class::Qwen2),
            _ => None,
        }
    }

    /// The special tokens that have names without a config.
    fn default_names(self) -> &'static [&'static str] {
        match self {
            Class::Gpt2 => &["unk_token", "bos_token", "eos_token"],
            Class::Qwen2 => &["unk_token", "eos_token", "pad_token"],
        }
    }
}

/// Adds `tokenizer.json` to the files of a directory if they have no such file but a vocabulary from which it can be made. `files` are all
/// that were found of [`VOCABULARY_FILES`], [`ADDED_TOKENS`] and the files beside `tokenizer.json`.
///
/// # Errors
/// There is no vocabulary, or none that is read. The error has the command that converts it.
pub(crate) fn complete(dir: &Path, files: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    if files.contains_key(FILE) {
        return Ok(());
    }
    let [vocabulary, merges] = VOCABULARY_FILES.map(|name| files.remove(name));
    let (Some(vocabulary), Some(merges)) = (vocabulary, merges) else { return Err(unread(dir, None)?) };
    let config = files.get(CONFIG).map_or(Ok(Value::Null), |bytes| read_object(bytes, &dir.join(CONFIG)))?;
    let model = files.get("config.json").map_or(Ok(Value::Null), |bytes| read_json(bytes, &dir.join("config.json")))?;
    let Some(class) = Class::of(&config, &model) else { return Err(unread(dir, config["tokenizer_class"].as_str())?) };
    let vocabulary = Vocabulary::read(dir, &vocabulary, &merges)?;
    let mut names = named_tokens(&config, dir, files)?;
    for name in class.default_names() {
        names.entry((*name).to_owned()).or_insert_with(|| END_OF_TEXT.to_owned());
    }
    let special: BTreeSet<&str> = names.values().map(String::as_str).chain(listed_tokens(&config)).collect();
    let mut added: BTreeMap<u64, String> =
        special.iter().filter_map(|token| Some((vocabulary.tokens.get(*token)?.as_u64()?, (*token).to_owned()))).collect();
    // As in transformers, an `added_tokens_decoder` holds in the place of the older file.
    if let Some(bytes) = files.get(ADDED_TOKENS).filter(|_| config["added_tokens_decoder"].is_null()) {
        added.extend(vocabulary.further_tokens(dir, bytes)?);
    }
    let entries: Vec<Value> = added.iter().map(|(id, token)| entry(*id, token, special.contains(token.as_str()))).collect();
    files.insert(FILE.to_owned(), tokenizer(class, &vocabulary, &entries, &config).to_string().into_bytes());
    Ok(())
}

/// A token beside the merges. As in `transformers`, one without a name is a part of the text.
fn entry(id: u64, token: &str, special: bool) -> Value {
    json!({"id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false, "normalized": !special, "special": special})
}

fn tokenizer(class: Class, vocabulary: &Vocabulary, added: &[Value], config: &Value) -> Value {
    let prefix = class == Class::Gpt2 && config["add_prefix_space"].as_bool().unwrap_or(false);
    let bytes = |use_regex: bool, trim_offsets: bool| json!({"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": trim_offsets, "use_regex": use_regex});
    let splitting = match class {
        Class::Gpt2 => bytes(true, true),
        Class::Qwen2 => json!({"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": QWEN2}, "behavior": "Isolated", "invert": false},
            bytes(false, true),
        ]}),
    };
    json!({
        "version": "1.0",
        "added_tokens": added,
        "normalizer": (class == Class::Qwen2).then(|| json!({"type": "NFC"})),
        "pre_tokenizer": splitting,
        "post_processor": bytes(true, false),
        "decoder": bytes(true, true),
        "model": {"type": "BPE", "vocab": vocabulary.tokens, "merges": vocabulary.merges, "continuing_subword_prefix": "", "end_of_word_suffix": "",
                  "fuse_unk": false, "byte_fallback": false, "ignore_merges": false},
    })
}

/// The error for a directory without a tokenizer that is read.
///
/// # Errors
/// A file that could be converted was not downloaded.
fn unread(dir: &Path, class: Option<&str>) -> Result<Error> {
    let names = OTHER_VOCABULARIES.into_iter().chain(VOCABULARY_FILES);
    let there: Vec<&str> = names.filter(|name| dir.join(name).exists()).collect();
    if there.is_empty() {
        let message = "is missing, and so are vocab.json and merges.txt; copy the tokenizer's files from the model's page".to_owned();
        return Ok(Error::Tokenizer { path: dir.join(FILE), message });
    }
    for name in &there {
        let mut beginning = Vec::new();
        fs_err::File::open(dir.join(name))?.take(POINTER.len() as u64).read_to_end(&mut beginning)?;
        refuse_pointer(&beginning, &dir.join(name))?;
    }
    let class = class.map(|class| format!(" of the class {class}")).unwrap_or_default();
    let shown = dir.display();
    let message = format!(
        "is missing; there is {}{class}, which is not read; this command makes tokenizer.json from it: python -c \"from transformers import \
         AutoTokenizer; AutoTokenizer.from_pretrained('{shown}').save_pretrained('{shown}')\"",
        there.join(" and ")
    );
    Ok(Error::Tokenizer { path: dir.join(FILE), message })
}
