//! GPT-NeoX (Black et al. 2022; Pythia): attention and feed-forward side by side, queries, keys and values stored head by head, a quarter of
//! each head turning.

use super::rotary::RotaryKeys;
use super::sizes::{LLAMA, Sizes};
use super::{ConfigReader, DecoderSpec};
use crate::decoder::{AttentionTensors, Block, Dense, DenseTensors, FeedForward, Linear, LinearTensors, Mixer, Norm, Norms, SelfAttention};
use crate::error::Result;
use crate::kernels::{Activation, ActivationFunction, Attention};
use crate::weights::{Layout, ParameterSpec, Parameters, Role};
use serde_json::json;

pub(super) fn spec(config: &mut ConfigReader) -> Result<DecoderSpec> {
    config.only("attention_bias", &[json!(true)])?;
    config.ignore(&["is_decoder"]);
    let function = match config.optional_text("hidden_act")?.as_deref() {
        None | Some("gelu") => ActivationFunction::Gelu,
        Some("gelu_new" | "gelu_pytorch_tanh" | "gelu_fast") => ActivationFunction::GeluTanh,
        Some(other) => return Err(config.error("hidden_act", format!("\"{other}\" is not supported; only \"gelu\" and \"gelu_new\" are"))),
    };
    let Sizes { vocabulary, hidden, layers, heads, intermediate, context } = config.sizes(&LLAMA)?;
    let keys = RotaryKeys { theta: "rotary_emb_base", share: ("rotary_pct", 0.25), ..RotaryKeys::LLAMA };
    let (rotary, context) = config.rotary(keys, heads.dim, context)?;

    let mut parameters = Parameters::default();
    let embedding = parameters.add(ParameterSpec::matrix(Role::Embedding, "gpt_neox.embed_in.weight", vocabulary, hidden));
    let scores = Attention { heads, scale: SelfAttention::usual_scale(heads.dim), softcap: None, window: None };
    let activation = Activation { function, gated: false };
    let parallel = config.switch("use_parallel_residual", true)?;
    let mut blocks = Vec::new();
    for layer in 0..layers {
        let name = |part: &str| format!("gpt_neox.layers.{layer}.{part}");
        let linear = |part: &str| LinearTensors::new([name(part)], true);
        let attention = AttentionTensors {
            qkv: linear("attention.query_key_value").stored([Layout::by_head(heads.query, heads.dim)]),
            query_key_norm: None,
            output: linear("attention.dense"),
        };
        let dense = DenseTensors { up: linear("mlp.dense_h_to_4h"), down: linear("mlp.dense_4h_to_h") };
        let before_mixer = Norm::layer(&mut parameters, &name("input_layernorm"), hidden);
        let mixer = Mixer::Attention(SelfAttention::new(scores, Some(0), hidden, &attention, &mut parameters));
        let before_feed_forward = Norm::layer(&mut parameters, &name("post_attention_layernorm"), hidden);
        let feed_forward = FeedForward::Dense(Dense::new(activation, intermediate, hidden, &dense, &mut parameters));
        let norms = if parallel {
            Norms::Parallel { mixer: before_mixer, feed_forward: before_feed_forward }
        } else {
            Norms::Pre { mixer: before_mixer, feed_forward: before_feed_forward }
        };
        blocks.push(Block { hidden, mixer, feed_forward, norms });
    }
    let final_norm = Norm::layer(&mut parameters, "gpt_neox.final_layer_norm", hidden);
    let head = if config.switch("tie_word_embeddings", false)? {
        Linear { weight: embedding, bias: None }
    } else {
        LinearTensors::new(["embed_out".into()], false).add_to(&mut parameters, Role::Linear, &[vocabulary], hidden)
    };
    Ok(DecoderSpec {
        vocabulary,
        hidden,
        context,
        embedding,
        embedding_scale: 1.0,
        positions: None,
        rotary: vec![rotary],
        norm_epsilon: config.norm_epsilon("layer_norm_eps", 1e-5)?,
        blocks,
        final_norm,
        head,
        logit_softcap: None,
        adapters: None,
        parameters: parameters.into_vec(),
    })
}
