//! What the arithmetic base model was taught before it met a problem: the synthetic corpus of the stand-in for a pretrained model.
//!
//! The paper starts from GPT-J, which had read the web. Here a small model is trained from scratch on documents that teach the layout of a
//! scratchpad, facts about digits, and how to take a rule from the examples before it, but no long addition. Read this page as a disclosure:
//! whatever the base can do before the loop begins comes from here.
//!
//! **What it contains.** A document is a few-shot prompt: 1 to `max_examples` examples of one family, with one operator of one meaning, all
//! with a hint or all without, as many as fit. The families are those of [`Family`].
//!
//! **What it does not contain.** No sum of more than `known_digits` digits is solved, under any symbol: where a walk takes its results from
//! nowhere ("arbitrary"), they are drawn anew if they happen to be the sum. No held-out pair of numbers appears in the two-number families at
//! all, in either order, solved or not. Column facts are about a digit, a digit and a carry, not about problems: all 200 are taught, and so
//! are, in that sense, the columns of every sum.
//!
//! **What comes close.** Hinted walks copy the hint's digits column by column, and their flag is 1 where the result digit is smaller than the
//! left digit. In an addition that is the carry, except where a right digit of 9 meets an incoming carry (the result then equals the left
//! digit, and the carry is 1). So a base can often rationalize a long sum whose answer it is shown, which is what lets the loop begin; it
//! cannot work one out unaided. `+` appears in walks with varying meaning, so that the symbol alone does not call for one-digit habits.

mod config;
mod examples;

pub use super::vocabulary::token_count;
pub use config::{CorpusConfig, Family, Shares};

use examples::Plan;
use rand::{Rng, RngExt};

/// What separates the examples of a document: the task's separator, so that documents and few-shot prompts look the same.
const SEPARATOR: &str = "\n";

/// Draws a document of at most `max_tokens` tokens, its end token not counted.
///
/// The config should have passed [`CorpusConfig::check`] for `max_tokens`; a first example that is longer is given nevertheless.
pub fn document(config: &CorpusConfig, rng: &mut impl Rng, max_tokens: usize) -> String {
    let plan = Plan::draw(config, rng);
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
