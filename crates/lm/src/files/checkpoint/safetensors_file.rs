//! A safetensors file, read tensor by tensor.

use super::source::StoredTensor;
use crate::error::{Error, Result};
use crate::files::{refuse_pointer_at_start, refuse_swollen};
use safetensors::tensor::Metadata;
use safetensors::{Dtype, SafeTensorError};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The longest header that a safetensors file may have, in bytes.
const MAX_HEADER: u64 = 100_000_000;

/// A safetensors file of which the header has been read.
#[derive(Debug)]
pub(super) struct SafetensorsFile {
    path: PathBuf,
    file: fs_err::File,
    /// The byte at which the elements begin.
    data: u64,
    header: Metadata,
}

impl SafetensorsFile {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let wrong = |source| Error::Safetensors { path: path.into(), source };
        let mut file = crate::files::open_file(path)?;
        let length = file.metadata()?.len();
        refuse_pointer_at_start(&mut file, path)?;
        let mut size = [0; 8];
        if length < size.len() as u64 {
            return Err(wrong(SafeTensorError::HeaderTooSmall));
        }
        file.read_exact(&mut size)?;
        let header_length = u64::from_le_bytes(size);
        if header_length > MAX_HEADER {
            return Err(wrong(SafeTensorError::HeaderTooLarge));
        }
        let data = size.len() as u64 + header_length;
        if data > length {
            return Err(wrong(SafeTensorError::InvalidHeaderLength));
        }
        let mut header = vec![0; header_length as usize];
        file.read_exact(&mut header)?;
        // A list of tensors takes many times the memory of its text.
        refuse_swollen(&header, path)?;
        // Reading the header into `Metadata` checks that the tensors follow each other without gaps and have the size of their shapes.
        let header: Metadata = serde_json::from_slice(&header).map_err(|e| wrong(SafeTensorError::InvalidHeaderDeserialization(e)))?;
        if header.data_len() as u64 != length - data {
            return Err(wrong(SafeTensorError::MetadataIncompleteBuffer));
        }
        Ok(SafetensorsFile { path: path.into(), file, data, header })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.header.offset_keys()
    }

    /// The elements of all tensors together.
    pub(super) fn elements(&self) -> u128 {
        self.header.tensors().values().map(|info| info.shape.iter().map(|size| *size as u128).product::<u128>()).sum()
    }

    /// A note in the header.
    pub(super) fn note(&self, key: &str) -> Option<&str> {
        self.header.metadata().as_ref()?.get(key).map(String::as_str)
    }

    /// The type of a tensor's elements.
    pub(super) fn dtype(&self, name: &str) -> Option<Dtype> {
        self.header.info(name).map(|info| info.dtype)
    }

    /// Reads one tensor, if there is one of that name.
    pub(super) fn read(&self, name: &str) -> Result<Option<StoredTensor>> {
        let Some(info) = self.header.info(name) else { return Ok(None) };
        let (begin, end) = info.data_offsets;
        let mut bytes = vec![0; end - begin];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.data + begin as u64))?;
        file.read_exact(&mut bytes)?;
        Ok(Some(StoredTensor { dtype: info.dtype, shape: info.shape.clone(), bytes }))
    }
}
