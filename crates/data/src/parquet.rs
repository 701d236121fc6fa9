//! Parquet, row by row.
//!
//! Pages are decoded one at a time, and of each column only [`BATCH`] rows are held. The library's own rows are not used: they lose nanoseconds and the
//! digits of some numbers, and they panic on types that they do not know. The library's decoders panic on some damaged pages. Here a panic becomes
//! an error, after which nothing more is read.

mod kind;
mod leaf;
mod pages;

use crate::error::{Error, Result};
use crate::json_lines::Read1;
use crate::row::At;
use leaf::{Leaf, LeafRows};
use pages::Source;
use parquet::errors::ParquetError;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use serde_json::Map;
use std::cell::Cell;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Rows of a column that are held in memory.
const BATCH: usize = 64;

/// Reads the rows of a file.
pub(crate) struct ParquetRows {
    reader: SerializedFileReader<Source>,
    leaves: Vec<Leaf>,
    /// The number of row groups that were opened.
    groups: usize,
    /// The columns of the current row group.
    columns: Vec<LeafRows>,
    /// Rows of the group that are left.
    left: i64,
    row: usize,
}

impl ParquetRows {
    /// Reads the description of a file. Errors name it `name`.
    pub fn new(name: &str, file: File) -> Result<Self> {
        let fault = |problem: String| Error::File { file: name.to_owned(), problem };
        let open = || SerializedFileReader::new(Source(file)).map_err(words);
        let reader = guarded(open).map_err(|problem| fault(format!("not a readable Parquet file: {problem}")))?;
        let leaves = leaf::of_schema(reader.metadata().file_metadata().schema_descr()).map_err(fault)?;
        Ok(ParquetRows { reader, leaves, groups: 0, columns: Vec::new(), left: 0, row: 0 })
    }

    /// The next row.
    pub fn next(&mut self) -> Option<Read1> {
        match guarded(|| self.open_group()) {
            Ok(false) => return None,
            Ok(true) => {}
            Err(problem) => return Some(Err((At::Row(self.row + 1), problem))),
        }
        self.left -= 1;
        self.row += 1;
        let at = At::Row(self.row);
        let mut columns = Map::new();
        for (leaf, rows) in self.leaves.iter().zip(&mut self.columns) {
            if let Err(problem) = guarded(|| rows.read_into(&mut columns, leaf)) {
                return Some(Err((at, format!("column {:?}: {problem}", leaf.name()))));
            }
        }
        Some(Ok((at, columns)))
    }

    /// Opens the next row group that has rows, if the current one has none left; false at the end.
    fn open_group(&mut self) -> Result<bool, String> {
        while self.left <= 0 {
            if self.groups == self.reader.num_row_groups() {
                return Ok(false);
            }
            let group = self.reader.get_row_group(self.groups).map_err(words)?;
            self.left = group.metadata().num_rows();
            self.groups += 1;
            if group.num_columns() != self.leaves.len() {
                return Err(format!("row group {} has {} columns, expected {}", self.groups, group.num_columns(), self.leaves.len()));
            }
            let open = |(number, leaf): (usize, &Leaf)| {
                let pages = group.get_column_page_reader(number).map_err(|error| format!("column {:?}: {}", leaf.name(), words(error)))?;
                Ok(LeafRows::new(leaf, pages))
            };
            self.columns = self.leaves.iter().enumerate().map(open).collect::<Result<_, String>>()?;
        }
        Ok(true)
    }
}

thread_local! {
    static CONTAINS_PANICS: Cell<bool> = const { Cell::new(false) };
}

/// Returns true while this thread calls the `parquet` crate. A panic then becomes an error, so a panic hook need not report it.
pub fn contains_panics() -> bool {
    CONTAINS_PANICS.get()
}

/// The result of `read`, or an error if it panics.
fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let before = CONTAINS_PANICS.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(read));
    CONTAINS_PANICS.set(before);
    outcome.unwrap_or_else(|_| Err("the data is damaged, and its decoder stopped".to_owned()))
}

/// The message of an error, without the library's name in front.
fn words(error: ParquetError) -> String {
    match error {
        ParquetError::General(message) => message,
        other => other.to_string(),
    }
}
