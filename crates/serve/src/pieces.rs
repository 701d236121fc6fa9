//! The texts of single tokens.

use starloop_lm::Tokenizer;
use starloop_lm::engine::{Completion, NewToken, StopReason};
use starloop_lm::score::ScoredToken;

/// Tokens before a token that its text can depend on.
const CONTEXT: usize = 16;

/// A token with its score, as answers show it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Piece {
    /// Its text, or its name if it has no text. Of several tokens that are parts of one character, one has the whole character.
    pub(crate) text: String,
    /// Its log-probability; none for the first token of a text.
    pub(crate) logprob: Option<f32>,
    /// The likeliest tokens at its place, by their texts.
    pub(crate) alternatives: Vec<(String, f32)>,
}

/// The text that a token adds after `context`, or its name if it adds none.
pub(crate) fn text_of(tokenizer: &Tokenizer, context: &[u32], id: u32) -> starloop_lm::Result<String> {
    let text = tokenizer.decode_after(&context[context.len().saturating_sub(CONTEXT)..], &[id])?;
    Ok(if text.is_empty() { tokenizer.name(id).unwrap_or_default() } else { text })
}

fn named(tokenizer: &Tokenizer, context: &[u32], alternatives: &[(u32, f32)]) -> starloop_lm::Result<Vec<(String, f32)>> {
    alternatives.iter().map(|&(id, logprob)| Ok((text_of(tokenizer, context, id)?, logprob))).collect()
}

/// The tokens of a prompt with the text that they make. `scores` is empty if log-probabilities are not wanted.
pub(crate) fn of_prompt(
    tokenizer: &Tokenizer,
    prompt: &[u32],
    scores: &[Option<ScoredToken>],
) -> starloop_lm::Result<(String, Vec<Piece>)> {
    let text = tokenizer.decode(prompt)?;
    let ends = tokenizer.ends_in(&text, &[], prompt)?;
    let mut begin = 0;
    let piece = |(at, (end, score)): (usize, (usize, &Option<ScoredToken>))| {
        let text = text[begin..end].to_owned();
        begin = end;
        let alternatives = score.as_ref().map_or(Ok(Vec::new()), |score| named(tokenizer, &prompt[..at], &score.alternatives))?;
        Ok(Piece { text, logprob: score.as_ref().map(|score| score.logprob), alternatives })
    };
    let pieces = ends.into_iter().zip(scores).enumerate().map(piece).collect::<starloop_lm::Result<_>>()?;
    Ok((text, pieces))
}

/// The tokens of a finished completion. `tokens` has the likeliest tokens at each place, if they are wanted.
pub(crate) fn of_completion(
    tokenizer: &Tokenizer,
    prompt: &[u32],
    completion: &Completion,
    tokens: &[NewToken],
) -> starloop_lm::Result<Vec<Piece>> {
    let ids = &completion.tokens;
    let shown = if completion.stop_reason == StopReason::EndToken { &ids[..ids.len() - 1] } else { ids };
    // The stop string is not in the text of the completion, and in that of its tokens.
    let text = tokenizer.decode_after(prompt, shown)?;
    let ends = tokenizer.ends_in(&text, prompt, shown)?;
    let all = [prompt, ids].concat();
    let mut begin = 0;
    let piece = |(at, &logprob): (usize, &f32)| {
        let context = &all[..prompt.len() + at];
        let text = match ends.get(at) {
            Some(&end) => text[std::mem::replace(&mut begin, end)..end].to_owned(),
            None => text_of(tokenizer, context, ids[at])?,
        };
        let alternatives = tokens.get(at).map_or(Ok(Vec::new()), |token| named(tokenizer, context, &token.alternatives))?;
        Ok(Piece { text, logprob: Some(logprob), alternatives })
    };
    completion.logprobs.iter().enumerate().map(piece).collect()
}

/// A token that was just generated after `context`.
pub(crate) fn of_token(tokenizer: &Tokenizer, context: &[u32], token: &NewToken) -> starloop_lm::Result<Piece> {
    let text = text_of(tokenizer, context, token.id)?;
    Ok(Piece { text, logprob: Some(token.logprob), alternatives: named(tokenizer, context, &token.alternatives)? })
}
