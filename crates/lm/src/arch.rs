//! Model families: one file each, which maps config.json to the decoder's specification and names its tensors.
//!
//! To add a family, write `arch/NAME.rs` with a function from [`ConfigReader`] to [`DecoderSpec`] and add it to `FAMILIES`; if it is a
//! llama with other switches, `llama_like` does most of it. No arithmetic here: what a family needs beyond what the decoder does becomes
//! a field of [`DecoderSpec`]. Every key of config.json is either read, or refused with a value that would change the logits, or known to
//! say nothing about them, or warned of; none is passed over in silence.

mod config;
mod gemma2;
mod gemma3;
mod gpt2;
mod gpt_neox;
mod gptj;
mod llama;
mod llama_like;
mod mistral;
mod olmo2;
mod parameters;
mod phi3;
mod qwen2;
mod qwen3;
mod rotary;
mod smollm3;

pub use config::ConfigReader;
pub use parameters::{Layout, ParameterSpec, Role, TensorSpec};
pub use rotary::Rotary;

use crate::error::{Error, Result};
use crate::kernels::{Activation, Attention, Heads};
use crate::lora::Adapters;
use serde_json::Value;
use std::path::Path;

/// A family's reader of config.json.
type Family = fn(&mut ConfigReader) -> Result<DecoderSpec>;

/// Every supported `model_type`.
const FAMILIES: &[(&str, Family)] = &[
    ("gemma2", gemma2::spec),
    ("gemma3_text", gemma3::spec),
    ("gpt2", gpt2::spec),
    ("gpt_neox", gpt_neox::spec),
    ("gptj", gptj::spec),
    ("llama", llama::spec),
    ("mistral", mistral::spec),
    ("olmo2", olmo2::spec),
    ("phi3", phi3::spec),
    ("qwen2", qwen2::spec),
    ("qwen3", qwen3::spec),
    ("smollm3", smollm3::spec),
];

/// The numbers and switches of one decoder. Parameters are named by their place in [`DecoderSpec::parameters`].
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderSpec {
    /// Rows of the embedding.
    pub vocabulary: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Attention heads.
    pub heads: Heads,
    /// Width of the feed-forward.
    pub intermediate: usize,
    /// The longest sequence.
    pub context: usize,
    /// Token embedding, `[vocabulary, hidden]`.
    pub embedding: usize,
    /// Factor on the embedding (gemma); 1 elsewhere.
    pub embedding_scale: f32,
    /// Learned positions `[context, hidden]`, added to the embedding (gpt2).
    pub positions: Option<usize>,
    /// Rotary frequencies; layers choose among them.
    pub rotary: Vec<Rotary>,
    /// What the norms compute.
    pub norm: NormKind,
    /// Epsilon of the norms.
    pub norm_epsilon: f32,
    /// The factor on query-key products.
    pub attention_scale: f32,
    /// Bound of the attention scores, `cap * tanh(score / cap)` (gemma2).
    pub attention_softcap: Option<f32>,
    /// The feed-forward's activation.
    pub activation: Activation,
    /// Whether the feed-forward reads the stream that attention reads (GPT-J, GPT-NeoX), rather than what attention made of it.
    pub parallel_residual: bool,
    /// The layers, from the embedding up.
    pub layers: Vec<LayerSpec>,
    /// Norm after the last layer.
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

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSpec {
    /// Norm before attention.
    pub attention_norm: Option<Norm>,
    /// Queries, keys and values, `[fused width, hidden]`.
    pub qkv: Linear,
    /// Norms of queries and keys.
    pub query_key_norm: Option<QueryKeyNorm>,
    /// Attention's output projection, `[hidden, query * dim]`.
    pub output: Linear,
    /// Norm of attention's output, before it is added to the stream.
    pub attention_post_norm: Option<Norm>,
    /// Norm before the feed-forward.
    pub mlp_norm: Option<Norm>,
    /// The feed-forward's input projection: gates and ups `[2 * intermediate, hidden]`, or ups alone.
    pub up: Linear,
    /// The feed-forward's output projection, `[hidden, intermediate]`.
    pub down: Linear,
    /// Norm of the feed-forward's output, before it is added to the stream.
    pub mlp_post_norm: Option<Norm>,
    /// Which of [`DecoderSpec::rotary`] turns queries and keys; none in layers without positions.
    pub rotary: Option<usize>,
    /// Positions that a query sees, its own included; all before it where there is none.
    pub window: Option<usize>,
}

/// What a norm computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// Root mean square (Zhang and Sennrich 2019).
    Rms,
    /// Mean and variance (Ba et al. 2016).
    Layer,
}

/// A norm's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Norm {
    /// `[hidden]`.
    pub weight: usize,
    /// `[hidden]`; layer norms have it.
    pub bias: Option<usize>,
}

/// A linear map's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Linear {
    /// `[outputs, inputs]`.
    pub weight: usize,
    /// `[outputs]`.
    pub bias: Option<usize>,
}

/// Root-mean-square norms of queries and keys, each head by itself or all heads together, as wide as the weights are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryKeyNorm {
    /// Weight for queries, `[dim]` or `[query * dim]`.
    pub query: usize,
    /// Weight for keys, `[dim]` or `[key_value * dim]`.
    pub key: usize,
}

impl DecoderSpec {
    /// Reads a config.json.
    pub fn from_config(config: &Value, path: &Path) -> Result<Self> {
        let mut reader = ConfigReader::new(config, path)?;
        let found = reader.text("model_type")?;
        let Some((_, family)) = FAMILIES.iter().find(|(name, _)| *name == found) else {
            let supported = FAMILIES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            return Err(Error::UnknownModelType { path: path.into(), found, supported });
        };
        let spec = family(&mut reader)?;
        reader.warn_of_unread();
        Ok(spec)
    }

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

    /// What attention computes in a layer.
    pub fn attention(&self, layer: usize) -> Attention {
        let (heads, window) = (self.heads, self.layers[layer].window);
        Attention { heads, scale: self.attention_scale, softcap: self.attention_softcap, window }
    }

    /// Keys (or values) of one position in one layer.
    pub fn cache_width(&self) -> usize {
        self.heads.key_value * self.heads.dim
    }

    /// Values that a norm's statistics have for each row.
    pub fn statistics_width(&self) -> usize {
        match self.norm {
            NormKind::Rms => 1,
            NormKind::Layer => 2,
        }
    }

    /// Width of the feed-forward's input projection.
    pub fn up_width(&self) -> usize {
        if self.activation.gated { 2 * self.intermediate } else { self.intermediate }
    }
}
