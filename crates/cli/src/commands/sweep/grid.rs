//! The settings of a sweep: every combination of the values of its keys.

use crate::usage::UsageError;
use anyhow::{Result, bail};
use starloop_record::digest::sha256_hex;
use starloop_report::report::Setting;

/// The most settings of a sweep.
const MOST_POINTS: usize = 1000;
/// The longest name of a directory. File systems allow 255 bytes.
const LONGEST_NAME: usize = 120;

/// A key with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Varied {
    key: String,
    values: Vec<String>,
}

impl Varied {
    /// Reads `KEY=VALUE,...`. Commas in brackets, braces and quotes belong to a value.
    ///
    /// # Errors
    /// There is no `=`, or a value is empty or named twice.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = |message: &str| UsageError::Request(format!("--set {text}: {message}"));
        let Some((key, values)) = text.split_once('=') else { bail!(invalid("expected KEY=VALUE,...")) };
        let values = split(values);
        for (place, value) in values.iter().enumerate() {
            if value.is_empty() || values[..place].contains(value) {
                bail!(invalid("expected different values, divided by commas"));
            }
        }
        Ok(Varied { key: key.trim().to_owned(), values })
    }
}

/// Divides a text at its commas outside of brackets, braces and quotes.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut depth, mut quote) = (vec![String::new()], 0_usize, None);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts.iter().map(|part| part.trim().to_owned()).collect()
}

/// One setting of a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// The keys that have one value for all settings.
    fixed: Vec<Setting>,
    /// The keys that have several values, each with one of them.
    pub varied: Vec<Setting>,
}

/// Every combination. The values of the last key change first.
///
/// # Errors
/// No key has several values, or there are too many combinations.
pub fn points(keys: &[Varied]) -> Result<Vec<Point>> {
    let several: Vec<&Varied> = keys.iter().filter(|varied| varied.values.len() > 1).collect();
    let Some(first) = keys.first().filter(|_| several.is_empty()) else {
        let count = several.iter().try_fold(1_usize, |count, varied| count.checked_mul(varied.values.len()));
        if count.is_none_or(|count| count > MOST_POINTS) {
            bail!(UsageError::Request(format!("--set asks for more than {MOST_POINTS} settings; give fewer values")));
        }
        let setting = |varied: &Varied, value: &String| Setting { key: varied.key.clone(), value: value.clone() };
        let fixed: Vec<Setting> = keys.iter().filter(|varied| varied.values.len() == 1).map(|one| setting(one, &one.values[0])).collect();
        let mut points = vec![Point { fixed, varied: Vec::new() }];
        for varied in several {
            let with = |point: &Point, value: &String| {
                let mut point = point.clone();
                point.varied.push(setting(varied, value));
                point
            };
            points = points.iter().flat_map(|point| varied.values.iter().map(move |value| with(point, value))).collect();
        }
        return Ok(points);
    };
    bail!(UsageError::Request(format!(
        "--set {}={}: a sweep needs a key with several values, divided by commas",
        first.key,
        first.values.join(",")
    )))
}

impl Point {
    /// As overrides of the config, followed by others.
    pub fn overrides(&self, others: &[String]) -> Vec<String> {
        let settings = self.fixed.iter().chain(&self.varied).map(|Setting { key, value }| format!("{key}={value}"));
        settings.chain(others.iter().cloned()).collect()
    }

    /// The name of its directory: its keys and values. If that is no name for every file system, a digest makes it unique.
    pub fn directory_name(&self) -> String {
        let whole = self.varied.iter().map(|Setting { key, value }| format!("{key}={value}")).collect::<Vec<_>>().join(",");
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-+=,".contains(c);
        let name: String = whole.chars().map(|c| if is_plain(c) { c } else { '_' }).take(LONGEST_NAME).collect();
        if name == whole { name } else { format!("{name}-{}", &sha256_hex(&whole)[..8]) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_is_a_setting() {
        let keys = ["a.b=1,2", "c=[1,2],\"x,y\"", "d=true"].map(|text| Varied::parse(text).unwrap());
        let points = points(&keys).unwrap();
        let names: Vec<Vec<String>> = points.iter().map(|point| point.overrides(&["seed=3".to_owned()])).collect();
        assert_eq!(names.len(), 4);
        assert_eq!(names[0], ["d=true", "a.b=1", "c=[1,2]", "seed=3"]);
        assert_eq!(names[3], ["d=true", "a.b=2", "c=\"x,y\"", "seed=3"]);
        assert!(points[0].directory_name().starts_with("a.b=1,c=_1,2_-"), "{}", points[0].directory_name());
        let [one, other] = ["c=[1],[2]", "c=(1),(2)"].map(|text| super::points(&[Varied::parse(text).unwrap()]).unwrap());
        assert_ne!(one[0].directory_name(), other[0].directory_name());
    }

    #[test]
    fn what_is_no_sweep_is_refused() {
        for (text, said) in [("a", "expected KEY=VALUE"), ("a=1,1", "different values"), ("a=1,,2", "different values")] {
            let error = Varied::parse(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
        let error = points(&[Varied::parse("a=1").unwrap()]).unwrap_err().to_string();
        assert!(error.contains("a key with several values"), "{error}");
        let many: Vec<String> = (0..40).map(|n| n.to_string()).collect();
        let keys = ["a", "b"].map(|key| Varied::parse(&format!("{key}={}", many.join(","))).unwrap());
        assert!(points(&keys).unwrap_err().to_string().contains("more than 1000"));
    }
}
