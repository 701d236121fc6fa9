//! Values as text, as Python's `str` and `repr` write them.

use super::numbers::{Number, float_text};
use super::operators::defined;
use minijinja::value::ValueKind;
use minijinja::{Error, Output, State, Value};

/// Text that counts against the template's budget while it grows.
pub(super) struct Text<'a, 'template, 'environment> {
    state: &'a State<'template, 'environment>,
    written: String,
    /// Bytes since the last charge.
    since: usize,
}

impl<'a, 'template, 'environment> Text<'a, 'template, 'environment> {
    pub(super) fn new(state: &'a State<'template, 'environment>) -> Self {
        Text { state, written: String::new(), since: 0 }
    }

    /// Appends a text. A unit of the budget pays for 64 bytes.
    pub(super) fn push(&mut self, text: &str) -> Result<(), Error> {
        self.since += text.len();
        self.state.consume_fuel((self.since / 64) as u64)?;
        self.since %= 64;
        self.written.push_str(text);
        Ok(())
    }

    pub(super) fn into_text(self) -> String {
        self.written
    }

    fn push_repr(&mut self, value: &Value) -> Result<(), Error> {
        match value.kind() {
            ValueKind::String => self.push(&quoted(value.as_str().unwrap_or_default())),
            ValueKind::Number => self.push(&number_text(value)),
            ValueKind::Seq | ValueKind::Iterable if value.is_tuple() => {
                self.push("(")?;
                self.push_items(value)?;
                self.push(if value.len() == Some(1) { ",)" } else { ")" })
            }
            ValueKind::Seq | ValueKind::Iterable => {
                self.push("[")?;
                self.push_items(value)?;
                self.push("]")
            }
            ValueKind::Map => {
                self.push("{")?;
                for (at, key) in value.try_iter()?.enumerate() {
                    self.push(if at == 0 { "" } else { ", " })?;
                    self.push_repr(&key)?;
                    self.push(": ")?;
                    self.push_repr(&value.get_item(&key)?)?;
                }
                self.push("}")
            }
            ValueKind::Undefined => self.push("Undefined"),
            _ => self.push(&value.to_string()),
        }
    }

    fn push_items(&mut self, value: &Value) -> Result<(), Error> {
        for (at, item) in value.try_iter()?.enumerate() {
            self.push(if at == 0 { "" } else { ", " })?;
            self.push_repr(&item)?;
        }
        Ok(())
    }
}

fn number_text(value: &Value) -> String {
    match Number::of(value) {
        Some(Number::Float(float)) => float_text(float),
        _ => value.to_string(),
    }
}

/// Python's `str` of a value.
pub(super) fn text_of(state: &State<'_, '_>, value: &Value) -> Result<String, Error> {
    defined(state, value)?;
    match value.kind() {
        ValueKind::Number => Ok(number_text(value)),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => repr(state, value),
        _ => Ok(value.to_string()),
    }
}

/// Python's `repr` of a value.
pub(super) fn repr(state: &State<'_, '_>, value: &Value) -> Result<String, Error> {
    let mut text = Text::new(state);
    text.push_repr(value)?;
    Ok(text.into_text())
}

/// Writes what `{{ }}` shows.
pub(super) fn write(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Number | ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            let text = Value::from(text_of(state, value)?);
            minijinja::escape_formatter(out, state, &text)
        }
        _ => minijinja::escape_formatter(out, state, value),
    }
}

/// A text in the quotes of Python's `repr`.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut quoted = String::from(quote);
    for character in text.chars() {
        match character {
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\\' => quoted.push_str("\\\\"),
            _ if character == quote => quoted.extend(['\\', quote]),
            _ if is_printable(character) => quoted.push(character),
            _ => quoted.push_str(&escaped(character)),
        }
    }
    quoted.push(quote);
    quoted
}

/// The number of a character, in the fewest digits that Python has for it.
fn escaped(character: char) -> String {
    match u32::from(character) {
        code @ ..=0xff => format!("\\x{code:02x}"),
        code @ ..=0xffff => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    }
}

/// Returns what Python's `str.isprintable` says. Rust escapes the same characters where it debugs a text.
fn is_printable(character: char) -> bool {
    let mut bytes = [0; 5];
    bytes[0] = b'a';
    let length = 1 + character.encode_utf8(&mut bytes[1..]).len();
    let text = std::str::from_utf8(&bytes[..length]).unwrap_or_default();
    matches!(character, '\'' | '"') || text.escape_debug().count() == 2
}
