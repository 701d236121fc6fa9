//! `[corpus]` and `[tokenizer]` of a recipe: what a base model reads, and cut into what.

use crate::config::strict::Section;
use crate::config::{Invalid, TrainingConfig};
use crate::error::Result;
use crate::task::arithmetic::corpus::CorpusConfig;
use crate::task::template::Template;
use serde::{Deserialize, Serialize};
use starloop_lm::tokenizer::byte_pair::LEAST_VOCABULARY;
use std::path::PathBuf;

/// `[corpus]`, by its key `kind`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Corpus {
    /// `text`: files of the user's.
    Text(TextCorpus),
    /// `arithmetic`, which need not be said: the synthetic corpus of the arithmetic experiment.
    Arithmetic(CorpusConfig),
}

/// The kinds that a recipe can name.
const KINDS: &[&str] = &["arithmetic", "text"];

/// Documents from files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextCorpus {
    /// Written with the recipe, so that it reads back.
    #[serde(default)]
    pub kind: TextKind,
    /// The place of the documents.
    pub files: Vec<TextFile>,
}

/// The name of [`Corpus::Text`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextKind {
    /// `text`
    #[default]
    Text,
}

/// `[[corpus.files]]`: plain text, or JSON lines if there is a `template`. UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextFile {
    /// The file, relative to the working directory.
    pub path: PathBuf,
    /// The Jinja template that turns a row of JSON lines into text, such as `Q: {{ question }}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Rows of JSON lines in the longest document: documents take 1, 2, ... up to so many rows in turn, with a blank line in between, so that
    /// the model meets prompts with worked examples.
    #[serde(default = "one")]
    pub max_rows: usize,
    /// The unit that is one document of a plain text.
    #[serde(default)]
    pub document: DocumentUnit,
}

fn one() -> usize {
    1
}

/// The part of a plain text that is one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentUnit {
    /// The text between blank lines.
    #[default]
    Paragraph,
    /// All of it.
    File,
}

/// `[tokenizer]`: the tokens are made from the corpus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenizerConfig {
    /// How.
    pub kind: TokenizerKind,
    /// Tokens at most, with the end token and the 256 bytes.
    pub vocabulary: usize,
}

/// Kinds of tokenizers that can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenizerKind {
    /// Byte-level byte pairs (`starloop_lm::tokenizer::byte_pair`).
    BytePair,
}

impl Corpus {
    pub(super) fn read(mut section: Section<'_>) -> Result<Corpus> {
        match *section.kind(KINDS, |kind| kind)? {
            "arithmetic" => Ok(Corpus::Arithmetic(section.read()?)),
            "text" => Ok(Corpus::Text(section.read()?)),
            other => unreachable!("{other} is in KINDS and has no reader"),
        }
    }

    pub(super) fn check(&self, tokenizer: Option<&TokenizerConfig>, training: &TrainingConfig) -> Result<(), Invalid> {
        let invalid = |key: &str, message: String| Err(Invalid { key: key.to_owned(), message });
        match (self, tokenizer) {
            (Corpus::Arithmetic(corpus), None) => corpus
                .check(training.sequence_length - 1)
                .map_err(|error| Invalid { key: format!("corpus.{}", error.key), message: error.reason }),
            (Corpus::Arithmetic(_), Some(_)) => {
                invalid("tokenizer", "the arithmetic corpus has a fixed vocabulary; leave the section out".to_owned())
            }
            (Corpus::Text(_), None) => {
                let example = format!("kind = \"byte_pair\", vocabulary = {}", 16 * (LEAST_VOCABULARY - 1));
                invalid("tokenizer", format!("is missing; a corpus of text needs one, such as: {example}"))
            }
            (Corpus::Text(_), Some(tokenizer)) if tokenizer.vocabulary < LEAST_VOCABULARY => {
                let found = tokenizer.vocabulary;
                invalid("tokenizer.vocabulary", format!("must be at least {LEAST_VOCABULARY} (the bytes and the end token), found {found}"))
            }
            (Corpus::Text(corpus), Some(_)) if corpus.files.is_empty() => {
                invalid("corpus.files", "names no file, so there is nothing to read".to_owned())
            }
            (Corpus::Text(corpus), Some(_)) => corpus.files.iter().enumerate().try_for_each(|(place, file)| {
                file.check().map_err(|(key, message)| Invalid { key: format!("corpus.files[{place}].{key}"), message })
            }),
        }
    }
}

impl TextFile {
    fn check(&self) -> Result<(), (&'static str, String)> {
        let template = self.template.as_deref().map(Template::parse).transpose().map_err(|message| ("template", message))?;
        match template {
            Some(_) if self.max_rows == 0 => Err(("max_rows", "must be at least 1".to_owned())),
            Some(_) if self.document != DocumentUnit::default() => {
                Err(("document", "is for plain text, but this file has a `template`".to_owned()))
            }
            None if self.max_rows != one() => Err(("max_rows", "is for JSON lines, but this file has no `template`".to_owned())),
            _ => Ok(()),
        }
    }
}
