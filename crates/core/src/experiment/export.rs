//! A checkpoint of a run as a directory that can be shared: copied, merged with its base, or the adapters alone, with a model card.

use crate::error::{Error, Result};
use fs_err as fs;
use starloop_lm::checkpoint::{Checkpoint, own_files};
use starloop_lm::files::peft;
use starloop_record::atomic::create_directory;
use std::path::Path;

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
/// `out` exists, the checkpoint does not have the form that is asked for, or a file cannot be read or written.
pub fn checkpoint(source: &Path, form: Form, out: &Path, card: &str) -> Result<()> {
    let refused = |path: &Path, message: &str| Error::Unexportable { path: path.to_owned(), message: message.to_owned() };
    if out.exists() {
        return Err(refused(out, "it exists already; name another directory with --checkpoint"));
    }
    let is_adapter = peft::is_adapter(source);
    if form == Form::Adapter && !is_adapter {
        return Err(refused(source, "the model was fine-tuned whole, so the checkpoint has no adapters; leave out --adapter"));
    }
    create_directory(out, |place| {
        if form == Form::Merged && is_adapter {
            let merged = Checkpoint::load_merged(source).and_then(|checkpoint| checkpoint.save(place));
            merged.map_err(|error| refused(source, &format!("failed to merge the adapters with their base: {error}")))?;
        } else {
            copy(source, place)?;
        }
        Ok::<_, Error>(fs::write(place.join(CARD_FILE), card)?)
    })
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    // Only the files that belong to a checkpoint: what else lies there, or where a link leads, is not meant to be shared.
    for file in own_files(from).map_err(|error| Error::Unexportable { path: from.to_owned(), message: error.to_string() })? {
        fs::copy(&file, to.join(file.file_name().unwrap_or_default()))?;
    }
    Ok(())
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_a_checkpoints_own_files_are_exported() {
        let place = tempfile::tempdir().unwrap();
        let within = |name: &str| place.path().join(name);
        std::fs::write(within("secret"), "secret").unwrap();
        std::fs::create_dir(within("checkpoint")).unwrap();
        for name in ["config.json", "model.safetensors", "tokenizer.json"] {
            std::fs::write(within("checkpoint").join(name), name).unwrap();
        }
        symlink(within("secret"), within("checkpoint/notes.md")).unwrap();
        checkpoint(&within("checkpoint"), Form::AsTrained, &within("out"), "card").unwrap();
        let mut names: Vec<_> = std::fs::read_dir(within("out")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["README.md", "config.json", "model.safetensors", "tokenizer.json"]);
        symlink(within("secret"), within("checkpoint/chat_template.jinja")).unwrap();
        let error = checkpoint(&within("checkpoint"), Form::AsTrained, &within("other"), "card").unwrap_err().to_string();
        assert!(error.contains("chat_template.jinja: is a link to") && !within("other").exists(), "{error}");
    }
}
