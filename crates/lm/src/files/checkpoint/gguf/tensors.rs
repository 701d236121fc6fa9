//! The tensors of a GGUF file under the names and in the order of a Hugging Face checkpoint.

use super::metadata::Metadata;
use super::names::{Arrangement, in_checkpoint};
use super::problem;
use crate::error::Result;
use crate::files::checkpoint::source::StoredTensor;
use anamnesis::{F32Out, GgufTensorInfo, GgufType, ParseLimits, dequantize_gguf, parse_gguf_front_matter_from_reader_with_limits};
use safetensors::Dtype;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// The tensor of the factors that divide rotary frequencies.
pub(super) const ROTARY: &str = "rope_freqs.weight";

/// A file whose header was read.
#[derive(Debug)]
pub(in crate::files::checkpoint) struct GgufFile {
    metadata: Metadata,
    file: RefCell<fs_err::File>,
    /// By the name of a Hugging Face checkpoint.
    tensors: BTreeMap<String, Tensor>,
    rotary: Option<GgufTensorInfo>,
}

#[derive(Debug)]
struct Tensor {
    info: GgufTensorInfo,
    arrangement: Arrangement,
}

impl GgufFile {
    pub(in crate::files::checkpoint) fn open(path: &Path) -> Result<Self> {
        let mut file = fs_err::File::open(path)?;
        let bytes = file.metadata()?.len();
        // No header is larger than its file, and a list of short texts needs several times its bytes.
        let limits =
            ParseLimits::unbounded().with_max_single_alloc(bytes).with_max_total_bytes(bytes.saturating_mul(4)).with_max_item_count(bytes);
        let front = parse_gguf_front_matter_from_reader_with_limits(&mut file, &limits)
            .map_err(|error| problem(path, format!("is not a complete GGUF file ({error}); copy or download it again")))?;
        let metadata = Metadata { path: path.into(), values: front.metadata };
        if metadata.whole("split.count").is_some_and(|parts| parts > 1) {
            return Err(metadata.error("split.count", "the model is split into several files; merge them with `llama-gguf-split --merge`"));
        }
        let architecture = metadata.architecture()?.to_owned();
        let heads = |key: &str| metadata.whole(&format!("{architecture}.attention.{key}")).map(|heads| heads as usize);
        let queries = heads("head_count").unwrap_or(0);
        let heads = [queries, heads("head_count_kv").unwrap_or(queries)];
        let mut tensors = BTreeMap::new();
        let mut rotary = None;
        for info in front.tensor_infos {
            let ends = info.byte_len.and_then(|length| info.data_offset.checked_add(length));
            if ends.is_none_or(|end| end > bytes) {
                return Err(problem(path, format!("tensor {}: its data ends after the file, or its type is unknown", info.name)));
            }
            if info.name == ROTARY {
                rotary = Some(info);
                continue;
            }
            let Some(name) = in_checkpoint(&info.name, &architecture) else {
                return Err(problem(path, format!("tensor {}: not known for the family {architecture}", info.name)));
            };
            let arrangement = Arrangement::of(&info.name, &architecture, heads);
            tensors.insert(name, Tensor { info, arrangement });
        }
        Ok(GgufFile { metadata, file: RefCell::new(file), tensors, rotary })
    }

    pub(super) fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The rows of a matrix.
    pub(super) fn rows(&self, name: &str) -> Option<usize> {
        self.tensors.get(name)?.info.shape.last().copied()
    }

    /// The factors that divide rotary frequencies, if there are some.
    pub(super) fn rotary_factors(&self) -> Result<Option<Vec<f32>>> {
        let Some(info) = &self.rotary else { return Ok(None) };
        let bytes = self.widened(info)?;
        Ok(Some(bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()))
    }

    pub(in crate::files::checkpoint) fn path(&self) -> &Path {
        self.metadata.path()
    }

    pub(in crate::files::checkpoint) fn names(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    /// The elements of all tensors.
    pub(in crate::files::checkpoint) fn elements(&self) -> u128 {
        self.tensors.values().map(|tensor| tensor.info.shape.iter().map(|&size| size as u128).product::<u128>()).sum()
    }

    /// The type in which [`GgufFile::read`] gives a tensor.
    pub(in crate::files::checkpoint) fn dtype(&self, name: &str) -> Option<Dtype> {
        self.tensors.get(name).map(|tensor| match tensor.info.dtype {
            GgufType::F16 => Dtype::F16,
            GgufType::BF16 => Dtype::BF16,
            _ => Dtype::F32,
        })
    }

    /// Reads one tensor. `None` if there is no such tensor.
    pub(in crate::files::checkpoint) fn read(&self, name: &str) -> Result<Option<StoredTensor>> {
        let (Some(tensor), Some(dtype)) = (self.tensors.get(name), self.dtype(name)) else { return Ok(None) };
        let mut shape = tensor.info.shape.clone();
        shape.reverse();
        let mut bytes = self.widened(&tensor.info)?;
        match tensor.arrangement {
            Arrangement::Same => {}
            Arrangement::AlternatingHalves(heads) => {
                bytes = Arrangement::halves_in_order(&bytes, shape[0], heads).ok_or_else(|| {
                    problem(self.path(), format!("tensor {}: its {} rows cannot be divided into {heads} heads", tensor.info.name, shape[0]))
                })?;
            }
            Arrangement::OneMore => {
                for element in bytes.as_chunks_mut::<4>().0 {
                    *element = (f32::from_le_bytes(*element) - 1.0).to_le_bytes();
                }
            }
        }
        Ok(Some(StoredTensor { dtype, shape, bytes }))
    }

    /// The elements of a tensor, dequantised to `f32` where they are quantised.
    fn widened(&self, info: &GgufTensorInfo) -> Result<Vec<u8>> {
        let wrong = |what: String| problem(self.path(), format!("tensor {}: {what}", info.name));
        let count = info.shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
        let count = count.ok_or_else(|| wrong("its shape is larger than any memory".to_owned()))?;
        let length = info.byte_len.unwrap_or_default();
        let mut file = self.file.borrow_mut();
        file.seek(SeekFrom::Start(info.data_offset))?;
        let mut bytes = Vec::with_capacity(length as usize);
        (&mut *file).take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != length {
            return Err(wrong("its data ends too early; copy or download the file again".to_owned()));
        }
        match info.dtype {
            GgufType::F32 | GgufType::F16 | GgufType::BF16 => Ok(bytes),
            kind => dequantize_gguf::<F32Out>(&bytes, kind, count).map_err(|error| wrong(error.to_string())),
        }
    }
}
