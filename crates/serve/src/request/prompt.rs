//! The four forms of a prompt: a text, several texts, token ids, several lists of token ids.

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// The prompts of a request. At least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompts {
    /// As text, which the server encodes.
    Texts(Vec<String>),
    /// As token ids.
    Tokens(Vec<Vec<u32>>),
}

impl Prompts {
    /// Their number.
    pub fn len(&self) -> usize {
        match self {
            Prompts::Texts(texts) => texts.len(),
            Prompts::Tokens(lists) => lists.len(),
        }
    }

    /// Returns true if there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

const EXPECTED: &str = "a text, a list of texts, a list of token ids, or a list of lists of token ids";

/// The first element of a list decides what the list is.
enum First {
    Text(String),
    Token(u32),
    Tokens(Vec<u32>),
}

impl<'de> Deserialize<'de> for Prompts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PromptsVisitor)
    }
}

struct PromptsVisitor;

impl<'de> Visitor<'de> for PromptsVisitor {
    type Value = Prompts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_str<E>(self, text: &str) -> Result<Prompts, E> {
        Ok(Prompts::Texts(vec![text.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Prompts, A::Error> {
        match list.next_element()? {
            None => Err(A::Error::custom(format!("an empty list, expected {EXPECTED}"))),
            Some(First::Text(first)) => Ok(Prompts::Texts(rest(first, list)?)),
            Some(First::Token(first)) => Ok(Prompts::Tokens(vec![rest(first, list)?])),
            Some(First::Tokens(first)) => Ok(Prompts::Tokens(rest(first, list)?)),
        }
    }
}

fn rest<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(first: T, mut list: A) -> Result<Vec<T>, A::Error> {
    let mut all = vec![first];
    while let Some(next) = list.next_element()? {
        all.push(next);
    }
    Ok(all)
}

impl<'de> Deserialize<'de> for First {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FirstVisitor)
    }
}

struct FirstVisitor;

impl<'de> Visitor<'de> for FirstVisitor {
    type Value = First;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a token id or a list of token ids")
    }

    fn visit_str<E>(self, text: &str) -> Result<First, E> {
        Ok(First::Text(text.to_owned()))
    }

    fn visit_u64<E: Error>(self, id: u64) -> Result<First, E> {
        u32::try_from(id).map(First::Token).map_err(|_| E::custom(format!("the token id {id} is too large")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<First, A::Error> {
        let mut ids = Vec::new();
        while let Some(id) = list.next_element()? {
            ids.push(id);
        }
        Ok(First::Tokens(ids))
    }
}
