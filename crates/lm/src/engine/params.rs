//! How a completion is sampled, and what ends it.

use crate::error::InvalidSetting;
use serde::{Deserialize, Serialize};

/// How tokens are chosen, and what ends a completion besides the model's end tokens.
///
/// The default is greedy: the most likely token at each step, at most 256 tokens, no stop string.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SamplingParams {
    /// The logits are divided by it. 0 takes the most likely token.
    pub temperature: f64,
    /// Only the `top_k` most likely tokens can be drawn. 0 keeps all.
    pub top_k: usize,
    /// Only the most likely tokens whose probabilities together reach this can be drawn (Holtzman et al. 2020). 1 keeps all.
    pub top_p: f64,
    /// The most tokens to generate, the end token included. At least 1.
    pub max_new_tokens: usize,
    /// Strings that end a completion. The completion's text ends before the string.
    pub stop: Vec<String>,
}

impl Default for SamplingParams {
    fn default() -> Self {
        SamplingParams::greedy(256)
    }
}

impl SamplingParams {
    /// The most likely token at each step, and no stop string.
    pub const fn greedy(max_new_tokens: usize) -> Self {
        SamplingParams { temperature: 0.0, top_k: 0, top_p: 1.0, max_new_tokens, stop: Vec::new() }
    }

    /// Checks every value. [`sample`](super::sample) does so first.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        let SamplingParams { temperature, top_k: _, top_p, max_new_tokens, stop } = self;
        // The sampler computes in `f32`. Below the smallest normal number, the factor `1 / temperature` would be infinite.
        let single = *temperature as f32;
        let is_divisor = single.is_normal() && single > 0.0;
        InvalidSetting::unless(*temperature == 0.0 || is_divisor, "temperature", "0 or a finite number of at least 1.2e-38", temperature)?;
        InvalidSetting::unless(*top_p > 0.0 && *top_p <= 1.0, "top_p", "in 0..1, 0 excluded", top_p)?;
        InvalidSetting::unless(*max_new_tokens > 0, "max_new_tokens", "at least 1", max_new_tokens)?;
        InvalidSetting::unless(!stop.iter().any(String::is_empty), "stop", "a list of strings that are not empty", stop)
    }

    /// The stop string that begins first in `text`, with the byte where it begins. Of strings that begin at the same byte, the first in the
    /// list counts.
    pub fn first_stop(&self, text: &str) -> Option<(usize, &str)> {
        let stops = self.stop.iter().filter(|stop| !stop.is_empty());
        stops.filter_map(|stop| Some((text.find(stop.as_str())?, stop.as_str()))).min_by_key(|(at, _)| *at)
    }

    /// The bytes at the start of `text` that no later text can turn into part of a stop string.
    pub(super) fn settled(&self, text: &str) -> usize {
        let may_begin_a_stop = |at: &usize| self.stop.iter().any(|stop| stop.starts_with(&text[*at..]));
        text.char_indices().map(|(at, _)| at).find(may_begin_a_stop).unwrap_or(text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::SamplingParams;

    #[test]
    fn the_stop_string_that_begins_first_counts() {
        let stop = ["", "Q:", "\n", "\n\n"].map(str::to_owned).to_vec();
        let params = SamplingParams { stop, ..SamplingParams::greedy(1) };
        assert_eq!(params.first_stop("four\n\nQ: next"), Some((4, "\n")));
        assert_eq!(params.first_stop("Q:\n"), Some((0, "Q:")));
        assert_eq!(params.first_stop("four"), None);
    }

    #[test]
    fn text_that_may_begin_a_stop_string_is_not_settled() {
        let params = SamplingParams { stop: vec!["Q:".into(), "aab".into()], ..SamplingParams::greedy(1) };
        for (text, settled) in [("four", 4), ("four Q", 5), ("aaa", 1), ("Q Q", 2), ("", 0), ("é", 2)] {
            assert_eq!(params.settled(text), settled, "{text:?}");
        }
        assert_eq!(SamplingParams::greedy(1).settled("Q"), 1);
    }

    #[test]
    fn every_value_out_of_range_is_named() {
        let greedy = SamplingParams::greedy(8);
        assert_eq!(greedy.check(), Ok(()));
        assert_eq!(SamplingParams { temperature: 0.7, top_k: 3, top_p: 0.9, stop: vec!["\n".into()], ..greedy.clone() }.check(), Ok(()));
        let mut refused = Vec::new();
        // Too small and too large for the `f32` in which the sampler computes are among them.
        for temperature in [f64::NAN, f64::INFINITY, -0.5, 1e-40, 1e40] {
            refused.push((SamplingParams { temperature, ..greedy.clone() }, "temperature"));
        }
        for top_p in [f64::NAN, f64::INFINITY, -0.5, 0.0, 1.5] {
            refused.push((SamplingParams { top_p, ..greedy.clone() }, "top_p"));
        }
        refused.push((SamplingParams::greedy(0), "max_new_tokens"));
        refused.push((SamplingParams { stop: vec!["\n".into(), String::new()], ..greedy.clone() }, "stop"));
        for (params, key) in refused {
            let error = params.check().expect_err(key);
            assert_eq!(error.key, key);
            assert!(error.to_string().starts_with(&format!("{key} must be ")), "{error}");
        }
    }
}
