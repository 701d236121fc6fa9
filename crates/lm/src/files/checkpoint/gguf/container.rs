//! The bytes of a GGUF file: header, metadata, the list of tensors, and their elements (version 3 of the specification in llama.cpp's `ggml/docs`).

use super::blocks::GgufType;
use crate::error::Result;
use anamnesis::{GgufMetadataArray, GgufMetadataValue};
use std::collections::HashMap;
use std::io::Write;

const MAGIC: &[u8] = b"GGUF";
const VERSION: u32 = 3;
/// Every tensor begins at a multiple of it, counted from the first tensor's byte.
const ALIGNMENT: usize = 32;

/// A tensor in the list of a file.
pub(super) struct Listed {
    pub name: String,
    /// Rows, then columns, as in a checkpoint. The file has them in the other order.
    pub shape: Vec<usize>,
    pub kind: GgufType,
}

impl Listed {
    fn bytes(&self) -> usize {
        self.kind.bytes(self.shape.iter().product())
    }
}

/// Writes everything before the elements. The keys are in order, so that the same model gives the same bytes.
pub(super) fn write_front(out: &mut impl Write, values: &HashMap<String, GgufMetadataValue>, tensors: &[Listed]) -> Result<()> {
    let mut front = MAGIC.to_vec();
    front.extend(VERSION.to_le_bytes());
    front.extend((tensors.len() as u64).to_le_bytes());
    front.extend((values.len() as u64).to_le_bytes());
    let mut keys: Vec<&String> = values.keys().collect();
    keys.sort_by_key(|key| (!key.starts_with("general."), *key));
    for key in keys {
        put_text(&mut front, key);
        put_value(&mut front, &values[key]);
    }
    let mut offset = 0;
    for tensor in tensors {
        put_text(&mut front, &tensor.name);
        front.extend((tensor.shape.len() as u32).to_le_bytes());
        tensor.shape.iter().rev().for_each(|size| front.extend((*size as u64).to_le_bytes()));
        front.extend(tensor.kind.code().to_le_bytes());
        front.extend((offset as u64).to_le_bytes());
        offset += tensor.bytes().next_multiple_of(ALIGNMENT);
    }
    front.resize(front.len().next_multiple_of(ALIGNMENT), 0);
    Ok(out.write_all(&front)?)
}

/// Writes the elements of a tensor, up to where the next one begins.
pub(super) fn write_elements(out: &mut impl Write, tensor: &Listed, values: &[f32]) -> Result<()> {
    let mut bytes = tensor.kind.encode(values);
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    Ok(out.write_all(&bytes)?)
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// A value with its type's number. Only the types that this crate writes are expected.
fn put_value(out: &mut Vec<u8>, value: &GgufMetadataValue) {
    let mut put = |kind: u32, bytes: &[u8]| {
        out.extend(kind.to_le_bytes());
        out.extend(bytes);
    };
    match value {
        GgufMetadataValue::U32(number) => put(4, &number.to_le_bytes()),
        GgufMetadataValue::F32(number) => put(6, &number.to_le_bytes()),
        GgufMetadataValue::Bool(flag) => put(7, &[u8::from(*flag)]),
        GgufMetadataValue::String(text) => {
            put(8, &[]);
            put_text(out, text);
        }
        GgufMetadataValue::Array(array) => {
            put(9, &[]);
            put_array(out, array);
        }
        other => unreachable!("no value of this kind is written: {other:?}"),
    }
}

fn put_array(out: &mut Vec<u8>, array: &GgufMetadataArray) {
    let mut begin = |kind: u32, length: usize| {
        out.extend(kind.to_le_bytes());
        out.extend((length as u64).to_le_bytes());
    };
    match array {
        GgufMetadataArray::I32(numbers) => {
            begin(5, numbers.len());
            out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        }
        GgufMetadataArray::F32(numbers) => {
            begin(6, numbers.len());
            out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        }
        GgufMetadataArray::String(texts) => {
            begin(8, texts.len());
            for text in texts {
                put_text(out, text);
            }
        }
        other => unreachable!("no list of this kind is written: {other:?}"),
    }
}
