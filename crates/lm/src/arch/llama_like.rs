//! The shape that most families share: llama's, with switches.

use super::parameters::{Layout, ParameterSpec, Parameters, Role};
use super::rotary::{Rotary, RotaryKeys};
use super::{ConfigReader, DecoderSpec, LayerSpec, NormKind, QueryKeyNorm};
use crate::error::Result;
use crate::kernels::{Activation, ActivationFunction, Heads};
use serde_json::json;

/// A decoder with root-mean-square norms, rotary positions, grouped-query attention and a gated feed-forward, under llama's tensor names.
/// A family reads it, sets what differs, and builds.
#[expect(clippy::struct_excessive_bools, reason = "switches of config.json")]
pub(super) struct LlamaLike {
    pub vocabulary: usize,
    pub hidden: usize,
    pub layers: usize,
    pub heads: Heads,
    pub intermediate: usize,
    pub context: usize,
    pub norm_epsilon: f32,
    pub tied: bool,
    pub embedding_scale: f32,
    /// Biases of queries, keys and values; of attention's output; of the feed-forward.
    pub qkv_bias: bool,
    pub output_bias: bool,
    pub mlp_bias: bool,
    pub query_key_norm: QueryKeyNorms,
    pub norms: NormPlacement,
    /// How the norms' weights are stored.
    pub norm_layout: Layout,
    pub activation: ActivationFunction,
    /// Whether the projections are stored as `qkv_proj` and `gate_up_proj`.
    pub fused_tensors: bool,
    pub rotary: Vec<Rotary>,
    /// Which rotary each layer uses.
    pub layer_rotary: Vec<Option<usize>>,
    pub windows: Vec<Option<usize>>,
    pub attention_scale: f32,
    pub attention_softcap: Option<f32>,
    pub logit_softcap: Option<f32>,
}

/// Over what queries and keys are normed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QueryKeyNorms {
    None,
    EachHead,
    AllHeads,
}

/// Where the norms of a layer stand, and what they are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NormPlacement {
    /// Before attention and feed-forward (llama).
    Before,
    /// After them (olmo2).
    After,
    /// Before and after (gemma).
    Around,
}

impl LlamaLike {
    /// Reads the keys that all of them have.
    pub fn read(config: &mut ConfigReader) -> Result<Self> {
        Self::read_with(config, RotaryKeys::default())
    }

    /// The same with rotary keys of the family's own.
    pub fn read_with(config: &mut ConfigReader, keys: RotaryKeys) -> Result<Self> {
        let hidden = config.size("hidden_size")?;
        let layers = config.size("num_hidden_layers")?;
        let query = config.size("num_attention_heads")?;
        let key_value = config.optional_size("num_key_value_heads")?.unwrap_or(query);
        let dim = config.optional_size("head_dim")?.unwrap_or(hidden / query);
        if query % key_value != 0 {
            return Err(config.error("num_key_value_heads", format!("{key_value} does not divide the {query} attention heads")));
        }
        let (rotary, context) = {
            let context = config.size("max_position_embeddings")?;
            config.rotary(keys, dim, context)?
        };
        Ok(LlamaLike {
            vocabulary: config.size("vocab_size")?,
            hidden,
            layers,
            heads: Heads { query, key_value, dim },
            intermediate: config.size("intermediate_size")?,
            context,
            norm_epsilon: config.number("rms_norm_eps", 1e-6)?,
            tied: config.switch("tie_word_embeddings", false)?,
            embedding_scale: 1.0,
            qkv_bias: false,
            output_bias: false,
            mlp_bias: false,
            query_key_norm: QueryKeyNorms::None,
            norms: NormPlacement::Before,
            norm_layout: Layout::Same,
            activation: ActivationFunction::Silu,
            fused_tensors: false,
            rotary: vec![rotary],
            layer_rotary: vec![Some(0); layers],
            windows: vec![None; layers],
            attention_scale: 1.0 / (dim as f32).sqrt(),
            attention_softcap: None,
            logit_softcap: None,
        })
    }

    /// Refuses other activations than SiLU.
    pub fn silu_only(config: &mut ConfigReader) -> Result<()> {
        config.only("hidden_act", &[json!("silu")])
    }

    /// `attention_bias`: biases of all four projections.
    pub fn read_attention_bias(&mut self, config: &mut ConfigReader) -> Result<()> {
        let bias = config.switch("attention_bias", false)?;
        (self.qkv_bias, self.output_bias) = (bias, bias);
        Ok(())
    }

    /// Qwen's sliding window: with `use_sliding_window`, in the layers from `max_window_layers` on, or where `layer_types` says.
    pub fn read_switched_window(&mut self, config: &mut ConfigReader) -> Result<()> {
        let on = config.switch("use_sliding_window", false)?;
        let window = config.optional_size("sliding_window")?.filter(|_| on);
        let first = config.get("max_window_layers").and_then(|value| value.as_u64()).unwrap_or(0) as usize;
        let sliding = config.layer_types(self.layers, "sliding_attention", "full_attention")?;
        let sliding = sliding.unwrap_or_else(|| (0..self.layers).map(|layer| layer >= first).collect());
        self.windows = sliding.into_iter().map(|sliding| window.filter(|_| sliding)).collect();
        Ok(())
    }

    /// The specification, with every parameter in its place.
    pub fn build(self) -> DecoderSpec {
        let mut parameters = Parameters::default();
        let embedding = parameters.add(ParameterSpec::matrix(Role::Embedding, "model.embed_tokens.weight", self.vocabulary, self.hidden));
        let layers = (0..self.layers).map(|layer| self.layer(layer, &mut parameters)).collect();
        let final_norm = parameters.rms_norm("model.norm.weight", self.hidden, self.norm_layout.clone());
        let head = if self.tied {
            super::Linear { weight: embedding, bias: None }
        } else {
            parameters.linear(Role::Linear, &[("lm_head".into(), self.vocabulary)], self.hidden, false)
        };
        DecoderSpec {
            vocabulary: self.vocabulary,
            hidden: self.hidden,
            heads: self.heads,
            intermediate: self.intermediate,
            context: self.context,
            embedding,
            embedding_scale: self.embedding_scale,
            positions: None,
            rotary: self.rotary,
            norm: NormKind::Rms,
            norm_epsilon: self.norm_epsilon,
            attention_scale: self.attention_scale,
            attention_softcap: self.attention_softcap,
            activation: Activation { function: self.activation, gated: true },
            parallel_residual: false,
            layers,
            final_norm,
            head,
            logit_softcap: self.logit_softcap,
            parameters: parameters.into_vec(),
        }
    }

    fn layer(&self, layer: usize, parameters: &mut Parameters) -> LayerSpec {
        let Heads { query, key_value, dim } = self.heads;
        let name = |part: &str| format!("model.layers.{layer}.{part}");
        let norm = |parameters: &mut Parameters, part: &str| {
            Some(parameters.rms_norm(format!("{}.weight", name(part)), self.hidden, self.norm_layout.clone()))
        };
        let before = self.norms != NormPlacement::After;
        let after = self.norms != NormPlacement::Before;
        let attention_norm = if before { norm(parameters, "input_layernorm") } else { None };
        let projections = if self.fused_tensors {
            vec![(name("self_attn.qkv_proj"), self.heads.fused_width())]
        } else {
            vec![
                (name("self_attn.q_proj"), query * dim),
                (name("self_attn.k_proj"), key_value * dim),
                (name("self_attn.v_proj"), key_value * dim),
            ]
        };
        let qkv = parameters.linear(Role::Linear, &projections, self.hidden, self.qkv_bias);
        let query_key_norm = match self.query_key_norm {
            QueryKeyNorms::None => None,
            QueryKeyNorms::EachHead => Some((dim, dim)),
            QueryKeyNorms::AllHeads => Some((query * dim, key_value * dim)),
        };
        let query_key_norm = query_key_norm.map(|(query, key)| QueryKeyNorm {
            query: parameters.rms_norm(name("self_attn.q_norm.weight"), query, self.norm_layout.clone()).weight,
            key: parameters.rms_norm(name("self_attn.k_norm.weight"), key, self.norm_layout.clone()).weight,
        });
        let output = parameters.linear(Role::Residual, &[(name("self_attn.o_proj"), self.hidden)], query * dim, self.output_bias);
        let attention_post_norm = if after { norm(parameters, "post_attention_layernorm") } else { None };
        let mlp_norm = match self.norms {
            NormPlacement::Before => norm(parameters, "post_attention_layernorm"),
            NormPlacement::After => None,
            NormPlacement::Around => norm(parameters, "pre_feedforward_layernorm"),
        };
        let gates = if self.fused_tensors {
            vec![(name("mlp.gate_up_proj"), 2 * self.intermediate)]
        } else {
            vec![(name("mlp.gate_proj"), self.intermediate), (name("mlp.up_proj"), self.intermediate)]
        };
        LayerSpec {
            attention_norm,
            qkv,
            query_key_norm,
            output,
            attention_post_norm,
            mlp_norm,
            up: parameters.linear(Role::Linear, &gates, self.hidden, self.mlp_bias),
            down: parameters.linear(Role::Residual, &[(name("mlp.down_proj"), self.hidden)], self.intermediate, self.mlp_bias),
            mlp_post_norm: if after { norm(parameters, "post_feedforward_layernorm") } else { None },
            rotary: self.layer_rotary[layer],
            window: self.windows[layer],
        }
    }
}
