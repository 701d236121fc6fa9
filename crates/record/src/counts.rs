//! Counts in the files of a run. A run can come from anyone, and sums of its counts must not overflow.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The largest count that is read. No run counts so many tokens, and the sum of ten thousand such counts fits in 64 bits.
pub(crate) const MOST: u64 = 1_000_000_000_000_000;

/// Reads a count.
///
/// # Errors
/// It is larger than [`MOST`].
pub(crate) fn count<'de, D: Deserializer<'de>, N: TryFrom<u64>>(deserializer: D) -> Result<N, D::Error> {
    let found = u64::deserialize(deserializer)?;
    let count = Some(found).filter(|found| *found <= MOST).and_then(|found| N::try_from(found).ok());
    count.ok_or_else(|| D::Error::custom(too_large(found)))
}

/// Checks all whole numbers in a value.
///
/// # Errors
/// One is larger than [`MOST`].
pub(crate) fn check(value: &Value) -> Result<(), String> {
    match value {
        Value::Number(number) => match number.as_u64() {
            Some(found) if found > MOST => Err(too_large(found)),
            _ => Ok(()),
        },
        Value::Array(values) => values.iter().try_for_each(check),
        Value::Object(values) => values.values().try_for_each(check),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

fn too_large(found: u64) -> String {
    format!("the count {found} is larger than {MOST}, the largest that is read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_would_overflow_a_sum_is_refused() {
        #[derive(Deserialize)]
        struct Counted {
            #[serde(deserialize_with = "count")]
            n: usize,
        }
        let read = |text: &str| serde_json::from_str::<Counted>(text).map(|counted| counted.n).map_err(|error| error.to_string());
        assert_eq!(read(r#"{"n": 7}"#), Ok(7));
        for text in [r#"{"n": 18446744073709551615}"#, r#"{"n": 1000000000000001}"#] {
            assert!(read(text).is_err_and(|error| error.contains("the largest that is read")));
            let value = serde_json::json!({ "a": [{ "b": serde_json::from_str::<Value>(text).ok() }] });
            assert!(check(&value).is_err_and(|error| error.contains("the largest that is read")));
        }
        assert_eq!(check(&serde_json::json!([1, -5, 1e300, "x", null, true])), Ok(()));
    }
}
