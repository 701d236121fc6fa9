//! Llama (Touvron et al. 2023) and the many checkpoints with its shape: RMS norms, rotary positions, grouped-query attention, gated SiLU.

use super::{ConfigReader, DecoderSpec, ParameterSpec};
use crate::error::Result;
use crate::kernels::Heads;
use serde_json::json;

pub(super) fn spec(config: &mut ConfigReader) -> Result<DecoderSpec> {
    config.only("hidden_act", &[json!("silu")])?;
    config.only("attention_bias", &[json!(false)])?;
    config.only("mlp_bias", &[json!(false)])?;
    config.only("pretraining_tp", &[json!(1)])?;
    let hidden = config.size("hidden_size")?;
    let query = config.size("num_attention_heads")?;
    let key_value = config.optional_size("num_key_value_heads")?.unwrap_or(query);
    let dim = config.optional_size("head_dim")?.unwrap_or(hidden / query);
    if query % key_value != 0 {
        return Err(config.error("num_key_value_heads", format!("{key_value} does not divide the {query} attention heads")));
    }
    if dim == 0 || dim % 2 != 0 {
        return Err(config.error("head_dim", format!("a head is {dim} wide; rotary positions need an even, positive width")));
    }
    let mut spec = DecoderSpec {
        vocabulary: config.size("vocab_size")?,
        hidden,
        layers: config.size("num_hidden_layers")?,
        heads: Heads { query, key_value, dim },
        intermediate: config.size("intermediate_size")?,
        context: config.size("max_position_embeddings")?,
        norm_epsilon: config.number("rms_norm_eps", 1e-6)?,
        rope_theta: config.rope_theta()?,
        parameters: Vec::new(),
    };
    let tied = config.switch("tie_word_embeddings", false)?;
    spec.parameters = parameters(&spec, tied);
    Ok(spec)
}

fn parameters(spec: &DecoderSpec, tied: bool) -> Vec<ParameterSpec> {
    let Heads { query, key_value, dim } = spec.heads;
    let mut all = vec![ParameterSpec::matrix("model.embed_tokens.weight", spec.vocabulary, spec.hidden)];
    for layer in 0..spec.layers {
        let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
        let projections = [
            (name("self_attn.q_proj"), query * dim),
            (name("self_attn.k_proj"), key_value * dim),
            (name("self_attn.v_proj"), key_value * dim),
        ];
        let gates = [(name("mlp.gate_proj"), spec.intermediate), (name("mlp.up_proj"), spec.intermediate)];
        all.extend([
            ParameterSpec::vector(name("input_layernorm"), spec.hidden),
            ParameterSpec::stacked(&projections, spec.hidden),
            ParameterSpec::matrix(name("self_attn.o_proj"), spec.hidden, query * dim),
            ParameterSpec::vector(name("post_attention_layernorm"), spec.hidden),
            ParameterSpec::stacked(&gates, spec.hidden),
            ParameterSpec::matrix(name("mlp.down_proj"), spec.hidden, spec.intermediate),
        ]);
    }
    all.push(ParameterSpec::vector("model.norm.weight", spec.hidden));
    if !tied {
        all.push(ParameterSpec::matrix("lm_head.weight", spec.vocabulary, spec.hidden));
    }
    all
}
