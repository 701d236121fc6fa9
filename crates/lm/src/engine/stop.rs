//! Finds stop strings while a completion is generated.

use super::SamplingParams;
use crate::error::Result;
use crate::files::tokenizer::Tokenizer;

/// The stop string that the latest token completed in the generated text.
pub(super) fn reached<'p>(tokenizer: &Tokenizer, prompt: &[u32], generated: &[u32], params: &'p SamplingParams) -> Result<Option<&'p str>> {
    let Some(longest) = params.stop.iter().map(String::len).max() else { return Ok(None) };
    // Each token except a special one adds at least one byte to the text. Twice the length allows for special tokens.
    let window = generated.len().min(2 * longest + 2);
    let (before, tail) = generated.split_at(generated.len() - window);
    let context = if before.is_empty() { prompt } else { before };
    let text = tokenizer.decode_after(context, tail)?;
    Ok(params.first_stop(&text).map(|(_, stop)| stop))
}
