//! The modules that PEFT adapts, with rank and scale, if they differ from the values of [`LoraConfig`].

use super::{ALL_LINEAR, LoraConfig};
use crate::error::{Error, Result};
use fancy_regex::Regex;
use std::collections::BTreeMap;

/// The further keys of an `adapter_config.json`. By default they change nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PeftRules {
    /// `target_modules` as a regular expression that the whole name of a module matches. It replaces the names.
    pub target_pattern: Option<String>,
    /// `exclude_modules`: names, or with `exclude_pattern` a regular expression.
    pub excluded: Vec<String>,
    /// `exclude_modules` as a regular expression.
    pub exclude_pattern: Option<String>,
    /// `layers_to_transform`: only the modules of these layers.
    pub layers: Vec<usize>,
    /// `layers_pattern`: what stands before the layer's number in a module's name.
    pub layers_patterns: Vec<String>,
    /// `rank_pattern`: the rank of the modules whose name ends so.
    pub ranks: BTreeMap<String, usize>,
    /// `alpha_pattern`: the same for alpha.
    pub alphas: BTreeMap<String, f64>,
    /// `use_rslora`: the scale is alpha by the square root of the rank (Kalajdzievski 2023).
    pub root_scale: bool,
    /// `use_dora`: the rows of the adapted weight get lengths that were learned (Liu et al. 2024).
    pub dora: bool,
    /// `modules_to_save`: modules that the adapter holds whole. They are not adapted.
    pub saved: Vec<String>,
}

/// Rules whose patterns have been read.
pub(super) struct Matcher<'a> {
    lora: &'a LoraConfig,
    rules: &'a PeftRules,
    target: Option<Regex>,
    exclude: Option<Regex>,
    layer: Vec<Regex>,
    ranks: Vec<(Regex, usize)>,
    alphas: Vec<(Regex, f64)>,
}

impl PeftRules {
    /// Reads the patterns.
    pub(super) fn matcher<'a>(&'a self, lora: &'a LoraConfig) -> Result<Matcher<'a>> {
        let whole = |key, pattern: &Option<String>| pattern.as_ref().map(|p| regex(key, p, &format!(r"\A(?:{p})\z"))).transpose();
        let endings = |key, patterns: Vec<&String>| {
            patterns.into_iter().map(|p| regex(key, p, &format!(r"\A(?:.*\.)?(?:{p})\z"))).collect::<Result<Vec<_>>>()
        };
        let mut layer = Vec::new();
        for p in &self.layers_patterns {
            layer.push(regex("layers_pattern", p, &format!(r"\A(?:.*?\.)?(?:{p})\.(\d+)\."))?);
        }
        if layer.is_empty() {
            layer.push(regex("layers_to_transform", "", r"\A.*?\.[^.]*\.(\d+)\.")?);
        }
        let ranks = endings("rank_pattern", self.ranks.keys().collect())?.into_iter().zip(self.ranks.values().copied()).collect();
        let alphas = endings("alpha_pattern", self.alphas.keys().collect())?.into_iter().zip(self.alphas.values().copied()).collect();
        let target = whole("target_modules", &self.target_pattern)?;
        let exclude = whole("exclude_modules", &self.exclude_pattern)?;
        Ok(Matcher { lora, rules: self, target, exclude, layer, ranks, alphas })
    }

    /// Returns whether a module is saved whole.
    pub(crate) fn saves(&self, module: &str) -> bool {
        self.saved.iter().any(|name| module.split('.').any(|part| part == name) || is_named(module, name))
    }
}

impl Matcher<'_> {
    /// The rank of a module's adapter and the factor on it, if the module, such as `model.layers.0.self_attn.q_proj`, is adapted.
    pub(super) fn rank_and_scale(&self, module: &str) -> Result<Option<(usize, f32)>> {
        if !self.targets(module)? {
            return Ok(None);
        }
        let rank = value_for("rank_pattern", &self.ranks, module)?.unwrap_or(self.lora.rank);
        let alpha = value_for("alpha_pattern", &self.alphas, module)?.unwrap_or(self.lora.alpha) as f32;
        Ok(Some((rank, if self.rules.root_scale { alpha / (rank as f32).sqrt() } else { alpha / rank as f32 })))
    }

    fn targets(&self, module: &str) -> Result<bool> {
        if self.rules.saves(module) || self.rules.excluded.iter().any(|name| is_named(module, name)) {
            return Ok(false);
        }
        if let Some(exclude) = &self.exclude
            && matches("exclude_modules", exclude, module)?
        {
            return Ok(false);
        }
        if let Some(target) = &self.target {
            return matches("target_modules", target, module);
        }
        let named = self.lora.target_modules.iter().any(|target| target == ALL_LINEAR || is_named(module, target));
        if !named || self.rules.layers.is_empty() {
            return Ok(named);
        }
        for layer in &self.layer {
            let found = layer.captures(module).map_err(|error| refused("layers_pattern", layer.as_str(), &error))?;
            if let Some(number) = found.and_then(|found| found.get(1)?.as_str().parse().ok()) {
                return Ok(self.rules.layers.contains(&number));
            }
        }
        Ok(false)
    }
}

fn is_named(module: &str, name: &str) -> bool {
    module == name || module.strip_suffix(name).is_some_and(|before| before.ends_with('.'))
}

/// The value of the one pattern that fits. The order of patterns, by which PEFT chooses among several, is not kept in the file's value here.
fn value_for<T: Copy + PartialEq>(key: &str, patterns: &[(Regex, T)], module: &str) -> Result<Option<T>> {
    let mut found: Option<(&Regex, T)> = None;
    for (pattern, value) in patterns {
        if !matches(key, pattern, module)? {
            continue;
        }
        if found.is_some_and(|(_, other)| other != *value) {
            return Err(refused(key, pattern.as_str(), &format!("is not the only one that fits the module {module}, with another value")));
        }
        found = Some((pattern, *value));
    }
    Ok(found.map(|(_, value)| value))
}

fn matches(key: &str, pattern: &Regex, module: &str) -> Result<bool> {
    pattern.is_match(module).map_err(|error| refused(key, pattern.as_str(), &error))
}

fn regex(key: &str, shown: &str, pattern: &str) -> Result<Regex> {
    Regex::new(pattern).map_err(|error| refused(key, shown, &error))
}

fn refused(key: &str, pattern: &str, problem: &dyn std::fmt::Display) -> Error {
    Error::AdapterPattern { key: key.into(), pattern: pattern.into(), problem: problem.to_string() }
}
