//! Rotary positions: frequencies from config.json, with the scalings that stretch a context.

use super::ConfigReader;
use super::sizes::MOST_POSITIONS;
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
/// The key of the context before it was made longer.
const ORIGINAL: &str = "original_max_position_embeddings";

impl RotaryKeys {
    /// Those of llama and most others.
    pub const LLAMA: RotaryKeys = RotaryKeys { layers: None, theta: "rope_theta", default_theta: 10_000.0, share: SHARE, scaled: true };
}

impl ConfigReader {
    /// Rotary frequencies for heads of width `dim` and at most `context` positions, from `rope_parameters` (new) or `rope_theta` and
    /// `rope_scaling` (old). Also returns the context that they hold for, which `longrope` limits.
    pub(super) fn rotary(&mut self, keys: RotaryKeys, dim: usize, context: usize) -> Result<(Rotary, usize)> {
        let mut theta = self.positive(keys.theta, keys.default_theta)?;
        let mut share = self.share(keys.share.0)?.unwrap_or(keys.share.1);
        let mut share_key = keys.share.0.to_owned();
        let mut given = self.part("rope_parameters", Map::new().into())?;
        for key in self.rotary_objects(keys) {
            let Some(part) = self.rotary_part(key, keys.layers)? else { continue };
            given = part;
            theta = given.positive("rope_theta", theta)?;
            if let Some(stated) = given.share(SHARE.0)? {
                (share, share_key) = (stated, format!("{key}.{}", SHARE.0));
            }
        }
        let turned = (dim as f32 * share) as usize;
        if turned == 0 || !turned.is_multiple_of(2) {
            let problem = format!("{turned} of {dim} coordinates of a head would turn; expected an even, positive number");
            // With all coordinates, the size of the head is wrong.
            return Err(self.error(if turned == dim { "head_dim" } else { &share_key }, problem));
        }
        let original = self.optional_size_within(ORIGINAL, MOST_POSITIONS)?;
        let scaling = Scaling { given, theta, original, context };
        scaling.apply(Rotary::unscaled(theta, turned))
    }

    /// The keys of the objects to read, as in `transformers`: `rope_scaling` replaces `rope_parameters`, except where layers differ, whose
    /// parameters it completes.
    fn rotary_objects(&mut self, keys: RotaryKeys) -> &'static [&'static str] {
        let is_scaled = keys.scaled && !self.is_empty("rope_scaling");
        if !is_scaled {
            self.ignore(&["rope_scaling"]);
        }
        match (is_scaled, keys.layers) {
            (true, None) => &["rope_scaling"],
            (true, Some(_)) => &["rope_parameters", "rope_scaling"],
            (false, _) => &["rope_parameters"],
        }
    }

    /// The object that describes rotary positions. If it has a separate part for the layers `layers`, that part.
    fn rotary_part(&mut self, key: &'static str, layers: Option<&str>) -> Result<Option<Self>> {
        let Some(mut value) = self.get(key) else { return Ok(None) };
        if let Some(of_layers) = layers.and_then(|layers| value.get_mut(layers)) {
            value = of_layers.take();
        }
        if value.is_null() { Ok(None) } else { self.part(key, value).map(Some) }
    }

    /// The share of each head that turns, if there.
    fn share(&mut self, key: &str) -> Result<Option<f32>> {
        match self.optional_positive(key)? {
            Some(share) if share > 1.0 => Err(self.error(key, format!("expected a number above 0 and at most 1, found {share}"))),
            share => Ok(share),
        }
    }
}

/// The context up to which frequencies stay the same. Beyond it these scalings turn every earlier key anew, so it ends there.
fn limited(kind: &str, context: usize, original: usize) -> usize {
    if context > original {
        log::warn!("{kind}: sequences are limited to the original context of {original} tokens, not {context}");
    }
    context.min(original)
}

/// How frequencies are changed for a longer context.
struct Scaling {
    /// The object that describes it.
    given: ConfigReader,
    theta: f32,
    /// The original context, if config.json gives it outside of the object.
    original: Option<usize>,
    context: usize,
}

impl Scaling {
    /// The frequencies for the longer context, and the context that they hold for.
    fn apply(mut self, plain: Rotary) -> Result<(Rotary, usize)> {
        let kind = self.kind()?;
        let inside = self.given.optional_size_within(ORIGINAL, MOST_POSITIONS)?;
        let original = self.original.or(inside).unwrap_or(self.context);
        let limited = |kind: &str| limited(kind, self.context, original);
        let (rotary, context) = match kind.as_str() {
            "default" => (plain, self.context),
            "linear" => (linear(plain, self.given.required_positive("factor")?), self.context),
            "llama3" => (llama3(&mut self.given, plain, original as f32)?, self.context),
            "yarn" => (yarn(&mut self, &plain, original as f64)?, self.context),
            // "su" is what the first versions of phi3 called it.
            "longrope" | "su" => {
                let context = limited("longrope");
                (longrope(&mut self, &plain, original as f64)?, context)
            }
            "dynamic" => {
                let context = limited("dynamic");
                self.given.required_positive("factor")?;
                (plain, context)
            }
            other => {
                let problem = format!("\"{other}\" is not supported; expected default, linear, llama3, longrope, yarn or dynamic");
                return Err(self.given.error("rope_type", problem));
            }
        };
        if !rotary.factor.is_finite() || rotary.frequencies.iter().any(|frequency| !frequency.is_finite()) {
            let problem = format!("the numbers beside \"{kind}\" give no finite frequencies for positions; check them");
            return Err(self.given.error("rope_type", problem));
        }
        self.given.warn_of_unread();
        Ok((rotary, context))
    }

    /// The name of the scaling. `type` is the older key.
    fn kind(&mut self) -> Result<String> {
        let older = self.given.optional_text("type")?;
        let kind = self.given.optional_text("rope_type")?.or(older);
        if kind.is_none() && self.given.optional_positive("factor")?.is_some_and(|factor| factor.to_bits() != 1.0_f32.to_bits()) {
            return Err(self
                .given
                .error("rope_type", "is missing, but there is a factor; say how it scales positions, such as \"linear\""));
        }
        Ok(kind.unwrap_or_else(|| "default".into()))
    }
}

/// Positions shrunk by a factor (Chen et al. 2023).
fn linear(mut rotary: Rotary, factor: f32) -> Rotary {
    for frequency in &mut rotary.frequencies {
        *frequency /= factor;
    }
    rotary
}

/// Long waves shrunk by a factor, short ones kept, those between blended (Llama 3.1).
fn llama3(given: &mut ConfigReader, mut rotary: Rotary, original: f32) -> Result<Rotary> {
    let factor = given.required_positive("factor")?;
    let (low, high) = (given.required_positive("low_freq_factor")?, given.required_positive("high_freq_factor")?);
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
fn yarn(scaling: &mut Scaling, rotary: &Rotary, original: f64) -> Result<Rotary> {
    let Scaling { given, theta, context, .. } = scaling;
    let (dim, theta) = (rotary.dim() as f64, f64::from(*theta));
    if theta <= 1.0 {
        return Err(given.error("rope_theta", format!("yarn expects a number above 1, found {theta}")));
    }
    let mut number = |name: &str| Ok::<_, Error>(given.optional_positive(name)?.map(f64::from));
    let factor = number("factor")?.unwrap_or(*context as f64 / original);
    let (fast, slow) = (number("beta_fast")?.unwrap_or(32.0), number("beta_slow")?.unwrap_or(1.0));
    let attention = number("attention_factor")?;
    let turns = |rotations: f64| dim * (original / (rotations * TAU)).ln() / (2.0 * theta.ln());
    let (mut low, mut high) = (turns(fast), turns(slow));
    if given.switch("truncate", true)? {
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
    let scales = (attention_scale(given, "mscale")?, attention_scale(given, "mscale_all_dim")?);
    let attention = attention.unwrap_or_else(|| match scales {
        (Some(one), Some(all)) => sharpness(one) / sharpness(all),
        _ => sharpness(1.0),
    });
    Ok(Rotary { frequencies: rotary.frequencies.iter().enumerate().map(blend).collect(), factor: attention as f32 })
}

/// How much yarn sharpens attention, if the number is there and not 0.
fn attention_scale(given: &mut ConfigReader, key: &str) -> Result<Option<f64>> {
    match given.optional_number(key)? {
        Some(scale) if scale < 0.0 => Err(given.error(key, format!("expected a number of 0 or more, found {scale}"))),
        scale => Ok(scale.filter(|scale| *scale > 0.0).map(f64::from)),
    }
}

/// Longrope (Ding et al. 2024) within the original context, where its short factors hold.
fn longrope(scaling: &mut Scaling, rotary: &Rotary, original: f64) -> Result<Rotary> {
    const KEY: &str = "short_factor";
    let Scaling { given, context, .. } = scaling;
    given.ignore(&["long_factor"]);
    let pairs = rotary.frequencies.len();
    let positive = |x: &Value| x.as_f64().map(|x| x as f32).filter(|x| x.is_finite() && *x > 0.0);
    let short: Option<Vec<f32>> = given.get(KEY).and_then(|list| list.as_array()?.iter().map(positive).collect());
    let short = short.filter(|short| short.len() == pairs);
    let short = short.ok_or_else(|| given.error(KEY, format!("expected a list of {pairs} positive numbers")))?;
    let mut number = |name: &str| Ok::<_, Error>(given.optional_positive(name)?.map(f64::from));
    let factor = number("factor")?.unwrap_or(*context as f64 / original);
    let usual = if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / original.ln()).sqrt() };
    let attention = number("attention_factor")?.unwrap_or(usual);
    let frequencies = rotary.frequencies.iter().zip(short).map(|(frequency, short)| frequency / short).collect();
    Ok(Rotary { frequencies, factor: attention as f32 })
}
