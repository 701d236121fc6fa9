//! What a `tokenizer.json` says, read and checked before the `tokenizers` crate reads it. That crate trusts the file: it numbers added
//! tokens as it likes, lets steps grow a text without a bound, and does not say which type it does not know.

use super::charsmap::{Charsmap, NotACharsmap};
use crate::error::{Error, Result};
use serde::Deserialize;
use std::path::Path;

/// The types of each kind of step.
const NORMALIZERS: &[&str] = &[
    "BertNormalizer",
    "Bert",
    "Strip",
    "StripAccents",
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
    "Sequence",
    "Lowercase",
    "Nmt",
    "Precompiled",
    "Replace",
    "Prepend",
    "ByteLevel",
];
const PRE_TOKENIZERS: &[&str] = &[
    "BertPreTokenizer",
    "ByteLevel",
    "Delimiter",
    "CharDelimiterSplit",
    "Metaspace",
    "Whitespace",
    "Sequence",
    "Split",
    "Punctuation",
    "WhitespaceSplit",
    "Digits",
    "UnicodeScripts",
    "FixedLength",
];
const POST_PROCESSORS: &[&str] = &["RobertaProcessing", "BertProcessing", "ByteLevel", "TemplateProcessing", "Sequence"];
const DECODERS: &[&str] =
    &["BPEDecoder", "ByteLevel", "WordPiece", "Metaspace", "CTC", "Sequence", "Replace", "Fuse", "Strip", "ByteFallback"];
const MODELS: &[&str] = &["BPE", "WordPiece", "WordLevel", "Unigram"];

/// The parts of a `tokenizer.json` that are checked.
#[derive(Deserialize)]
pub(super) struct Definition {
    #[serde(default)]
    added_tokens: Vec<Added>,
    normalizer: Option<Step>,
    pre_tokenizer: Option<Step>,
    post_processor: Option<Step>,
    decoder: Option<Step>,
    pub model: Model,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    content: String,
}

#[derive(Deserialize)]
pub(super) struct Model {
    /// Old files name none.
    r#type: Option<String>,
    /// The unknown token of BPE, `WordPiece` and `WordLevel`.
    pub unk_token: Option<String>,
    /// That of Unigram.
    pub unk_id: Option<u32>,
}

/// A step from a text to tokens or back. It has the fields of every type, because the `tokenizers` crate may read a step as another type
/// whose fields fit.
#[derive(Deserialize)]
pub(super) struct Step {
    pub r#type: Option<String>,
    pub pattern: Option<Pattern>,
    pub content: Option<String>,
    pub prepend: Option<String>,
    pub suffix: Option<String>,
    pub word_delimiter_token: Option<String>,
    precompiled_charsmap: Option<String>,
    #[serde(skip)]
    pub charsmap: Option<Charsmap>,
    #[serde(default)]
    normalizers: Vec<Step>,
    #[serde(default)]
    pretokenizers: Vec<Step>,
    #[serde(default)]
    processors: Vec<Step>,
    #[serde(default)]
    decoders: Vec<Step>,
}

/// What a step looks for.
#[derive(Deserialize)]
pub(super) enum Pattern {
    String(String),
    Regex(String),
}

impl Definition {
    /// # Errors
    /// The file is no JSON of a tokenizer, has a step of an unknown type or a damaged character map, or its steps can grow a text too much.
    pub(super) fn read(bytes: &[u8], path: &Path) -> Result<Self> {
        let mut definition: Self = serde_json::from_slice(bytes).map_err(|source| Error::Json { path: path.into(), source })?;
        let wrong = |message| Error::Tokenizer { path: path.into(), message };
        definition.model.check_type().map_err(wrong)?;
        for (key, types, step) in definition.sections() {
            if let Some(step) = step {
                step.check_types(types).and_then(|()| step.read_charsmaps()).map_err(|problem| wrong(format!("key {key:?}: {problem}")))?;
            }
        }
        super::growth::check(&definition).map_err(wrong)?;
        Ok(definition)
    }

    fn sections(&mut self) -> [(&'static str, &'static [&'static str], Option<&mut Step>); 4] {
        [
            ("normalizer", NORMALIZERS, self.normalizer.as_mut()),
            ("pre_tokenizer", PRE_TOKENIZERS, self.pre_tokenizer.as_mut()),
            ("post_processor", POST_PROCESSORS, self.post_processor.as_mut()),
            ("decoder", DECODERS, self.decoder.as_mut()),
        ]
    }

    /// The steps before the model in the order in which a text goes through them, without the sequences that hold them.
    pub(super) fn encoding_steps(&self) -> Vec<&Step> {
        self.normalizer.iter().chain(&self.pre_tokenizer).flat_map(Step::flat).collect()
    }

    /// The steps after it in the same order.
    pub(super) fn decoding_steps(&self) -> Vec<&Step> {
        self.decoder.iter().flat_map(Step::flat).collect()
    }

    /// Refuses an added token that did not get its id.
    pub(super) fn check_ids(&self, tokenizer: &tokenizers::Tokenizer, path: &Path) -> Result<()> {
        for Added { id, content } in &self.added_tokens {
            // The crate leaves an empty token out, as in transformers.
            let Some(given) = tokenizer.token_to_id(content).filter(|given| given != id) else { continue };
            let message = format!(
                "key \"added_tokens\": token {content:?} has id {id}, but it would get {given}; expected the token's id in the \
                 vocabulary, or the ids after it without a gap"
            );
            return Err(Error::Tokenizer { path: path.into(), message });
        }
        Ok(())
    }
}

impl Model {
    fn check_type(&self) -> Result<(), String> {
        match &self.r#type {
            Some(found) if !MODELS.contains(&found.as_str()) => Err(format!("key \"model\": {}", unknown(found, MODELS))),
            _ => Ok(()),
        }
    }
}

impl Step {
    fn check_types(&self, types: &[&str]) -> Result<(), String> {
        match &self.r#type {
            None => return Err(format!("a step has no type; expected one of {}", types.join(", "))),
            Some(found) if !types.contains(&found.as_str()) => return Err(unknown(found, types)),
            Some(_) => {}
        }
        self.parts().try_for_each(|part| part.check_types(types))
    }

    fn read_charsmaps(&mut self) -> Result<(), String> {
        if let Some(text) = self.precompiled_charsmap.take() {
            let charsmap = Charsmap::read(&text).map_err(|NotACharsmap(problem)| format!("precompiled_charsmap {problem}"))?;
            self.charsmap = Some(charsmap);
        }
        self.normalizers.iter_mut().try_for_each(Step::read_charsmaps)
    }

    fn parts(&self) -> impl Iterator<Item = &Step> {
        self.normalizers.iter().chain(&self.pretokenizers).chain(&self.processors).chain(&self.decoders)
    }

    /// This step and those in it.
    fn flat(&self) -> Vec<&Step> {
        std::iter::once(self).chain(self.parts().flat_map(Step::flat)).collect()
    }
}

fn unknown(found: &str, types: &[&str]) -> String {
    format!("the type {found:?} is not known; expected one of {}; a newer version of this program may know it", types.join(", "))
}
