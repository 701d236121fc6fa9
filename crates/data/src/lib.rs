//! Rows of data files. [`Rows`] yields one row at a time, as a JSON object, so that memory does not grow with the file.
//!
//! | format | file names | a row |
//! |---|---|---|
//! | JSON lines | `.jsonl`, `.ndjson`, `.json`, and names that are not in this table | an object on a line |
//! | JSON array | the same names; the first character is `[` | an object in the array |
//! | CSV, TSV | `.csv` (commas, or semicolons if the header has no comma), `.tsv` | a record; the first one names the columns |
//! | Parquet | `.parquet` | a row; needs the feature `parquet` |
//!
//! Each name may have `.gz` or `.zst` after it. [`folder`] finds the files of a split in a folder as the Hugging Face hub has it.
//!
//! Values keep all their digits: a number that neither a 64-bit integer nor a float holds exactly is a text. A cell of a CSV file is a text as it
//! is written, or null if it is empty.
//!
//! ```
//! let rows = starloop_data::Rows::from_bytes("sums.csv", b"question,answer\n\"1,000 + 1?\",1001\n".to_vec())?;
//! for row in rows {
//!     let row = row?;
//!     assert_eq!((row.place.to_string(), row.text("question")), ("line 2".to_owned(), Ok("1,000 + 1?")));
//! }
//! # Ok::<(), starloop_data::Error>(())
//! ```

mod compressed;
mod error;
pub mod folder;
mod format;
mod json;
mod json_array;
mod json_lines;
#[cfg(feature = "parquet")]
mod parquet;
mod row;
mod rows;
mod separated;

pub use error::{Error, Result};
pub use format::{Compression, Format, READABLE};
#[cfg(feature = "parquet")]
pub use parquet::contains_panics;
pub use row::{At, Row, RowPlace};
pub use rows::Rows;
