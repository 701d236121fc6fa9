//! The random llama to measure, and the size of its work.

use anyhow::Result;
use serde_json::json;
use starloop_core::task::arithmetic::vocabulary;
use starloop_lm::LanguageModel;
use starloop_lm::initialize::{Initialization, initialize};

/// A named size, and what differs from it.
#[derive(Debug, clap::Args)]
pub(super) struct Shape {
    /// The model. The other options change single numbers of it
    #[arg(long, value_parser = ["S", "M", "L"], default_value = "S")]
    size: String,
    /// Layers
    #[arg(long, value_name = "N")]
    layers: Option<usize>,
    /// Width of the residual stream
    #[arg(long, value_name = "N")]
    hidden: Option<usize>,
    /// Attention heads
    #[arg(long, value_name = "N")]
    heads: Option<usize>,
    /// Width of the gated layer
    #[arg(long, value_name = "N")]
    intermediate: Option<usize>,
    /// Rows of the embedding
    #[arg(long, value_name = "N")]
    vocabulary: Option<usize>,
    /// Rows of a training step
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Tokens of a training row
    #[arg(long, value_name = "N")]
    length: Option<usize>,
    /// Tokens that go through the model at once in training; the whole step if not given
    #[arg(long, value_name = "N")]
    micro_batch_tokens: Option<usize>,
    /// Sequences that are decoded at once
    #[arg(long, value_name = "N")]
    sequences: Option<usize>,
    /// Tokens of each sequence's prompt
    #[arg(long, value_name = "N", default_value_t = 64)]
    prompt: usize,
    /// Tokens that are decoded of each sequence
    #[arg(long, value_name = "N", default_value_t = 192)]
    new_tokens: usize,
}

/// A size's numbers, under the names of [`Shape`].
struct Size {
    layers: usize,
    hidden: usize,
    heads: usize,
    intermediate: usize,
    vocabulary: usize,
    batch: usize,
    length: usize,
    sequences: usize,
}

impl Shape {
    fn preset(&self) -> Size {
        match self.size.as_str() {
            "S" => Size { layers: 6, hidden: 256, heads: 8, intermediate: 768, vocabulary: 64, batch: 32, length: 256, sequences: 256 },
            "M" => Size { layers: 12, hidden: 768, heads: 12, intermediate: 2048, vocabulary: 50257, batch: 4, length: 256, sequences: 16 },
            _ => Size { layers: 24, hidden: 1024, heads: 16, intermediate: 2816, vocabulary: 32000, batch: 2, length: 512, sequences: 8 },
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.size
    }

    pub(super) fn batch(&self) -> usize {
        self.batch.unwrap_or(self.preset().batch)
    }

    pub(super) fn length(&self) -> usize {
        self.length.unwrap_or(self.preset().length)
    }

    pub(super) fn micro_batch_tokens(&self) -> usize {
        self.micro_batch_tokens.unwrap_or(self.batch() * self.length())
    }

    pub(super) fn sequences(&self) -> usize {
        self.sequences.unwrap_or(self.preset().sequences)
    }

    pub(super) fn prompt(&self) -> usize {
        self.prompt
    }

    pub(super) fn new_tokens(&self) -> usize {
        self.new_tokens
    }

    fn vocabulary(&self) -> usize {
        self.vocabulary.unwrap_or(self.preset().vocabulary)
    }

    /// A random llama.
    pub(super) fn model(&self) -> Result<LanguageModel> {
        let preset = self.preset();
        let config = json!({
            "model_type": "llama", "vocab_size": self.vocabulary(), "hidden_size": self.hidden.unwrap_or(preset.hidden),
            "num_hidden_layers": self.layers.unwrap_or(preset.layers), "num_attention_heads": self.heads.unwrap_or(preset.heads),
            "intermediate_size": self.intermediate.unwrap_or(preset.intermediate),
            "max_position_embeddings": self.length().max(self.prompt + self.new_tokens),
            "tie_word_embeddings": true, "rms_norm_eps": 1e-5, "eos_token_id": 0,
        });
        let companions = [("tokenizer.json".to_owned(), vocabulary::TOKENIZER.as_bytes().to_vec())].into();
        let scale = Initialization { embedding_std: 0.1, linear_gain: 0.7 };
        Ok(LanguageModel::from_checkpoint(initialize(config, companions, scale, 1)?)?)
    }

    /// Token ids that differ, without a pattern that a cache could use.
    pub(super) fn tokens(&self, count: usize, salt: usize) -> Vec<u32> {
        (0..count).map(|i| ((i * 7919 + salt * 104_729 + i * i * 31) % self.vocabulary()) as u32).collect()
    }
}
