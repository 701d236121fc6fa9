//! A JSON array of objects, one element at a time.
//!
//! The library for JSON would read the whole array first. So this module only finds the ends of elements, and the library reads each.

use crate::json;
use crate::json_lines::{LONGEST_ROW, Read1, not_an_object, utf8};
use crate::row::At;
use serde_json::{Map, Value};
use std::io::BufRead;

/// The place and the columns of an element.
type Element = (At, Map<String, Value>);

/// Reads the elements of a stream that begins with `[`.
pub(crate) struct JsonArray<R> {
    source: R,
    line: usize,
    row: usize,
    bytes: Vec<u8>,
    has_ended: bool,
}

impl<R: BufRead> JsonArray<R> {
    /// The elements of `source`, whose first line is line `line` of the file.
    pub fn new(source: R, line: usize) -> Self {
        JsonArray { source, line, row: 0, bytes: Vec::new(), has_ended: false }
    }

    /// The next element.
    pub fn next(&mut self) -> Option<Read1> {
        if self.has_ended {
            return None;
        }
        self.row += 1;
        let read = self.element();
        self.has_ended = !matches!(read, Ok(Some(_)));
        match read {
            Ok(element) => element.map(Ok),
            Err((line, problem)) => Some(Err((At::Line(line), problem))),
        }
    }

    /// An element, or the line of a fault.
    fn element(&mut self) -> Result<Option<Element>, (usize, String)> {
        let begins = if self.row == 1 { b'[' } else { b',' };
        let mut first = self.visible()?;
        if first == Some(b']') && self.row > 1 {
            return self.end();
        }
        if first != Some(begins) {
            return Err(self.unexpected(first, if self.row == 1 { "`[`" } else { "`,` or `]`" }));
        }
        first = self.visible()?;
        match first {
            Some(b'{') => {}
            Some(b']') if self.row == 1 => return self.end(),
            other => return Err(self.unexpected(other, "an object")),
        }
        let line = self.line;
        self.object().map_err(|problem| (line, problem))?;
        let fault = |error: serde_json::Error| (line + error.line().saturating_sub(1), not_an_object(&error, ""));
        let text = utf8(&self.bytes).map_err(|problem| (line, problem))?;
        json::refuse_swollen(text).map_err(|problem| (line, problem))?;
        Ok(Some((At::Element { row: self.row, line }, json::object(text).map_err(fault)?)))
    }

    /// Nothing but white space may follow the array.
    fn end<T>(&mut self) -> Result<Option<T>, (usize, String)> {
        match self.visible()? {
            None => Ok(None),
            other => Err(self.unexpected(other, "the end of the file after the array")),
        }
    }

    /// Collects the bytes of an object whose `{` was read.
    fn object(&mut self) -> Result<(), String> {
        self.bytes.clear();
        self.bytes.push(b'{');
        let (mut depth, mut is_in_text, mut is_escaped) = (1_usize, false, false);
        while depth > 0 {
            let buffer = self.source.fill_buf().map_err(|error| error.to_string())?;
            if buffer.is_empty() {
                return Err(format!("the file ends within row {}, which begins here", self.row));
            }
            let mut used = 0;
            for &byte in buffer {
                used += 1;
                self.line += usize::from(byte == b'\n');
                match byte {
                    _ if is_escaped => is_escaped = false,
                    b'\\' if is_in_text => is_escaped = true,
                    b'"' => is_in_text = !is_in_text,
                    b'{' | b'[' if !is_in_text => depth += 1,
                    b'}' | b']' if !is_in_text => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
            self.bytes.extend_from_slice(&buffer[..used]);
            self.source.consume(used);
            if self.bytes.len() as u64 > LONGEST_ROW {
                return Err(format!("row {} has more than {LONGEST_ROW} bytes, expected one object", self.row));
            }
        }
        Ok(())
    }

    /// The next byte that is not white space; `None` at the end.
    fn visible(&mut self) -> Result<Option<u8>, (usize, String)> {
        loop {
            let buffer = self.source.fill_buf().map_err(|error| (self.line, error.to_string()))?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let blank = buffer.iter().take_while(|byte| byte.is_ascii_whitespace());
            let blank = blank.inspect(|byte| self.line += usize::from(**byte == b'\n')).count();
            let found = buffer.get(blank).copied();
            self.source.consume(blank + usize::from(found.is_some()));
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    fn unexpected(&self, found: Option<u8>, expected: &str) -> (usize, String) {
        let found = found.map_or_else(|| "the end of the file".to_owned(), |byte| format!("`{}`", byte.escape_ascii()));
        (self.line, format!("expected {expected} in row {} of the JSON array, found {found}", self.row))
    }
}
