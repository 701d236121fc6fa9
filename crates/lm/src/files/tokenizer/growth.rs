//! How much longer the steps of a tokenizer can make a text. A chain of ten steps that each write ten letters for one makes gigabytes of
//! one letter, so such a chain is refused.

use super::definition::{Definition, Pattern, Step};

/// The growth of a text by all steps, at most. Those of published tokenizers have less than 1200 by the same estimate.
const MOST: f64 = 4096.0;
/// The bytes that steps may add to a text of any length.
const MOST_ADDED: f64 = (1 << 20) as f64;

/// A text of `n` bytes has at most `factor * n + added` after some steps.
#[derive(Clone, Copy)]
struct Growth {
    factor: f64,
    added: f64,
}

/// Refuses a tokenizer whose steps can grow a text too much.
pub(super) fn check(definition: &Definition) -> Result<(), String> {
    let chains = [
        ("\"normalizer\" and \"pre_tokenizer\"", definition.encoding_steps(), 2.0),
        // A byte that is no character becomes a replacement character.
        ("\"decoder\"", definition.decoding_steps(), 3.0),
    ];
    for (keys, steps, bytes) in chains {
        let none = Growth { factor: 1.0, added: 0.0 };
        let Growth { factor, added } = steps.iter().fold(none, |before, step| before.then(step.growth(bytes)));
        if factor > MOST || added > MOST_ADDED {
            return Err(format!(
                "keys {keys}: the steps can make a text {factor:.0} times as long and {added:.0} bytes longer, expected at most {MOST} \
                 times and {MOST_ADDED} bytes; remove steps that write more than they replace"
            ));
        }
    }
    Ok(())
}

impl Growth {
    fn times(factor: f64) -> Self {
        Growth { factor, added: 0.0 }
    }

    fn then(self, next: Growth) -> Self {
        Growth { factor: self.factor * next.factor, added: self.added * next.factor + next.added }
    }
}

impl Step {
    /// The growth by this step without those in it. `bytes` is that of a `ByteLevel` step.
    fn growth(&self, bytes: f64) -> Growth {
        let mut growth = Growth::times(match self.r#type.as_deref() {
            Some("ByteLevel") => bytes,
            // U+FDFA of three bytes has eighteen letters.
            Some("NFKC" | "NFKD") => 11.0,
            Some("NFC" | "NFD") => 3.0,
            Some("Lowercase") => 1.5,
            // These put a blank beside characters, or another one for a blank.
            Some("BertNormalizer" | "Bert" | "WordPiece") => 2.0,
            Some("Metaspace") => 4.0,
            _ => 1.0,
        });
        if let (Some(pattern), Some(content)) = (&self.pattern, &self.content) {
            growth = growth.then(pattern.replaced_by(content));
        }
        if let Some(charsmap) = &self.charsmap {
            growth = growth.then(Growth::times(length(charsmap.longest).max(1.0)));
        }
        if let Some(prepend) = &self.prepend {
            growth = growth.then(Growth { factor: 1.0, added: length(prepend.len()) });
        }
        // A blank is written between all characters in the place of an empty text.
        let empty = [&self.suffix, &self.word_delimiter_token].into_iter().flatten().filter(|text| text.is_empty()).count();
        (0..empty).fold(growth, |growth, _| growth.then(Growth { factor: 2.0, added: 1.0 }))
    }
}

impl Pattern {
    fn replaced_by(&self, content: &str) -> Growth {
        let content = length(content.len());
        match self {
            Pattern::String(text) if !text.is_empty() => Growth::times((content / length(text.len())).max(1.0)),
            Pattern::Regex(regex) if takes_a_character(regex) => Growth::times(content.max(1.0)),
            // It may be found before and after every character.
            _ => Growth { factor: 1.0 + content, added: content },
        }
    }
}

/// Returns true for regular expressions that surely match no empty text. They are a row of characters and classes, each at least once.
fn takes_a_character(regex: &str) -> bool {
    const CLASSES: &str = "sSdDwWpPnrt";
    let is_plain = |text: &str| !text.contains(['|', '?', '*', '(', '^', '$']) && !text.contains("{0") && !text.contains("{,");
    let escapes = regex.split('\\').skip(1);
    !regex.is_empty() && is_plain(regex) && escapes.map(|rest| rest.chars().next()).all(|class| class.is_some_and(|c| CLASSES.contains(c)))
}

fn length(bytes: usize) -> f64 {
    bytes as f64
}
