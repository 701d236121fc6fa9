//! GPT-NeoX (Black et al. 2022; Pythia): attention and feed-forward side by side, queries, keys and values stored head by head, a quarter of
//! each head turning.

use super::parameters::{Layout, ParameterSpec, Parameters, Role};
use super::rotary::RotaryKeys;
use super::{ConfigReader, DecoderSpec, LayerSpec, Linear, NormKind};
use crate::error::Result;
use crate::kernels::{Activation, ActivationFunction, Heads};
use serde_json::json;

pub(super) fn spec(config: &mut ConfigReader) -> Result<DecoderSpec> {
    config.only("attention_bias", &[json!(true)])?;
    config.ignore(&["is_decoder"]);
    let function = match config.optional_text("hidden_act")?.as_deref() {
        None | Some("gelu") => ActivationFunction::Gelu,
        Some("gelu_new" | "gelu_pytorch_tanh" | "gelu_fast") => ActivationFunction::GeluTanh,
        Some(other) => return Err(config.error("hidden_act", format!("\"{other}\" is not supported; only \"gelu\" and \"gelu_new\" are"))),
    };
    let hidden = config.size("hidden_size")?;
    let query = config.size("num_attention_heads")?;
    let dim = hidden / query;
    let intermediate = config.size("intermediate_size")?;
    let (vocabulary, context) = (config.size("vocab_size")?, config.size("max_position_embeddings")?);
    let (rotary, context) =
        config.rotary(RotaryKeys { theta: "rotary_emb_base", share: ("rotary_pct", 0.25), ..RotaryKeys::default() }, dim, context)?;

    let mut parameters = Parameters::default();
    let embedding = parameters.add(ParameterSpec::matrix(Role::Embedding, "gpt_neox.embed_in.weight", vocabulary, hidden));
    let mut layers = Vec::new();
    for layer in 0..config.size("num_hidden_layers")? {
        let name = |part: &str| format!("gpt_neox.layers.{layer}.{part}");
        let attention_norm = Some(parameters.layer_norm(&name("input_layernorm"), hidden));
        let qkv = parameters.linear(Role::Linear, &[(name("attention.query_key_value"), 3 * hidden)], hidden, true);
        parameters.lay_out(qkv, &[Layout::by_head(query, dim)]);
        layers.push(LayerSpec {
            attention_norm,
            qkv,
            query_key_norm: None,
            output: parameters.linear(Role::Residual, &[(name("attention.dense"), hidden)], hidden, true),
            attention_post_norm: None,
            mlp_norm: Some(parameters.layer_norm(&name("post_attention_layernorm"), hidden)),
            up: parameters.linear(Role::Linear, &[(name("mlp.dense_h_to_4h"), intermediate)], hidden, true),
            down: parameters.linear(Role::Residual, &[(name("mlp.dense_4h_to_h"), hidden)], intermediate, true),
            mlp_post_norm: None,
            rotary: Some(0),
            window: None,
        });
    }
    let final_norm = parameters.layer_norm("gpt_neox.final_layer_norm", hidden);
    let head = if config.switch("tie_word_embeddings", false)? {
        Linear { weight: embedding, bias: None }
    } else {
        parameters.linear(Role::Linear, &[("embed_out".into(), vocabulary)], hidden, false)
    };
    Ok(DecoderSpec {
        vocabulary,
        hidden,
        heads: Heads { query, key_value: query, dim },
        intermediate,
        context,
        embedding,
        embedding_scale: 1.0,
        positions: None,
        rotary: vec![rotary],
        norm: NormKind::Layer,
        norm_epsilon: config.number("layer_norm_eps", 1e-5)?,
        attention_scale: 1.0 / (dim as f32).sqrt(),
        attention_softcap: None,
        activation: Activation { function, gated: false },
        parallel_residual: config.switch("use_parallel_residual", true)?,
        layers,
        final_norm,
        head,
        logit_softcap: None,
        parameters: parameters.into_vec(),
    })
}
