//! Hugging Face checkpoint directories, in and out.
//!
//! A missing, extra, misshapen or damaged tensor is an error. A directory appears whole or not at all. Weights are read from F32, F16 and
//! BF16 and always written as F32, in which they are computed and trained; what else a directory holds of [`Checkpoint::companions`] is
//! carried along byte for byte, so that `transformers` opens what was written.

use crate::arch::{DecoderSpec, ParameterSpec};
use crate::error::{Error, Result};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The weights' file in a checkpoint directory.
pub const WEIGHTS: &str = "model.safetensors";
/// The model's description in a checkpoint directory.
pub const CONFIG: &str = "config.json";
/// What is copied from one checkpoint to those fine-tuned from it.
const COMPANIONS: &[&str] =
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
        let parameters = read_weights(&dir.join(WEIGHTS), &spec.parameters)?;
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
        let weights = weight_bytes(&self.spec.parameters, &self.parameters, &dir.join(WEIGHTS))?;
        write_synced(&unfinished.path().join(WEIGHTS), &weights)?;
        fs_err::rename(unfinished.keep(), dir)?;
        fs_err::File::open(parent)?.sync_all()?;
        Ok(sha256(&weights))
    }
}

/// The SHA-256 of bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The SHA-256 of a checkpoint's weights file: what identifies it in attempts and metrics.
pub fn weights_sha256(dir: &Path) -> Result<String> {
    Ok(sha256(&fs_err::read(dir.join(WEIGHTS))?))
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

fn read_weights(path: &Path, parameters: &[ParameterSpec]) -> Result<Vec<Vec<f32>>> {
    let bytes = fs_err::read(path)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|source| Error::Safetensors { path: path.into(), source })?;
    let mut unread: std::collections::BTreeSet<&str> = file.names().into_iter().collect();
    let mut all = Vec::with_capacity(parameters.len());
    for parameter in parameters {
        let mut values = Vec::with_capacity(parameter.len());
        for tensor in &parameter.tensors {
            unread.remove(tensor.name.as_str());
            let missing = || Error::MissingTensor { path: path.into(), name: tensor.name.clone(), expected: tensor.shape.clone() };
            let view = file.tensor(&tensor.name).map_err(|_| missing())?;
            if view.shape() != tensor.shape {
                let (expected, got) = (tensor.shape.clone(), view.shape().to_vec());
                return Err(Error::TensorShape { path: path.into(), name: tensor.name.clone(), expected, got });
            }
            let mut stored = Vec::with_capacity(tensor.len());
            append_values(path, &tensor.name, &view, &mut stored)?;
            values.extend(tensor.layout.decoder_order(&tensor.shape, stored));
        }
        all.push(values);
    }
    // Old exports of llama carry these tables, which the config determines.
    unread.retain(|name| !name.ends_with("rotary_emb.inv_freq"));
    match unread.first() {
        Some(name) => Err(Error::ExtraTensor { path: path.into(), name: (*name).into() }),
        None => Ok(all),
    }
}

fn append_values(path: &Path, name: &str, view: &TensorView<'_>, values: &mut Vec<f32>) -> Result<()> {
    let start = values.len();
    let pairs = || view.data().as_chunks::<2>().0.iter();
    match view.dtype() {
        Dtype::F32 => values.extend(view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b))),
        Dtype::F16 => values.extend(pairs().map(|b| half::f16::from_le_bytes(*b).to_f32())),
        Dtype::BF16 => values.extend(pairs().map(|b| half::bf16::from_le_bytes(*b).to_f32())),
        other => return Err(Error::TensorType { path: path.into(), name: name.into(), got: format!("{other:?}") }),
    }
    match values[start..].iter().position(|x| !x.is_finite()) {
        Some(index) => Err(Error::NonFiniteWeight { path: path.into(), name: name.into(), index, value: values[start + index] }),
        None => Ok(()),
    }
}

/// A safetensors file of f32 tensors under the checkpoint's names.
fn weight_bytes(specs: &[ParameterSpec], parameters: &[Vec<f32>], path: &Path) -> Result<Vec<u8>> {
    let mut tensors = Vec::new();
    for (spec, values) in specs.iter().zip(parameters) {
        let mut rest = values.as_slice();
        for tensor in &spec.tensors {
            let (rows, after) = rest.split_at(tensor.len());
            let stored = tensor.layout.checkpoint_order(&tensor.shape, rows);
            tensors.push((tensor.name.clone(), tensor.shape.clone(), little_endian(&stored)));
            rest = after;
        }
    }
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    serialize(&tensors, Some(metadata)).map_err(|source| Error::Safetensors { path: path.into(), source })
}

fn little_endian(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn serialize(
    tensors: &[(String, Vec<usize>, Vec<u8>)],
    metadata: Option<std::collections::HashMap<String, String>>,
) -> Result<Vec<u8>, safetensors::SafeTensorError> {
    let views: Result<Vec<_>, safetensors::SafeTensorError> =
        tensors.iter().map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?))).collect();
    safetensors::serialize(views?, metadata)
}

/// Writes named vectors as one safetensors file, whole or not at all: the form of a saved training state.
pub fn write_vectors(path: &Path, vectors: &[(String, Vec<f32>)], note: &Map<String, Value>) -> Result<()> {
    let tensors: Vec<_> = vectors.iter().map(|(name, values)| (name.clone(), vec![values.len()], little_endian(values))).collect();
    let metadata = [("state".to_owned(), Value::Object(note.clone()).to_string())].into();
    let bytes = serialize(&tensors, Some(metadata)).map_err(|source| Error::Safetensors { path: path.into(), source })?;
    let unfinished: PathBuf = path.with_extension("tmp");
    write_synced(&unfinished, &bytes)?;
    fs_err::rename(&unfinished, path)?;
    Ok(())
}

/// Vectors by name, and the note that was saved with them.
pub type NamedVectors = (BTreeMap<String, Vec<f32>>, Map<String, Value>);

/// Reads what [`write_vectors`] wrote.
pub fn read_vectors(path: &Path) -> Result<NamedVectors> {
    let bytes = fs_err::read(path)?;
    let wrap = |source| Error::Safetensors { path: path.into(), source };
    let file = SafeTensors::deserialize(&bytes).map_err(wrap)?;
    let mut vectors = BTreeMap::new();
    for (name, view) in file.tensors() {
        let mut values = Vec::new();
        append_values(path, &name, &view, &mut values)?;
        vectors.insert(name, values);
    }
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(wrap)?;
    let note = header.metadata().as_ref().and_then(|m| m.get("state")).map_or("{}", String::as_str);
    let note = serde_json::from_str(note).map_err(|source| Error::Json { path: path.into(), source })?;
    Ok((vectors, note))
}
