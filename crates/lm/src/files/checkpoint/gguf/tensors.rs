//! The tensors of a GGUF file under the names and in the order of a Hugging Face checkpoint.

use super::metadata::Metadata;
use super::names::{Arrangement, in_checkpoint};
use super::problem;
use crate::error::Result;
use crate::files::checkpoint::source::StoredTensor;
use crate::files::refuse_pointer_at_start;
use anamnesis::{
    AnamnesisError, F32Out, GgufMetadataValue, GgufTensorInfo, GgufType, ParseLimits, dequantize_gguf,
    parse_gguf_front_matter_from_reader_with_limits,
};
use safetensors::Dtype;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The tensor of the factors that divide rotary frequencies.
pub(super) const ROTARY: &str = "rope_freqs.weight";

/// One or several files whose headers were read.
#[derive(Debug)]
pub(in crate::files::checkpoint) struct GgufFile {
    metadata: Metadata,
    /// One, or the parts of a model that was split.
    files: Vec<RefCell<fs_err::File>>,
    /// By the name of a Hugging Face checkpoint.
    tensors: BTreeMap<String, Tensor>,
    rotary: Option<TensorPlace>,
}

#[derive(Debug)]
struct Tensor {
    place: TensorPlace,
    arrangement: Arrangement,
}

/// A tensor's entry in the list of one of the files.
#[derive(Debug)]
struct TensorPlace {
    /// The index of the file.
    file: usize,
    info: GgufTensorInfo,
}

impl GgufFile {
    /// Reads the header of a file, or of all files of a model that was split into `NAME-00001-of-00003.gguf` and so on.
    pub(in crate::files::checkpoint) fn open(path: &Path) -> Result<Self> {
        let mut opened = FileFront::read(path)?.with_other_parts()?;
        // The first part has the metadata of the model.
        let values = std::mem::take(&mut opened[0].values);
        Self::of_files(Metadata { path: path.into(), values }, opened)
    }

    fn of_files(metadata: Metadata, opened: Vec<FileFront>) -> Result<Self> {
        let architecture = metadata.architecture()?.to_owned();
        let heads = |key: &str| metadata.whole(&format!("{architecture}.attention.{key}")).map(|heads| heads as usize);
        let queries = heads("head_count").unwrap_or(0);
        let heads = [queries, heads("head_count_kv").unwrap_or(queries)];
        let (mut tensors, mut rotary, mut files) = (BTreeMap::new(), None, Vec::new());
        for (file, FileFront { path, file: handle, bytes, infos, .. }) in opened.into_iter().enumerate() {
            files.push(RefCell::new(handle));
            for info in infos {
                let ends = info.byte_len.and_then(|length| info.data_offset.checked_add(length));
                if ends.is_none_or(|end| end > bytes) {
                    return Err(problem(&path, format!("tensor {}: its data ends after the file; copy or download it again", info.name)));
                }
                if info.name == ROTARY {
                    rotary = Some(TensorPlace { file, info });
                    continue;
                }
                let Some(name) = in_checkpoint(&info.name, &architecture) else {
                    return Err(problem(&path, format!("tensor {}: not known for the family {architecture}", info.name)));
                };
                let arrangement = Arrangement::of(&info.name, &architecture, heads);
                if let Some(twice) = tensors.insert(name, Tensor { place: TensorPlace { file, info }, arrangement }) {
                    return Err(problem(&path, format!("tensor {}: is there twice", twice.place.info.name)));
                }
            }
        }
        Ok(GgufFile { metadata, files, tensors, rotary })
    }

    pub(super) fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The rows of a matrix.
    pub(super) fn rows(&self, name: &str) -> Option<usize> {
        self.tensors.get(name)?.place.info.shape.last().copied()
    }

    /// The factors that divide rotary frequencies, if there are some.
    pub(super) fn rotary_factors(&self) -> Result<Option<Vec<f32>>> {
        let Some(place) = &self.rotary else { return Ok(None) };
        let bytes = self.widened(place)?;
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
        self.tensors.values().map(|tensor| tensor.place.info.shape.iter().map(|&size| size as u128).product::<u128>()).sum()
    }

    /// The type in which [`GgufFile::read`] gives a tensor.
    pub(in crate::files::checkpoint) fn dtype(&self, name: &str) -> Option<Dtype> {
        self.tensors.get(name).map(|tensor| match tensor.place.info.dtype {
            GgufType::F16 => Dtype::F16,
            GgufType::BF16 => Dtype::BF16,
            _ => Dtype::F32,
        })
    }

    /// Reads one tensor. `None` if there is no such tensor.
    pub(in crate::files::checkpoint) fn read(&self, name: &str) -> Result<Option<StoredTensor>> {
        let (Some(tensor), Some(dtype)) = (self.tensors.get(name), self.dtype(name)) else { return Ok(None) };
        let mut shape = tensor.place.info.shape.clone();
        shape.reverse();
        let mut bytes = self.widened(&tensor.place)?;
        match tensor.arrangement {
            Arrangement::Same => {}
            Arrangement::AlternatingHalves(heads) => {
                bytes = Arrangement::halves_in_order(&bytes, shape[0], heads).ok_or_else(|| {
                    problem(
                        self.path(),
                        format!("tensor {}: its {} rows cannot be divided into {heads} heads", tensor.place.info.name, shape[0]),
                    )
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
    fn widened(&self, TensorPlace { file, info }: &TensorPlace) -> Result<Vec<u8>> {
        let wrong = |what: String| problem(self.path(), format!("tensor {}: {what}", info.name));
        let count = info.shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
        let count = count.ok_or_else(|| wrong("its shape is larger than any memory".to_owned()))?;
        let length = info.byte_len.unwrap_or_default();
        let mut file = self.files[*file].borrow_mut();
        file.seek(SeekFrom::Start(info.data_offset))?;
        let mut bytes = Vec::with_capacity(length as usize);
        (&mut *file).take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != length {
            return Err(wrong("its data ends too early; copy or download the file again".to_owned()));
        }
        match info.dtype {
            GgufType::F32 | GgufType::F16 | GgufType::BF16 => Ok(bytes),
            kind => dequantize_gguf::<F32Out>(&bytes, kind, count)
                .map_err(|error| wrong(format!("its type {kind:?} cannot be read ({error}); llama-quantize converts the file to Q8_0"))),
        }
    }
}

/// The header of one file.
struct FileFront {
    path: PathBuf,
    file: fs_err::File,
    bytes: u64,
    values: HashMap<String, GgufMetadataValue>,
    infos: Vec<GgufTensorInfo>,
}

impl FileFront {
    fn read(path: &Path) -> Result<Self> {
        let mut file = crate::files::open_file(path)?;
        let bytes = file.metadata()?.len();
        refuse_pointer_at_start(&mut file, path)?;
        // No header is larger than its file, and a list of short texts needs several times its bytes.
        let limits =
            ParseLimits::unbounded().with_max_single_alloc(bytes).with_max_total_bytes(bytes.saturating_mul(4)).with_max_item_count(bytes);
        let front = parse_gguf_front_matter_from_reader_with_limits(&mut file, &limits).map_err(|error| match error {
            AnamnesisError::Unsupported { detail, .. } => {
                problem(path, format!("cannot be read: {detail}; llama-quantize converts the file to Q8_0"))
            }
            error => problem(path, format!("is not a complete GGUF file ({error}); copy or download it again")),
        })?;
        Ok(FileFront { path: path.into(), file, bytes, values: front.metadata, infos: front.tensor_infos })
    }

    /// All parts in order, if this is one part of a model that was split into `NAME-00001-of-00003.gguf` and so on.
    fn with_other_parts(self) -> Result<Vec<Self>> {
        let metadata = Metadata { path: self.path.clone(), values: self.values };
        let Some(count) = metadata.whole("split.count").filter(|count| *count > 1) else {
            return Ok(vec![FileFront { values: metadata.values, ..self }]);
        };
        let stem = self.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let end = format!("-of-{count:05}");
        let name = stem.strip_suffix(&end).and_then(|rest| rest.rsplit_once('-')).map(|(name, _)| name.to_owned()).ok_or_else(|| {
            metadata.error("split.count", &format!("is {count}, but the name of the file does not end in -00001{end}.gguf"))
        })?;
        (1..=count).map(|part| FileFront::read(&self.path.with_file_name(format!("{name}-{part:05}{end}.gguf")))).collect()
    }
}
