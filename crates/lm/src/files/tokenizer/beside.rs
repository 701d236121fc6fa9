//! Changes to a tokenizer by the files beside `tokenizer.json`, as in `transformers`. They list tokens that are found in a text before it is split,
//! and they can ask for a blank before each text.

use super::vocabulary_files::{ADDED_TOKENS, added_tokens};
use super::{CONFIG, guarded};
use crate::error::{Error, Result};
use crate::files::named_tokens::{MAP, listed_tokens};
use crate::files::read_object;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::{AddedToken, Tokenizer};

/// The classes of `transformers` whose `add_prefix_space` holds in the place of that in `tokenizer.json`, without the ending `Fast`.
const PREFIXED: [&str; 5] = ["GPT2Tokenizer", "Qwen2Tokenizer", "GPTNeoXTokenizer", "CodeGenTokenizer", "CohereTokenizer"];

pub(super) struct Beside {
    /// `tokenizer_config.json`.
    config: PathBuf,
    /// The file that lists `numbered`.
    numbered_in: PathBuf,
    /// Tokens with the ids that they must have.
    numbered: BTreeMap<u32, AddedToken>,
    /// Special tokens with a name. A name of a token that the vocabulary lacks is no token.
    named: Vec<AddedToken>,
    /// Further special tokens.
    further: Vec<AddedToken>,
    /// The blank before each text, where it does not depend on `tokenizer.json`.
    prefix: Option<bool>,
}

impl Beside {
    /// Reads the files. `names` are the named special tokens.
    ///
    /// # Errors
    /// A file has another form, or asks for something that is not supported.
    pub(super) fn read(dir: &Path, files: &BTreeMap<String, Vec<u8>>, config: &Value, names: &BTreeMap<String, String>) -> Result<Self> {
        let path = dir.join(CONFIG);
        if config["split_special_tokens"] == true {
            let problem = "true is not supported; expected false, with which special tokens in a text are found".to_owned();
            return Err(Error::ConfigKey { path, key: "split_special_tokens".into(), problem });
        }
        let map = match files.get(MAP).filter(|_| config["added_tokens_decoder"].is_null()) {
            Some(bytes) => read_object(bytes, &dir.join(MAP))?,
            None => Value::Null,
        };
        let texts = listed_tokens(config).into_iter().chain(listed_tokens(&map)).map(str::to_owned).collect::<Vec<_>>();
        let named = names.values().map(|text| special(text, [config, &map])).collect();
        let (numbered_in, numbered) = match files.get(ADDED_TOKENS).filter(|_| config["added_tokens_decoder"].is_null()) {
            Some(bytes) => {
                let is_special = |text: &String| names.values().chain(&texts).any(|other| other == text);
                let token = |(id, text): (u32, String)| (id, AddedToken::from(&text, is_special(&text)));
                (dir.join(ADDED_TOKENS), added_tokens(dir, bytes)?.into_iter().map(token).collect())
            }
            None => (path.clone(), decoder(&path, config)?),
        };
        let class = config["tokenizer_class"].as_str().unwrap_or_default();
        let is_prefixed = PREFIXED.contains(&class.strip_suffix("Fast").unwrap_or(class));
        Ok(Beside {
            numbered_in,
            numbered,
            named,
            further: texts.iter().map(|text| special(text, [config, &map])).collect(),
            prefix: is_prefixed.then(|| config["add_prefix_space"] == true),
            config: path,
        })
    }

    /// Puts it into the tokenizer.
    ///
    /// # Errors
    /// A token would not get the id that the file lists.
    pub(super) fn complete(self, tokenizer: &mut Tokenizer) -> Result<()> {
        for (id, token) in self.numbered {
            let content = token.content.clone();
            guarded(&self.numbered_in, || tokenizer.add_tokens([token]))?;
            if tokenizer.token_to_id(&content).is_some_and(|given| given != id) {
                let message = format!("token {content:?} has id {id} here, but tokenizer.json has no tokens up to there");
                return Err(Error::Tokenizer { path: self.numbered_in, message });
            }
        }
        let known = tokenizer.get_added_vocabulary().get_vocab().clone();
        let is_new = |token: &AddedToken| !known.contains_key(&token.content);
        let named: Vec<AddedToken> = self.named.into_iter().filter(|token| tokenizer.token_to_id(&token.content).is_some()).collect();
        let special: Vec<AddedToken> = named.into_iter().chain(self.further).filter(is_new).collect();
        guarded(&self.config, || tokenizer.add_special_tokens(special))?;
        if let (Some(prefix), Some(splitting)) = (self.prefix, tokenizer.get_pre_tokenizer()) {
            let mut splitting = splitting.clone();
            set_prefix(&mut splitting, prefix);
            tokenizer.with_pre_tokenizer(Some(splitting));
        }
        Ok(())
    }
}

/// The tokens of `added_tokens_decoder`.
fn decoder(path: &Path, config: &Value) -> Result<BTreeMap<u32, AddedToken>> {
    let mut tokens = BTreeMap::new();
    for (id, token) in config["added_tokens_decoder"].as_object().into_iter().flatten() {
        let wrong = |problem: &dyn std::fmt::Display| Error::Tokenizer {
            path: path.into(),
            message: format!("key \"added_tokens_decoder\": token {id}: {problem}"),
        };
        let token: AddedToken = serde_json::from_value(token.clone()).map_err(|e| wrong(&e))?;
        tokens.insert(id.parse().map_err(|e: std::num::ParseIntError| wrong(&e))?, token);
    }
    Ok(tokens)
}

/// A special token with the settings of the first object in `files` that describes it.
fn special(text: &str, files: [&Value; 2]) -> AddedToken {
    let objects = files.into_iter().filter_map(Value::as_object).flat_map(serde_json::Map::values);
    let described = objects.filter(|value| value["content"] == text).find(|value| value.is_object());
    let is_on = |key: &str| described.is_some_and(|object| object[key] == true);
    AddedToken::from(text, true)
        .lstrip(is_on("lstrip"))
        .rstrip(is_on("rstrip"))
        .single_word(is_on("single_word"))
        .normalized(is_on("normalized"))
}

fn set_prefix(splitting: &mut PreTokenizerWrapper, prefix: bool) {
    match splitting {
        PreTokenizerWrapper::ByteLevel(bytes) => bytes.add_prefix_space = prefix,
        PreTokenizerWrapper::Sequence(steps) => steps.as_mut().iter_mut().for_each(|step| set_prefix(step, prefix)),
        _ => {}
    }
}
