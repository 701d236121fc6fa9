//! A decoder as data: its sizes, its blocks, and its parameters.

use super::{Block, CacheDtype, Linear, Norm, Rotary};
use crate::error::{Error, Result};
use crate::kernels::PAGE;
use crate::lora::{Adapters, LoraConfig, PeftRules};
use crate::weights::ParameterSpec;

/// The sizes and blocks of one decoder. A parameter is an index of [`DecoderSpec::parameters`].
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
    /// Factor on the embedding (gemma). 1 elsewhere.
    pub embedding_scale: f32,
    /// Learned positions `[context, hidden]`, added to the embedding (gpt2).
    pub positions: Option<usize>,
    /// Rotary frequencies. Each attention layer uses one of them or none.
    pub rotary: Vec<Rotary>,
    /// Epsilon of the norms.
    pub norm_epsilon: f32,
    /// The blocks, from the embedding up.
    pub blocks: Vec<Block>,
    /// Norm after the last block.
    pub final_norm: Norm,
    /// Output head, `[vocabulary, hidden]`. It is the embedding if they are tied.
    pub head: Linear,
    /// Bound of the logits, `cap * tanh(logit / cap)` (gemma2).
    pub logit_softcap: Option<f32>,
    /// Low-rank adapters of frozen weights, if any.
    pub adapters: Option<Adapters>,
    /// Every parameter, in the order in which random weights are drawn and the norms of gradients are added.
    pub parameters: Vec<ParameterSpec>,
}

impl DecoderSpec {
    /// Returns true if the output head is the embedding.
    pub fn tied(&self) -> bool {
        self.head.weight == self.embedding
    }

    /// Number of weights.
    pub fn parameter_count(&self) -> usize {
        self.parameters.iter().map(ParameterSpec::len).sum()
    }

    /// Returns true if training changes a parameter. With adapters, it changes only these; otherwise all parameters.
    pub fn is_trained(&self, parameter: usize) -> bool {
        self.adapters.as_ref().is_none_or(|adapters| parameter >= adapters.first)
    }

    /// Returns true if the factor on the embedding is not 1.
    pub(super) fn scales_the_embedding(&self) -> bool {
        self.embedding_scale.to_bits() != 1.0f32.to_bits()
    }

    /// A size of config.json by its name in Hugging Face's llama, if the first block of the decoder has it.
    pub fn size(&self, key: &str) -> Option<usize> {
        self.sizes().find(|(name, _)| *name == key).map(|(_, size)| size)
    }

    /// The sizes of config.json that determine the shape of the decoder, with their names in Hugging Face's llama. Sizes of blocks are those of
    /// the first block.
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

    /// Refuses tokens that are not in the vocabulary. `input` and `index` name what they belong to, such as "request" 3.
    pub(crate) fn check_tokens(&self, input: &'static str, index: usize, tokens: &[u32]) -> Result<()> {
        let vocabulary = self.vocabulary;
        match tokens.iter().position(|token| *token as usize >= vocabulary) {
            None => Ok(()),
            Some(position) => Err(Error::UnknownToken { input, index, position, token: tokens[position], vocabulary }),
        }
    }

    /// Bytes of one page of a sequence, [`PAGE`] tokens, in all blocks.
    pub fn page_bytes(&self, dtype: CacheDtype) -> usize {
        self.cached_values() * PAGE * dtype.width()
    }

    /// The same decoder with adapters, named as PEFT names them.
    ///
    /// # Errors
    /// [`LoraConfig::check`] fails, no module has the name of a target, or the decoder has adapters already.
    pub fn adapted(self, lora: &LoraConfig) -> Result<Self> {
        lora.check()?;
        self.adapted_by(lora, &PeftRules::default())
    }

    /// The same decoder with the adapters of an `adapter_config.json`.
    ///
    /// # Errors
    /// No module is adapted, a pattern cannot be used, or the decoder has adapters already.
    pub fn adapted_by(mut self, lora: &LoraConfig, rules: &PeftRules) -> Result<Self> {
        if self.adapters.is_some() {
            return Err(Error::HasAdapters { action: "add adapters to" });
        }
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
