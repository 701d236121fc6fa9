//! Stop strings: found while generating, cut from the text at the end.

use crate::error::Result;
use crate::files::tokenizer::Tokenizer;

/// Whether the generated text holds a stop string that its latest token completed.
pub(super) fn reached(tokenizer: &Tokenizer, prompt: &[u32], generated: &[u32], stops: &[String]) -> Result<bool> {
    let Some(longest) = stops.iter().map(String::len).max() else { return Ok(false) };
    // Every token adds a byte or more to the text, but for special ones; twice the length leaves room for those.
    let window = generated.len().min(2 * longest + 2);
    let (before, tail) = generated.split_at(generated.len() - window);
    let context = if before.is_empty() { prompt } else { before };
    let text = tokenizer.decode_after(context, tail)?;
    Ok(stops.iter().any(|stop| text.contains(stop.as_str())))
}

/// The text before its first stop string.
pub(super) fn cut<'a>(text: &'a str, stops: &[String]) -> &'a str {
    let end = stops.iter().filter_map(|stop| text.find(stop.as_str())).min().unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn text_ends_before_the_first_stop_string() {
        let stops = ["Q:".to_owned(), "\n\n".to_owned()];
        assert_eq!(cut("four\n\nQ: next", &stops), "four");
        assert_eq!(cut("four", &stops), "four");
    }
}
