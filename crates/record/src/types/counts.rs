//! Counts in the files of a run. A run can come from anyone, and sums of its counts must not overflow.

use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// The largest count that is read. No run counts so many tokens, and the sum of ten thousand such counts fits in 64 bits.
pub const MOST: u64 = 1_000_000_000_000_000;

/// Reads a count.
///
/// # Errors
/// It is larger than [`MOST`].
pub(crate) fn count<'de, D: Deserializer<'de>, N: TryFrom<u64>>(deserializer: D) -> Result<N, D::Error> {
    let found = u64::deserialize(deserializer)?;
    let count = Some(found).filter(|found| *found <= MOST).and_then(|found| N::try_from(found).ok());
    count.ok_or_else(|| D::Error::custom(too_large(found)))
}

/// A JSON value whose whole numbers are all at most [`MOST`]. Nothing of it is kept.
pub(crate) struct Checked;

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Checked)
    }
}

impl<'de> Visitor<'de> for Checked {
    type Value = Checked;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_u64<E: Error>(self, found: u64) -> Result<Checked, E> {
        if found > MOST { Err(E::custom(too_large(found))) } else { Ok(Checked) }
    }

    fn visit_i64<E>(self, _: i64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_unit<E>(self) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_str<E>(self, _: &str) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Checked, A::Error> {
        while list.next_element::<Checked>()?.is_some() {}
        Ok(Checked)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Checked, A::Error> {
        while object.next_entry::<IgnoredAny, Checked>()?.is_some() {}
        Ok(Checked)
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
            let checked = serde_json::from_str::<Checked>(&format!(r#"{{"a": [1, {text}]}}"#));
            assert!(checked.is_err_and(|error| error.to_string().contains("the largest that is read")));
        }
        assert!(serde_json::from_str::<Checked>(r#"[1, -5, 1e300, "x", null, true, {"a": {}}]"#).is_ok());
    }
}
