//! Tensors by name, wherever they are stored: in one file or in shards with an index, as safetensors or in PyTorch's own format.
//!
//! Each tensor is read by itself with a plain read, so that loading needs one tensor beyond the model's own memory. A memory map would save
//! that copy, but a file that is cut off while it is mapped ends the process without a word, and mapping is `unsafe`, which this crate
//! keeps to its kernels.

use super::gguf::GgufFile;
use super::index::ShardIndex;
use super::quantised::{MOST_PACKED, QuantisationMethod};
use super::safetensors_file::SafetensorsFile;
use super::torch::TorchFile;
use crate::error::{Error, Result};
use crate::weights::HalfKind;
use safetensors::Dtype;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The names of a directory's weights, the better choice first: a single file, or the index of shards.
const NAMES: [(&str, &str); 2] = [(super::WEIGHTS, "model.safetensors.index.json"), ("pytorch_model.bin", "pytorch_model.bin.index.json")];

/// Prefixes of the names of all tensors that do not change the model: modules that hold a model, and adapters that were merged.
const WRAPPERS: [&str; 6] = ["module.", "_orig_mod.", "base_model.model.", "language_model.", "model.", "transformer."];
/// Prefixes of a language model inside a larger model, and the prefix of the same tensors in the language model alone. The output head has a
/// separate name.
const PARTS: [(&str, &str); 2] = [("model.language_model.", "model."), ("language_model.model.", "model.")];
/// How many names of the file an error about a missing tensor shows.
const SHOWN: usize = 3;

/// A tensor as it is stored: little-endian elements, the last index running fastest.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StoredTensor {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) bytes: Vec<u8>,
}

impl StoredTensor {
    /// The format of its elements, if they have 16 bits.
    pub(super) fn half_kind(&self) -> Option<HalfKind> {
        match self.dtype {
            Dtype::BF16 => Some(HalfKind::Bf16),
            Dtype::F16 => Some(HalfKind::F16),
            _ => None,
        }
    }

    /// The bits of 16-bit elements; `path` and `name` are for messages.
    pub(super) fn half_bits(&self, kind: HalfKind, path: &Path, name: &str) -> Result<Vec<u16>> {
        let bits: Vec<u16> = self.bytes.as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b)).collect();
        match bits.iter().position(|bits| !kind.number(*bits).is_finite()) {
            Some(index) => {
                let value = kind.number(bits[index]);
                Err(Error::NonFiniteWeight { path: path.into(), name: name.into(), index, value })
            }
            None => Ok(bits),
        }
    }

    /// Appends the elements as f32; `path` and `name` are for messages.
    pub(super) fn append_to(&self, values: &mut Vec<f32>, path: &Path, name: &str) -> Result<()> {
        let start = values.len();
        let pairs = || self.bytes.as_chunks::<2>().0.iter();
        match self.dtype {
            Dtype::F32 => values.extend(self.bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b))),
            Dtype::F16 => values.extend(pairs().map(|b| half::f16::from_le_bytes(*b).to_f32())),
            Dtype::BF16 => values.extend(pairs().map(|b| half::bf16::from_le_bytes(*b).to_f32())),
            Dtype::F64 => values.extend(self.bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32)),
            other => return Err(Error::TensorType { path: path.into(), name: name.into(), got: format!("{other:?}") }),
        }
        match values[start..].iter().position(|x| !x.is_finite()) {
            Some(index) => Err(Error::NonFiniteWeight { path: path.into(), name: name.into(), index, value: values[start + index] }),
            None => Ok(()),
        }
    }
}

/// The tensors of a checkpoint directory.
#[derive(Debug)]
pub(super) struct TensorSource {
    /// The single file, or the index.
    path: PathBuf,
    files: Vec<TensorFile>,
    /// The file of each tensor, and its name there.
    place: Places,
    /// How matrices are quantised, and the place of every stored tensor.
    quantised: Option<(QuantisationMethod, Places)>,
}

/// The file of each tensor, and its name there.
type Places = BTreeMap<String, (usize, String)>;

#[derive(Debug)]
enum TensorFile {
    Safetensors(SafetensorsFile),
    Torch(TorchFile),
    Gguf(GgufFile),
}

impl TensorSource {
    /// Opens the weights' files and reads what they hold.
    pub(super) fn open(dir: &Path) -> Result<Self> {
        let mut source = Self::of_directory(dir)?;
        if let Some(method) = QuantisationMethod::of(dir)? {
            let stored = std::mem::take(&mut source.place);
            let matrices = stored.iter().filter(|(name, _)| !method.is_companion(name));
            source.place = matrices.map(|(name, place)| (method.matrix_of(name).unwrap_or_else(|| name.clone()), place.clone())).collect();
            source.quantised = Some((method, stored));
        }
        Ok(source)
    }

    fn of_directory(dir: &Path) -> Result<Self> {
        let (path, index) = find(dir)?;
        let Some(index) = index else {
            return Self::of_file(&path);
        };
        let (mut files, mut place) = (Vec::new(), BTreeMap::new());
        for shard in index.shards() {
            let file = TensorFile::open(&dir.join(shard))?;
            index.check(shard, &file.names())?;
            place.extend(file.names().into_iter().map(|name| (name.clone(), (files.len(), name))));
            files.push(file);
        }
        Ok(TensorSource { path, files, place, quantised: None })
    }

    /// Opens a single file.
    pub(super) fn of_file(path: &Path) -> Result<Self> {
        let file = TensorFile::open(path)?;
        let place = file.names().into_iter().map(|name| (name.clone(), (0, name))).collect();
        Ok(TensorSource { path: path.into(), files: vec![file], place, quantised: None })
    }

    /// The tensors of a GGUF file.
    pub(super) fn of_gguf(file: GgufFile) -> Self {
        let place = file.names().into_iter().map(|name| (name.clone(), (0, name))).collect();
        TensorSource { path: file.path().into(), files: vec![TensorFile::Gguf(file)], place, quantised: None }
    }

    /// Puts `prefix` before all names if it is before none. Removes the prefixes of PyTorch's wrappers of modules, and of a language model
    /// that is a part of a larger model. The files of a model that was saved without its output head, as GPT-2's were,
    /// leave it out (`base_model_prefix` in `transformers`).
    pub(super) fn complete_names(&mut self, prefix: &str) {
        while let Some(wrapper) = WRAPPERS.into_iter().find(|wrapper| self.place.keys().all(|name| name.starts_with(wrapper))) {
            if self.place.is_empty() {
                break;
            }
            self.rename(|name| name.strip_prefix(wrapper).unwrap_or(name).to_owned());
        }
        for (part, whole) in PARTS {
            // Renamed tensors must not get the names of others.
            if !self.place.keys().any(|name| name.starts_with(whole) && !name.starts_with(part)) {
                self.rename(|name| name.strip_prefix(part).map_or_else(|| name.to_owned(), |rest| format!("{whole}{rest}")));
            }
        }
        if !self.place.keys().any(|name| name.starts_with(prefix)) {
            self.rename(|name| format!("{prefix}{name}"));
        }
    }

    /// A few names that end as `name` does, or else the first names of all.
    pub(super) fn similar(&self, name: &str) -> Vec<String> {
        let shared = |other: &str| name.rsplit('.').zip(other.rsplit('.')).take_while(|(one, other)| one == other).count();
        let most = self.names().map(shared).max().unwrap_or(0);
        self.names().filter(|other| shared(other) == most).take(SHOWN).map(str::to_owned).collect()
    }

    fn rename(&mut self, change: impl Fn(&str) -> String) {
        for places in std::iter::once(&mut self.place).chain(self.quantised.iter_mut().map(|(_, stored)| stored)) {
            *places = std::mem::take(places).into_iter().map(|(name, place)| (change(&name), place)).collect();
        }
    }

    /// The file that is to hold a tensor, for messages: the index if none does.
    pub(super) fn path(&self, name: &str) -> &Path {
        self.place.get(name).map_or(&self.path, |(file, _)| self.files[*file].path())
    }

    /// The elements of all tensors together, or more if they are quantised.
    pub(super) fn elements(&self) -> u128 {
        let stored: u128 = self.files.iter().map(TensorFile::elements).sum();
        if self.quantised.is_some() { stored.saturating_mul(MOST_PACKED) } else { stored }
    }

    /// Every tensor's name, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.place.keys().map(String::as_str)
    }

    /// The type of a tensor's elements, if there is one of that name. It is `f32` for quantised matrices.
    pub(super) fn dtype(&self, name: &str) -> Option<Dtype> {
        let (file, name) = self.place.get(name)?;
        let stored = self.stored_dtype(*file, name)?;
        let is_float = matches!(stored, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16);
        Some(if self.quantised.is_some() && !is_float { Dtype::F32 } else { stored })
    }

    fn stored_dtype(&self, file: usize, name: &str) -> Option<Dtype> {
        match &self.files[file] {
            TensorFile::Safetensors(file) => file.dtype(name),
            TensorFile::Torch(file) => file.dtype(name),
            TensorFile::Gguf(file) => file.dtype(name),
        }
    }

    /// Reads one tensor, if there is one of that name. A quantised matrix becomes `f32`.
    pub(super) fn read(&self, name: &str) -> Result<Option<StoredTensor>> {
        if let Some((method, _)) = &self.quantised
            && self.place.contains_key(name)
            && let Some(matrix) = method.read_matrix(self, name)?
        {
            return Ok(Some(matrix));
        }
        self.read_at(self.place.get(name))
    }

    /// Reads a part of a quantised matrix by its name in the file, if there is one.
    pub(super) fn read_stored(&self, name: &str) -> Result<Option<StoredTensor>> {
        self.read_at(self.quantised.as_ref().and_then(|(_, stored)| stored.get(name)))
    }

    fn read_at(&self, place: Option<&(usize, String)>) -> Result<Option<StoredTensor>> {
        let Some((file, name)) = place else { return Ok(None) };
        match &self.files[*file] {
            TensorFile::Safetensors(file) => file.read(name),
            TensorFile::Torch(file) => file.read(name),
            TensorFile::Gguf(file) => file.read(name),
        }
    }
}

/// The files of a directory's weights, in the order of their names.
pub(super) fn weights_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let (path, index) = find(dir)?;
    Ok(index.map_or_else(|| vec![path], |index| index.shards().iter().map(|shard| dir.join(shard)).collect()))
}

/// The indexes of a directory.
pub(super) fn indexes(dir: &Path) -> impl Iterator<Item = PathBuf> {
    NAMES.into_iter().map(|(_, index)| dir.join(index)).filter(|path| path.exists())
}

/// The single file of a directory's weights, or the index of its shards.
fn find(dir: &Path) -> Result<(PathBuf, Option<ShardIndex>)> {
    for (single, index) in NAMES.map(|(single, index)| (dir.join(single), dir.join(index))) {
        match (single.exists(), index.exists()) {
            (true, true) => {
                let problem = format!("there is also {}; remove the one that does not belong to this model", index.display());
                return Err(Error::Weights { path: single, problem });
            }
            (true, false) => return Ok((single, None)),
            (false, true) => return Ok((index.clone(), Some(ShardIndex::read(&index)?))),
            (false, false) => {}
        }
    }
    super::require_directory(dir)?;
    let names = NAMES.map(|(single, index)| format!("{single}, {index}")).join(", ");
    Err(Error::Weights { path: dir.into(), problem: format!("holds no weights; expected one of {names}") })
}

impl TensorFile {
    fn open(path: &Path) -> Result<Self> {
        let torch = path.extension().is_some_and(|extension| extension == "bin");
        Ok(if torch { TensorFile::Torch(TorchFile::open(path)?) } else { TensorFile::Safetensors(SafetensorsFile::open(path)?) })
    }

    fn path(&self) -> &Path {
        match self {
            TensorFile::Safetensors(file) => file.path(),
            TensorFile::Torch(file) => file.path(),
            TensorFile::Gguf(file) => file.path(),
        }
    }

    fn elements(&self) -> u128 {
        match self {
            TensorFile::Safetensors(file) => file.elements(),
            TensorFile::Torch(file) => file.elements(),
            TensorFile::Gguf(file) => file.elements(),
        }
    }

    fn names(&self) -> Vec<String> {
        match self {
            TensorFile::Safetensors(file) => file.names(),
            TensorFile::Torch(file) => file.names(),
            TensorFile::Gguf(file) => file.names(),
        }
    }
}
