//! File formats: what Hugging Face directories, PyTorch and PEFT write, in and out.
//!
//! This folder reads and writes checkpoints, tokenizers, chat templates and adapters, checks them, and names the file that is damaged. It
//! knows a decoder only as data: a [`DecoderSpec`](crate::decoder::DecoderSpec) lists the tensors, their shapes and layouts. It computes
//! nothing: it calls no kernel and runs no model.

pub mod chat;
pub mod checkpoint;
mod named_tokens;
pub mod peft;
pub mod tokenizer;

use crate::error::{Error, Result};
use std::path::Path;

/// The value of a JSON file. A byte order mark, which editors put before a text, is no part of it.
fn read_json(bytes: &[u8], path: &Path) -> Result<serde_json::Value> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    serde_json::from_slice(text).map_err(|source| Error::Json { path: path.into(), source })
}
