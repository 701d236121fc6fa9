//! Hugging Face checkpoint directories, in and out.
//!
//! A missing, extra, misshapen or damaged tensor is an error. A directory appears whole or not at all. Weights are read from safetensors or
//! from PyTorch's own files, one or several, in F32, F16 or BF16, stay in 16 bits until they are trained, and are written as safetensors in
//! the type that they have. [`Checkpoint::companions`] are written byte for byte as they were read, so that `transformers` opens the directory.

mod gguf;
mod index;
mod pickle;
mod quantised;
mod read;
mod safetensors_file;
mod source;
mod torch;
mod tuned;
mod vectors;
mod write;

pub use gguf::{GgufType, is_gguf};
pub(super) use read::{is_head, note, read_parameters, tensor_names};
pub use tuned::check_tuned;
pub use vectors::{NamedVectors, read_vectors, write_vectors};
pub(super) use write::write_parameters;

use super::contents::file_in;
use super::peft::{self, ADAPTER_CONFIG, ADAPTER_WEIGHTS, OLDER_WEIGHTS};
use super::tokenizer::{ADDED_TOKENS, VOCABULARY_FILES, complete};
use crate::decoder::DecoderSpec;
use crate::error::{Error, Result};
use crate::weights::{HalfKind, ParameterSpec, Values};
use read::{missing, read_weights};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use source::TensorSource;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The weights' file in a checkpoint directory, if it is one file.
pub const WEIGHTS: &str = "model.safetensors";
/// The model's description in a checkpoint directory.
pub const CONFIG: &str = "config.json";
/// Weights of more bytes are written in several files, none larger; the size that Hugging Face's hub and older file systems take.
pub const SHARD_BYTES: usize = 5_000_000_000;
/// The files that belong to the weights. They are copied from a checkpoint to those that are fine-tuned from it.
pub const COMPANIONS: &[&str] =
    &["tokenizer.json", "tokenizer_config.json", "generation_config.json", "special_tokens_map.json", "chat_template.jinja"];

/// A checkpoint's parts in memory: what it is, what goes with it, and its weights in the decoder's layout.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// config.json as it was read.
    pub config: Value,
    /// The decoder that it describes.
    pub spec: DecoderSpec,
    /// Tokenizer and generation settings, by file name.
    pub companions: BTreeMap<String, Vec<u8>>,
    /// One `[rows, columns]` matrix per [`DecoderSpec::parameters`].
    pub parameters: Vec<Values>,
}

/// The content of a directory, read without its weights.
#[derive(Debug, Clone)]
pub struct Summary {
    /// config.json as it was read.
    pub config: Value,
    /// The decoder that it describes.
    pub spec: DecoderSpec,
    /// The type in which the embedding is stored, and the bytes of one of its elements.
    pub dtype: (String, usize),
    /// Bytes of the weights' files.
    pub file_bytes: u64,
}

impl Summary {
    /// Reads the config and the heads of the weights' files.
    pub fn read(dir: &Path) -> Result<Self> {
        let config = read_config(dir)?;
        let mut source = TensorSource::open(dir)?;
        let spec = DecoderSpec::from_config_of(&config, &dir.join(CONFIG), source.elements())?;
        source.complete_names(base_prefix(&spec));
        let embedding = &spec.parameters[spec.embedding].tensors[0];
        let dtype = source.dtype(&embedding.name).ok_or_else(|| missing(&source, embedding))?;
        let mut file_bytes = 0;
        for path in source::weights_files(dir)? {
            file_bytes += fs_err::metadata(path)?.len();
        }
        Ok(Summary { config, spec, dtype: (format!("{dtype:?}"), dtype.bitsize() / 8), file_bytes })
    }
}

impl Checkpoint {
    /// Reads a GGUF file of one of the families llama (and Mistral), qwen2, qwen3, smollm3, olmo2 and gemma2. Quantised weights become `f32`.
    ///
    /// # Errors
    /// The file is damaged, or another part of the model is missing; its family, its tokenizer or the type of a tensor is not supported.
    pub fn load_gguf(path: &Path) -> Result<Self> {
        let gguf::GgufParts { source, config, companions } = gguf::open(path)?;
        let read = || {
            let spec = DecoderSpec::from_config_of(&config, path, source.elements())?;
            let parameters = read_weights(&source, &spec)?;
            Ok((spec, parameters))
        };
        let (spec, parameters) = read().map_err(|error| gguf::in_words_of_gguf(error, path, &config))?;
        Ok(Checkpoint { config, spec, companions, parameters })
    }

    /// Writes the tokenizer, the chat template and the config of a GGUF file into the directory `dir`, and no weights. Returns the decoder that the
    /// file describes. No tensor is read.
    ///
    /// # Errors
    /// As [`Checkpoint::load_gguf`], except for damaged tensors.
    pub fn write_prompt_files_of_gguf(path: &Path, dir: &Path) -> Result<DecoderSpec> {
        let gguf::GgufParts { source, config, companions } = gguf::open(path)?;
        fs_err::create_dir_all(dir)?;
        fs_err::write(dir.join(CONFIG), config.to_string())?;
        for (name, bytes) in companions {
            fs_err::write(dir.join(name), bytes)?;
        }
        DecoderSpec::from_config_of(&config, path, source.elements()).map_err(|error| gguf::in_words_of_gguf(error, path, &config))
    }

    /// Reads a directory. Quantised weights become `f32`.
    pub fn load(dir: &Path) -> Result<Self> {
        let mut config = read_config(dir)?;
        let mut source = TensorSource::open(dir)?;
        let spec = DecoderSpec::from_config_of(&config, &dir.join(CONFIG), source.elements())?;
        source.complete_names(base_prefix(&spec));
        let parameters = read_weights(&source, &spec)?;
        let companions = companions(dir, &config)?;
        if let Value::Object(keys) = &mut config {
            keys.retain(|key, _| !quantised::KEYS.contains(&key.as_str()));
        }
        Ok(Checkpoint { config, spec, companions, parameters })
    }

    /// The same with every weight in `f32`, as training needs them.
    #[must_use]
    pub fn widened(mut self) -> Self {
        self.parameters = self.parameters.into_iter().map(|values| Values::Full(values.into_full())).collect();
        self
    }

    /// The same with every matrix in 16 bits, rounded to the nearest.
    #[must_use]
    pub fn halved(mut self, kind: HalfKind) -> Self {
        let halved = |(spec, values): (&ParameterSpec, Values)| if spec.is_matrix() { values.into_half(kind) } else { values };
        self.parameters = self.spec.parameters.iter().zip(self.parameters).map(halved).collect();
        self
    }

    /// Writes a directory that was not there before, and returns the SHA-256 of its weights.
    pub fn save(&self, dir: &Path) -> Result<String> {
        self.save_in_shards(dir, SHARD_BYTES)
    }

    /// The same with another limit than [`SHARD_BYTES`].
    pub fn save_in_shards(&self, dir: &Path, shard_bytes: usize) -> Result<String> {
        let mut config = self.config.clone();
        set_dtype(&mut config, &self.parameters);
        let config = serde_json::to_vec_pretty(&config).map_err(|source| Error::Json { path: dir.join(CONFIG), source })?;
        create_whole(dir, |unfinished| {
            for (name, bytes) in &self.companions {
                write_synced(&unfinished.join(name), bytes)?;
            }
            write_synced(&unfinished.join(CONFIG), &config)?;
            write::write_weights(unfinished, &self.spec.parameters, &self.parameters, shard_bytes)?;
            weights_sha256(unfinished)
        })
    }
}

/// The files that belong to the weights. A `tokenizer.json` that is missing is made from an older vocabulary.
fn companions(dir: &Path, config: &Value) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for name in COMPANIONS.iter().copied().chain([ADDED_TOKENS]).chain(VOCABULARY_FILES) {
        if let Some(path) = file_in(dir, name)? {
            files.insert(name.to_owned(), super::read_file(&path)?);
        }
    }
    if VOCABULARY_FILES.iter().all(|name| files.contains_key(*name)) {
        files.insert(CONFIG.to_owned(), config.to_string().into_bytes());
        complete(dir, &mut files)?;
    }
    files.retain(|name, _| COMPANIONS.contains(&name.as_str()));
    Ok(files)
}

/// Makes a directory that was not there before, whole or not at all; `fill` writes its files.
pub(super) fn create_whole<T>(dir: &Path, fill: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    if dir.exists() {
        let message = format!("{} exists already; choose another name or remove it", dir.display());
        return Err(std::io::Error::new(std::io::ErrorKind::AlreadyExists, message).into());
    }
    let parent = dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs_err::create_dir_all(parent)?;
    let unfinished = tempfile::Builder::new().prefix(".checkpoint-").suffix(".tmp").tempdir_in(parent)?;
    // Only the owner may read a temporary directory. A directory in it has the mode that the umask gives.
    let whole = unfinished.path().join("checkpoint");
    fs_err::create_dir(&whole)?;
    let made = fill(&whole)?;
    fs_err::rename(&whole, dir)?;
    fs_err::File::open(parent)?.sync_all()?;
    Ok(made)
}

/// The SHA-256 of bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// The SHA-256 of a checkpoint's weights, in hexadecimal: what identifies it in attempts and metrics. Of several files, in the order of
/// their names, as of one; of an adapter, its own, which name their base by its hash.
pub fn weights_sha256(dir: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let files = if peft::is_adapter(dir) { vec![peft::weights_file(dir)?] } else { source::weights_files(dir)? };
    for path in files {
        let mut file = super::open_file(&path)?;
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                bytes => hash.update(&buffer[..bytes]),
            }
        }
    }
    Ok(hexadecimal(&hash.finalize()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Returns true if a directory holds a checkpoint or an adapter, by its config.
pub fn is_checkpoint(dir: &Path) -> bool {
    dir.join(CONFIG).is_file() || peft::is_adapter(dir)
}

/// Refuses a path at which there is no directory.
pub(crate) fn require_directory(dir: &Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if !dir.exists() {
        return Err(Error::NotFound { path: dir.into() });
    }
    let problem = "expected a directory in the Hugging Face layout, found a file".into();
    Err(Error::NotACheckpoint { path: dir.into(), problem })
}

/// The files of a checkpoint's or an adapter's directory that belong to it, in the order of their names.
///
/// # Errors
/// One of them is a link that leaves the directory.
pub fn own_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut names = vec![CONFIG, ADAPTER_CONFIG, ADAPTER_WEIGHTS, OLDER_WEIGHTS];
    names.extend(COMPANIONS);
    let mut files = names.into_iter().filter_map(|name| file_in(dir, name).transpose()).collect::<Result<Vec<_>>>()?;
    if !peft::is_adapter(dir) {
        for path in source::weights_files(dir)?.into_iter().chain(source::indexes(dir)) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.extend(file_in(dir, &name)?);
        }
    }
    files.sort();
    Ok(files)
}

fn read_config(dir: &Path) -> Result<Value> {
    require_directory(dir)?;
    let path = dir.join(CONFIG);
    super::read_json(&super::read_file(&path)?, &path)
}

/// Says in which type the weights are written.
fn set_dtype(config: &mut Value, parameters: &[Values]) {
    let halves: Vec<HalfKind> =
        parameters.iter().filter_map(|values| if let Values::Half(h) = values { Some(h.kind) } else { None }).collect();
    let name = halves.first().map_or("float32", |kind| kind.name());
    if let Value::Object(keys) = config {
        let key = if keys.contains_key("torch_dtype") { "torch_dtype" } else { "dtype" };
        keys.insert(key.into(), json!(name));
    }
}

pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    let mut file = fs_err::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(())
}

/// The beginning of the names of all tensors except the output head's: `transformer.` of `transformer.wte.weight`.
fn base_prefix(spec: &DecoderSpec) -> &str {
    let embedding = &spec.parameters[spec.embedding].tensors[0].name;
    embedding.find('.').map_or("", |dot| &embedding[..=dot])
}
