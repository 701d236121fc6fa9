//! The log-probabilities that a server returns, and where in the text their tokens end.

use super::answer::Loose;
use crate::policy::TokenScore;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// Servers round: the log-probability of a certain token can be a little above 0.
const ROUNDING: f64 = 1e-4;
/// The least log-probability of a token. Some servers write -9999 for a token that they did not score.
const LOWEST: f64 = -10_000.0;

/// The tokens of a completion.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Logprobs {
    /// The log-probability of each (natural logarithm).
    pub(super) logprobs: Vec<f64>,
    /// For each the byte of the text before which it ends; nothing where the server's tokens do not add up to the text.
    ends: Option<Vec<usize>>,
}

/// The lists that `OpenAI` has for completions, or the objects that it has for chats and llama.cpp for both. Tokens may have any form: a server
/// is not refused for tokens that cannot be read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawLogprobs {
    token_logprobs: Option<Listed>,
    tokens: Option<Pieces>,
    content: Option<Objects>,
}

/// A list of log-probabilities; NaN where the server gives none.
#[derive(Debug)]
struct Listed(Vec<f64>);

/// The bytes of the tokens, one after another.
#[derive(Debug, Default)]
struct Pieces {
    bytes: Vec<u8>,
    /// The end of each token in `bytes`.
    ends: Vec<u32>,
    /// True if a token cannot be read.
    is_unreadable: bool,
    /// True if they are a list at all.
    is_list: bool,
}

/// A list of objects, one for each token.
#[derive(Debug)]
struct Objects(Listed, Pieces);

/// A token in a list of objects.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawToken {
    logprob: Option<f64>,
    token: Loose,
    bytes: TokenBytes,
}

/// The bytes of a token, where a server lists them.
#[derive(Debug, Default)]
enum TokenBytes {
    #[default]
    None,
    Listed(Vec<u8>),
    Unreadable,
}

impl Logprobs {
    /// Reads the log-probabilities of a completion with this text.
    ///
    /// # Errors
    /// They are missing, are not log-probabilities, or are not those of the tokens. The text says which.
    pub(super) fn read(raw: Option<RawLogprobs>, text: &str) -> Result<Self, String> {
        let missing = || "a completion has no log-probabilities; where the server gives none, set policy.logprobs = false".to_owned();
        let RawLogprobs { token_logprobs, tokens, content } = raw.ok_or_else(missing)?;
        let (Listed(mut logprobs), pieces) = match (token_logprobs, content) {
            (Some(listed), _) => (listed, tokens.unwrap_or_default()),
            (None, Some(Objects(listed, pieces))) => (listed, pieces),
            (None, None) => return Err(missing()),
        };
        if logprobs.is_empty() && !text.is_empty() {
            return Err(format!("a completion of {} bytes has an empty list of log-probabilities", text.len()));
        }
        if pieces.is_list && pieces.ends.len() != logprobs.len() {
            return Err(format!("a completion has {} tokens and {} log-probabilities", pieces.ends.len(), logprobs.len()));
        }
        if !logprobs.is_empty() && logprobs.iter().all(|logprob| logprob.is_nan()) {
            return Err(missing());
        }
        let count = logprobs.len();
        for logprob in &mut logprobs {
            match *logprob {
                nothing if nothing.is_nan() => return Err(format!("a token of {count} has no log-probability, expected one for each")),
                wrong if !(LOWEST..=ROUNDING).contains(&wrong) => {
                    return Err(format!("a token has the log-probability {wrong}, expected a number of at most 0 and at least {LOWEST}"));
                }
                good => *logprob = good.min(0.0),
            }
        }
        let ends = if pieces.is_list && !pieces.is_unreadable { pieces.ends_in(text) } else { None };
        Ok(Logprobs { logprobs, ends })
    }

    /// The tokens with their places in the text.
    pub(super) fn tokens(&self) -> Option<Vec<TokenScore>> {
        let ends = self.ends.as_ref()?.iter();
        Some(ends.zip(&self.logprobs).map(|(&end, &logprob)| TokenScore { end, logprob: logprob as f32 }).collect())
    }
}

impl Pieces {
    fn push(&mut self, piece: Option<&[u8]>) {
        self.is_unreadable |= piece.is_none();
        self.bytes.extend_from_slice(piece.unwrap_or_default());
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }

    /// Adds a token by its text. `OpenAI` writes one that is not UTF-8 as `bytes:\\xe2\\x82`.
    fn push_text(&mut self, token: &Loose) {
        match token.text().map(|text| (text, text.strip_prefix("bytes:\\x"))) {
            Some((text, None)) => self.push(Some(text.as_bytes())),
            Some((_, Some(bytes))) => {
                let bytes: Option<Vec<u8>> = bytes.split("\\x").map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
                self.push(bytes.as_deref());
            }
            None => self.push(None),
        }
    }

    /// For each token the byte of the text before which it ends: a part of a character ends after the whole of it, and what follows the text,
    /// such as the end token, ends where the text does. Nothing where the tokens are not those of the text.
    fn ends_in(&self, text: &str) -> Option<Vec<usize>> {
        if !self.bytes.starts_with(text.as_bytes()) {
            return None;
        }
        let within = |&end: &u32| (end as usize..text.len()).find(|&byte| text.is_char_boundary(byte)).unwrap_or(text.len());
        Some(self.ends.iter().map(within).collect())
    }
}

/// Implements the reading of a list element by element. Any other value is what `other` makes.
macro_rules! read_list {
    ($name:ident, $list:ident => $read:expr, other: $other:expr) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct List;
                impl<'de> Visitor<'de> for List {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a list")
                    }
                    fn visit_seq<A: SeqAccess<'de>>(self, mut $list: A) -> Result<$name, A::Error> {
                        $read
                    }
                    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<$name, A::Error> {
                        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                        Ok($other)
                    }
                    fn visit_unit<E>(self) -> Result<$name, E> {
                        Ok($other)
                    }
                    fn visit_bool<E>(self, _: bool) -> Result<$name, E> {
                        Ok($other)
                    }
                    fn visit_u64<E>(self, _: u64) -> Result<$name, E> {
                        Ok($other)
                    }
                    fn visit_i64<E>(self, _: i64) -> Result<$name, E> {
                        Ok($other)
                    }
                    fn visit_f64<E>(self, _: f64) -> Result<$name, E> {
                        Ok($other)
                    }
                    fn visit_str<E>(self, _: &str) -> Result<$name, E> {
                        Ok($other)
                    }
                }
                deserializer.deserialize_any(List)
            }
        }
    };
}

read_list!(Listed, list => {
    let mut logprobs = Vec::new();
    while let Some(logprob) = list.next_element::<Option<f64>>()? {
        logprobs.push(logprob.unwrap_or(f64::NAN));
    }
    Ok(Listed(logprobs))
}, other: Listed(Vec::new()));

read_list!(Pieces, list => {
    let mut pieces = Pieces { is_list: true, ..Pieces::default() };
    while let Some(token) = list.next_element()? {
        pieces.push_text(&token);
    }
    Ok(pieces)
}, other: Pieces::default());

read_list!(Objects, list => {
    let (mut logprobs, mut pieces) = (Vec::new(), Pieces { is_list: true, ..Pieces::default() });
    while let Some(RawToken { logprob, token, bytes }) = list.next_element()? {
        logprobs.push(logprob.unwrap_or(f64::NAN));
        match bytes {
            TokenBytes::Listed(bytes) => pieces.push(Some(&bytes)),
            TokenBytes::None => pieces.push_text(&token),
            TokenBytes::Unreadable => pieces.push(None),
        }
    }
    Ok(Objects(Listed(logprobs), pieces))
}, other: Objects(Listed(Vec::new()), Pieces::default()));

read_list!(TokenBytes, list => {
    let (mut bytes, mut is_unreadable) = (Vec::new(), false);
    while let Some(byte) = list.next_element::<Option<f64>>()? {
        match byte {
            Some(byte) if (0.0..=255.0).contains(&byte) && byte.fract() == 0.0 => bytes.push(byte as u8),
            _ => is_unreadable = true,
        }
    }
    Ok(if is_unreadable { TokenBytes::Unreadable } else { TokenBytes::Listed(bytes) })
}, other: TokenBytes::None);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(raw: Value, text: &str) -> Result<Option<Vec<TokenScore>>, String> {
        let raw = serde_json::from_value(raw).expect("log-probabilities");
        Logprobs::read(Some(raw), text).map(|logprobs| logprobs.tokens())
    }

    #[test]
    fn tokens_end_where_their_bytes_do() {
        let scores = |ends: &[usize]| Ok(Some(ends.iter().map(|&end| TokenScore { end, logprob: -0.5 }).collect::<Vec<_>>()));
        let lists = |tokens: Value| json!({ "token_logprobs": vec![-0.5; tokens.as_array().map_or(0, Vec::len)], "tokens": tokens });
        assert_eq!(read(lists(json!(["a", " b", "</s>"])), "a b"), scores(&[1, 3, 3]));
        assert_eq!(read(lists(json!(["a", " b", "\n", "\n"])), "a b"), scores(&[1, 3, 3, 3]), "a stop string is not in the text");
        assert_eq!(read(lists(json!(["bytes:\\xe2\\x82", "bytes:\\xac", "!"])), "\u{20ac}!"), scores(&[3, 3, 4]));
        let objects = json!({ "content": [
            { "token": "?", "logprob": -0.5, "bytes": [0xe2] }, { "token": "?", "logprob": -0.5, "bytes": [0x82, 0xac] },
            { "token": "!", "logprob": -0.5, "bytes": null }
        ] });
        assert_eq!(read(objects, "\u{20ac}!"), scores(&[3, 3, 4]));
    }

    #[test]
    fn tokens_that_do_not_add_up_to_the_text_are_left_out() {
        for tokens in [
            json!(["\u{fffd}", "\u{fffd}"]),
            json!(["a", 7]),
            json!("a b"),
            json!({ "a": [1] }),
            Value::Null,
            json!(["bytes:\\xzz", "b"]),
            json!([["a"], { "b": "c" }]),
        ] {
            assert_eq!(read(json!({ "token_logprobs": [-0.5, -0.5], "tokens": tokens }), "\u{20ac}"), Ok(None), "{tokens}");
        }
        assert_eq!(read(json!({ "token_logprobs": [-0.5] }), "a"), Ok(None));
        assert_eq!(read(json!({ "content": [{ "token": "a", "logprob": -0.5, "bytes": [256] }] }), "a"), Ok(None));
    }

    #[test]
    fn what_cannot_be_log_probabilities_of_the_tokens_is_refused() {
        for (raw, said) in [
            (json!({ "token_logprobs": [] }), "a completion of 1 bytes has an empty list of log-probabilities"),
            (json!({ "token_logprobs": [], "tokens": [] }), "an empty list"),
            (json!({ "token_logprobs": "none" }), "an empty list"),
            (json!({ "content": [] }), "an empty list"),
            (json!({ "token_logprobs": [705.0] }), "the log-probability 705, expected a number of at most 0"),
            (json!({ "token_logprobs": [-3e38] }), "the log-probability -3"),
            (json!({ "content": [{ "logprob": 0.01, "token": "a" }] }), "the log-probability 0.01,"),
            (json!({ "token_logprobs": [-1.0, -1.0], "tokens": ["a"] }), "1 tokens and 2 log-probabilities"),
            (json!({ "token_logprobs": [null] }), "has no log-probabilities"),
            (json!({ "token_logprobs": [-1.0, null] }), "a token of 2 has no log-probability"),
            (json!({ "content": [{ "token": "a" }] }), "has no log-probabilities"),
            (json!({}), "has no log-probabilities"),
        ] {
            let error = read(raw.clone(), "a").expect_err("refused");
            assert!(error.contains(said), "{raw}: {error}");
        }
        assert_eq!(read(json!({ "token_logprobs": [], "tokens": [] }), ""), Ok(Some(vec![])), "the model ended at once");
        assert_eq!(read(json!({ "token_logprobs": [1e-7], "tokens": ["a"] }), "a"), Ok(Some(vec![TokenScore { end: 1, logprob: 0.0 }])));
    }
}
