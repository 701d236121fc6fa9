//! The text of a completion in pieces, while it is generated.

use super::SamplingParams;
use crate::error::Result;
use crate::files::tokenizer::Tokenizer;

/// The part of the text of one completion that was handed out.
#[derive(Debug, Clone, Default)]
pub(super) struct TextStream {
    /// The number of tokens whose text was handed out or is in `held`.
    decoded: usize,
    /// The number of bytes that were handed out.
    handed_out: usize,
    /// The text after these bytes. It may be the beginning of a stop string.
    held: String,
}

impl TextStream {
    /// The text that can be handed out after one more token. It ends before an incomplete character and before text that may be the beginning
    /// of a stop string.
    pub(super) fn next(&mut self, tokenizer: &Tokenizer, prompt: &[u32], generated: &[u32], params: &SamplingParams) -> Result<String> {
        let (before, pending) = generated.split_at(self.decoded);
        let text = tokenizer.decode_after(&[prompt, before].concat(), pending)?;
        // The bytes of a character may be divided between tokens. Until all of them are there, the decoder writes this character instead.
        if text.ends_with(char::REPLACEMENT_CHARACTER) {
            return Ok(String::new());
        }
        self.decoded = generated.len();
        self.held.push_str(&text);
        let settled = params.settled(&self.held);
        let rest = self.held.split_off(settled);
        self.handed_out += settled;
        Ok(std::mem::replace(&mut self.held, rest))
    }

    /// The rest of the whole text, after the part that was handed out.
    pub(super) fn rest(&self, mut whole: String) -> String {
        if whole.is_char_boundary(self.handed_out) { whole.split_off(self.handed_out) } else { String::new() }
    }
}
