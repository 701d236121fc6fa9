//! Weights on their way out: one safetensors file, or above a limit shards with an index, as `transformers` writes them.

use super::WEIGHTS;
use super::index::ShardIndex;
use crate::error::{Error, Result};
use crate::weights::{Half16, HalfKind, ParameterSpec, TensorSpec, Values};
use safetensors::tensor::View;
use safetensors::{Dtype, SafeTensorError};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

/// Writes and syncs the weights into a directory: no file has more than `limit` bytes of elements, unless a single tensor has.
pub(super) fn write_weights(dir: &Path, parameters: &[ParameterSpec], values: &[Values], limit: usize) -> Result<()> {
    let tensors = parameters.iter().zip(values).flat_map(|(parameter, values)| tensors_of(parameter, values)).collect::<Vec<_>>();
    let total = tensors.iter().map(OutgoingTensor::data_len).sum::<usize>();
    let shards = shards(tensors, limit);
    let format = || ("format", "pt".to_owned());
    if let [_] = shards.as_slice() {
        return write_file(&dir.join(WEIGHTS), shards.into_iter().flat_map(named), format());
    }
    let count = shards.len();
    let mut places = BTreeMap::new();
    for (at, shard) in shards.into_iter().enumerate() {
        let name = format!("model-{:05}-of-{count:05}.safetensors", at + 1);
        places.extend(shard.iter().map(|tensor| (tensor.name, name.clone())));
        write_file(&dir.join(name), named(shard), format())?;
    }
    let path = dir.join(format!("{WEIGHTS}.index.json"));
    let index = serde_json::to_vec_pretty(&ShardIndex::to_json(&places, total as u64));
    super::write_synced(&path, &index.map_err(|source| Error::Json { path: path.clone(), source })?)
}

/// Writes and syncs parameters as one file with a note.
pub(in crate::files) fn write_parameters(path: &Path, parameters: &[ParameterSpec], values: &[Values], note: (&str, String)) -> Result<()> {
    let tensors = parameters.iter().zip(values).flat_map(|(parameter, values)| tensors_of(parameter, values));
    write_file(path, named(tensors.collect()), note)
}

/// A tensor that becomes bytes when its turn comes, so that writing needs one tensor beyond the model's own memory.
pub(super) struct OutgoingTensor<'a> {
    pub(super) name: &'a str,
    pub(super) tensor: &'a TensorSpec,
    /// The parameter's values, and where the tensor's begin among them.
    values: &'a Values,
    begin: usize,
}

impl OutgoingTensor<'_> {
    /// The elements in the checkpoint's order.
    pub(super) fn numbers(&self) -> Vec<f32> {
        let (layout, part) = (&self.tensor.layout, self.begin..self.begin + self.tensor.len());
        let ordered = match self.values {
            Values::Full(values) => layout.checkpoint_order(&self.tensor.shape, &values[part]),
            Values::Half(halves) => {
                let bits = layout.checkpoint_order(&self.tensor.shape, &halves.bits[part]);
                bits.into_iter().map(|bits| halves.kind.number(bits)).collect()
            }
        };
        ordered.into_iter().map(|x| x - layout.offset()).collect()
    }
}

impl View for OutgoingTensor<'_> {
    fn dtype(&self) -> Dtype {
        match self.values {
            Values::Full(_) => Dtype::F32,
            Values::Half(Half16 { kind: HalfKind::Bf16, .. }) => Dtype::BF16,
            Values::Half(Half16 { kind: HalfKind::F16, .. }) => Dtype::F16,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.tensor.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let (layout, shape, part) = (&self.tensor.layout, &self.tensor.shape, self.begin..self.begin + self.tensor.len());
        Cow::Owned(match self.values {
            Values::Full(values) => {
                let stored = layout.checkpoint_order(shape, &values[part]);
                stored.iter().flat_map(|x| (x - layout.offset()).to_le_bytes()).collect()
            }
            Values::Half(halves) => layout.checkpoint_order(shape, &halves.bits[part]).iter().flat_map(|bits| bits.to_le_bytes()).collect(),
        })
    }

    fn data_len(&self) -> usize {
        self.tensor.len() * self.values.width()
    }
}

/// Elements as they are stored.
pub(super) fn little_endian(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

pub(super) fn tensors_of<'a>(parameter: &'a ParameterSpec, values: &'a Values) -> impl Iterator<Item = OutgoingTensor<'a>> {
    parameter.tensors.iter().scan(0, move |begin, tensor| {
        let outgoing = OutgoingTensor { name: &tensor.name, tensor, values, begin: *begin };
        *begin += tensor.len();
        Some(outgoing)
    })
}

/// Cuts the tensors, in their order, before each that would exceed the limit.
fn shards(tensors: Vec<OutgoingTensor<'_>>, limit: usize) -> Vec<Vec<OutgoingTensor<'_>>> {
    let mut shards = vec![Vec::new()];
    let mut size = 0;
    for tensor in tensors {
        let bytes = tensor.data_len();
        if size > 0 && size + bytes > limit {
            shards.push(Vec::new());
            size = 0;
        }
        size += bytes;
        shards.last_mut().expect("there is a first shard").push(tensor);
    }
    shards
}

/// Writes and syncs one file, which must not exist.
pub(super) fn write_file<V: View>(path: &Path, tensors: impl IntoIterator<Item = (String, V)>, note: (&str, String)) -> Result<()> {
    let metadata = [(note.0.to_owned(), note.1)].into();
    // The library renames a temporary file, which only its owner may read. The umask decides about this file, as about any other. A new file is
    // never a link to another one.
    let permissions = fs_err::File::create_new(path)?.metadata()?.permissions();
    safetensors::serialize_to_file(tensors, Some(metadata), path).map_err(|error| match error {
        SafeTensorError::IoError(error) => std::io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display())).into(),
        source => Error::Safetensors { path: path.into(), source },
    })?;
    fs_err::set_permissions(path, permissions)?;
    Ok(fs_err::File::open(path)?.sync_all()?)
}

fn named(shard: Vec<OutgoingTensor<'_>>) -> impl Iterator<Item = (String, OutgoingTensor<'_>)> {
    shard.into_iter().map(|tensor| (tensor.name.to_owned(), tensor))
}
