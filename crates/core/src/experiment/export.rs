//! A checkpoint of a run as a directory that can be shared: copied, merged with its base, or the adapters alone, with a model card.

use super::records::{carry_records, save_gguf};
use crate::error::{EngineContext, Error, Result};
use crate::method_run::relocate::{BASE, relative};
use crate::policy::prompting::PROMPTING;
use crate::selection::TRAINED_PROBLEMS;
use fs_err as fs;
use serde_json::Value;
use starloop_lm::checkpoint::{COMPANIONS, CONFIG, Checkpoint, GgufType};
use starloop_lm::files::peft;
use starloop_record::atomic::regular;
use starloop_record::atomic::{self, create_directory};
use std::path::{Path, PathBuf};

/// Files of a checkpoint that other programs write and read.
const OTHERS: [&str; 8] =
    ["added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "tokenizer.model", "pretrain.json", TRAINED_PROBLEMS, PROMPTING];
/// The file that the hub shows as the model card.
const CARD_FILE: &str = "README.md";
/// The config of the run.
const CONFIG_FILE: &str = "starloop.toml";

/// The texts that an exported directory holds beside the checkpoint.
#[derive(Debug, Clone, Copy)]
pub struct Texts<'a> {
    /// The model card.
    pub card: &'a str,
    /// The config of the run.
    pub config: &'a str,
    /// The name of the base on the hub, if it is known. Adapters name it.
    pub hub: Option<&'a str>,
}

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

/// Returns true if the exported directory holds adapters that need their base.
pub fn needs_base(source: &Path, form: Form) -> bool {
    peft::is_adapter(source) && form != Form::Merged
}

/// Writes the checkpoint in `source` to the new directory `out`, with model card and config. Adapters name their base by its name on the hub, or
/// else by the path from `out` to it. Returns the names of files that it does not copy because they are not files of a checkpoint.
///
/// # Errors
/// `out` exists, the checkpoint does not have the form that is asked for, one of its files is a symbolic link, or a file cannot be read or
/// written.
pub fn checkpoint(source: &Path, form: Form, out: &Path, texts: Texts<'_>) -> Result<Vec<String>> {
    let refused = |path: &Path, message: &str| Error::Unexportable { path: path.to_owned(), message: message.to_owned() };
    if out.exists() {
        return Err(refused(out, "it exists already; name another directory"));
    }
    let is_adapter = peft::is_adapter(source);
    if form == Form::Adapter && !is_adapter {
        return Err(refused(source, "the model was fine-tuned whole, so the checkpoint has no adapters; export it as it was trained"));
    }
    create_directory(out, |place| {
        let left_out = if form == Form::Merged && is_adapter {
            let merged = Checkpoint::load_merged(source).and_then(|checkpoint| checkpoint.save(place));
            merged.during("merging the adapters with their base")?;
            carry_records(source, place)?;
            Vec::new()
        } else {
            copy(source, place)?
        };
        if peft::is_adapter(place) {
            let base = texts.hub.map_or_else(|| path_to_base(source, out), |hub| Ok(hub.to_owned()))?;
            name_base(&place.join(peft::ADAPTER_CONFIG), &base)?;
        }
        atomic::write(&place.join(CARD_FILE), texts.card.as_bytes())?;
        atomic::write(&place.join(CONFIG_FILE), texts.config.as_bytes())?;
        Ok::<_, Error>(left_out)
    })
}

/// Writes the checkpoint in `source` to the new directory `out` for llama.cpp and Ollama: `NAME.gguf`, with adapters merged into their base,
/// and a Modelfile.
///
/// # Errors
/// `out` exists, or the model has no description in llama.cpp's format, or a file cannot be read or written.
pub fn gguf(source: &Path, kind: GgufType, name: &str, out: &Path) -> Result<()> {
    if out.exists() {
        let message = "it exists already; name another directory".to_owned();
        return Err(Error::Unexportable { path: out.to_owned(), message });
    }
    let file = format!("{name}.gguf");
    create_directory(out, |place| {
        atomic::make_directory(place)?;
        // A merged update is rounded once, to the type of the file.
        let checkpoint = Checkpoint::load_merged_in_full(source).during("reading the checkpoint")?;
        save_gguf(&checkpoint, source, &place.join(&file), kind, name)?;
        let modelfile = checkpoint.modelfile(&file).during("writing the Modelfile")?;
        Ok::<_, Error>(atomic::write(&place.join("Modelfile"), modelfile.as_bytes())?)
    })
}

/// The path from the exported directory to the base of the adapters in `source`.
fn path_to_base(source: &Path, out: &Path) -> Result<String> {
    let absolute = fs::canonicalize(peft::base_of(source).during("reading the adapters")?)?;
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let out: PathBuf = fs::canonicalize(parent)?.join(out.file_name().unwrap_or_default());
    Ok(relative(&out, &absolute).to_string_lossy().replace('\\', "/"))
}

/// Writes the name of the base into an `adapter_config.json`.
fn name_base(path: &Path, base: &str) -> Result<()> {
    let corrupt = |source: serde_json::Error| Error::Json { path: path.to_owned(), source };
    let mut config: Value = serde_json::from_slice(&regular::read(path)?).map_err(corrupt)?;
    config[BASE] = base.into();
    let mut text = serde_json::to_vec_pretty(&config).map_err(corrupt)?;
    text.push(b'\n');
    Ok(atomic::write(path, &text)?)
}

/// Copies the files of a checkpoint. A run can come from someone else, and a link in it can lead to any file of the user, so a link is refused.
fn copy(from: &Path, to: &Path) -> Result<Vec<String>> {
    atomic::make_directory(to)?;
    let mut left_out = Vec::new();
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        match entry.file_type()? {
            _ if !is_of_checkpoint(&name) => left_out.push(name),
            kind if kind.is_file() => atomic::copy(&entry.path(), &to.join(&name))?,
            _ => {
                let message = "it is a symbolic link or a directory, expected a regular file; put the file itself there".to_owned();
                return Err(Error::Unexportable { path: entry.path(), message });
            }
        }
    }
    left_out.sort();
    Ok(left_out)
}

/// Returns true if a file with this name belongs to a checkpoint.
fn is_of_checkpoint(name: &str) -> bool {
    let is_weights = [".safetensors", ".safetensors.index.json"].iter().any(|end| name.ends_with(end));
    is_weights || [CONFIG, peft::ADAPTER_CONFIG].contains(&name) || COMPANIONS.contains(&name) || OTHERS.contains(&name)
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_the_files_of_a_checkpoint_are_exported_and_no_link() {
        let place = tempfile::tempdir().unwrap();
        let (source, secret, out) = (place.path().join("checkpoint"), place.path().join("secret"), place.path().join("out"));
        std::fs::create_dir_all(source.join("nested")).unwrap();
        std::fs::write(&secret, "secret").unwrap();
        for name in ["config.json", "model.safetensors", "training.log"] {
            std::fs::write(source.join(name), name).unwrap();
        }
        symlink(&secret, source.join("notes.md")).unwrap();
        let texts = Texts { card: "card", config: "name = 'x'", hub: None };
        let left_out = checkpoint(&source, Form::AsTrained, &out, texts).unwrap();
        assert_eq!(left_out, ["nested", "notes.md", "training.log"]);
        let mut names: Vec<_> = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["README.md", "config.json", "model.safetensors", "starloop.toml"]);
        symlink(&secret, source.join("vocab.txt")).unwrap();
        let error = checkpoint(&source, Form::AsTrained, &place.path().join("two"), texts).unwrap_err().to_string();
        assert!(error.contains("/vocab.txt: it is a symbolic link or a directory"), "{error}");
        assert!(!place.path().join("two").exists());
    }
}
