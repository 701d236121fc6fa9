//! Rotary positions: frequencies from config.json, with the scalings that stretch a context.

use super::ConfigReader;
use crate::decoder::Rotary;
use crate::error::{Error, Result};
use serde_json::{Map, Value};
use std::f64::consts::TAU;

/// The rotary keys of a config, and their defaults.
#[derive(Debug, Clone, Copy)]
pub(super) struct RotaryKeys {
    /// The part of `rope_parameters` that holds for some layers only (gemma3).
    pub layers: Option<&'static str>,
    /// The old key of the base.
    pub theta: &'static str,
    /// The base where the config gives none.
    pub default_theta: f32,
    /// The old key of the share of each head that turns, and its default.
    pub share: (&'static str, f32),
    /// True if `rope_scaling` holds for these layers.
    pub scaled: bool,
}

/// The usual key of the share of each head that turns: all of it.
pub(super) const SHARE: (&str, f32) = ("partial_rotary_factor", 1.0);

impl RotaryKeys {
    /// Those of llama and most others.
    pub const LLAMA: RotaryKeys = RotaryKeys { layers: None, theta: "rope_theta", default_theta: 10_000.0, share: SHARE, scaled: true };
}

impl ConfigReader {
    /// Rotary frequencies for heads of width `dim` and at most `context` positions, from `rope_parameters` (new) or `rope_theta` and
    /// `rope_scaling` (old). Also returns the context that they hold for, which `longrope` limits.
    pub(super) fn rotary(&mut self, keys: RotaryKeys, dim: usize, context: usize) -> Result<(Rotary, usize)> {
        let mut theta = self.positive(keys.theta, keys.default_theta)?;
        let mut share = self.positive(keys.share.0, keys.share.1)?;
        let mut given = Scaling { key: "rope_parameters", values: Map::new() };
        for key in ["rope_scaling", "rope_parameters"] {
            let Some(value) = self.get(key) else { continue };
            let value = match keys.layers {
                Some(layers) if value.get(layers).is_some() => value[layers].clone(),
                _ => value,
            };
            let Value::Object(values) = value else { return Err(self.error(key, "expected an object")) };
            theta = values.get("rope_theta").and_then(Value::as_f64).map_or(theta, |given| given as f32);
            share = values.get("partial_rotary_factor").and_then(Value::as_f64).map_or(share, |given| given as f32);
            if keys.scaled || key == "rope_parameters" {
                given = Scaling { key, values };
            }
        }
        if !(theta.is_finite() && theta > 0.0) {
            return Err(self.error(given.key, format!("expected a positive finite \"rope_theta\", found {theta}")));
        }
        let turned = (dim as f32 * share) as usize;
        if turned == 0 || turned > dim || !turned.is_multiple_of(2) {
            return Err(
                self.error("head_dim", format!("{turned} of {dim} coordinates of a head would turn; expected an even, positive number"))
            );
        }
        let original = match self.get("original_max_position_embeddings").and_then(|value| value.as_f64()) {
            Some(original) => original,
            None => given.optional("original_max_position_embeddings").unwrap_or(context as f64),
        };
        let plain = Rotary::unscaled(theta, turned);
        let (rotary, context) = match given.kind() {
            "default" => (plain, context),
            "linear" => (linear(plain, given.number(self, "factor")?), context),
            "llama3" => (llama3(self, &given, plain, original)?, context),
            "yarn" => (yarn(&given, f64::from(theta), &plain, original, context), context),
            // "su" is what the first versions of phi3 called it.
            "longrope" | "su" => (longrope(self, &given, &plain, original)?, limited("longrope", context, original)),
            "dynamic" => (plain, limited("dynamic", context, original)),
            other => {
                let problem =
                    format!("rope_type \"{other}\" is not supported; expected default, linear, llama3, longrope, yarn or dynamic");
                return Err(self.error(given.key, problem));
            }
        };
        if context == 0 || !rotary.factor.is_finite() || rotary.frequencies.iter().any(|frequency| !frequency.is_finite()) {
            let problem = format!("the numbers of rope_type \"{}\" give no finite frequencies for positions; check them", given.kind());
            return Err(self.error(given.key, problem));
        }
        Ok((rotary, context))
    }
}

/// The context up to which frequencies stay the same. Beyond it these scalings turn every earlier key anew, so it ends there.
fn limited(kind: &str, context: usize, original: f64) -> usize {
    if context as f64 > original {
        log::warn!("{kind}: sequences are limited to the original context of {original} tokens, not {context}");
    }
    context.min(original as usize)
}

/// The object that holds a scaling's numbers.
struct Scaling {
    key: &'static str,
    values: Map<String, Value>,
}

impl Scaling {
    fn kind(&self) -> &str {
        self.values.get("rope_type").or_else(|| self.values.get("type")).and_then(Value::as_str).unwrap_or("default")
    }

    fn optional(&self, name: &str) -> Option<f64> {
        self.values.get(name).and_then(Value::as_f64)
    }

    fn missing(&self, config: &ConfigReader, name: &str) -> Error {
        config.error(self.key, format!("rope_type \"{}\" needs the number \"{name}\"", self.kind()))
    }

    fn number(&self, config: &ConfigReader, name: &str) -> Result<f64> {
        self.optional(name).ok_or_else(|| self.missing(config, name))
    }
}

/// Positions shrunk by a factor (Chen et al. 2023).
fn linear(mut rotary: Rotary, factor: f64) -> Rotary {
    for frequency in &mut rotary.frequencies {
        *frequency /= factor as f32;
    }
    rotary
}

/// Long waves shrunk by a factor, short ones kept, those between blended (Llama 3.1).
fn llama3(config: &ConfigReader, given: &Scaling, mut rotary: Rotary, original: f64) -> Result<Rotary> {
    let factor = given.number(config, "factor")? as f32;
    let (low, high) = (given.number(config, "low_freq_factor")? as f32, given.number(config, "high_freq_factor")? as f32);
    let original = original as f32;
    for frequency in &mut rotary.frequencies {
        let wave = TAU as f32 / *frequency;
        if wave > original / low {
            *frequency /= factor;
        } else if wave >= original / high {
            let smooth = (original / wave - low) / (high - low);
            *frequency = (1.0 - smooth) * *frequency / factor + smooth * *frequency;
        }
    }
    Ok(rotary)
}

/// Yarn (Peng et al. 2023): frequencies blended by how often they turn within the original context, attention sharpened.
fn yarn(given: &Scaling, theta: f64, rotary: &Rotary, original: f64, context: usize) -> Rotary {
    let dim = rotary.dim() as f64;
    let factor = given.optional("factor").unwrap_or(context as f64 / original);
    let turns = |rotations: f64| dim * (original / (rotations * TAU)).ln() / (2.0 * theta.ln());
    let nonzero = |name: &str, default: f64| given.optional(name).filter(|x| *x != 0.0).unwrap_or(default);
    let (mut low, mut high) = (turns(nonzero("beta_fast", 32.0)), turns(nonzero("beta_slow", 1.0)));
    if given.values.get("truncate").and_then(Value::as_bool).unwrap_or(true) {
        (low, high) = (low.floor(), high.ceil());
    }
    let (low, mut high) = (low.max(0.0), high.min(dim - 1.0));
    if (high - low).abs() < f64::EPSILON {
        high += 0.001;
    }
    let blend = |(i, frequency): (usize, &f32)| {
        let kept = 1.0 - ((i as f64 - low) / (high - low)).clamp(0.0, 1.0) as f32;
        frequency / factor as f32 * (1.0 - kept) + frequency * kept
    };
    let sharpness = |scale: f64| if factor <= 1.0 { 1.0 } else { 0.1 * scale * factor.ln() + 1.0 };
    let attention = given.optional("attention_factor").unwrap_or_else(|| {
        match (given.optional("mscale").filter(|x| *x != 0.0), given.optional("mscale_all_dim").filter(|x| *x != 0.0)) {
            (Some(one), Some(all)) => sharpness(one) / sharpness(all),
            _ => sharpness(1.0),
        }
    });
    Rotary { frequencies: rotary.frequencies.iter().enumerate().map(blend).collect(), factor: attention as f32 }
}

/// Longrope (Ding et al. 2024) within the original context, where its short factors hold.
fn longrope(config: &mut ConfigReader, given: &Scaling, rotary: &Rotary, original: f64) -> Result<Rotary> {
    let short = given.values.get("short_factor").and_then(Value::as_array);
    let short: Option<Vec<f32>> = short.map(|list| list.iter().filter_map(|x| x.as_f64().map(|x| x as f32)).collect());
    let Some(short) = short.filter(|short| short.len() == rotary.frequencies.len()) else {
        return Err(config.error(given.key, format!("expected a \"short_factor\" of {} numbers", rotary.frequencies.len())));
    };
    let context = config.get("max_position_embeddings").and_then(|value| value.as_f64()).unwrap_or(original);
    let factor = given.optional("factor").unwrap_or(context / original);
    let attention =
        given.optional("attention_factor").unwrap_or(if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / original.ln()).sqrt() });
    let frequencies = rotary.frequencies.iter().zip(short).map(|(frequency, short)| frequency / short).collect();
    Ok(Rotary { frequencies, factor: attention as f32 })
}
