//! JSON lines: one object a line.

use crate::json;
use crate::row::At;
use serde_json::{Map, Value};
use std::io::{BufRead, Read};

/// Bytes of the longest row of a text file. A value takes much more memory than its text.
pub(crate) const LONGEST_ROW: u64 = 8 << 20;

/// The columns of a row and its place; or the place of a fault and its description.
pub(crate) type Read1 = Result<(At, Map<String, Value>), (At, String)>;

/// The content of a line.
enum Line {
    End,
    Empty,
    Row(Map<String, Value>),
}

/// Reads the rows of a stream.
pub(crate) struct JsonLines<R> {
    source: R,
    line: usize,
    bytes: Vec<u8>,
}

impl<R: BufRead> JsonLines<R> {
    /// The rows of `source`, whose first line is line `line` of the file.
    pub fn new(source: R, line: usize) -> Self {
        JsonLines { source, line: line - 1, bytes: Vec::new() }
    }

    /// The next row. Empty lines are left out.
    pub fn next(&mut self) -> Option<Read1> {
        loop {
            self.line += 1;
            let at = At::Line(self.line);
            match self.line() {
                Ok(Line::End) => return None,
                Ok(Line::Empty) => {}
                Ok(Line::Row(columns)) => return Some(Ok((at, columns))),
                Err(problem) => return Some(Err((at, problem))),
            }
        }
    }

    fn line(&mut self) -> Result<Line, String> {
        self.bytes.clear();
        let read = self.source.by_ref().take(LONGEST_ROW + 1).read_until(b'\n', &mut self.bytes);
        if read.map_err(|error| error.to_string())? == 0 {
            return Ok(Line::End);
        }
        if self.bytes.len() as u64 > LONGEST_ROW {
            return Err(format!("the line has more than {LONGEST_ROW} bytes, expected one row"));
        }
        let text = utf8(&self.bytes)?.trim();
        if text.is_empty() {
            return Ok(Line::Empty);
        }
        json::refuse_swollen(text)?;
        let columns = json::object(text).map_err(|error| {
            let rest = if error.is_eof() { "; each row is one object on its own line, or an element of a JSON array" } else { "" };
            not_an_object(&error, &format!(" at column {}{rest}", error.column()))
        })?;
        Ok(Line::Row(columns))
    }
}

/// The text of a row.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|error| format!("byte {} is not UTF-8; save the file in that encoding", error.valid_up_to() + 1))
}

/// The description of an error, with its place as `at` says it: `serde_json` counts lines within the row.
pub(crate) fn not_an_object(error: &serde_json::Error, at: &str) -> String {
    let message = error.to_string();
    format!("not a JSON object: {}{at}", message.split(" at line ").next().unwrap_or_default())
}
