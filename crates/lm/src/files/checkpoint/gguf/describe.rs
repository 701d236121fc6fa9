//! The metadata of a GGUF file that describe a decoder: the inverse of `config.rs`.

use super::names::{FAMILIES, SIZES};
use crate::decoder::{DecoderSpec, Mixer, Rotary};
use anamnesis::GgufMetadataValue as Metadatum;
use serde_json::Value;
use std::collections::HashMap;

/// A decoder in llama.cpp's words.
pub(super) struct Description {
    /// llama.cpp's name of the family.
    pub architecture: &'static str,
    pub values: HashMap<String, Metadatum>,
    /// The factors that divide rotary frequencies (Llama 3.1), the content of `rope_freqs.weight`.
    pub rotary_factors: Option<Vec<f32>>,
}

/// Describes a decoder. `spec` is the one that llama.cpp is to compute ([`within_windows`]).
///
/// # Errors
/// The family, or its rotary scaling, has no description in llama.cpp. The text says which.
pub(super) fn describe(config: &Value, spec: &DecoderSpec) -> Result<Description, String> {
    let family = config["model_type"].as_str().unwrap_or_default();
    let Some((architecture, _)) = FAMILIES.into_iter().find(|(_, name)| *name == family) else {
        let known = FAMILIES.map(|(_, name)| name).join(", ");
        return Err(format!("the family {family} is not written as GGUF; written are {known}"));
    };
    let mut values = HashMap::new();
    let mut put = |key: &str, value: Metadatum| drop(values.insert(format!("{architecture}.{key}"), value));
    let size = |key: &str| {
        let size = spec.size(key).and_then(|size| u32::try_from(size).ok());
        size.map(Metadatum::U32).ok_or_else(|| format!("its config.json gives no {key} of 32 bits"))
    };
    for (key, name) in SIZES {
        put(key, size(name)?);
    }
    put("attention.layer_norm_rms_epsilon", Metadatum::F32(spec.norm_epsilon));
    let rope = Rope::of(config, family);
    put("rope.freq_base", Metadatum::F32(rope.theta));
    let rotary_factors = rope.scaling(spec, &mut put)?;
    if architecture == "gemma2" {
        for (key, bound) in [("attn_logit_softcapping", attention_bound(spec)), ("final_logit_softcapping", spec.logit_softcap)] {
            // llama.cpp takes a missing bound for the one of the published models.
            put(key, Metadatum::F32(bound.ok_or_else(|| format!("the family gemma2 without {key} has no description in GGUF"))?));
        }
        if let Some(window) = windows(spec).min() {
            put("attention.sliding_window", Metadatum::U32(window as u32));
        }
    }
    Ok(Description { architecture, values, rotary_factors })
}

/// The decoder within the context in which llama.cpp computes it exactly. llama.cpp has windows in Gemma's layers only. A decoder of another
/// family that has windows computes the same as one without them, as long as a text is no longer than a window.
pub(super) fn within_windows(spec: &DecoderSpec, config: &Value) -> DecoderSpec {
    let mut spec = spec.clone();
    if config["model_type"] == "gemma2" {
        return spec;
    }
    if let Some(window) = windows(&spec).min() {
        if window < spec.context {
            log::warn!("GGUF: the context is limited to the sliding window of {window} tokens, because llama.cpp ignores this window");
        }
        spec.context = spec.context.min(window);
    }
    for block in &mut spec.blocks {
        let Mixer::Attention(attention) = &mut block.mixer;
        attention.scores.window = None;
    }
    spec
}

/// The first difference between a decoder and the one that a GGUF file describes, in the words of `config.json`.
pub(super) fn difference(ours: &DecoderSpec, described: &DecoderSpec) -> Option<String> {
    if ours == described {
        return None;
    }
    if let Some(((key, _), _)) = ours.sizes().zip(described.sizes()).find(|((_, one), (_, other))| one != other) {
        return Some(key.to_owned());
    }
    let windows_of = |spec: &DecoderSpec| spec.blocks.iter().map(window).collect::<Vec<_>>();
    Some(if ours.rotary != described.rotary {
        "rope_parameters".to_owned()
    } else if windows_of(ours) != windows_of(described) {
        "sliding_window".to_owned()
    } else {
        "a setting of the attention, the feed-forward or the norms".to_owned()
    })
}

fn window(block: &crate::decoder::Block) -> Option<usize> {
    let Mixer::Attention(attention) = &block.mixer;
    attention.scores.window
}

fn windows(spec: &DecoderSpec) -> impl Iterator<Item = usize> {
    spec.blocks.iter().filter_map(window)
}

fn attention_bound(spec: &DecoderSpec) -> Option<f32> {
    let Mixer::Attention(attention) = &spec.blocks.first()?.mixer;
    attention.scores.softcap
}

/// The rotary keys of a config.
struct Rope<'a> {
    theta: f32,
    given: &'a Value,
}

impl<'a> Rope<'a> {
    fn of(config: &'a Value, family: &str) -> Self {
        let is_given = |value: &&Value| value.as_object().is_some_and(|keys| !keys.is_empty());
        let given = ["rope_scaling", "rope_parameters"].into_iter().map(|key| &config[key]).find(is_given);
        let given = given.unwrap_or(&Value::Null);
        let default = if family == "smollm3" { 2_000_000.0 } else { 10_000.0 };
        let theta = given["rope_theta"].as_f64().or_else(|| config["rope_theta"].as_f64()).unwrap_or(default);
        Rope { theta: theta as f32, given }
    }

    /// Puts the keys of the scaling. Returns the factors of the frequencies if the scaling is described by them.
    fn scaling(&self, spec: &DecoderSpec, put: &mut impl FnMut(&str, Metadatum)) -> Result<Option<Vec<f32>>, String> {
        let number = |key: &str| self.given[key].as_f64().map(|number| number as f32);
        match self.given["rope_type"].as_str().or_else(|| self.given["type"].as_str()).unwrap_or("default") {
            "default" => Ok(None),
            "linear" => {
                put("rope.scaling.type", Metadatum::String("linear".into()));
                put("rope.scaling.factor", Metadatum::F32(number("factor").unwrap_or(1.0)));
                Ok(None)
            }
            "yarn" => {
                let original = number("original_max_position_embeddings").unwrap_or(spec.context as f32);
                put("rope.scaling.type", Metadatum::String("yarn".into()));
                put("rope.scaling.factor", Metadatum::F32(number("factor").unwrap_or(spec.context as f32 / original)));
                put("rope.scaling.original_context_length", Metadatum::U32(original as u32));
                Ok(None)
            }
            "llama3" => {
                let scaled = &spec.rotary.first().ok_or("it has no rotary positions")?.frequencies;
                let plain = Rotary::unscaled(self.theta, 2 * scaled.len()).frequencies;
                Ok(Some(plain.iter().zip(scaled).map(|(plain, scaled)| plain / scaled).collect()))
            }
            other => Err(format!("rope_type \"{other}\" has no description in GGUF; expected default, linear, llama3 or yarn")),
        }
    }
}
