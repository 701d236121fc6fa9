//! The shape that most families share: llama's, with switches.

use super::rotary::RotaryKeys;
use super::sizes::{GroupedHeads, LLAMA, SizeKeys, Sizes};
use super::{ConfigReader, DecoderSpec};
use crate::decoder::{
    AttentionTensors, Block, Dense, DenseTensors, FeedForward, Linear, LinearTensors, Mixer, Norm, NormedHeads, Norms, QueryKeyTensors,
    Rotary, SelfAttention,
};
use crate::error::Result;
use crate::kernels::{Activation, ActivationFunction, Attention, Heads};
use crate::weights::{Layout, ParameterSpec, Parameters, Role};
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
    /// The normalization of queries and keys, if there is one.
    pub query_key_norm: Option<NormedHeads>,
    pub norms: NormPlacement,
    /// How the norms' weights are stored.
    pub norm_layout: Layout,
    pub activation: ActivationFunction,
    /// True if the projections are stored as `qkv_proj` and `gate_up_proj`.
    pub fused_tensors: bool,
    pub rotary: Vec<Rotary>,
    /// The rotary that each layer uses.
    pub layer_rotary: Vec<Option<usize>>,
    pub windows: Vec<Option<usize>>,
    pub attention_scale: f32,
    pub attention_softcap: Option<f32>,
    pub logit_softcap: Option<f32>,
}

/// The places and names of a layer's norms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NormPlacement {
    /// Before attention and feed-forward (llama).
    Before,
    /// After them (olmo2).
    After,
    /// Before and after (gemma).
    Around,
}

/// The values that `transformers` takes for keys that are not in config.json.
#[derive(Debug, Clone, Copy)]
pub(super) struct Defaults {
    pub context: usize,
    pub heads: GroupedHeads,
    pub norm_epsilon: f32,
    pub tied: bool,
    pub rotary: RotaryKeys,
}

impl Default for Defaults {
    /// Llama's.
    fn default() -> Self {
        let heads = GroupedHeads { key_value_heads: None, head_dim: None };
        Defaults { context: LLAMA.context.1, heads, norm_epsilon: 1e-6, tied: false, rotary: RotaryKeys::LLAMA }
    }
}

impl LlamaLike {
    /// Reads the keys that all of them have.
    pub fn read(config: &mut ConfigReader, defaults: Defaults) -> Result<Self> {
        let keys = SizeKeys { context: (LLAMA.context.0, defaults.context), grouped: Some(defaults.heads), ..LLAMA };
        let Sizes { vocabulary, hidden, layers, heads, intermediate, context } = config.sizes(&keys)?;
        let (rotary, context) = config.rotary(defaults.rotary, heads.dim, context)?;
        Ok(LlamaLike {
            vocabulary,
            hidden,
            layers,
            heads,
            intermediate,
            context,
            norm_epsilon: config.norm_epsilon("rms_norm_eps", defaults.norm_epsilon)?,
            tied: config.switch("tie_word_embeddings", defaults.tied)?,
            embedding_scale: 1.0,
            qkv_bias: false,
            output_bias: false,
            mlp_bias: false,
            query_key_norm: None,
            norms: NormPlacement::Before,
            norm_layout: Layout::Same,
            activation: ActivationFunction::Silu,
            fused_tensors: false,
            rotary: vec![rotary],
            layer_rotary: vec![Some(0); layers],
            windows: vec![None; layers],
            attention_scale: SelfAttention::usual_scale(heads.dim),
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
        let window = config.window(None)?.filter(|_| on);
        let first = config.get("max_window_layers").map_or(Some(28), |value| value.as_u64());
        let first = first.ok_or_else(|| config.error("max_window_layers", "expected a whole number"))? as usize;
        let sliding = config.layer_types(self.layers, "sliding_attention", "full_attention")?;
        let sliding = sliding.unwrap_or_else(|| (0..self.layers).map(|layer| layer >= first).collect());
        self.windows = sliding.into_iter().map(|sliding| window.filter(|_| sliding)).collect();
        Ok(())
    }

    /// The specification, with every parameter in its place.
    pub fn build(self) -> DecoderSpec {
        let mut parameters = Parameters::default();
        let embedding = parameters.add(ParameterSpec::matrix(Role::Embedding, "model.embed_tokens.weight", self.vocabulary, self.hidden));
        let blocks = (0..self.layers).map(|layer| self.block(layer, &mut parameters)).collect();
        let final_norm = Norm::rms(&mut parameters, "model.norm.weight", self.hidden, self.norm_layout.clone());
        let head = if self.tied {
            Linear { weight: embedding, bias: None }
        } else {
            LinearTensors::new(["lm_head".into()], false).add_to(&mut parameters, Role::Linear, &[self.vocabulary], self.hidden)
        };
        DecoderSpec {
            vocabulary: self.vocabulary,
            hidden: self.hidden,
            context: self.context,
            embedding,
            embedding_scale: self.embedding_scale,
            positions: None,
            rotary: self.rotary,
            norm_epsilon: self.norm_epsilon,
            blocks,
            final_norm,
            head,
            logit_softcap: self.logit_softcap,
            adapters: None,
            parameters: parameters.into_vec(),
        }
    }

    fn block(&self, layer: usize, parameters: &mut Parameters) -> Block {
        let norm = |parameters: &mut Parameters, name: &str| {
            Norm::rms(parameters, format!("model.layers.{layer}.{name}.weight"), self.hidden, self.norm_layout.clone())
        };
        let (mixer, feed_forward, norms);
        match self.norms {
            NormPlacement::Before => {
                let before_mixer = norm(parameters, "input_layernorm");
                mixer = self.mixer(layer, parameters);
                let before_feed_forward = norm(parameters, "post_attention_layernorm");
                feed_forward = self.feed_forward(layer, parameters);
                norms = Norms::Pre { mixer: before_mixer, feed_forward: before_feed_forward };
            }
            NormPlacement::After => {
                mixer = self.mixer(layer, parameters);
                let after_mixer = norm(parameters, "post_attention_layernorm");
                feed_forward = self.feed_forward(layer, parameters);
                norms = Norms::Post { mixer: after_mixer, feed_forward: norm(parameters, "post_feedforward_layernorm") };
            }
            NormPlacement::Around => {
                let before_mixer = norm(parameters, "input_layernorm");
                mixer = self.mixer(layer, parameters);
                let around_mixer = [before_mixer, norm(parameters, "post_attention_layernorm")];
                let before_feed_forward = norm(parameters, "pre_feedforward_layernorm");
                feed_forward = self.feed_forward(layer, parameters);
                let around_feed_forward = [before_feed_forward, norm(parameters, "post_feedforward_layernorm")];
                norms = Norms::Both { mixer: around_mixer, feed_forward: around_feed_forward };
            }
        }
        Block { hidden: self.hidden, mixer, feed_forward, norms }
    }

    fn mixer(&self, layer: usize, parameters: &mut Parameters) -> Mixer {
        let name = |part: &str| format!("model.layers.{layer}.self_attn.{part}");
        let modules: &[&str] = if self.fused_tensors { &["qkv_proj"] } else { &["q_proj", "k_proj", "v_proj"] };
        let tensors = AttentionTensors {
            qkv: LinearTensors::new(modules.iter().map(|module| name(module)), self.qkv_bias),
            query_key_norm: self.query_key_norm.map(|heads| QueryKeyTensors {
                query: name("q_norm.weight"),
                key: name("k_norm.weight"),
                heads,
                layout: self.norm_layout.clone(),
            }),
            output: LinearTensors::new([name("o_proj")], self.output_bias),
        };
        let scores =
            Attention { heads: self.heads, scale: self.attention_scale, softcap: self.attention_softcap, window: self.windows[layer] };
        Mixer::Attention(SelfAttention::new(scores, self.layer_rotary[layer], self.hidden, &tensors, parameters))
    }

    fn feed_forward(&self, layer: usize, parameters: &mut Parameters) -> FeedForward {
        let name = |part: &str| format!("model.layers.{layer}.mlp.{part}");
        let modules: &[&str] = if self.fused_tensors { &["gate_up_proj"] } else { &["gate_proj", "up_proj"] };
        let tensors = DenseTensors {
            up: LinearTensors::new(modules.iter().map(|module| name(module)), self.mlp_bias),
            down: LinearTensors::new([name("down_proj")], self.mlp_bias),
        };
        let activation = Activation { function: self.activation, gated: true };
        FeedForward::Dense(Dense::new(activation, self.intermediate, self.hidden, &tensors, parameters))
    }
}
