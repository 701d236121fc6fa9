//! GPT-J (Wang and Komatsuzaki 2021), the paper's model: attention and feed-forward read one norm side by side, neighbouring coordinates
//! turn in pairs, the head has a bias.

use super::parameters::{Layout, ParameterSpec, Parameters, Role};
use super::rotary::Rotary;
use super::{ConfigReader, DecoderSpec, LayerSpec, NormKind};
use crate::error::Result;
use crate::kernels::{Activation, ActivationFunction, Heads};
use serde_json::json;

pub(super) fn spec(config: &mut ConfigReader) -> Result<DecoderSpec> {
    config.only("activation_function", &[json!("gelu_new")])?;
    config.only("tie_word_embeddings", &[json!(false)])?;
    config.ignore(&["rotary", "scale_attn_weights", "gradient_checkpointing", "n_ctx"]);
    let hidden = config.size("n_embd")?;
    let query = config.size("n_head")?;
    let dim = hidden / query;
    let turned = config.optional_size("rotary_dim")?.unwrap_or(dim);
    let intermediate = config.optional_size("n_inner")?.unwrap_or(4 * hidden);
    let (vocabulary, context) = (config.size("vocab_size")?, config.size("n_positions")?);
    if turned % 2 != 0 || turned > dim {
        return Err(config.error("rotary_dim", format!("expected an even number up to the {dim} coordinates of a head, found {turned}")));
    }

    let mut parameters = Parameters::default();
    let embedding = parameters.add(ParameterSpec::matrix(Role::Embedding, "transformer.wte.weight", vocabulary, hidden));
    let pairs = Layout::neighbour_pairs(query, dim, turned);
    let mut layers = Vec::new();
    for layer in 0..config.size("n_layer")? {
        let name = |part: &str| format!("transformer.h.{layer}.{part}");
        let norm = parameters.layer_norm(&name("ln_1"), hidden);
        let projections = ["attn.q_proj", "attn.k_proj", "attn.v_proj"].map(|part| (name(part), hidden));
        let qkv = parameters.linear(Role::Linear, &projections, hidden, false);
        parameters.lay_out(qkv, &[pairs.clone(), pairs.clone(), Layout::Same]);
        layers.push(LayerSpec {
            attention_norm: Some(norm),
            qkv,
            query_key_norm: None,
            output: parameters.linear(Role::Residual, &[(name("attn.out_proj"), hidden)], hidden, false),
            attention_post_norm: None,
            mlp_norm: Some(norm),
            up: parameters.linear(Role::Linear, &[(name("mlp.fc_in"), intermediate)], hidden, true),
            down: parameters.linear(Role::Residual, &[(name("mlp.fc_out"), hidden)], intermediate, true),
            mlp_post_norm: None,
            rotary: Some(0),
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
        positions: None,
        rotary: vec![Rotary::unscaled(10_000.0, turned)],
        norm: NormKind::Layer,
        norm_epsilon: config.number("layer_norm_epsilon", 1e-5)?,
        attention_scale: 1.0 / (dim as f32).sqrt(),
        attention_softcap: None,
        activation: Activation { function: ActivationFunction::GeluTanh, gated: false },
        parallel_residual: true,
        layers,
        final_norm: parameters.layer_norm("transformer.ln_f", hidden),
        head: parameters.linear(Role::Linear, &[("lm_head".into(), vocabulary)], hidden, true),
        logit_softcap: None,
        parameters: parameters.into_vec(),
    })
}
