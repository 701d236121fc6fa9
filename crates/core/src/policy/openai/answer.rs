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
    /// The keys of servers that have no key `error`.
    message: Loose,
    detail: Loose,
    errors: Loose,
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
    /// The key of vLLM.
    stop_reason: Loose,
    /// The key of `SGLang`.
    matched_stop: Loose,
    pub(super) logprobs: Option<RawLogprobs>,
}

/// The counts of a server.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Usage {
    pub(super) prompt_tokens: Option<u64>,
    pub(super) completion_tokens: Option<u64>,
}

impl RawChoice {
    /// The stop string or end token that ended the completion, if the server gives it beside the `finish_reason`.
    pub(super) fn stop(&self) -> &Loose {
        if self.stop_reason == Loose::Null { &self.matched_stop } else { &self.stop_reason }
    }
}

impl Completions {
    /// The completions.
    ///
    /// # Errors
    /// The server reports an error, or answers a chat. The text says so.
    pub(super) fn take_choices(&mut self) -> Result<Vec<RawChoice>, String> {
        if self.error != Loose::Null {
            return Err(format!("the server answered 200 with an error: {}", self.error.message()));
        }
        let is_chat = self.object.text().is_some_and(|object| object.starts_with("chat.completion"));
        let Some(AtMost(choices)) = self.choices.take() else {
            let said = [&self.message, &self.detail, &self.errors].into_iter().find(|said| **said != Loose::Null);
            let missing = "the answer has no key `choices`";
            return Err(said.map_or_else(|| missing.to_owned(), |said| format!("{missing}; the server says: {}", said.message())));
        };
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
    Number(f64),
    /// The first element of a list.
    List(Box<Loose>),
    /// The keys `type` and `matched` of an object, and the one that holds its message.
    Object {
        kind: Option<String>,
        matched: Box<Loose>,
        message: Box<Loose>,
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

    /// The words of an error, wherever the server has them.
    fn message(&self) -> String {
        match self {
            Loose::Text(text) if !text.trim().is_empty() => text.clone(),
            Loose::Number(number) => format!("the number {number}"),
            Loose::List(first) => first.message(),
            Loose::Object { message, .. } => message.message(),
            Loose::Null | Loose::Text(_) | Loose::Other => "it gives no message".to_owned(),
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

    fn visit_u64<E>(self, number: u64) -> Result<Loose, E> {
        Ok(Loose::Number(number as f64))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Loose, E> {
        Ok(Loose::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Loose, E> {
        Ok(Loose::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Loose, E> {
        Ok(Loose::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Loose, A::Error> {
        let Some(first) = list.next_element()? else { return Ok(Loose::Other) };
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Loose::List(Box::new(first)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Loose, A::Error> {
        let (mut kind, mut matched, mut message) = (Loose::Null, Loose::Null, Loose::Null);
        while let Some(key) = object.next_key::<String>()? {
            match key.as_str() {
                "type" => kind = object.next_value()?,
                "matched" => matched = object.next_value()?,
                "message" => message = object.next_value()?,
                "msg" | "detail" | "error" if message == Loose::Null => message = object.next_value()?,
                _ => _ = object.next_value::<IgnoredAny>()?,
            }
        }
        Ok(Loose::Object { kind: kind.into_text(), matched: Box::new(matched), message: Box::new(message) })
    }
}
