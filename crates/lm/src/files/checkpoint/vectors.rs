//! Named vectors in one file: the form of a saved training state.

use super::safetensors_file::SafetensorsFile;
use super::write::{little_endian, write_file};
use crate::error::{Error, Result};
use safetensors::Dtype;
use safetensors::tensor::View;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

/// Vectors by name, and the note that was saved with them.
pub type NamedVectors = (BTreeMap<String, Vec<f32>>, Map<String, Value>);

/// Writes named vectors as one safetensors file, whole or not at all.
pub fn write_vectors(path: &Path, vectors: &[(String, Vec<f32>)], note: &Map<String, Value>) -> Result<()> {
    let unfinished = path.with_extension("tmp");
    // An interrupted write can have left it. Removing a link leaves its target alone.
    match fs_err::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let tensors = vectors.iter().map(|(name, values)| (name.clone(), Vector { values, shape: [values.len()] }));
    write_file(&unfinished, tensors, ("state", Value::Object(note.clone()).to_string()))?;
    Ok(fs_err::rename(&unfinished, path)?)
}

/// Reads what [`write_vectors`] wrote.
pub fn read_vectors(path: &Path) -> Result<NamedVectors> {
    let file = SafetensorsFile::open(path)?;
    let mut vectors = BTreeMap::new();
    for name in file.names() {
        if let Some(tensor) = file.read(&name)? {
            let mut values = Vec::new();
            tensor.append_to(&mut values, path, &name)?;
            vectors.insert(name, values);
        }
    }
    let note = file.note("state").unwrap_or("{}");
    let note = serde_json::from_str(note).map_err(|source| Error::Json { path: path.into(), source })?;
    Ok((vectors, note))
}

struct Vector<'a> {
    values: &'a [f32],
    shape: [usize; 1],
}

impl View for Vector<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(little_endian(self.values))
    }

    fn data_len(&self) -> usize {
        size_of_val(self.values)
    }
}
