//! JSON lines: one object a line. Errors name the file, the line and the column, before any work is done.

use super::ConfigError;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use starloop_answers::number;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Bytes of the longest line. A value takes much more memory than its text.
const LONGEST_LINE: u64 = 8 << 20;

/// One line of a file.
#[derive(Debug)]
pub(crate) struct DataRow {
    /// Its place among the rows of the file, from 0.
    pub number: usize,
    /// Its line in the file, from 1; empty lines count.
    pub line: usize,
    /// Its content.
    pub columns: Map<String, Value>,
}

/// Calls `make` with every row of a file. Errors of `make` get the file and the line in front.
pub(crate) fn read<T>(path: &Path, make: impl FnMut(&DataRow) -> Result<T, String>) -> Result<Vec<T>, String> {
    let file = fs_err::File::open(path).map_err(|error| error.to_string())?;
    parse(&path.display().to_string(), BufReader::new(file), make)
}

/// As [`read`], for the setting `key` that names the file.
pub(crate) fn of_setting<T>(
    key: &'static str,
    path: &Path,
    make: impl FnMut(&DataRow) -> Result<T, String>,
) -> Result<Vec<T>, ConfigError> {
    read(path, make).map_err(|reason| ConfigError { key, reason })
}

/// As [`read`], for a text in memory. Errors name it `name`.
pub(crate) fn parse<T>(
    name: &str,
    mut source: impl BufRead,
    mut make: impl FnMut(&DataRow) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let (mut made, mut bytes) = (Vec::new(), Vec::new());
    for line in 1.. {
        bytes.clear();
        let at = |message: String| format!("{name}, line {line}: {message}");
        if source.by_ref().take(LONGEST_LINE + 1).read_until(b'\n', &mut bytes).map_err(|error| at(error.to_string()))? == 0 {
            break;
        }
        if bytes.len() as u64 > LONGEST_LINE {
            return Err(at(format!("the line has more than {LONGEST_LINE} bytes, expected one row")));
        }
        let text = std::str::from_utf8(&bytes)
            .map_err(|error| at(format!("byte {} is not UTF-8; save the file in that encoding", error.valid_up_to() + 1)))?;
        // Some editors begin a file with a byte order mark.
        let text = text.trim_start_matches('\u{feff}').trim();
        if !text.is_empty() {
            let columns = object(text).map_err(at)?;
            made.push(make(&DataRow { number: made.len(), line, columns }).map_err(at)?);
        }
    }
    if made.is_empty() { Err(format!("{name} holds no row")) } else { Ok(made) }
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    let columns = serde_json::from_str(text);
    let columns = columns.and_then(|columns| if has_rounded_number(&columns) { exact_object(text) } else { Ok(columns) });
    columns.map_err(|error| {
        let message = error.to_string();
        // serde_json counts lines within this one.
        let what = message.split(" at line ").next().unwrap_or_default();
        let hint = if text.starts_with('[') { "; a JSON array has to be written one object a line (jq -c '.[]')" } else { "" };
        format!("not a JSON object: {what} at column {}{hint}", error.column())
    })
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

/// An object in which numbers that a float cannot hold are texts, so that known answers stay exact.
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
        Some(b'-' | b'0'..=b'9') => {
            let value: Value = serde_json::from_str(text)?;
            let value_of = |text: &str| number::parse(text).map(|quantity| quantity.value);
            Ok(if value_of(&value.to_string()) == value_of(text) { value } else { Value::String(text.to_owned()) })
        }
        _ => serde_json::from_str(text),
    }
}

impl DataRow {
    /// A column by its name, or a value within one by its path: `question.stem`.
    pub fn get(&self, column: &str) -> Option<&Value> {
        let mut parts = column.split('.');
        let first = parts.next().and_then(|part| self.columns.get(part));
        let within = parts.fold(first, |value, part| value.and_then(|value| value.get(part)));
        self.columns.get(column).or(within).filter(|value| !value.is_null())
    }

    /// A column that must be there.
    pub fn require(&self, column: &str) -> Result<&Value, String> {
        self.get(column).ok_or_else(|| {
            if self.columns.get(column).is_some_and(Value::is_null) {
                return format!("there is no {column:?}; it is null, expected a value");
            }
            let present: Vec<&str> = self.columns.keys().map(String::as_str).collect();
            format!("there is no {column:?}; the columns are: {}", present.join(", "))
        })
    }

    /// A column that must be a text.
    pub fn text(&self, column: &str) -> Result<&str, String> {
        let value = self.require(column)?;
        value.as_str().ok_or_else(|| format!("{column:?} must be a text, found {value}"))
    }

    /// A column that must be a list. `element` converts its elements.
    pub fn list<T>(&self, column: &str, element: impl Fn(&Value) -> Option<T>) -> Result<Vec<T>, String> {
        let value = self.require(column)?;
        let made = value.as_array().and_then(|elements| elements.iter().map(element).collect());
        made.ok_or_else(|| format!("{column:?} is not the list that it should be: {value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(bytes: &[u8]) -> Result<Vec<String>, String> {
        parse("a.jsonl", bytes, |row| row.text("q.stem").map(str::to_owned))
    }

    #[test]
    fn rows_are_read_whatever_the_ends_of_lines() {
        let text = "\u{feff}{\"q\": {\"stem\": \"a\"}}\r\n\n  {\"q.stem\": \"b\", \"q\": 1}";
        assert_eq!(texts(text.as_bytes()), Ok(vec!["a".to_owned(), "b".to_owned()]));
        let places = parse("a.jsonl", text.as_bytes(), |row| Ok((row.number, row.line)));
        assert_eq!(places, Ok(vec![(0, 1), (1, 3)]));
    }

    #[test]
    fn numbers_keep_all_their_digits() {
        for (written, read) in [
            ("1208925819614629174706176", "\"1208925819614629174706176\""),
            ("18446744073709551617", "\"18446744073709551617\""),
            ("0.12345678901234567891", "\"0.12345678901234567891\""),
            ("-1e30", "-1e+30"),
            ("0.5", "0.5"),
            ("72", "72"),
            ("[0.1, 123456789.123456789123]", "[0.1,\"123456789.123456789123\"]"),
            ("{\"b\": 18446744073709551617}", "{\"b\":\"18446744073709551617\"}"),
        ] {
            let rows = parse("a.jsonl", format!("{{\"a\": {written}}}").as_bytes(), |row| Ok(row.columns["a"].to_string()));
            assert_eq!(rows, Ok(vec![read.to_owned()]));
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        for (text, said) in [
            (&b""[..], "a.jsonl holds no row"),
            (b"\n \n", "a.jsonl holds no row"),
            (b"{\"q\": {\"stem\": \"a\"}}\n{\"q\": ", "a.jsonl, line 2: not a JSON object: EOF while parsing a value at column 5"),
            (b"[\n{\"q\": 1}\n]", "a.jsonl, line 1: not a JSON object: invalid type: sequence, expected a map at column 0; a JSON array"),
            (b"\"a\"", "a.jsonl, line 1: not a JSON object: invalid type: string"),
            (b"{\"q\": 1, \"b\": 2}", "a.jsonl, line 1: there is no \"q.stem\"; the columns are: b, q"),
            (b"{\"q\": {\"stem\": null}}", "a.jsonl, line 1: there is no \"q.stem\""),
            (b"{\"q.stem\": null}", "a.jsonl, line 1: there is no \"q.stem\"; it is null, expected a value"),
            (b"{\"q\": {\"stem\": 7}}", "a.jsonl, line 1: \"q.stem\" must be a text, found 7"),
            (b"{\"q\": {\"stem\": \"a\"}}\n{\"q\": \"\xff\"}", "a.jsonl, line 2: byte 8 is not UTF-8; save the file in that encoding"),
            (b"\xff\xfe{\0", "a.jsonl, line 1: byte 1 is not UTF-8"),
        ] {
            let error = texts(text).expect_err("cannot be read");
            assert!(error.starts_with(said), "{error}");
        }
        let long = [b" ".repeat(LONGEST_LINE as usize), b"{}".to_vec()].concat();
        assert_eq!(texts(&long), Err("a.jsonl, line 1: the line has more than 8388608 bytes, expected one row".to_owned()));
        let error = read(Path::new("/nowhere/b.jsonl"), |_| Ok(())).expect_err("not there");
        assert!(error.contains("/nowhere/b.jsonl"), "{error}");
    }
}
