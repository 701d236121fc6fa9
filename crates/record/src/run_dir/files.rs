//! Files of JSON, and of one JSON value a line.

use crate::atomic::{self, regular};
use crate::digest::Digesting;
use crate::error::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::Path;

pub(super) fn json<T: Serialize>(path: &Path, value: &T) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| corrupt(path, &error))?;
    bytes.push(b'\n');
    Ok(bytes)
}

pub(super) fn lines<T: Serialize>(path: &Path, values: &[T]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for value in values {
        serde_json::to_writer(&mut bytes, value).map_err(|error| corrupt(path, &error))?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    Ok(atomic::write(path, &json(path, value)?)?)
}

/// An error of one line of a file. The error itself counts lines within the line.
pub(super) fn at_line(number: usize, error: &serde_json::Error) -> String {
    let text = error.to_string();
    format!("line {number}, column {}: {}", error.column(), text.split(" at line ").next().unwrap_or_default())
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    if !path.exists() {
        return Ok(None);
    }
    serde_json::from_slice(&regular::read(path)?).map(Some).map_err(|error| corrupt(path, &error))
}

/// Reads the values of a file of lines one by one. Returns the SHA-256 of the file and how the reading ended; `None` if there is no file.
pub(super) fn each_line<T: DeserializeOwned>(path: &Path, mut each: impl FnMut(T) -> Result<()>) -> Result<Option<(String, Result<()>)>> {
    if !path.exists() {
        return Ok(None);
    }
    let mut file = BufReader::new(Digesting::new(regular::open(path)?));
    let mut line = Vec::new();
    let mut number = 0;
    let ended = loop {
        line.clear();
        number += 1;
        if file.read_until(b'\n', &mut line)? == 0 {
            break Ok(());
        }
        let value =
            serde_json::from_slice(&line).map_err(|error| Error::Corrupt { path: path.to_owned(), message: at_line(number, &error) });
        if let Err(error) = value.and_then(&mut each) {
            break Err(error);
        }
    };
    // The digest is that of the whole file, wherever the reading ended.
    io::copy(&mut file, &mut io::sink())?;
    Ok(Some((file.into_inner().finish(), ended)))
}

/// The values of at most `most` lines, evenly spread over the file's bytes, in order; none where there is no file.
pub(super) fn some_lines<T: DeserializeOwned>(path: &Path, most: usize) -> Result<Vec<T>> {
    let mut values = Vec::new();
    if !path.exists() {
        return Ok(values);
    }
    let mut file = BufReader::new(regular::open(path)?);
    let length = file.seek(SeekFrom::End(0))?;
    let mut line = Vec::new();
    // The ends of the lines that were read.
    let mut read = 0;
    for place in 0..most as u64 {
        // From the byte before, so that a line which begins just there is not passed over.
        let from = (u128::from(length) * u128::from(place) / most as u128) as u64;
        let from = from.max(read);
        let mut at = from.saturating_sub(1);
        file.seek(SeekFrom::Start(at))?;
        if from > 0 {
            line.clear();
            at += file.read_until(b'\n', &mut line)? as u64;
        }
        line.clear();
        let bytes = file.read_until(b'\n', &mut line)? as u64;
        if bytes == 0 {
            break;
        }
        read = at + bytes;
        let value = serde_json::from_slice(&line)
            .map_err(|error| Error::Corrupt { path: path.to_owned(), message: format!("the line at byte {at}: {error}") })?;
        values.push(value);
    }
    Ok(values)
}

fn corrupt(path: &Path, error: &serde_json::Error) -> Error {
    Error::Corrupt { path: path.to_owned(), message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::some_lines;

    #[test]
    fn lines_are_spread_over_the_file_and_none_comes_twice() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("lines");
        let some = |most| some_lines::<u64>(&path, most).expect("numbers");
        assert!(some(5).is_empty(), "no file, no lines");
        std::fs::write(&path, (1000..2000).map(|n| format!("{n}\n")).collect::<Vec<_>>().concat()).expect("written");
        assert_eq!(some(4), [1000, 1250, 1500, 1750]);
        assert_eq!(some(1000), (1000..2000).collect::<Vec<_>>());
        assert_eq!(some(5000), (1000..2000).collect::<Vec<_>>());
        // A line of a megabyte between short ones: a place within it leads to the next one.
        std::fs::write(&path, format!("1\n2\n{}3\n4\n", " ".repeat(1 << 20))).expect("written");
        assert_eq!(some(3), [1, 4]);
        assert_eq!(some(1), [1]);
    }
}
