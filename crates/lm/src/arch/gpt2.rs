//! GPT-2 (Radford et al. 2019): learned positions, layer norms, biases everywhere, weights stored by input.

use super::sizes::{GPT, Sizes};
use super::{ConfigReader, DecoderSpec};
use crate::decoder::{AttentionTensors, Block, Dense, DenseTensors, FeedForward, Linear, LinearTensors, Mixer, Norm, Norms, SelfAttention};
use crate::error::Result;
use crate::kernels::{Activation, ActivationFunction, Attention};
use crate::weights::{Layout, ParameterSpec, Parameters, Role};
use serde_json::json;

pub(super) fn spec(config: &mut ConfigReader) -> Result<DecoderSpec> {
    config.only("activation_function", &[json!("gelu_new")])?;
    config.only("scale_attn_weights", &[json!(true)])?;
    config.only("scale_attn_by_inverse_layer_idx", &[json!(false)])?;
    config.only("add_cross_attention", &[json!(false)])?;
    config.only("tie_word_embeddings", &[json!(true)])?;
    config.ignore(&["reorder_and_upcast_attn", "n_ctx"]);
    let Sizes { vocabulary, hidden, layers, heads, intermediate, context } = config.sizes(&GPT)?;

    let mut parameters = Parameters::default();
    let embedding = parameters.add(ParameterSpec::matrix(Role::Embedding, "transformer.wte.weight", vocabulary, hidden));
    let positions = parameters.add(ParameterSpec::matrix(Role::Embedding, "transformer.wpe.weight", context, hidden));
    let scores = Attention { heads, scale: SelfAttention::usual_scale(heads.dim), softcap: None, window: None };
    let activation = Activation { function: ActivationFunction::GeluTanh, gated: false };
    let mut blocks = Vec::new();
    for layer in 0..layers {
        let name = |part: &str| format!("transformer.h.{layer}.{part}");
        let linear = |part: &str| LinearTensors::new([name(part)], true).stored([Layout::Transposed]);
        let attention = AttentionTensors { qkv: linear("attn.c_attn"), query_key_norm: None, output: linear("attn.c_proj") };
        let dense = DenseTensors { up: linear("mlp.c_fc"), down: linear("mlp.c_proj") };
        let before_mixer = Norm::layer(&mut parameters, &name("ln_1"), hidden);
        let mixer = Mixer::Attention(SelfAttention::new(scores, None, hidden, &attention, &mut parameters));
        let before_feed_forward = Norm::layer(&mut parameters, &name("ln_2"), hidden);
        let feed_forward = FeedForward::Dense(Dense::new(activation, intermediate, hidden, &dense, &mut parameters));
        blocks.push(Block { hidden, mixer, feed_forward, norms: Norms::Pre { mixer: before_mixer, feed_forward: before_feed_forward } });
    }
    Ok(DecoderSpec {
        vocabulary,
        hidden,
        context,
        embedding,
        embedding_scale: 1.0,
        positions: Some(positions),
        rotary: Vec::new(),
        norm_epsilon: config.norm_epsilon("layer_norm_epsilon", 1e-5)?,
        blocks,
        final_norm: Norm::layer(&mut parameters, "transformer.ln_f", hidden),
        head: Linear { weight: embedding, bias: None },
        logit_softcap: None,
        adapters: None,
        parameters: parameters.into_vec(),
    })
}
