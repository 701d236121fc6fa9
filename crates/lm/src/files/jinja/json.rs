//! The `tojson` filter as Python's `json.dumps` writes it: blanks after commas and colons, and no escapes that JSON does not need.

use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, State, Value};
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use std::io::{self, Write};

/// The widest indentation of a level.
const MAX_INDENT: usize = 64;

/// A value as JSON, on one line or with `indent` blanks per level.
#[expect(clippy::needless_pass_by_value, reason = "a filter's arguments are values")]
pub(super) fn to_json(state: &State<'_, '_>, value: Value, options: Kwargs) -> Result<String, Error> {
    let indent = options.get::<Option<usize>>("indent")?;
    if options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false) {
        return Err(Error::new(ErrorKind::InvalidOperation, "tojson: ensure_ascii is not supported"));
    }
    if let Some(width) = indent.filter(|width| *width > MAX_INDENT) {
        return Err(Error::new(ErrorKind::InvalidOperation, format!("tojson: indent is {width}, expected at most {MAX_INDENT}")));
    }
    options.assert_all_used()?;
    let mut bytes = Metered { bytes: Vec::new(), state, since: 0 };
    let written = match indent {
        None => write(&value, &mut bytes, Spaced),
        Some(width) => write(&value, &mut bytes, PrettyFormatter::with_indent(" ".repeat(width).as_bytes())),
    };
    written.map_err(|e| Error::new(ErrorKind::BadSerialization, e.to_string()))?;
    Ok(String::from_utf8_lossy(&bytes.bytes).into_owned())
}

/// Bytes that count against the template's budget while they are written.
struct Metered<'a, 'template, 'environment> {
    bytes: Vec<u8>,
    state: &'a State<'template, 'environment>,
    /// Bytes since the last charge.
    since: usize,
}

impl Write for Metered<'_, '_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.since += bytes.len();
        // A unit of the budget pays for 64 bytes.
        self.state.consume_fuel((self.since / 64) as u64).map_err(io::Error::other)?;
        self.since %= 64;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(value: &Value, bytes: &mut impl Write, formatter: impl Formatter) -> serde_json::Result<()> {
    serde::Serialize::serialize(value, &mut Serializer::with_formatter(bytes, formatter))
}

/// A blank after each comma and colon.
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
