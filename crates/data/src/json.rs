//! JSON objects whose numbers keep all their digits.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::{self, Formatter};

/// Memory that the values of a row may take.
const MOST_MEMORY: usize = 192 << 20;
/// Memory of an object and of another value, at most. An object with one key takes 90 times the memory of its text.
const OBJECT: usize = 640;
const VALUE: usize = 100;

/// Refuses a row whose values would take much more memory than a row warrants. It counts before anything is read.
pub(crate) fn refuse_swollen(text: &str) -> Result<(), String> {
    let (objects, others) = text.bytes().fold((0_usize, 0_usize), |(objects, others), byte| match byte {
        b'{' => (objects + 1, others),
        b',' | b'[' => (objects, others + 1),
        _ => (objects, others),
    });
    if objects * OBJECT + others * VALUE <= MOST_MEMORY {
        return Ok(());
    }
    let most = MOST_MEMORY >> 20;
    Err(format!("the row has about {objects} objects and {others} other values, more than {most} MiB of memory; expected one problem"))
}

/// Reads an object. Numbers that neither an integer nor a float holds exactly become texts.
pub(crate) fn object(text: &str) -> serde_json::Result<Map<String, Value>> {
    let Columns(columns) = serde_json::from_str(text)?;
    if !has_rounded_number(&columns) {
        return Ok(columns);
    }
    // Two copies of a large row are too many.
    drop(columns);
    exact_object(text)
}

/// The columns of a row. A name that stands twice is an error, because programs differ in which value they take.
struct Columns(Map<String, Value>);

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;
        impl<'de> Visitor<'de> for Once {
            type Value = Columns;

            fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Columns, A::Error> {
                let mut columns = Map::new();
                while let Some(name) = entries.next_key::<String>()? {
                    if columns.contains_key(&name) {
                        return Err(A::Error::custom(format!("the key {name:?} stands twice, expected each key once")));
                    }
                    columns.insert(name, entries.next_value()?);
                }
                Ok(Columns(columns))
            }
        }
        deserializer.deserialize_map(Once)
    }
}

/// Returns true if an object has a float. A float can differ from the decimal that the file writes.
fn has_rounded_number(columns: &Map<String, Value>) -> bool {
    fn is_rounded(value: &Value) -> bool {
        match value {
            Value::Number(number) => number.is_f64(),
            Value::Array(list) => list.iter().any(is_rounded),
            Value::Object(columns) => has_rounded_number(columns),
            _ => false,
        }
    }
    columns.values().any(is_rounded)
}

fn exact_object(text: &str) -> serde_json::Result<Map<String, Value>> {
    let columns: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text)?;
    columns.into_iter().map(|(name, raw)| Ok((name, exact(&raw)?))).collect()
}

fn exact(raw: &RawValue) -> serde_json::Result<Value> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'{') => exact_object(text).map(Value::Object),
        Some(b'[') => {
            let list: Vec<Box<RawValue>> = serde_json::from_str(text)?;
            list.iter().map(|raw| exact(raw)).collect::<serde_json::Result<_>>().map(Value::Array)
        }
        Some(b'-' | b'0'..=b'9') => number(text),
        _ => serde_json::from_str(text),
    }
}

/// A number in the syntax of JSON; as a text if it would be rounded.
pub(crate) fn number(text: &str) -> serde_json::Result<Value> {
    let value: Value = serde_json::from_str(text)?;
    Ok(if Decimal::of(&value.to_string()) == Decimal::of(text) { value } else { Value::String(text.to_owned()) })
}

/// A number in the syntax of JSON as `0.DIGITS * 10^exponent`. The digits begin and end without a zero, so equal numbers are equal here.
#[derive(PartialEq)]
struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// `None` for an exponent that is no 64-bit integer.
    fn of(text: &str) -> Option<Self> {
        let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [whole, fraction].concat();
        let digits = all.trim_start_matches('0');
        let point = exponent.parse::<i64>().ok()?.checked_add(whole.len() as i64 - (all.len() - digits.len()) as i64)?;
        let digits = digits.trim_end_matches('0').to_owned();
        // Zero has no digits, and its exponent means nothing.
        let exponent = if digits.is_empty() { 0 } else { point };
        Some(Decimal { is_negative, digits, exponent })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_all_their_digits() {
        for (written, read) in [
            ("1208925819614629174706176", "\"1208925819614629174706176\""),
            ("18446744073709551617", "\"18446744073709551617\""),
            ("18446744073709551615", "18446744073709551615"),
            ("9007199254740993", "9007199254740993"),
            ("9007199254740993.0", "\"9007199254740993.0\""),
            ("0.12345678901234567891", "\"0.12345678901234567891\""),
            ("-1e30", "-1e+30"),
            ("1E2", "100.0"),
            ("0.50", "0.5"),
            ("-0.0", "-0.0"),
            ("0e9", "0.0"),
            ("72", "72"),
            ("[0.1, 123456789.123456789123]", "[0.1,\"123456789.123456789123\"]"),
            ("{\"b\": 18446744073709551617}", "{\"b\":\"18446744073709551617\"}"),
        ] {
            let columns = object(&format!("{{\"a\": {written}}}")).unwrap();
            assert_eq!(columns["a"].to_string(), read, "{written}");
        }
    }

    #[test]
    fn a_key_stands_once() {
        let error = object(r#"{"answer": "77", "question": "7 + 70", "answer": "78"}"#).unwrap_err().to_string();
        assert!(error.starts_with("the key \"answer\" stands twice, expected each key once"), "{error}");
    }
}
