//! `journal.jsonl`: attempts as they come in, one a line and ungraded, while their stage is not done.

use super::events::open_lines;
use super::files::at_line;
use crate::atomic;
use crate::error::{Error, Result};
use crate::types::Attempt;
use fs_err as fs;
use std::io::Write;
use std::path::Path;

/// Appends attempts to a file. Each is with the system as soon as it is appended, so that it outlives this process; a failure of the machine
/// may cost the last ones, which are then made again.
#[derive(Debug)]
pub struct Journal {
    file: fs::File,
}

impl Journal {
    /// Opens a journal, which is made if need be, and reads what is in it.
    pub(super) fn open(path: &Path) -> Result<(Journal, Vec<Attempt>)> {
        if let Some(parent) = path.parent() {
            atomic::make_directory(parent)?;
        }
        let (file, bytes) = open_lines(path)?;
        let parse = |(number, line): (usize, &[u8])| {
            let corrupt = |error: serde_json::Error| Error::Corrupt { path: path.to_owned(), message: at_line(number + 1, &error) };
            serde_json::from_slice(line).map_err(corrupt)
        };
        let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        Ok((Journal { file }, lines.enumerate().map(parse).collect::<Result<_>>()?))
    }

    /// Writes an attempt down.
    pub fn append(&mut self, attempt: &Attempt) -> Result<()> {
        let mut line = serde_json::to_vec(attempt).map_err(std::io::Error::from)?;
        line.push(b'\n');
        // One write for each line, so that a crash cuts off one line at most.
        Ok(self.file.write_all(&line)?)
    }
}
