//! Values of keys that this server does not support. They are accepted only where they change nothing.

use crate::error::ApiError;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// A value, as far as it matters. Its content takes no memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Value {
    #[default]
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    /// A list or an object with this many elements.
    Elements(usize),
}

/// Keys, and the number that changes nothing.
const NEUTRAL_NUMBERS: [(&str, f64); 5] =
    [("frequency_penalty", 0.0), ("presence_penalty", 0.0), ("min_p", 0.0), ("repetition_penalty", 1.0), ("best_of", 1.0)];

/// Keys, and the text that changes nothing.
const NEUTRAL_TEXTS: [(&str, &str); 3] = [("suffix", ""), ("tool_choice", "none"), ("tool_choice", "auto")];

/// Checks that none of these keys changes the answer.
pub(super) fn check(keys: &[(&'static str, &Value)]) -> Result<(), ApiError> {
    match keys.iter().find(|(key, value)| !value.is_neutral(key)) {
        None => Ok(()),
        Some((key, _)) => Err(ApiError::of_key(key, format!("`{key}` is not supported with this value; leave it out"))),
    }
}

impl Value {
    fn is_neutral(&self, key: &str) -> bool {
        match self {
            Value::Null | Value::Elements(0) => true,
            Value::Bool(_) => key == "parallel_tool_calls",
            Value::Number(number) => NEUTRAL_NUMBERS.contains(&(key, *number)),
            Value::Text(text) => NEUTRAL_TEXTS.contains(&(key, text.as_str())),
            Value::Elements(_) => false,
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut count = 0;
        while list.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Value::Elements(count))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut count = 0;
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Value::Elements(count))
    }
}
