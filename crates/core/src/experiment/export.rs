//! A checkpoint of a run as a directory that can be shared: copied, merged with its base, or the adapters alone, with a model card.

use crate::error::{EngineContext, Error, Result};
use fs_err as fs;
use starloop_lm::checkpoint::Checkpoint;
use starloop_lm::files::peft;
use starloop_record::atomic::create_directory;
use std::path::{Path, PathBuf};

/// The file that the hub shows as the model card.
const CARD_FILE: &str = "README.md";

/// How fine-tuned weights are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// As the run has them.
    #[default]
    AsTrained,
    /// Adapters merged into their base.
    Merged,
    /// The adapters alone.
    Adapter,
}

/// Whether the exported directory holds adapters that need their base.
pub fn needs_base(source: &Path, form: Form) -> bool {
    peft::is_adapter(source) && form != Form::Merged
}

/// Writes the checkpoint in `source` to the new directory `out`, with `card` as its model card.
///
/// # Errors
/// `out` exists, the checkpoint does not have this form, or a file cannot be read or written.
pub fn checkpoint(source: &Path, form: Form, out: &Path, card: &str) -> Result<()> {
    let refused = |path: &Path, message: &str| Error::Unexportable { path: path.to_owned(), message: message.to_owned() };
    if out.exists() {
        return Err(refused(out, "it exists already; name another directory"));
    }
    let is_adapter = peft::is_adapter(source);
    if form == Form::Adapter && !is_adapter {
        return Err(refused(source, "the model was fine-tuned whole, so the checkpoint has no adapters; export it as it was trained"));
    }
    create_directory(out, |place| {
        if form == Form::Merged && is_adapter {
            let merged = Checkpoint::load_merged(source).and_then(|checkpoint| checkpoint.save(place));
            merged.during("merging the adapters with their base")?;
        } else {
            copy(source, place)?;
        }
        Ok::<_, Error>(fs::write(place.join(CARD_FILE), card)?)
    })
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let mut files: Vec<PathBuf> = fs::read_dir(from)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    for file in files.iter().filter(|file| file.is_file()) {
        fs::copy(file, to.join(file.file_name().unwrap_or_default()))?;
    }
    Ok(())
}
