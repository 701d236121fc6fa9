//! The records of a checkpoint beside its weights: the problems that it was trained on, and the form of its prompts. The records go with the
//! weights into every other form of them.

use crate::error::{EngineContext, Result};
use crate::policy::prompting::{PROMPTING, Prompting};
use crate::selection::{TRAINED_PROBLEMS, TrainedProblems};
use starloop_lm::checkpoint::{Checkpoint, GgufType};
use starloop_record::atomic::{self, regular};
use std::collections::BTreeMap;
use std::path::Path;

/// The files in a checkpoint directory. A GGUF file holds their texts under the same names.
const FILES: [&str; 2] = [TRAINED_PROBLEMS, PROMPTING];

/// Writes the records of the checkpoint directory `from` into `to`, which holds the same weights in another form.
///
/// # Errors
/// A record cannot be read or written.
pub fn carry_records(from: &Path, to: &Path) -> Result<()> {
    TrainedProblems::of_checkpoint(from)?.write(to)?;
    Prompting::of_checkpoint(from)?.map_or(Ok(()), |prompting| prompting.write(to))
}

/// Writes `checkpoint` as the GGUF file `file`. The file gets the records of the directory `source`, from which the checkpoint was read. `name` is the
/// name of the model in the file.
///
/// # Errors
/// As [`Checkpoint::save_gguf`], or a record cannot be read.
pub fn save_gguf(checkpoint: &Checkpoint, source: &Path, file: &Path, kind: GgufType, name: &str) -> Result<()> {
    let mut records = BTreeMap::new();
    for record in FILES.map(|record| (record, source.join(record))).into_iter().filter(|(_, path)| path.exists()) {
        records.insert(record.0.to_owned(), regular::read_to_string(&record.1)?);
    }
    checkpoint.save_gguf(file, kind, name, &records).during("writing the GGUF file")
}

/// Writes the Hugging Face directory of a GGUF file, with its records.
///
/// # Errors
/// As [`Checkpoint::load_gguf`], or the disk.
pub fn unpack_gguf(file: &Path, directory: &Path) -> Result<()> {
    Checkpoint::load_gguf(file).and_then(|checkpoint| checkpoint.save(directory)).during("reading the GGUF file")?;
    let records = Checkpoint::records_of_gguf(file).during("reading the GGUF file")?;
    for name in FILES {
        records.get(name).map_or(Ok(()), |text| atomic::write(&directory.join(name), text.as_bytes()))?;
    }
    Ok(())
}
