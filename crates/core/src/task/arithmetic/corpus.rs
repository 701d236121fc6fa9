//! The synthetic corpus on which the arithmetic base model is pretrained.
//!
//! The paper starts from GPT-J, which was pretrained on text of the web. Here a small model is trained from scratch. Its documents teach the
//! layout of a scratchpad, facts about digits, and how to apply a rule of the examples. They teach no long addition. This page is a
//! disclosure: the base has every ability from this corpus.
//!
//! **Contents.** A document is a few-shot prompt: 1 to `max_examples` examples of one family, with one operator of one meaning. All
//! examples have a hint, or none has one. The families are those of [`Family`].
//!
//! **Not contained.** No sum of more than `known_digits` digits is solved, under any symbol. The results of an "arbitrary" walk are random. If
//! they are the sum by chance, they are drawn again. No held-out pair of numbers appears in the two-number families, in either order, solved
//! or not. Column facts are about two digits and a carry, and not about problems. All 200 are taught, so the columns of every sum are taught.
//!
//! **Similar to addition.** Hinted walks copy the hint's digits column by column. Their flag is 1 if the result digit is smaller than the left
//! digit. In an addition this is the carry, with one exception: if the right digit is 9 and there is an incoming carry, the result equals the
//! left digit and the carry is 1. So a base can often rationalize a long sum with its answer as the hint, and the loop can begin. It cannot
//! solve a long sum without the hint. `+` has several meanings in walks, so that the symbol alone does not mean one-digit addition.

mod config;
mod examples;

pub use super::vocabulary::token_count;
pub use config::{CorpusConfig, Family, Shares};

use examples::DocumentPlan;
use rand::{Rng, RngExt};

/// The separator between examples. It is the task's separator, so that documents and few-shot prompts look the same.
const SEPARATOR: &str = "\n";

/// Draws a document of at most `max_tokens` tokens, its end token not counted.
///
/// The config must have passed [`CorpusConfig::check`] for `max_tokens`. A first example that is longer is not cut.
pub fn document(config: &CorpusConfig, rng: &mut impl Rng, max_tokens: usize) -> String {
    let plan = DocumentPlan::draw(config, rng);
    let wanted = rng.random_range(1..=config.max_examples);
    let mut text = plan.example(config, rng);
    let mut tokens = token_count(&text);
    for _ in 1..wanted {
        let next = plan.example(config, rng);
        tokens += token_count(SEPARATOR) + token_count(&next);
        if tokens > max_tokens {
            break;
        }
        text.push_str(SEPARATOR);
        text.push_str(&next);
    }
    text
}

#[cfg(test)]
mod tests;
