//! The log-probabilities that a server returns, and where in the text their tokens end.

use crate::policy::TokenScore;
use serde::Deserialize;
use serde_json::Value;

/// The tokens of a completion.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Logprobs {
    /// The log-probability of each (natural logarithm).
    pub(super) logprobs: Vec<f64>,
    /// For each the byte of the text before which it ends; nothing where the server's tokens do not add up to the text.
    ends: Option<Vec<usize>>,
}

/// `OpenAI`'s lists for completions, or its objects for chats, which llama.cpp gives for both. Tokens may have any form: a server is not
/// refused for tokens that cannot be read.
#[derive(Debug, Deserialize)]
pub(super) struct RawLogprobs {
    #[serde(default)]
    token_logprobs: Option<Vec<Option<f64>>>,
    #[serde(default)]
    tokens: Option<Value>,
    #[serde(default)]
    content: Option<Vec<RawToken>>,
}

#[derive(Debug, Deserialize)]
struct RawToken {
    logprob: Option<f64>,
    #[serde(default)]
    token: Option<Value>,
    #[serde(default)]
    bytes: Option<Value>,
}

impl Logprobs {
    /// Reads the log-probabilities of a completion with this text.
    pub(super) fn read(raw: Option<RawLogprobs>, text: &str) -> Result<Self, String> {
        let missing = || "a completion has no log-probabilities; where the server gives none, set policy.logprobs = false".to_owned();
        let RawLogprobs { token_logprobs, tokens, content } = raw.ok_or_else(missing)?;
        let (listed, pieces): (Vec<Option<f64>>, Option<Vec<Vec<u8>>>) = match (token_logprobs, content) {
            (Some(listed), _) => (listed, tokens.as_ref().and_then(Value::as_array).and_then(|tokens| tokens.iter().map(piece).collect())),
            (None, Some(content)) => {
                let pieces = content.iter().map(RawToken::piece).collect();
                (content.into_iter().map(|token| token.logprob).collect(), pieces)
            }
            (None, None) => return Err(missing()),
        };
        let logprobs: Vec<f64> = listed.into_iter().collect::<Option<_>>().ok_or_else(missing)?;
        let ends = pieces.filter(|pieces| pieces.len() == logprobs.len()).and_then(|pieces| ends(text, &pieces));
        Ok(Logprobs { logprobs, ends })
    }

    /// The tokens with their places in the text.
    pub(super) fn tokens(&self) -> Option<Vec<TokenScore>> {
        let ends = self.ends.as_ref()?.iter();
        Some(ends.zip(&self.logprobs).map(|(&end, &logprob)| TokenScore { end, logprob: logprob as f32 }).collect())
    }
}

impl RawToken {
    /// The bytes of the token.
    fn piece(&self) -> Option<Vec<u8>> {
        let byte = |value: &Value| u8::try_from(value.as_u64()?).ok();
        match self.bytes.as_ref().and_then(Value::as_array) {
            Some(bytes) => bytes.iter().map(byte).collect(),
            None => piece(self.token.as_ref()?),
        }
    }
}

/// The bytes of a token from its text. `OpenAI` writes one that is not UTF-8 as `bytes:\\xe2\\x82`.
fn piece(token: &Value) -> Option<Vec<u8>> {
    let text = token.as_str()?;
    match text.strip_prefix("bytes:\\x") {
        None => Some(text.as_bytes().to_vec()),
        Some(bytes) => bytes.split("\\x").map(|byte| u8::from_str_radix(byte, 16).ok()).collect(),
    }
}

/// For each piece the byte of the text before which it ends: a part of a character ends after the whole of it, and what follows the text, such
/// as the end token, ends where the text does. Nothing where the pieces are not those of the text.
fn ends(text: &str, pieces: &[Vec<u8>]) -> Option<Vec<usize>> {
    if !pieces.concat().starts_with(text.as_bytes()) {
        return None;
    }
    let within = |end: usize| (end..text.len()).find(|&byte| text.is_char_boundary(byte)).unwrap_or(text.len());
    let ends = pieces.iter().scan(0, |end, piece| {
        *end += piece.len();
        Some(within(*end))
    });
    Some(ends.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(raw: Value, text: &str) -> Option<Vec<TokenScore>> {
        let raw = serde_json::from_value(raw).expect("log-probabilities");
        Logprobs::read(Some(raw), text).expect("log-probabilities").tokens()
    }

    #[test]
    fn tokens_end_where_their_bytes_do() {
        let scores = |ends: &[usize]| Some(ends.iter().map(|&end| TokenScore { end, logprob: -0.5 }).collect::<Vec<_>>());
        let lists = |tokens: Value| json!({ "token_logprobs": vec![-0.5; tokens.as_array().map_or(0, Vec::len)], "tokens": tokens });
        assert_eq!(read(lists(json!(["a", " b", "</s>"])), "a b"), scores(&[1, 3, 3]));
        assert_eq!(read(lists(json!(["a", " b", "\n", "\n"])), "a b"), scores(&[1, 3, 3, 3]), "a stop string is not in the text");
        assert_eq!(read(lists(json!(["bytes:\\xe2\\x82", "bytes:\\xac", "!"])), "\u{20ac}!"), scores(&[3, 3, 4]));
        let objects = json!({ "content": [
            { "token": "?", "logprob": -0.5, "bytes": [0xe2] }, { "token": "?", "logprob": -0.5, "bytes": [0x82, 0xac] },
            { "token": "!", "logprob": -0.5 }
        ] });
        assert_eq!(read(objects, "\u{20ac}!"), scores(&[3, 3, 4]));
    }

    #[test]
    fn tokens_that_do_not_add_up_to_the_text_are_left_out() {
        for tokens in
            [json!(["\u{fffd}", "\u{fffd}"]), json!(["a", 7]), json!(["a"]), json!("a b"), Value::Null, json!(["bytes:\\xzz", "b"])]
        {
            assert_eq!(read(json!({ "token_logprobs": [-0.5, -0.5], "tokens": tokens }), "\u{20ac}"), None, "{tokens}");
        }
        assert_eq!(read(json!({ "token_logprobs": [-0.5] }), "a"), None);
    }
}
