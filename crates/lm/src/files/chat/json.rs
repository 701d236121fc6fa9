//! The `tojson` filter as Python's `json.dumps` writes it: blanks behind commas and colons, nothing escaped that need not be.

use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, Value};
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use std::io::{self, Write};

/// A value as JSON, on one line or with `indent` blanks per level.
#[expect(clippy::needless_pass_by_value, reason = "a filter's arguments are values")]
pub(super) fn to_json(value: Value, options: Kwargs) -> Result<String, Error> {
    let indent = options.get::<Option<usize>>("indent")?;
    if options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false) {
        return Err(Error::new(ErrorKind::InvalidOperation, "tojson: ensure_ascii is not supported"));
    }
    options.assert_all_used()?;
    let mut bytes = Vec::new();
    let written = match indent {
        None => write(&value, &mut bytes, Spaced),
        Some(width) => write(&value, &mut bytes, PrettyFormatter::with_indent(" ".repeat(width).as_bytes())),
    };
    written.map_err(|e| Error::new(ErrorKind::BadSerialization, e.to_string()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn write(value: &Value, bytes: &mut Vec<u8>, formatter: impl Formatter) -> serde_json::Result<()> {
    serde::Serialize::serialize(value, &mut Serializer::with_formatter(bytes, formatter))
}

/// A blank behind each comma and colon.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}
