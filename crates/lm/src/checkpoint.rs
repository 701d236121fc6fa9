//! Hugging Face checkpoint directories, in and out.
//!
//! A missing, extra, misshapen or damaged tensor is an error. A directory appears whole or not at all. Weights are read from safetensors or
//! from PyTorch's own files, one or several, in F32, F16 or BF16, and always written as safetensors in F32, in which they are computed and
//! trained; what else a directory holds of [`Checkpoint::companions`] is carried along byte for byte, so that `transformers` opens what
//! was written.

mod index;
mod pickle;
mod safetensors_file;
mod source;
mod torch;
mod vectors;
mod write;

pub use vectors::{NamedVectors, read_vectors, write_vectors};

use crate::arch::{DecoderSpec, ParameterSpec, TensorSpec};
use crate::error::{Error, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use source::{StoredTensor, TensorSource};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

/// The weights' file in a checkpoint directory, if it is one file.
pub const WEIGHTS: &str = "model.safetensors";
/// The model's description in a checkpoint directory.
pub const CONFIG: &str = "config.json";
/// Weights of more bytes are written in several files, none larger; the size that Hugging Face's hub and older file systems take.
pub const SHARD_BYTES: usize = 5_000_000_000;
/// How the names of tensors end that are tables and no parameters: causal masks of GPT-2, GPT-J and GPT-NeoX, rotary frequencies.
const BUFFERS: [&str; 5] = [".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq"];
/// How the output head's name ends.
const HEADS: [&str; 2] = ["lm_head.weight", "embed_out.weight"];
/// What goes with the weights: it is copied from one checkpoint to those fine-tuned from it.
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
    pub parameters: Vec<Vec<f32>>,
}

impl Checkpoint {
    /// Reads a directory.
    pub fn load(dir: &Path) -> Result<Self> {
        let config = read_config(dir)?;
        let spec = DecoderSpec::from_config(&config, &dir.join(CONFIG))?;
        let mut source = TensorSource::open(dir)?;
        source.complete_names(base_prefix(&spec));
        let parameters = read_weights(&source, &spec)?;
        let mut companions = BTreeMap::new();
        for name in COMPANIONS {
            let path = dir.join(name);
            if path.exists() {
                companions.insert((*name).into(), fs_err::read(path)?);
            }
        }
        Ok(Checkpoint { config, spec, companions, parameters })
    }

    /// Writes a directory that was not there before, and returns the SHA-256 of its weights.
    pub fn save(&self, dir: &Path) -> Result<String> {
        self.save_in_shards(dir, SHARD_BYTES)
    }

    /// The same with another limit than [`SHARD_BYTES`].
    pub fn save_in_shards(&self, dir: &Path, shard_bytes: usize) -> Result<String> {
        if dir.exists() {
            let message = format!("{} exists already; choose another name or remove it", dir.display());
            return Err(std::io::Error::new(std::io::ErrorKind::AlreadyExists, message).into());
        }
        let parent = dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs_err::create_dir_all(parent)?;
        let unfinished = tempfile::Builder::new().prefix(".checkpoint-").suffix(".tmp").tempdir_in(parent)?;
        for (name, bytes) in &self.companions {
            write_synced(&unfinished.path().join(name), bytes)?;
        }
        let mut config = self.config.clone();
        set_dtype(&mut config);
        let config = serde_json::to_vec_pretty(&config).map_err(|source| Error::Json { path: dir.join(CONFIG), source })?;
        write_synced(&unfinished.path().join(CONFIG), &config)?;
        write::write_weights(unfinished.path(), &self.spec.parameters, &self.parameters, shard_bytes)?;
        let hash = weights_sha256(unfinished.path())?;
        fs_err::rename(unfinished.keep(), dir)?;
        fs_err::File::open(parent)?.sync_all()?;
        Ok(hash)
    }
}

/// The SHA-256 of bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// The SHA-256 of a checkpoint's weights, in hexadecimal: what identifies it in attempts and metrics. Of several files, in the order of
/// their names, as of one.
pub fn weights_sha256(dir: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    for path in source::weights_files(dir)? {
        let mut file = fs_err::File::open(path)?;
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

fn read_config(dir: &Path) -> Result<Value> {
    let path = dir.join(CONFIG);
    let text = fs_err::read_to_string(&path)?;
    serde_json::from_str(&text).map_err(|source| Error::Json { path, source })
}

/// The weights are written as f32, whatever they were read as.
fn set_dtype(config: &mut Value) {
    if let Value::Object(keys) = config {
        let key = if keys.contains_key("torch_dtype") { "torch_dtype" } else { "dtype" };
        keys.insert(key.into(), json!("float32"));
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    let mut file = fs_err::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(())
}

/// What the names of all tensors begin with but the output head's: `transformer.` of `transformer.wte.weight`.
fn base_prefix(spec: &DecoderSpec) -> &str {
    let embedding = &spec.parameters[spec.embedding].tensors[0].name;
    embedding.find('.').map_or("", |dot| &embedding[..=dot])
}

/// The parameters in the decoder's layout.
fn read_weights(source: &TensorSource, spec: &DecoderSpec) -> Result<Vec<Vec<f32>>> {
    let mut unread = source.names().collect::<BTreeSet<_>>();
    let mut all = Vec::with_capacity(spec.parameters.len());
    for parameter in &spec.parameters {
        let mut values = Vec::with_capacity(parameter.len());
        for tensor in &parameter.tensors {
            unread.remove(tensor.name.as_str());
            let mut stored = Vec::with_capacity(tensor.len());
            read_tensor(source, tensor)?.append_to(&mut stored, source.path(&tensor.name), &tensor.name)?;
            values.extend(tensor.layout.decoder_order(&tensor.shape, stored));
        }
        all.push(values);
    }
    unread.retain(|name| !BUFFERS.iter().any(|buffer| name.ends_with(buffer)));
    for name in unread {
        if !is_copy_of_the_embedding(source, spec, name)? {
            return Err(Error::ExtraTensor { path: source.path(name).into(), name: name.into() });
        }
    }
    Ok(all)
}

/// A tensor that must be there, in the shape that the config gives.
fn read_tensor(source: &TensorSource, tensor: &TensorSpec) -> Result<StoredTensor> {
    let (path, name, expected) = (source.path(&tensor.name).to_owned(), tensor.name.clone(), tensor.shape.clone());
    match source.read(&tensor.name)? {
        None => Err(Error::MissingTensor { path, name, expected }),
        Some(found) if found.shape != expected => Err(Error::TensorShape { path, name, expected, got: found.shape }),
        Some(found) => Ok(found),
    }
}

/// Whether a tensor is the output head of a model that has none of its own: PyTorch's format writes a tied head out like any other tensor.
fn is_copy_of_the_embedding(source: &TensorSource, spec: &DecoderSpec, name: &str) -> Result<bool> {
    if !spec.tied() || !HEADS.iter().any(|head| name.ends_with(head)) {
        return Ok(false);
    }
    let embedding = read_tensor(source, &spec.parameters[spec.embedding].tensors[0])?;
    Ok(source.read(name)?.is_some_and(|head| head == embedding))
}

/// The elements of tensor `at` of a parameter, as the checkpoint has them.
fn file_values(parameter: &ParameterSpec, values: &[f32], at: usize) -> Vec<f32> {
    let begin = parameter.tensors[..at].iter().map(TensorSpec::len).sum::<usize>();
    let tensor = &parameter.tensors[at];
    tensor.layout.checkpoint_order(&tensor.shape, &values[begin..begin + tensor.len()])
}
