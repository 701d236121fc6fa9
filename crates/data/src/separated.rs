//! CSV and TSV.
//!
//! `csv-core` is the state machine of the crate `csv`. It is used directly, because this module needs three things that `csv` does not give:
//! the exact line of each record, a limit for the length of a record, and an error for a quote that never ends.

use crate::json_lines::{LONGEST_ROW, Read1, utf8};
use crate::row::At;
use csv_core::ReadRecordResult;
use serde_json::{Map, Value};
use std::io::BufRead;

/// Reads the records of a stream.
pub(crate) struct Separated<R> {
    source: R,
    delimiter: u8,
    machine: csv_core::Reader,
    /// The names of the columns, after the header was read.
    header: Option<Vec<String>>,
    record: Record,
    line: usize,
    has_ended: bool,
}

/// The fields of a record, one after another.
struct Record {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// How much of both is used.
    filled: usize,
    fields: usize,
}

impl<R: BufRead> Separated<R> {
    /// The records of `source`, whose values `delimiter` separates.
    pub fn new(source: R, delimiter: u8) -> Self {
        let machine = machine(delimiter);
        let record = Record { bytes: vec![0; 1 << 12], ends: vec![0; 1 << 6], filled: 0, fields: 0 };
        Separated { source, delimiter, machine, header: None, record, line: 1, has_ended: false }
    }

    /// The next row.
    pub fn next(&mut self) -> Option<Read1> {
        if self.header.is_none() {
            match self.header() {
                Ok(None) => return None,
                Ok(header) => self.header = header,
                Err(fault) => return Some(Err(fault)),
            }
        }
        match self.record() {
            Err(fault) => Some(Err(fault)),
            Ok(None) => None,
            Ok(Some(line)) => {
                let header = self.header.as_deref().unwrap_or_default();
                let at = At::Line(line);
                Some(self.record.columns(header).map(|columns| (at, columns)).map_err(|problem| (at, problem)))
            }
        }
    }

    /// The names of the columns; `None` for an empty file.
    fn header(&mut self) -> Result<Option<Vec<String>>, (At, String)> {
        if self.delimiter == b',' && self.has_semicolons().map_err(|error| (At::Line(self.line), error.to_string()))? {
            self.machine = machine(b';');
        }
        let Some(line) = self.record()? else { return Ok(None) };
        let fault = |problem: String| (At::Line(line), problem);
        let mut names: Vec<String> = Vec::with_capacity(self.record.fields);
        for number in 0..self.record.fields {
            let name = utf8(self.record.field(number)).map_err(|problem| fault(format!("column {}: {problem}", number + 1)))?;
            if names.iter().any(|other| other == name) {
                return Err(fault(format!("two columns are called {name:?}; give each column its own name")));
            }
            names.push(name.to_owned());
        }
        match names.as_slice() {
            [only] if only.contains([';', '\t', ',']) => Err(fault(format!(
                "the header is one column, {only:?}; a comma separates the values of a .csv file, and a tab those of a .tsv file"
            ))),
            _ => Ok(Some(names)),
        }
    }

    /// Returns true if the first line has semicolons and no comma. Spreadsheets write this where the comma is the decimal mark.
    fn has_semicolons(&mut self) -> std::io::Result<bool> {
        self.skip_empty_lines()?;
        let buffer = self.source.fill_buf()?;
        let line = buffer.split(|byte| *byte == b'\n').next().unwrap_or_default();
        Ok(line.contains(&b';') && !line.contains(&b','))
    }

    /// Reads a record and returns its first line; `None` at the end.
    fn record(&mut self) -> Result<Option<usize>, (At, String)> {
        self.skip_empty_lines().map_err(|error| (At::Line(self.line), error.to_string()))?;
        let begin = self.line;
        let read = if self.has_ended { Ok(false) } else { self.fill() };
        read.map(|is_record| is_record.then_some(begin)).map_err(|problem| (At::Line(begin), problem))
    }

    /// The machine leaves out empty lines too, but does not say how many.
    fn skip_empty_lines(&mut self) -> std::io::Result<()> {
        loop {
            let buffer = self.source.fill_buf()?;
            let blank = buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
            let blank = blank.inspect(|byte| self.line += usize::from(**byte == b'\n')).count();
            if blank == 0 {
                return Ok(());
            }
            self.source.consume(blank);
        }
    }

    /// Fills the record; false at the end of the file.
    fn fill(&mut self) -> Result<bool, String> {
        let record = &mut self.record;
        (record.filled, record.fields) = (0, 0);
        loop {
            let buffer = self.source.fill_buf().map_err(|error| error.to_string())?;
            self.has_ended = buffer.is_empty();
            // The line feed ends the last record, unless it stands in quotes.
            let input = if self.has_ended { &b"\n"[..] } else { buffer };
            let (out, ends) = (&mut record.bytes[record.filled..], &mut record.ends[record.fields..]);
            let (result, read, written, fields) = self.machine.read_record(input, out, ends);
            (record.filled, record.fields) = (record.filled + written, record.fields + fields);
            if !self.has_ended {
                self.line += input[..read].iter().map(|&byte| usize::from(byte == b'\n')).sum::<usize>();
                self.source.consume(read);
            }
            match result {
                ReadRecordResult::Record => return Ok(true),
                ReadRecordResult::End => return Ok(false),
                ReadRecordResult::InputEmpty if !self.has_ended => {}
                ReadRecordResult::InputEmpty if written == 0 => return Ok(false),
                ReadRecordResult::InputEmpty => return Err("a value in quotes that begins in this row has no closing quote".to_owned()),
                ReadRecordResult::OutputFull if record.bytes.len() as u64 >= LONGEST_ROW => {
                    return Err(format!("the row has more than {LONGEST_ROW} bytes; look for a missing closing quote"));
                }
                ReadRecordResult::OutputFull => record.bytes.resize(record.bytes.len() * 2, 0),
                ReadRecordResult::OutputEndsFull if record.ends.len() as u64 >= LONGEST_ROW / 64 => {
                    return Err(format!("the row has more than {} values", record.ends.len()));
                }
                ReadRecordResult::OutputEndsFull => record.ends.resize(record.ends.len() * 2, 0),
            }
        }
    }
}

fn machine(delimiter: u8) -> csv_core::Reader {
    csv_core::ReaderBuilder::new().delimiter(delimiter).build()
}

impl Record {
    fn field(&self, number: usize) -> &[u8] {
        let begin = if number == 0 { 0 } else { self.ends[number - 1] };
        &self.bytes[begin..self.ends[number]]
    }

    /// The record as an object. An empty value is null.
    fn columns(&self, header: &[String]) -> Result<Map<String, Value>, String> {
        if self.fields != header.len() {
            let (values, names) = (self.fields, header.join(", "));
            return Err(format!("the row has {values} values, and the header has {} columns: {names}", header.len()));
        }
        let value = |(number, name): (usize, &String)| {
            let text = utf8(self.field(number)).map_err(|problem| format!("column {name:?}: {problem}"))?;
            Ok((name.clone(), if text.is_empty() { Value::Null } else { text.into() }))
        };
        header.iter().enumerate().map(value).collect()
    }
}
