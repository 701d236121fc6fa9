//! PyTorch's own checkpoint format (`pytorch_model.bin`): a zip archive with one pickle and one file per storage, since PyTorch 1.6.
//!
//! The archive's entries are stored, never compressed, so that nothing can grow while it is read; each is checked against its CRC.

use super::pickle::{self, PickledTensor};
use super::source::StoredTensor;
use crate::error::{Error, Result};
use crate::files::refuse_pointer_at_start;
use safetensors::Dtype;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use zip::{CompressionMethod, ZipArchive};

/// The most bytes of a pickle, which holds names and shapes only; the same bound as safetensors has for its header.
const MAX_PICKLE: u64 = 100_000_000;

/// A `.bin` file of which the pickle has been read.
#[derive(Debug)]
pub(super) struct TorchFile {
    path: PathBuf,
    archive: RefCell<ZipArchive<fs_err::File>>,
    /// The archive's one folder, with its slash.
    folder: String,
    tensors: BTreeMap<String, PickledTensor>,
}

impl TorchFile {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let wrong = |problem: String| Error::Weights { path: path.into(), problem };
        let mut file = crate::files::open_file(path)?;
        refuse_pointer_at_start(&mut file, path)?;
        let mut magic = [0; 4];
        if file.read_exact(&mut magic).is_err() || magic != *b"PK\x03\x04" {
            return Err(wrong(no_archive(magic)));
        }
        let mut archive =
            ZipArchive::new(file).map_err(|e| wrong(format!("not a complete PyTorch file ({e}); copy or download it again")))?;
        let pickle = archive.file_names().flatten().find(|name| name.matches('/').count() == 1 && name.ends_with("/data.pkl"));
        let pickle = pickle.map(Cow::into_owned).ok_or_else(|| wrong("holds no data.pkl, so torch.save did not write it".into()))?;
        let folder = pickle.strip_suffix("data.pkl").unwrap_or_default().to_owned();

        let order = format!("{folder}byteorder");
        // Before PyTorch 2.1 the order went without saying.
        if archive.index_for_name(&order).is_some() && entry(&mut archive, &order, MAX_PICKLE).map_err(wrong)? != b"little" {
            return Err(wrong("written on a big-endian machine; save it as safetensors there, which has one byte order".into()));
        }
        let pickle = entry(&mut archive, &pickle, MAX_PICKLE).map_err(wrong)?;
        let tensors =
            pickle::tensors(&pickle).map_err(|problem| wrong(format!("data.pkl is not what a checkpoint's can be: {problem}")))?;
        Ok(TorchFile { path: path.into(), archive: RefCell::new(archive), folder, tensors })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    /// The elements of all storages that tensors name, at most the bytes of the file.
    pub(super) fn elements(&self) -> u128 {
        let bytes = fs_err::metadata(&self.path).map_or(0, |metadata| metadata.len());
        self.tensors.values().map(|tensor| tensor.storage.elements as u128).sum::<u128>().min(bytes.into())
    }

    /// The type of a tensor's elements.
    pub(super) fn dtype(&self, name: &str) -> Option<Dtype> {
        self.tensors.get(name).map(|tensor| tensor.storage.dtype)
    }

    /// Reads a tensor's whole storage and picks its elements, row by row. Nothing if there is no such tensor.
    pub(super) fn read(&self, name: &str) -> Result<Option<StoredTensor>> {
        let Some(tensor) = self.tensors.get(name) else { return Ok(None) };
        let wrong = |problem: String| Error::Weights { path: self.path.clone(), problem: format!("tensor \"{name}\": {problem}") };
        let width = tensor.storage.dtype.bitsize() / 8;
        let expected = tensor.storage.elements.checked_mul(width).ok_or_else(|| wrong("its storage is larger than any memory".into()))?;
        let key = format!("{}data/{}", self.folder, tensor.storage.key);
        let bytes = entry(&mut self.archive.borrow_mut(), &key, expected as u64).map_err(wrong)?;
        if bytes.len() != expected {
            return Err(wrong(format!("its storage {key} has {} bytes, expected {expected}", bytes.len())));
        }
        let bytes = elements(tensor, bytes, width).ok_or_else(|| wrong("its shape and strides reach beyond its storage".into()))?;
        Ok(Some(StoredTensor { dtype: tensor.storage.dtype, shape: tensor.shape.clone(), bytes }))
    }
}

fn no_archive(magic: [u8; 4]) -> String {
    // A pickle of protocol 2 that begins with a long integer: the first of the numbers that stood at the head of the old format.
    if magic[..3] == [0x80, 2, 0x8a] {
        "in the format of PyTorch before 1.6, which is not read; open it with a current PyTorch and write it again as safetensors, or with \
         torch.save(torch.load(FILE, weights_only=True), FILE)"
            .into()
    } else {
        "not a PyTorch file (no zip archive); copy or download it again".into()
    }
}

/// The bytes of a stored entry of at most `limit` bytes.
fn entry(archive: &mut ZipArchive<fs_err::File>, name: &str, limit: u64) -> Result<Vec<u8>, String> {
    let mut entry = archive.by_name(name).map_err(|e| format!("{name}: {e}"))?;
    if entry.compression() != CompressionMethod::Stored {
        return Err(format!("{name} is compressed, which torch.save never does"));
    }
    if entry.size() > limit {
        return Err(format!("{name} has {} bytes, expected at most {limit}", entry.size()));
    }
    let damaged = |e: std::io::Error| format!("{name}: {e}; copy or download the file again");
    let mut bytes = Vec::new();
    // The size is what the archive says; memory that is not there is an error like any other.
    bytes.try_reserve_exact(entry.size() as usize).map_err(|e| damaged(e.into()))?;
    entry.read_to_end(&mut bytes).map_err(damaged)?;
    Ok(bytes)
}

/// A tensor's elements in the order of its indices, the last running fastest. Nothing if one lies outside the storage.
fn elements(tensor: &PickledTensor, storage: Vec<u8>, width: usize) -> Option<Vec<u8>> {
    let count = tensor.shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size))?;
    if count == 0 {
        return Some(Vec::new());
    }
    let reach = tensor
        .shape
        .iter()
        .zip(&tensor.strides)
        .try_fold(tensor.offset, |last, (size, stride)| last.checked_add((size - 1).checked_mul(*stride)?))?;
    // Strides of zero repeat elements; no checkpoint has them, and they could make a small file fill the memory.
    if reach >= tensor.storage.elements || count > tensor.storage.elements {
        return None;
    }
    if is_contiguous(tensor) {
        let begin = tensor.offset * width;
        return Some(if storage.len() == count * width { storage } else { storage[begin..begin + count * width].to_vec() });
    }
    let mut picked = Vec::with_capacity(count * width);
    let mut index = vec![0; tensor.shape.len()];
    let mut element = tensor.offset;
    for _ in 0..count {
        picked.extend_from_slice(&storage[element * width..(element + 1) * width]);
        for dimension in (0..index.len()).rev() {
            index[dimension] += 1;
            element += tensor.strides[dimension];
            if index[dimension] < tensor.shape[dimension] {
                break;
            }
            element -= index[dimension] * tensor.strides[dimension];
            index[dimension] = 0;
        }
    }
    Some(picked)
}

fn is_contiguous(tensor: &PickledTensor) -> bool {
    let mut expected = 1;
    tensor.shape.iter().zip(&tensor.strides).rev().all(|(size, stride)| {
        let fits = *size == 1 || *stride == expected;
        expected *= size;
        fits
    })
}
