//! The body of an answer, in the forms in which servers write it.
//!
//! An answer comes from outside, so it is read while it arrives and keeps little: unknown keys take no memory, and a token takes the bytes of
//! its text and a few more. Lists of JSON values would take a hundred times the bytes of the answer.

use super::logprobs::RawLogprobs;
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::marker::PhantomData;

/// The body of an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Completions {
    pub(super) object: Loose,
    pub(super) error: Loose,
    pub(super) model: Option<String>,
    pub(super) choices: Option<AtMost<RawChoice, 1024>>,
    pub(super) usage: Option<Usage>,
}

/// A completion in an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawChoice {
    pub(super) index: Option<u64>,
    pub(super) text: Option<String>,
    /// The field of a chat that stands for the text.
    message: Option<IgnoredAny>,
    pub(super) finish_reason: Loose,
    /// The key of vLLM, and that of `SGLang`.
    #[serde(alias = "matched_stop")]
    pub(super) stop_reason: Loose,
    pub(super) logprobs: Option<RawLogprobs>,
}

/// The counts of a server.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Usage {
    pub(super) prompt_tokens: Option<u64>,
    pub(super) completion_tokens: Option<u64>,
}

impl Completions {
    /// The completions.
    ///
    /// # Errors
    /// The server reports an error, or answers a chat. The text says so.
    pub(super) fn take_choices(&mut self) -> Result<Vec<RawChoice>, String> {
        if let Some(message) = self.error.message() {
            return Err(format!("the server answered 200 with an error: {message}"));
        }
        let is_chat = self.object.text().is_some_and(|object| object.starts_with("chat.completion"));
        let Some(AtMost(choices)) = self.choices.take() else { return Err("the answer has no key `choices`".to_owned()) };
        if choices.is_empty() {
            return Err("the answer holds no completion".to_owned());
        }
        match choices.iter().find(|choice| choice.text.is_none()) {
            Some(choice) if is_chat || choice.message.is_some() => {
                Err("the server answered with a chat message, expected a completion with \
                                                                        the key `text`; policy.endpoints has to name a server's \
                                                                        completions interface"
                    .to_owned())
            }
            Some(_) => Err("a completion has no key `text`".to_owned()),
            None => Ok(choices),
        }
    }
}

/// Bytes of the longest list of models, and of other answers about a server.
pub(super) const LONGEST_LIST: u64 = 4 << 20;

/// A server's list of its models.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ModelList {
    data: AtMost<ModelEntry, 65_536>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ModelEntry {
    id: Loose,
    root: Loose,
}

impl ModelList {
    /// The names of the models: each one's own, and that of the directory it comes from.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.data.0.iter().flat_map(|entry| [&entry.id, &entry.root]).filter_map(Loose::text)
    }

    /// Returns true if a model is listed under its own name `id`.
    pub(super) fn has(&self, id: &str) -> bool {
        self.data.0.iter().any(|entry| entry.id.text() == Some(id))
    }
}

/// A list that is refused when it has more than `MOST` elements: an element takes more memory than its bytes in the answer.
#[derive(Debug)]
pub(super) struct AtMost<T, const MOST: usize>(pub(super) Vec<T>);

impl<T, const MOST: usize> Default for AtMost<T, MOST> {
    fn default() -> Self {
        AtMost(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for AtMost<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(AtMostVisitor(PhantomData))
    }
}

struct AtMostVisitor<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for AtMostVisitor<T, MOST> {
    type Value = AtMost<T, MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MOST} elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            if elements.len() == MOST {
                return Err(A::Error::invalid_length(MOST + 1, &self));
            }
            elements.push(element);
        }
        Ok(AtMost(elements))
    }
}

/// A value that servers write in different forms. Only what matters of it is kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Loose {
    #[default]
    Null,
    Text(String),
    Number,
    /// The keys `type`, `matched` and `message` of an object.
    Object {
        kind: Option<String>,
        matched: Box<Loose>,
        message: Option<String>,
    },
    Other,
}

impl Loose {
    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Loose::Text(text) => Some(text),
            _ => None,
        }
    }

    fn into_text(self) -> Option<String> {
        match self {
            Loose::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text of an error. Empty if there is no error.
    fn message(&self) -> Option<&str> {
        match self {
            Loose::Null => None,
            Loose::Text(text) => Some(text),
            Loose::Object { message: Some(message), .. } => Some(message),
            Loose::Number | Loose::Object { .. } | Loose::Other => Some("it gives no message"),
        }
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Loose, E> {
        Ok(Loose::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Loose, E> {
        Ok(Loose::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Loose, E> {
        Ok(Loose::Number)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Loose, E> {
        Ok(Loose::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Loose, E> {
        Ok(Loose::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Loose, E> {
        Ok(Loose::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Loose, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Loose::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Loose, A::Error> {
        let (mut kind, mut matched, mut message) = (Loose::Null, Loose::Null, Loose::Null);
        while let Some(key) = object.next_key::<String>()? {
            match key.as_str() {
                "type" => kind = object.next_value()?,
                "matched" => matched = object.next_value()?,
                "message" => message = object.next_value()?,
                _ => _ = object.next_value::<IgnoredAny>()?,
            }
        }
        Ok(Loose::Object { kind: kind.into_text(), matched: Box::new(matched), message: message.into_text() })
    }
}
