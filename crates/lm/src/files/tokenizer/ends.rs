//! The place in a generated text at which each of its tokens ends.

use super::Tokenizer;
use crate::error::Result;

/// Tokens that are decoded together at most while the text of the latest is not settled. A character has at most four.
const LONGEST_UNSETTLED: usize = 16;
/// At least as many tokens before these are decoded with them.
const CONTEXT: usize = 16;

impl Tokenizer {
    /// For each of `ids`, which the model generated after `context`, the byte of their `text` before which the token ends. The ends never
    /// decrease and the last is the length of the text. A token that is a part of a character ends after the whole character. Tokens that
    /// the text does not show, such as the end token or a stop string, end where the text does.
    ///
    /// # Errors
    /// The tokenizer has no such token.
    pub fn ends_in(&self, text: &str, context: &[u32], ids: &[u32]) -> Result<Vec<usize>> {
        let mut ends = Vec::with_capacity(ids.len());
        let all = [context, ids].concat();
        // The tokens before `first` have given the text up to `settled`.
        let (mut first, mut settled) = (context.len(), 0);
        // Decoding of the next tokens begins at one of these: a decoder may write a wrong text if it begins inside a character.
        let mut boundaries = (0, context.len());
        for read in context.len() + 1..=all.len() {
            let added = self.decode_after(&all[boundaries.0..first], &all[first..read])?;
            let rest = &text[settled..];
            let same = common_prefix(rest, &added);
            if same == added.len() || read - first >= LONGEST_UNSETTLED {
                (first, settled) = (read, settled + same);
                if first - boundaries.1 >= CONTEXT {
                    boundaries = (boundaries.1, first);
                }
                ends.push(settled);
            } else {
                let character = rest[same..].chars().next().map_or(0, char::len_utf8);
                ends.push(settled + same + character);
            }
        }
        if let Some(last) = ends.last_mut() {
            *last = text.len();
        }
        // A whole character may have been counted that the next tokens turn out not to continue.
        for at in (1..ends.len()).rev() {
            ends[at - 1] = ends[at - 1].min(ends[at]);
        }
        Ok(ends)
    }
}

/// Bytes of the longest common beginning that ends at a character's end.
fn common_prefix(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum()
}
