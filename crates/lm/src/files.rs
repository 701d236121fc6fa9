//! File formats: what Hugging Face directories, PyTorch and PEFT write, in and out.
//!
//! This folder reads and writes checkpoints, tokenizers, chat templates and adapters, checks them, and names the file that is damaged. It
//! knows a decoder only as data: a [`DecoderSpec`](crate::decoder::DecoderSpec) lists the tensors, their shapes and layouts. It computes
//! nothing: it calls no kernel and runs no model.

pub mod chat;
pub mod checkpoint;
pub mod contained;
mod contents;
pub mod jinja;
mod named_tokens;
pub mod peft;
pub mod tokenizer;

use crate::error::{Error, Result};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// The beginning of a Git LFS pointer.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// Refuses a file of Git LFS that was not downloaded.
fn refuse_pointer(bytes: &[u8], path: &Path) -> Result<()> {
    if !bytes.starts_with(POINTER) {
        return Ok(());
    }
    let problem = "is a Git LFS pointer instead of the file; run `git lfs pull` in that directory, or download the file".into();
    Err(Error::Weights { path: path.into(), problem })
}

/// Opens a file of a checkpoint. A pipe would wait for a writer, and a device may have no end, so neither is opened.
fn open_file(path: &Path) -> Result<fs_err::File> {
    let kind = fs_err::metadata(path)?.file_type();
    if kind.is_file() {
        return Ok(fs_err::File::open(path)?);
    }
    let found = if kind.is_dir() { "a directory" } else { "a pipe or a device" };
    Err(Error::Weights { path: path.into(), problem: format!("is {found}, expected a regular file") })
}

/// The bytes of a file of a checkpoint.
fn read_file(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_file(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The same for a file of which nothing has been read.
fn refuse_pointer_at_start(file: &mut fs_err::File, path: &Path) -> Result<()> {
    let mut start = Vec::new();
    (&mut *file).take(64).read_to_end(&mut start)?;
    file.seek(SeekFrom::Start(0))?;
    refuse_pointer(&start, path)
}

/// Memory that the values of a JSON text may take: that of the index of a model with a million tensors, and of the header of a file with a
/// hundred thousand.
const MOST_MEMORY: usize = 192 << 20;
/// Memory of an object and of another value, at most. An object with one key takes 90 times the memory of its text.
const OBJECT: usize = 640;
const VALUE: usize = 100;

/// Refuses a JSON text whose values would take much more memory than the text. It counts before anything is read.
fn refuse_swollen(bytes: &[u8], path: &Path) -> Result<()> {
    let count = |wanted: &[u8]| bytes.iter().filter(|byte| wanted.contains(byte)).count();
    let (objects, others) = (count(b"{"), count(b",["));
    if objects * OBJECT + others * VALUE <= MOST_MEMORY {
        return Ok(());
    }
    let most = MOST_MEMORY >> 20;
    let problem =
        format!("has about {objects} objects and {others} other values, more than {most} MiB of memory; expected the file of a model");
    Err(Error::Weights { path: path.into(), problem })
}

/// A text without the byte order mark that some editors put before it.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// The value of a JSON file.
fn read_json(bytes: &[u8], path: &Path) -> Result<serde_json::Value> {
    refuse_pointer(bytes, path)?;
    refuse_swollen(bytes, path)?;
    serde_json::from_slice(without_mark(bytes)).map_err(|source| Error::Json { path: path.into(), source })
}

/// The same of a file that must hold an object.
fn read_object(bytes: &[u8], path: &Path) -> Result<serde_json::Value> {
    let value = read_json(bytes, path)?;
    if value.is_object() {
        return Ok(value);
    }
    Err(Error::ConfigKey { path: path.into(), key: "(whole file)".into(), problem: "expected a JSON object".into() })
}
