//! A recipe with everything that it names, read.

use super::CONTEXT;
use super::batches::{Batches, TextLog};
use super::text::{ReadFile, Text};
use super::{Corpus, PretrainConfig};
use crate::error::{EngineContext, Result};
use crate::task::arithmetic::corpus::CorpusConfig;
use crate::task::arithmetic::vocabulary;
use starloop_lm::Tokenizer;
use starloop_lm::tokenizer::byte_pair;
use starloop_record::digest::sha256_hex;
use std::collections::BTreeMap;

/// A recipe and the text of its files: together they decide every bit of the model.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The recipe as it is written.
    pub config: PretrainConfig,
    reading: CorpusText,
    sha256: String,
}

/// The text that the model reads.
#[derive(Debug, Clone)]
enum CorpusText {
    Arithmetic(CorpusConfig),
    Text(Text),
}

impl Recipe {
    /// Reads the corpus's files, if it has some.
    ///
    /// # Errors
    /// One of them is not as it should be.
    pub fn read(config: PretrainConfig) -> Result<Self> {
        let reading = match &config.corpus {
            Corpus::Arithmetic(corpus) => CorpusText::Arithmetic(corpus.clone()),
            Corpus::Text(corpus) => CorpusText::Text(Text::read(corpus)?),
        };
        let mut recipe = Recipe { config, reading, sha256: String::new() };
        recipe.sha256 = sha256_hex(recipe.files().iter().fold(recipe.config.to_toml(), |all, file| all + "\n" + &file.sha256));
        Ok(recipe)
    }

    /// Its identity: the SHA-256 of [`PretrainConfig::to_toml`] and, where files are read, of their contents' SHA-256, line by line.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The files that were read.
    pub(super) fn files(&self) -> &[ReadFile] {
        match &self.reading {
            CorpusText::Arithmetic(_) => &[],
            CorpusText::Text(text) => &text.files,
        }
    }

    /// The tokenizer's files of the checkpoint, by name.
    pub(super) fn tokenizer_files(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        match &self.reading {
            CorpusText::Arithmetic(_) => {
                Ok(vocabulary::FILES.iter().map(|(name, content)| ((*name).to_owned(), content.as_bytes().to_vec())).collect())
            }
            CorpusText::Text(text) => {
                let tokenizer = self.config.tokenizer.as_ref().expect("a recipe with a text and no tokenizer is refused when it is read");
                byte_pair::train(&text.documents, tokenizer.vocabulary).during(CONTEXT)
            }
        }
    }

    /// The rows of each step, and the size of the corpus for the log.
    pub(super) fn batches(&self, tokenizer: &Tokenizer) -> Result<(Batches, Option<TextLog>)> {
        match &self.reading {
            CorpusText::Arithmetic(corpus) => Ok((Batches::draw(corpus, &self.config), None)),
            CorpusText::Text(text) => Batches::pack(text, &self.config, tokenizer).map(|(batches, log)| (batches, Some(log))),
        }
    }
}
