//! The rows of files, whatever their format.

use crate::error::{Error, Result};
use crate::format::Format;
use crate::json_array::JsonArray;
use crate::json_lines::{JsonLines, Read1};
use crate::row::{Row, RowPlace};
use crate::separated::Separated;
use crate::{READABLE, compressed};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Cursor};
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Source = Box<dyn BufRead + Send>;

/// Rows of one file or of several files, one at a time. After an error there are no more rows. Files without any row are an error.
pub struct Rows {
    /// The files that are not open yet.
    files: VecDeque<PathBuf>,
    open: Option<Open>,
    /// The name of the first file.
    name: String,
    are_several: bool,
    number: usize,
    has_failed: bool,
}

/// A file that is being read.
struct Open {
    name: String,
    /// Its name in places, if there are several files.
    short: Option<Arc<str>>,
    reader: Reader,
}

enum Reader {
    Lines(JsonLines<Source>),
    Array(JsonArray<Source>),
    Separated(Box<Separated<Source>>),
    #[cfg(feature = "parquet")]
    Parquet(Box<crate::parquet::ParquetRows>),
}

impl Rows {
    /// The rows of a file.
    ///
    /// # Errors
    /// It cannot be opened, or this build does not read its format.
    pub fn open(path: &Path) -> Result<Self> {
        Rows::open_all([path.to_owned()])
    }

    /// The rows of files, one file after another.
    ///
    /// # Errors
    /// As [`Rows::open`], for the first file.
    pub fn open_all(files: impl IntoIterator<Item = PathBuf>) -> Result<Self> {
        let files: VecDeque<PathBuf> = files.into_iter().collect();
        let name = files.front().map_or_else(String::new, |file| file.display().to_string());
        let mut rows = Rows { are_several: files.len() > 1, files, open: None, name, number: 0, has_failed: false };
        rows.open = rows.open_next()?;
        Ok(rows)
    }

    /// The rows of a file in memory. The format is that of `name`.
    ///
    /// # Errors
    /// As [`Rows::open`].
    pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Self> {
        let (format, compression) = Format::of(Path::new(name));
        let reader = Reader::new(name, compressed::plain(Cursor::new(bytes), compression), format)?;
        let open = Open { name: name.to_owned(), short: None, reader };
        Ok(Rows { files: VecDeque::new(), open: Some(open), name: name.to_owned(), are_several: false, number: 0, has_failed: false })
    }

    /// An error about the latest row.
    pub fn fault(&self, row: &Row, problem: String) -> Error {
        let file = self.open.as_ref().map_or(&self.name, |open| &open.name).clone();
        Error::Row { file, place: row.place.at.into(), problem }
    }

    fn open_next(&mut self) -> Result<Option<Open>> {
        let Some(path) = self.files.pop_front() else { return Ok(None) };
        let short = self.are_several.then(|| path.file_name().unwrap_or_default().to_string_lossy().into());
        Ok(Some(Open { name: path.display().to_string(), short, reader: Reader::open(&path)? }))
    }

    /// The next row, also that of the next file.
    fn advance(&mut self) -> Result<Option<Row>> {
        while let Some(open) = &mut self.open {
            match open.reader.next() {
                Some(Ok((at, columns))) => {
                    let place = RowPlace { file: open.short.clone(), at };
                    self.number += 1;
                    return Ok(Some(Row { number: self.number - 1, place, columns }));
                }
                Some(Err((at, problem))) => {
                    let is_guess = self.number == 0 && !Format::is_known(Path::new(&open.name));
                    let guess = if is_guess { "; a file with this name is read as JSON lines" } else { "" };
                    return Err(Error::Row { file: open.name.clone(), place: at.into(), problem: problem + guess });
                }
                None => self.open = self.open_next()?,
            }
        }
        if self.number == 0 { Err(Error::Empty { file: self.name.clone() }) } else { Ok(None) }
    }
}

impl Iterator for Rows {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        if self.has_failed {
            return None;
        }
        let row = self.advance();
        self.has_failed = row.is_err();
        row.transpose()
    }
}

impl Reader {
    fn open(path: &Path) -> Result<Self> {
        let file = fs_err::File::open(path)?;
        if file.metadata()?.is_dir() {
            let problem = format!("is a folder, expected a file: {READABLE}");
            return Err(Error::File { file: path.display().to_string(), problem });
        }
        let (format, compression) = Format::of(path);
        #[cfg(feature = "parquet")]
        if (format, compression) == (Format::Parquet, crate::Compression::Plain) {
            return Ok(Reader::Parquet(Box::new(crate::parquet::ParquetRows::new(&path.display().to_string(), file.into_parts().0)?)));
        }
        Reader::new(&path.display().to_string(), compressed::plain(BufReader::with_capacity(1 << 16, file), compression), format)
    }

    fn new(name: &str, mut source: Source, format: Format) -> Result<Self> {
        match format {
            Format::Parquet => Reader::parquet(name, source),
            Format::Separated(delimiter) => Ok(Reader::Separated(Box::new(Separated::new(source, delimiter)))),
            Format::Json => {
                let fault = |error: std::io::Error| Error::File { file: name.to_owned(), problem: error.to_string() };
                let (line, first) = skip_to_text(&mut source).map_err(fault)?;
                Ok(match first {
                    Some(b'[') => Reader::Array(JsonArray::new(source, line)),
                    _ => Reader::Lines(JsonLines::new(source, line)),
                })
            }
        }
    }

    /// Parquet is read from its end, so a stream is first copied into a temporary file.
    #[cfg(feature = "parquet")]
    fn parquet(name: &str, mut source: Source) -> Result<Self> {
        let mut copy = tempfile::tempfile()?;
        std::io::copy(&mut source, &mut copy).map_err(|error| Error::File { file: name.to_owned(), problem: error.to_string() })?;
        Ok(Reader::Parquet(Box::new(crate::parquet::ParquetRows::new(name, copy)?)))
    }

    #[cfg(not(feature = "parquet"))]
    fn parquet(name: &str, _: Source) -> Result<Self> {
        Err(Error::MissingFeature { file: name.to_owned(), format: "Parquet", feature: "parquet" })
    }

    fn next(&mut self) -> Option<Read1> {
        match self {
            Reader::Lines(rows) => rows.next(),
            Reader::Array(rows) => rows.next(),
            Reader::Separated(rows) => rows.next(),
            #[cfg(feature = "parquet")]
            Reader::Parquet(rows) => rows.next(),
        }
    }
}

/// Skips a byte order mark and white space. Returns the line of the first other byte, and that byte.
fn skip_to_text(source: &mut impl BufRead) -> std::io::Result<(usize, Option<u8>)> {
    // Some editors begin a file with a byte order mark.
    if source.fill_buf()?.starts_with("\u{feff}".as_bytes()) {
        source.consume("\u{feff}".len());
    }
    let mut line = 1;
    loop {
        let buffer = source.fill_buf()?;
        let blank = buffer.iter().take_while(|byte| byte.is_ascii_whitespace());
        let blank = blank.inspect(|byte| line += usize::from(**byte == b'\n')).count();
        let first = buffer.get(blank).copied();
        if first.is_some() || buffer.is_empty() {
            source.consume(blank);
            return Ok((line, first));
        }
        source.consume(blank);
    }
}
