//! The `config.json` that describes the model of a GGUF file.

use super::metadata::Metadata;
use super::names::{EMBEDDING, FAMILIES};
use super::tensors::GgufFile;
use crate::error::Result;
use serde_json::{Map, Value, json};

/// Rotary frequencies that `rope_freqs.weight` divides, for Llama 3.1 and later (`rope_type = "llama3"`).
const LLAMA3: [(f64, f64, f64, u64); 2] = [(8.0, 1.0, 4.0, 8192), (32.0, 1.0, 4.0, 8192)];

/// The config of a file.
pub(super) fn of(metadata: &Metadata, file: &GgufFile) -> Result<Value> {
    let architecture = metadata.architecture()?;
    let Some((_, family)) = FAMILIES.iter().find(|(name, _)| *name == architecture) else {
        let mut known = FAMILIES.map(|(name, _)| name).to_vec();
        known.dedup();
        let known = known.join(", ");
        let problem =
            format!("the family {architecture} is not read from GGUF; read are: {known}; convert the original checkpoint instead");
        return Err(metadata.error("general.architecture", &problem));
    };
    let key = |name: &str| format!("{architecture}.{name}");
    let size = |name: &str| metadata.require(&key(name));
    let heads = size("attention.head_count")?;
    let hidden = size("embedding_length")?;
    let head_dim = metadata.optional_whole(&key("attention.key_length"))?.or_else(|| hidden.checked_div(heads)).unwrap_or(0);
    super::checks::decoder(metadata, architecture, head_dim)?;
    let eps = metadata.optional_number(&key("attention.layer_norm_rms_epsilon"))?;
    let vocabulary = file.rows(EMBEDDING).ok_or_else(|| super::problem(metadata.path(), "has no tensor token_embd.weight"))?;
    let theta = metadata.optional_number(&key("rope.freq_base"))?.unwrap_or(10_000.0);
    let mut config = json!({
        "model_type": family,
        "hidden_size": hidden,
        "intermediate_size": size("feed_forward_length")?,
        "num_hidden_layers": size("block_count")?,
        "num_attention_heads": heads,
        "num_key_value_heads": metadata.optional_whole(&key("attention.head_count_kv"))?.unwrap_or(heads),
        "head_dim": head_dim,
        "max_position_embeddings": size("context_length")?,
        "rms_norm_eps": eps.ok_or_else(|| metadata.missing(&key("attention.layer_norm_rms_epsilon")))?,
        "rope_theta": theta,
        "vocab_size": vocabulary,
        "tie_word_embeddings": !file.has("lm_head.weight"),
    });
    let keys = config.as_object_mut().expect("a JSON object was made");
    for (name, key) in [("bos_token_id", "tokenizer.ggml.bos_token_id"), ("eos_token_id", "tokenizer.ggml.eos_token_id")] {
        if let Some(id) = metadata.optional_whole(key)? {
            keys.insert(name.into(), id.into());
        }
    }
    let extra = match *family {
        "gemma2" => gemma2(metadata, heads, hidden, head_dim)?,
        "smollm3" => json!({"hidden_act": "silu", "no_rope_layer_interval": 4, "attention_bias": false, "mlp_bias": false}),
        "llama" => llama(metadata, file)?,
        "qwen2" => json!({"hidden_act": "silu"}),
        _ => json!({"hidden_act": "silu", "attention_bias": false}),
    };
    keys.extend(extra.as_object().cloned().unwrap_or_default());
    if let Some(scaling) = scaling(metadata, file, architecture, head_dim, theta)? {
        keys.insert("rope_scaling".into(), scaling);
    }
    Ok(config)
}

fn llama(metadata: &Metadata, file: &GgufFile) -> Result<Value> {
    let has_bias = |module: &str| file.has(&format!("model.layers.0.{module}.bias"));
    Ok(match metadata.optional_whole("llama.attention.sliding_window")? {
        // Mistral has the name llama, and a window in all layers.
        Some(window) => json!({"model_type": "mistral", "hidden_act": "silu", "sliding_window": window}),
        None => json!({"hidden_act": "silu", "attention_bias": has_bias("self_attn.q_proj"), "mlp_bias": has_bias("mlp.gate_proj")}),
    })
}

fn gemma2(metadata: &Metadata, heads: u64, hidden: u64, head_dim: u64) -> Result<Value> {
    // llama.cpp does not store this scale. The model of 46 layers is the only one that divides by another number than the head's size.
    let is_27b = metadata.whole("gemma2.block_count") == Some(46);
    let mut config = Map::new();
    config.insert("hidden_activation".into(), "gelu_pytorch_tanh".into());
    config.insert("query_pre_attn_scalar".into(), (if is_27b { hidden / heads.max(1) } else { head_dim }).into());
    for (name, key) in
        [("attn_logit_softcapping", "gemma2.attn_logit_softcapping"), ("final_logit_softcapping", "gemma2.final_logit_softcapping")]
    {
        config.insert(name.into(), metadata.optional_number(key)?.map_or(Value::Null, Value::from));
    }
    let window = metadata.optional_whole("gemma2.attention.sliding_window")?;
    config.insert("sliding_window".into(), window.map_or(Value::Null, Value::from));
    Ok(config.into())
}

/// How rotary positions are scaled beyond the original context.
fn scaling(metadata: &Metadata, file: &GgufFile, architecture: &str, head_dim: u64, theta: f64) -> Result<Option<Value>> {
    if let Some(factors) = file.rotary_factors()? {
        let found = LLAMA3.iter().find(|recipe| is_llama3(&factors, **recipe, head_dim, theta));
        let (factor, low, high, original) = found.ok_or_else(|| {
            super::problem(
                metadata.path(),
                "tensor rope_freqs.weight: the factors are not those of Llama 3.1 or 3.2, the only ones supported",
            )
        })?;
        return Ok(Some(json!({
            "rope_type": "llama3", "factor": factor, "low_freq_factor": low, "high_freq_factor": high, "original_max_position_embeddings": original,
        })));
    }
    let key = |name: &str| format!("{architecture}.rope.scaling.{name}");
    let factor = || metadata.optional_number(&key("factor"))?.ok_or_else(|| metadata.missing(&key("factor")));
    match metadata.optional_text(&key("type"))? {
        None | Some("none") => Ok(None),
        Some("linear") => Ok(Some(json!({"rope_type": "linear", "factor": factor()?}))),
        Some("yarn") => {
            let original = metadata.require(&key("original_context_length"))?;
            Ok(Some(json!({"rope_type": "yarn", "factor": factor()?, "original_max_position_embeddings": original})))
        }
        Some(other) => Err(metadata.error(&key("type"), &format!("{other} is not supported; supported are none, linear and yarn"))),
    }
}

/// Returns true if factors are those of a recipe (`transformers`: `_compute_llama3_parameters`).
fn is_llama3(factors: &[f32], (factor, low, high, original): (f64, f64, f64, u64), head_dim: u64, theta: f64) -> bool {
    let original = original as f64;
    let expected = |pair: usize| {
        let wavelength = 2.0 * std::f64::consts::PI * theta.powf(2.0 * pair as f64 / head_dim as f64);
        if wavelength < original / high {
            1.0
        } else if wavelength > original / low {
            factor
        } else {
            let smooth = (original / wavelength - low) / (high - low);
            1.0 / ((1.0 - smooth) / factor + smooth)
        }
    };
    factors.len() as u64 == head_dim / 2
        && factors.iter().enumerate().all(|(pair, found)| (f64::from(*found) - expected(pair)).abs() <= 1e-4 * expected(pair))
}
