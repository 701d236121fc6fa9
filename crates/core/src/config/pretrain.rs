//! One TOML is one recipe of a base model that is trained from scratch.

use super::source::{self, Source};
use super::{Invalid, TrainingConfig, check};
use crate::error::{Error, Result};
use crate::seed::sha256_hex;
use crate::task::arithmetic::corpus::CorpusConfig;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A recipe: the model's shape, the corpus, the training, a seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainConfig {
    /// The model's name.
    pub name: String,
    /// Decides weights and documents.
    pub seed: u64,
    /// The model's shape.
    pub model: ModelShape,
    /// The synthetic corpus of the arithmetic experiment.
    pub corpus: CorpusConfig,
    /// The training; `step_growth`, `step_increment` and `max_steps` have no use here.
    pub training: TrainingConfig,
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
    ("arithmetic", include_str!("../../../../configs/pretrain/arithmetic.toml")),
    ("arithmetic-long", include_str!("../../../../configs/pretrain/arithmetic-long.toml")),
    ("arithmetic-one-digit", include_str!("../../../../configs/pretrain/arithmetic-one-digit.toml")),
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
            let nearest = source::nearest(name_or_path, &presets);
            return Err(Error::NoSuchConfig { name: name_or_path.to_owned(), presets, nearest });
        }
        Self::parse(name_or_path, &fs_err::read_to_string(path)?, overrides)
    }

    /// Reads a recipe's text; `origin` names it in errors.
    ///
    /// # Errors
    /// As [`PretrainConfig::load`].
    pub fn parse(origin: &str, text: &str, overrides: &[String]) -> Result<Self> {
        let (source, table) = Source::read(origin, text, overrides)?;
        let config: Self = source.section("", table).read()?;
        config.check().map_err(|invalid| source.invalid(invalid))?;
        Ok(config)
    }

    fn check(&self) -> Result<(), Invalid> {
        check::training("training", &self.training)?;
        let tokens = self.training.sequence_length;
        let of_corpus =
            |error: crate::task::arithmetic::ConfigError| Invalid { key: format!("corpus.{}", error.key), message: error.reason };
        self.corpus.check(tokens - 1).map_err(of_corpus)?;
        if tokens > self.model.max_position_embeddings {
            let message = format!("{tokens} is more than model.max_position_embeddings");
            return Err(Invalid { key: "training.sequence_length".into(), message });
        }
        Ok(())
    }

    /// The recipe with all its defaults, as TOML.
    pub fn to_toml(&self) -> String {
        source::to_table(self).to_string()
    }

    /// What identifies the recipe: the SHA-256 of [`PretrainConfig::to_toml`].
    pub fn sha256(&self) -> String {
        sha256_hex(&self.to_toml())
    }
}
