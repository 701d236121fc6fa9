//! A checkpoint as a GGUF file.
//!
//! The finished file is read again before it gets its name. A setting that the format cannot hold is therefore an error, and not a file that
//! computes something else.

use super::blocks::GgufType;
use super::container::{Listed, write_elements, write_front};
use super::describe::{Description, describe, difference, within_windows};
use super::metadata::Metadata;
use super::names::{Arrangement, in_llama_cpp};
use super::tensors::{GgufFile, ROTARY};
use super::vocabulary::add_tokenizer;
use crate::decoder::DecoderSpec;
use crate::error::{Error, Result};
use crate::files::checkpoint::Checkpoint;
use crate::files::checkpoint::write::{OutgoingTensor, tensors_of};
use anamnesis::GgufMetadataValue as Metadatum;
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::Path;

/// The version of the arrangement of blocks in `ggml.h`.
const QUANTIZATION_VERSION: u32 = 2;
/// The beginning of the keys of records.
const RECORD: &str = "starloop.";

impl Checkpoint {
    /// Writes the model as a GGUF file, which llama.cpp and Ollama read: weights, tokenizer and chat template. `name` is the name of the model
    /// in the file. `records` are texts that programs keep with the model, by name: [`Checkpoint::records_of_gguf`] reads them again. A file with
    /// this path is replaced.
    ///
    /// # Errors
    /// The family, a setting or the tokenizer has no description in llama.cpp ([`Error::Gguf`]), or the disk.
    pub fn save_gguf(&self, path: &Path, kind: GgufType, name: &str, records: &BTreeMap<String, String>) -> Result<()> {
        let wrong = |problem| Error::Gguf { path: path.into(), problem };
        let spec = within_windows(&self.spec, &self.config);
        let Description { architecture, values, rotary_factors } = describe(&self.config, &spec).map_err(wrong)?;
        let mut metadata = Metadata { path: path.into(), values };
        metadata.put("general.architecture", Metadatum::String(architecture.into()));
        metadata.put("general.name", Metadatum::String(name.into()));
        metadata.put("general.file_type", Metadatum::U32(kind.file_code()));
        metadata.put("general.quantization_version", Metadatum::U32(QUANTIZATION_VERSION));
        for (name, text) in records {
            metadata.put(&format!("{RECORD}{name}"), Metadatum::String(text.clone()));
        }
        add_tokenizer(&mut metadata, &self.companions, &self.config, spec.vocabulary)?;
        let mut listed = self.listed(architecture, kind).map_err(wrong)?;
        if let Some(factors) = &rotary_factors {
            listed.insert(0, Listed { name: ROTARY.into(), shape: vec![factors.len()], kind: GgufType::F32 });
        }

        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs_err::create_dir_all(parent)?;
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut unfinished = builder.prefix(".gguf-").suffix(".tmp").tempfile_in(parent)?;
        let mut out = BufWriter::new(unfinished.as_file_mut());
        write_front(&mut out, &metadata.values, &listed)?;
        let mut rest = listed.iter();
        if let Some(factors) = &rotary_factors {
            write_elements(&mut out, rest.next().expect("its entry is the first"), factors)?;
        }
        for (tensor, listed) in self.outgoing().zip(rest) {
            write_elements(&mut out, listed, &arranged(&tensor, &listed.name, architecture, &spec).map_err(wrong)?)?;
        }
        out.flush()?;
        drop(out);
        unfinished.as_file().sync_all()?;
        check(unfinished.path(), &spec).map_err(wrong)?;
        unfinished.persist(path).map_err(|error| error.error)?;
        Ok(fs_err::File::open(parent)?.sync_all()?)
    }

    /// The texts that a GGUF file holds beside the model, by the names that [`Checkpoint::save_gguf`] got.
    ///
    /// # Errors
    /// The file cannot be read, or a record is no text.
    pub fn records_of_gguf(path: &Path) -> Result<BTreeMap<String, String>> {
        let file = GgufFile::open(path)?;
        let metadata = file.metadata();
        let records = metadata.values.keys().filter_map(|key| Some((key.strip_prefix(RECORD)?, key)));
        records.map(|(name, key)| Ok((name.to_owned(), metadata.optional_text(key)?.unwrap_or_default().to_owned()))).collect()
    }

    /// The tensors in the order of the parameters.
    fn outgoing(&self) -> impl Iterator<Item = OutgoingTensor<'_>> {
        self.spec.parameters.iter().zip(&self.parameters).flat_map(|(parameter, values)| tensors_of(parameter, values))
    }

    fn listed(&self, architecture: &str, kind: GgufType) -> Result<Vec<Listed>, String> {
        let entry = |tensor: OutgoingTensor<'_>| {
            let name = in_llama_cpp(tensor.name, architecture).ok_or_else(|| format!("tensor \"{}\" has no name in GGUF", tensor.name))?;
            let shape = tensor.tensor.shape.clone();
            Ok(Listed { name, kind: kind.of_tensor(&shape), shape })
        };
        self.outgoing().map(entry).collect()
    }
}

/// The elements of a tensor as llama.cpp arranges them.
fn arranged(tensor: &OutgoingTensor<'_>, name: &str, architecture: &str, spec: &DecoderSpec) -> Result<Vec<f32>, String> {
    let mut numbers = tensor.numbers();
    let heads = ["num_attention_heads", "num_key_value_heads"].map(|key| spec.size(key).unwrap_or(0));
    match Arrangement::of(name, architecture, heads) {
        Arrangement::Same => Ok(numbers),
        Arrangement::AlternatingHalves(heads) => {
            let rows = tensor.tensor.shape.first().copied().unwrap_or(0);
            let halves = Arrangement::halves_alternating(&numbers, rows, heads);
            halves.ok_or_else(|| format!("tensor \"{}\": its {rows} rows cannot be divided into {heads} heads", tensor.name))
        }
        Arrangement::OneMore => {
            for x in &mut numbers {
                *x += 1.0;
            }
            Ok(numbers)
        }
    }
}

/// Refuses a file that describes another decoder.
fn check(file: &Path, spec: &DecoderSpec) -> Result<(), String> {
    let described = super::open(file).and_then(|parts| DecoderSpec::from_config(&parts.config, file)).map_err(|error| error.to_string())?;
    match difference(spec, &described) {
        None => Ok(()),
        Some(what) => Err(format!("GGUF has no description of this model's {what}")),
    }
}
