//! Parameters from stored tensors: each is there, has the shape that the config gives, and is finite, and no tensor is left over.

use super::safetensors_file::SafetensorsFile;
use super::source::{StoredTensor, TensorSource};
use crate::decoder::DecoderSpec;
use crate::error::{Error, Result};
use crate::weights::{Half16, ParameterSpec, TensorSpec, Values};
use std::collections::BTreeSet;
use std::path::Path;

/// How the names of tensors end that are tables and no parameters: causal masks of GPT-2, GPT-J and GPT-NeoX, rotary frequencies.
const BUFFERS: [&str; 5] = [".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq"];
/// How the output head's name ends.
const HEADS: [&str; 2] = ["lm_head.weight", "embed_out.weight"];

/// The parameters in the decoder's layout, as they are stored.
pub(super) fn read_weights(source: &TensorSource, spec: &DecoderSpec) -> Result<Vec<Values>> {
    let all = spec.parameters.iter().map(|parameter| read_parameter(source, parameter)).collect::<Result<Vec<_>>>()?;
    refuse_extra(source, spec)?;
    Ok(all)
}

/// A tensor that the config does not call for is an error.
pub(super) fn refuse_extra(source: &TensorSource, spec: &DecoderSpec) -> Result<()> {
    let mut unread = source.names().collect::<BTreeSet<_>>();
    for tensor in spec.parameters.iter().flat_map(|parameter| &parameter.tensors) {
        unread.remove(tensor.name.as_str());
    }
    unread.retain(|name| !BUFFERS.iter().any(|buffer| name.ends_with(buffer)));
    for name in unread {
        if is_tied_head(spec, name) {
            refuse_other_head(source, spec, name)?;
        } else {
            return Err(Error::ExtraTensor { path: source.path(name).into(), name: name.into() });
        }
    }
    Ok(())
}

/// One parameter: a matrix whose tensors are all of one 16-bit type stays so, everything else is widened.
fn read_parameter(source: &TensorSource, parameter: &ParameterSpec) -> Result<Values> {
    let mut stored = parameter.tensors.iter().map(|tensor| read_tensor(source, tensor)).collect::<Result<Vec<_>>>()?;
    let kinds: BTreeSet<_> = stored.iter().map(StoredTensor::half_kind).collect();
    let kind = if parameter.is_matrix() && kinds.len() == 1 { kinds.into_iter().next().flatten() } else { None };
    let tensors = parameter.tensors.iter().zip(stored.drain(..));
    if let Some(kind) = kind {
        let mut bits = Vec::with_capacity(parameter.len());
        for (tensor, stored) in tensors {
            let part = stored.half_bits(kind, source.path(&tensor.name), &tensor.name)?;
            bits.extend(tensor.layout.decoder_order(&tensor.shape, part));
        }
        return Ok(Values::Half(Half16 { kind, bits }));
    }
    let mut values = Vec::with_capacity(parameter.len());
    for (tensor, stored) in tensors {
        let mut part = Vec::with_capacity(tensor.len());
        stored.append_to(&mut part, source.path(&tensor.name), &tensor.name)?;
        let offset = tensor.layout.offset();
        values.extend(tensor.layout.decoder_order(&tensor.shape, part).into_iter().map(|x| x + offset));
    }
    Ok(Values::Full(values))
}

/// A tensor that must be there, in the shape that the config gives.
pub(super) fn read_tensor(source: &TensorSource, tensor: &TensorSpec) -> Result<StoredTensor> {
    match source.read(&tensor.name)? {
        None => Err(missing(source, tensor)),
        Some(found) if found.shape != tensor.shape => {
            let (path, name) = (source.path(&tensor.name).to_owned(), tensor.name.clone());
            Err(Error::TensorShape { path, name, expected: tensor.shape.clone(), got: found.shape })
        }
        Some(found) => Ok(found),
    }
}

pub(super) fn missing(source: &TensorSource, tensor: &TensorSpec) -> Error {
    let (path, name) = (source.path(&tensor.name).to_owned(), tensor.name.clone());
    Error::MissingTensor { path, name, expected: tensor.shape.clone(), similar: source.similar(&tensor.name) }
}

/// Returns whether a tensor has the name of an output head.
pub(in crate::files) fn is_head(name: &str) -> bool {
    HEADS.iter().any(|head| name.ends_with(head))
}

/// Returns whether a tensor is the output head of a model whose head is the embedding. PyTorch's format writes it like any other tensor.
fn is_tied_head(spec: &DecoderSpec, name: &str) -> bool {
    spec.tied() && is_head(name)
}

/// Refuses a tied head that is not the embedding.
fn refuse_other_head(source: &TensorSource, spec: &DecoderSpec, name: &str) -> Result<()> {
    let tied = &spec.parameters[spec.embedding].tensors[0];
    let embedding = read_tensor(source, tied)?;
    if source.read(name)?.is_some_and(|head| head == embedding) {
        return Ok(());
    }
    let problem = format!(
        "tensor \"{name}\" differs from \"{}\", but config.json says that they are one; if the head was trained by itself, set \
         tie_word_embeddings to false",
        tied.name
    );
    Err(Error::Weights { path: source.path(name).into(), problem })
}

/// Reads the parameters of one file that holds nothing else.
pub(in crate::files) fn read_parameters(path: &Path, parameters: &[ParameterSpec]) -> Result<Vec<Values>> {
    let source = TensorSource::of_file(path)?;
    let known: BTreeSet<&str> = parameters.iter().flat_map(|p| &p.tensors).map(|tensor| tensor.name.as_str()).collect();
    if let Some(name) = source.names().find(|name| !known.contains(name)) {
        return Err(Error::ExtraTensor { path: path.into(), name: name.into() });
    }
    parameters.iter().map(|parameter| read_parameter(&source, parameter)).collect()
}

/// The names of the tensors of a safetensors file.
pub(in crate::files) fn tensor_names(path: &Path) -> Result<BTreeSet<String>> {
    Ok(TensorSource::of_file(path)?.names().map(str::to_owned).collect())
}

/// A note in the header of a safetensors file.
pub(in crate::files) fn note(path: &Path, key: &str) -> Result<Option<String>> {
    Ok(SafetensorsFile::open(path)?.note(key).map(str::to_owned))
}
