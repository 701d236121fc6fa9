//! GPT-2 (Radford et al. 2019): learned positions, layer norms, biases everywhere, weights stored by input.

use super::parameters::{Layout, ParameterSpec, Parameters, Role};
use super::{ConfigReader, DecoderSpec, LayerSpec, Linear, NormKind};
use crate::error::Result;
use crate::kernels::{Activation, ActivationFunction, Heads};
use serde_json::json;

pub(super) fn spec(config: &mut ConfigReader) -> Result<DecoderSpec> {
    config.only("activation_function", &[json!("gelu_new")])?;
    config.only("scale_attn_weights", &[json!(true)])?;
    config.only("scale_attn_by_inverse_layer_idx", &[json!(false)])?;
    config.only("add_cross_attention", &[json!(false)])?;
    config.only("tie_word_embeddings", &[json!(true)])?;
    config.ignore(&["reorder_and_upcast_attn", "n_ctx"]);
    let hidden = config.size("n_embd")?;
    let query = config.size("n_head")?;
    let intermediate = config.optional_size("n_inner")?.unwrap_or(4 * hidden);
    let (vocabulary, context) = (config.size("vocab_size")?, config.size("n_positions")?);
    let dim = hidden / query;

    let mut parameters = Parameters::default();
    let embedding = parameters.add(ParameterSpec::matrix(Role::Embedding, "transformer.wte.weight", vocabulary, hidden));
    let positions = parameters.add(ParameterSpec::matrix(Role::Embedding, "transformer.wpe.weight", context, hidden));
    let mut layers = Vec::new();
    for layer in 0..config.size("n_layer")? {
        let name = |part: &str| format!("transformer.h.{layer}.{part}");
        let linear = |parameters: &mut Parameters, role, part: &str, outputs, inputs| {
            let linear = parameters.linear(role, &[(name(part), outputs)], inputs, true);
            parameters.lay_out(linear, &[Layout::Transposed]);
            linear
        };
        layers.push(LayerSpec {
            attention_norm: Some(parameters.layer_norm(&name("ln_1"), hidden)),
            qkv: linear(&mut parameters, Role::Linear, "attn.c_attn", 3 * hidden, hidden),
            query_key_norm: None,
            output: linear(&mut parameters, Role::Residual, "attn.c_proj", hidden, hidden),
            attention_post_norm: None,
            mlp_norm: Some(parameters.layer_norm(&name("ln_2"), hidden)),
            up: linear(&mut parameters, Role::Linear, "mlp.c_fc", intermediate, hidden),
            down: linear(&mut parameters, Role::Residual, "mlp.c_proj", hidden, intermediate),
            mlp_post_norm: None,
            rotary: None,
            window: None,
        });
    }
    Ok(DecoderSpec {
        vocabulary,
        hidden,
        heads: Heads { query, key_value: query, dim },
        intermediate,
        context,
        embedding,
        embedding_scale: 1.0,
        positions: Some(positions),
        rotary: Vec::new(),
        norm: NormKind::Layer,
        norm_epsilon: config.number("layer_norm_epsilon", 1e-5)?,
        attention_scale: 1.0 / (dim as f32).sqrt(),
        attention_softcap: None,
        activation: Activation { function: ActivationFunction::GeluTanh, gated: false },
        parallel_residual: false,
        layers,
        final_norm: parameters.layer_norm("transformer.ln_f", hidden),
        head: Linear { weight: embedding, bias: None },
        logit_softcap: None,
        parameters: parameters.into_vec(),
    })
}
