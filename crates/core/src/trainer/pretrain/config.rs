//! One TOML is one recipe of a base model that is trained from scratch.

use super::{Corpus, TokenizerConfig};
use crate::config::strict::{self, Source};
use crate::config::{Invalid, TrainingConfig, check};
use crate::error::{Error, Missing, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A recipe: the model's shape, its tokens, the corpus, the training, a seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainConfig {
    /// The model's name.
    pub name: String,
    /// Decides weights and documents.
    pub seed: u64,
    /// The model's shape.
    pub model: ModelShape,
    /// How the tokens are made; none where the corpus brings them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<TokenizerConfig>,
    /// The text that the model reads.
    pub corpus: Corpus,
    /// The training; `step_growth`, `step_increment` and `max_steps` have no use here.
    pub training: TrainingConfig,
}

/// The file as it stands, its corpus still unread.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    seed: u64,
    model: ModelShape,
    tokenizer: Option<TokenizerConfig>,
    corpus: toml::Table,
    training: TrainingConfig,
}

/// `[model]`: a llama with tied embeddings, under the names of config.json.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names are those of config.json")]
pub struct ModelShape {
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub max_position_embeddings: usize,
    pub rope_theta: f64,
    pub rms_norm_eps: f64,
    /// Standard deviation of the random embedding.
    pub embedding_std: f64,
    /// Standard deviation of a random linear layer, times the root of its inputs.
    pub linear_gain: f64,
}

/// The shipped recipes, whose files are in `configs/pretrain/`.
const RECIPES: &[(&str, &str)] = &[
    ("arithmetic", include_str!("../../../configs/pretrain/arithmetic.toml")),
    ("arithmetic-long", include_str!("../../../configs/pretrain/arithmetic-long.toml")),
    ("arithmetic-one-digit", include_str!("../../../configs/pretrain/arithmetic-one-digit.toml")),
    ("words", include_str!("../../../configs/pretrain/words.toml")),
];

impl PretrainConfig {
    /// Reads a shipped recipe by its name, or else a file by its path, with overrides of the form `a.b=c`.
    ///
    /// # Errors
    /// Anything that is wrong with the recipe, named by file and key.
    pub fn load(name_or_path: &str, overrides: &[String]) -> Result<Self> {
        if let Some((name, text)) = RECIPES.iter().find(|(name, _)| *name == name_or_path) {
            return Self::parse(&format!("recipe {name}"), text, overrides);
        }
        let path = Path::new(name_or_path);
        if !path.exists() && path.extension().is_none() && path.components().count() == 1 {
            let presets: Vec<String> = RECIPES.iter().map(|(name, _)| (*name).to_owned()).collect();
            let nearest = strict::nearest(name_or_path, &presets);
            return Err(Error::NotFound { what: Missing::Config, name: name_or_path.to_owned(), known: presets, nearest, download: None });
        }
        Self::parse(name_or_path, &fs_err::read_to_string(path)?, overrides)
    }

    /// Reads a recipe's text; `origin` names it in errors.
    ///
    /// # Errors
    /// As [`PretrainConfig::load`].
    pub fn parse(origin: &str, text: &str, overrides: &[String]) -> Result<Self> {
        let (source, table) = Source::read(origin, text, overrides)?;
        let Raw { name, seed, model, tokenizer, mut corpus, training } = source.section("", table).read()?;
        corpus.entry("kind").or_insert_with(|| "arithmetic".into());
        let corpus = Corpus::read(source.section("corpus", corpus))?;
        let config = PretrainConfig { name, seed, model, tokenizer, corpus, training };
        config.check().map_err(|invalid| source.invalid(invalid))?;
        Ok(config)
    }

    fn check(&self) -> Result<(), Invalid> {
        check::training("training", &self.training)?;
        self.corpus.check(self.tokenizer.as_ref(), &self.training)?;
        let tokens = self.training.sequence_length;
        if tokens > self.model.max_position_embeddings {
            let message = format!("{tokens} is more than model.max_position_embeddings");
            return Err(Invalid { key: "training.sequence_length".into(), message });
        }
        Ok(())
    }

    /// The recipe with all its defaults, as TOML.
    pub fn to_toml(&self) -> String {
        strict::to_table(self).to_string()
    }
}
