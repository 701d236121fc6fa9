//! The pretrained model that everything starts from: a directory of the user's, or one that comes with the program.

use super::records::unpack_gguf;
use crate::config::{ModelConfig, strict::nearest};
use crate::error::{EngineContext, Error, Missing, Result};
use crate::external::fetch::hub::Hub;
use crate::external::hub_cache::HubName;
use fs_err as fs;
use starloop_lm::checkpoint::{Checkpoint, Summary, is_gguf};
use starloop_lm::files::peft::{base_of, is_adapter};
use starloop_record::RunDir;
use starloop_record::atomic::{self, create_directory};
use std::path::{Path, PathBuf};

/// A model that comes with the program.
struct Builtin {
    name: &'static str,
    /// File name and content.
    files: &'static [(&'static str, &'static [u8])],
}

macro_rules! builtin {
    ($name:literal) => {
        Builtin {
            name: $name,
            files: &[
                ("config.json", include_bytes!(concat!("../../models/", $name, "/config.json"))),
                ("generation_config.json", include_bytes!(concat!("../../models/", $name, "/generation_config.json"))),
                ("model.safetensors", include_bytes!(concat!("../../models/", $name, "/model.safetensors"))),
                ("pretrain.json", include_bytes!(concat!("../../models/", $name, "/pretrain.json"))),
                ("tokenizer.json", include_bytes!(concat!("../../models/", $name, "/tokenizer.json"))),
                ("tokenizer_config.json", include_bytes!(concat!("../../models/", $name, "/tokenizer_config.json"))),
            ],
        }
    };
}

/// The shipped models, made by `starloop pretrain` from the recipe of the same name.
const BUILTINS: &[Builtin] = &[builtin!("arithmetic"), builtin!("arithmetic-long")];

/// The directory in which `starloop get model` puts models. It is no name of an organization.
const DOWNLOADS: &str = "bases";

/// The model that `model.base` names.
pub struct BaseModel(Location);

enum Location {
    Directory(PathBuf),
    /// A file of llama.cpp's format, which is converted.
    Gguf(PathBuf),
    Builtin(&'static Builtin),
}

impl BaseModel {
    /// The model that a config names.
    ///
    /// # Errors
    /// As [`BaseModel::find`]. The error names the model on the hub if the config does.
    pub fn of(config: &ModelConfig) -> Result<BaseModel> {
        let ModelConfig { base, hub, .. } = config;
        let name = |hub: &str| hub.rsplit('/').next().map(str::to_owned);
        // Another base than the one that the config was written for is not on the hub under this name.
        let hub = hub.clone().filter(|hub| Path::new(base).file_name().and_then(|last| last.to_str()) == name(hub).as_deref());
        let found = if hub.is_some() { BaseModel::local(base) } else { BaseModel::find(base) };
        found.map_err(|error| match error {
            Error::NotFound { what, name, known, nearest, .. } => Error::NotFound { what, name, known, nearest, download: hub },
            error => error,
        })
    }

    /// Looks the model up, before anything is begun: a shipped model, a directory, a GGUF file, or a model of the hub that is on this machine.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such model. Nothing is fetched.
    pub fn find(base: &str) -> Result<BaseModel> {
        let Some(name) = hub_name(base) else { return Self::local(base) };
        let hub = Hub::from_environment(|name| std::env::var(name).ok());
        if let Some(snapshot) = hub.find_model(&name) {
            return Ok(BaseModel(Location::Directory(snapshot.directory)));
        }
        let known = std::iter::once(base.to_owned()).chain(hub.places(&name)).collect();
        Err(Error::NotFound { what: Missing::HubModel, name: base.to_owned(), known, nearest: None, download: Some(name.name) })
    }

    fn local(base: &str) -> Result<BaseModel> {
        let missing = |known: Vec<String>, nearest| {
            Err(Error::NotFound { what: Missing::Model, name: base.to_owned(), known, nearest, download: None })
        };
        let Some(name) = base.strip_prefix("builtin:") else {
            let path = Path::new(base);
            return if path.is_dir() {
                Ok(BaseModel(Location::Directory(path.to_owned())))
            } else if path.is_file() && is_gguf(path) {
                Ok(BaseModel(Location::Gguf(path.to_owned())))
            } else {
                missing(Vec::new(), None)
            };
        };
        if let Some(builtin) = BUILTINS.iter().find(|builtin| builtin.name == name) {
            return Ok(BaseModel(Location::Builtin(builtin)));
        }
        let known: Vec<String> = BUILTINS.iter().map(|builtin| builtin.name.to_owned()).collect();
        let nearest = nearest(name, &known);
        missing(known, nearest)
    }

    /// The user's directory, whose weights may change between two starts of a run. The weights of a shipped model do not change.
    pub fn own_directory(&self) -> Option<&Path> {
        match &self.0 {
            Location::Directory(path) => Some(path),
            Location::Gguf(_) | Location::Builtin(_) => None,
        }
    }

    /// The directory or file of a model that does not come with the program.
    pub fn place(&self) -> Option<&Path> {
        match &self.0 {
            Location::Directory(path) | Location::Gguf(path) => Some(path),
            Location::Builtin(_) => None,
        }
    }

    /// A directory with its config, tokenizer and chat template, to look at prompts before a run, and the model's context in tokens. A shipped model
    /// is unpacked to `place`; of a GGUF file, the parts that prompts need.
    ///
    /// # Errors
    /// Unpacking fails, or the model's files are damaged.
    pub fn for_prompts(&self, place: &Path) -> Result<(PathBuf, usize)> {
        if let Location::Gguf(path) = &self.0 {
            let spec = Checkpoint::write_prompt_files_of_gguf(path, place).during("reading the base model")?;
            return Ok((place.to_owned(), spec.context));
        }
        let directory = self.unpacked(place)?;
        // Adapters have the context of their base.
        let whole = if is_adapter(&directory) { base_of(&directory).during("reading the adapters")? } else { directory.clone() };
        let context = Summary::read(&whole).during("reading the base model's config")?.spec.context;
        Ok((directory, context))
    }

    /// Its checkpoint directory. A shipped model is unpacked into the run directory, so that the run is complete without this program.
    ///
    /// # Errors
    /// Unpacking fails, or an unpacked file was changed.
    pub fn directory(&self, run_dir: &RunDir) -> Result<PathBuf> {
        match &self.0 {
            Location::Directory(path) => Ok(path.clone()),
            Location::Gguf(path) => run_dir.unpack_base(|place| unpack_gguf(path, place)),
            Location::Builtin(builtin) => run_dir.unpack_base(|place| write_files(builtin.files, place)),
        }
    }

    /// Its checkpoint directory. A shipped model is unpacked to `place`, unless `place` exists.
    ///
    /// # Errors
    /// Unpacking fails.
    pub fn unpacked(&self, place: &Path) -> Result<PathBuf> {
        match &self.0 {
            Location::Directory(path) => Ok(path.clone()),
            Location::Gguf(path) => {
                if !place.is_dir() {
                    unpack_gguf(path, place)?;
                }
                Ok(place.to_owned())
            }
            Location::Builtin(builtin) => {
                if !place.is_dir() {
                    create_directory(place, |place| write_files(builtin.files, place))?;
                }
                Ok(place.to_owned())
            }
        }
    }
}

/// The name on the hub that a text is, unless there is a file or a directory with that name, or the directory in which it would be.
pub fn hub_name(base: &str) -> Option<HubName> {
    let organization = base.split('/').next().unwrap_or_default();
    let is_path = organization == DOWNLOADS || Path::new(organization).exists() || is_gguf(Path::new(base));
    HubName::parse(base).filter(|_| !is_path)
}

fn write_files(files: &[(&str, &[u8])], directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)?;
    for (name, content) in files {
        atomic::write(&directory.join(name), content)?;
    }
    Ok(())
}
