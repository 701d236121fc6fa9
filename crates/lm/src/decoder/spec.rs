//! A decoder as data: its numbers, its blocks, and where its parameters are.

use super::{Block, CacheDtype, Linear, Norm, Rotary};
use crate::error::Result;
use crate::kernels::PAGE;
use crate::lora::{Adapters, LoraConfig, PeftRules};
use crate::weights::ParameterSpec;

/// The numbers and blocks of one decoder. Parameters are named by their place in [`DecoderSpec::parameters`].
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderSpec {
    /// Rows of the embedding.
    pub vocabulary: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// The longest sequence.
    pub context: usize,
    /// Token embedding, `[vocabulary, hidden]`.
    pub embedding: usize,
    /// Factor on the embedding (gemma); 1 elsewhere.
    pub embedding_scale: f32,
    /// Learned positions `[context, hidden]`, added to the embedding (gpt2).
    pub positions: Option<usize>,
    /// Rotary frequencies; attention layers choose among them.
    pub rotary: Vec<Rotary>,
    /// Epsilon of the norms.
    pub norm_epsilon: f32,
    /// The blocks, from the embedding up.
    pub blocks: Vec<Block>,
    /// Norm after the last block.
    pub final_norm: Norm,
    /// Output head, `[vocabulary, hidden]`; the embedding where they are tied.
    pub head: Linear,
    /// Bound of the logits, `cap * tanh(logit / cap)` (gemma2).
    pub logit_softcap: Option<f32>,
    /// Low-rank adapters beside frozen weights, if any.
    pub adapters: Option<Adapters>,
    /// Every parameter, in the order in which random weights are drawn and gradients' norms are added.
    pub parameters: Vec<ParameterSpec>,
}

impl DecoderSpec {
    /// Whether the output head is the embedding.
    pub fn tied(&self) -> bool {
        self.head.weight == self.embedding
    }

    /// Number of weights.
    pub fn parameter_count(&self) -> usize {
        self.parameters.iter().map(ParameterSpec::len).sum()
    }

    /// Whether training changes a parameter: all of them, or with adapters these alone.
    pub fn is_trained(&self, parameter: usize) -> bool {
        self.adapters.as_ref().is_none_or(|adapters| parameter >= adapters.first)
    }

    /// Whether the embedding has another factor than 1.
    pub(super) fn scales_the_embedding(&self) -> bool {
        self.embedding_scale.to_bits() != 1.0f32.to_bits()
    }

    /// A number of config.json by the name that it has in Hugging Face's llama, if the decoder's first block has it.
    pub fn size(&self, key: &str) -> Option<usize> {
        self.sizes().find(|(name, _)| *name == key).map(|(_, size)| size)
    }

    /// The numbers of config.json that decide the decoder's shape, by their names in Hugging Face's llama. Those of a block are the first's.
    pub fn sizes(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let whole = [
            ("vocab_size", self.vocabulary),
            ("hidden_size", self.hidden),
            ("num_hidden_layers", self.blocks.len()),
            ("max_position_embeddings", self.context),
            ("tie_word_embeddings", usize::from(self.tied())),
        ];
        whole.into_iter().chain(self.blocks.iter().take(1).flat_map(Block::sizes))
    }

    /// Bytes of one page of a sequence, [`PAGE`] tokens, in all blocks.
    pub fn page_bytes(&self, dtype: CacheDtype) -> usize {
        self.cached_values() * PAGE * dtype.width()
    }

    /// The same decoder with adapters. They are named as PEFT names them.
    ///
    /// # Errors
    /// No module has one of the target's names.
    pub fn adapted(self, lora: &LoraConfig) -> Result<Self> {
        self.adapted_by(lora, &PeftRules::default())
    }

    /// The same by an `adapter_config.json`.
    ///
    /// # Errors
    /// No module is adapted, or a pattern cannot be used.
    pub fn adapted_by(mut self, lora: &LoraConfig, rules: &PeftRules) -> Result<Self> {
        let weights: Vec<usize> = self.blocks.iter().flat_map(Block::linears).map(|linear| linear.weight).collect();
        let (adapters, added) = Adapters::beside(&weights, &self.parameters, lora, rules)?;
        self.parameters.extend(added);
        self.adapters = Some(adapters);
        Ok(self)
    }

    /// The same decoder without adapters.
    #[must_use]
    pub fn without_adapters(mut self) -> Self {
        if let Some(adapters) = self.adapters.take() {
            self.parameters.truncate(adapters.first);
        }
        self
    }
}
