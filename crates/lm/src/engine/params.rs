//! How a completion is drawn and what ends it.

use serde::{Deserialize, Serialize};

/// How tokens are chosen, and what ends a completion besides the model's end tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SamplingParams {
    /// The logits are divided by it; 0 takes the most likely token.
    pub temperature: f64,
    /// Only the `top_k` most likely tokens are drawn from; 0 for all.
    pub top_k: usize,
    /// Only the most likely tokens whose probabilities together reach this are drawn from (Holtzman et al. 2020); 1 for all.
    pub top_p: f64,
    /// The most tokens to generate, the end token included.
    pub max_new_tokens: usize,
    /// Strings that end a completion. The completion's text ends before the string. An empty string ends nothing.
    pub stop: Vec<String>,
}

impl SamplingParams {
    /// The most likely token at each step, and no stop string.
    pub const fn greedy(max_new_tokens: usize) -> Self {
        SamplingParams { temperature: 0.0, top_k: 0, top_p: 1.0, max_new_tokens, stop: Vec::new() }
    }

    /// The stop string that begins first in `text`, with the byte where it begins. Of strings that begin at the same byte, the first in the
    /// list counts.
    pub fn first_stop(&self, text: &str) -> Option<(usize, &str)> {
        let stops = self.stop.iter().filter(|stop| !stop.is_empty());
        stops.filter_map(|stop| Some((text.find(stop.as_str())?, stop.as_str()))).min_by_key(|(at, _)| *at)
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
}
