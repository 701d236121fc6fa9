//! The pretrained model that everything starts from: a directory of the user's, or one that comes with the program.

use crate::config::ModelConfig;
use crate::error::{Error, Result};
use fs_err as fs;
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
                ("config.json", include_bytes!(concat!("../../../../models/", $name, "/config.json"))),
                ("generation_config.json", include_bytes!(concat!("../../../../models/", $name, "/generation_config.json"))),
                ("model.safetensors", include_bytes!(concat!("../../../../models/", $name, "/model.safetensors"))),
                ("pretrain.json", include_bytes!(concat!("../../../../models/", $name, "/pretrain.json"))),
                ("tokenizer.json", include_bytes!(concat!("../../../../models/", $name, "/tokenizer.json"))),
                ("tokenizer_config.json", include_bytes!(concat!("../../../../models/", $name, "/tokenizer_config.json"))),
            ],
        }
    };
}

/// The shipped models, made by `starloop pretrain` from the recipe of the same name.
const BUILTINS: &[Builtin] = &[builtin!("arithmetic"), builtin!("arithmetic-long")];

/// The model that `model.base` means.
pub struct BaseModel(Place);

enum Place {
    Directory(PathBuf),
    Builtin(&'static Builtin),
}

impl BaseModel {
    /// The model that a config names.
    ///
    /// # Errors
    /// As [`BaseModel::find`]; where the config says from where the model comes, so does the error.
    pub fn of(config: &ModelConfig) -> Result<BaseModel> {
        let ModelConfig { base, hub, .. } = config;
        let name = |hub: &str| hub.rsplit('/').next().map(str::to_owned);
        // Another base than the one that the config was written for is not to be had there.
        let hub = hub.as_deref().filter(|hub| Path::new(base).file_name().and_then(|last| last.to_str()) == name(hub).as_deref());
        BaseModel::find(base).map_err(|error| match (error, hub) {
            (Error::BaseModel { base, message }, Some(hub)) => {
                let message = format!("{message}; `starloop get model {hub} --out {base}` fetches it");
                Error::BaseModel { base, message }
            }
            (error, _) => error,
        })
    }

    /// Looks the model up, before anything is begun.
    ///
    /// # Errors
    /// There is no such model or directory.
    pub fn find(base: &str) -> Result<BaseModel> {
        let missing = |message: String| Error::BaseModel { base: base.to_owned(), message };
        let Some(name) = base.strip_prefix("builtin:") else {
            let path = Path::new(base);
            return if path.is_dir() {
                Ok(BaseModel(Place::Directory(path.to_owned())))
            } else {
                Err(missing("no such directory".to_owned()))
            };
        };
        let names = || BUILTINS.iter().map(|builtin| builtin.name).collect::<Vec<_>>().join(", ");
        let found = BUILTINS.iter().find(|builtin| builtin.name == name);
        found
            .map(|builtin| BaseModel(Place::Builtin(builtin)))
            .ok_or_else(|| missing(format!("no such shipped model; there are: {}", names())))
    }

    /// The user's own directory, whose weights may change behind a run. Those of a shipped model do not.
    pub fn own_directory(&self) -> Option<&Path> {
        match &self.0 {
            Place::Directory(path) => Some(path),
            Place::Builtin(_) => None,
        }
    }

    /// Its checkpoint directory. A shipped model is unpacked into the run directory, so that the run is complete without the program.
    ///
    /// # Errors
    /// It cannot be unpacked, or an unpacked file was changed.
    pub fn directory(&self, run_dir: &RunDir) -> Result<PathBuf> {
        match &self.0 {
            Place::Directory(path) => Ok(path.clone()),
            Place::Builtin(builtin) => run_dir.unpack_base(|place| write_files(builtin.files, place)),
        }
    }

    /// Its checkpoint directory: its own, or `place`, into which a shipped model is unpacked unless it is there already.
    ///
    /// # Errors
    /// It cannot be unpacked.
    pub fn unpacked(&self, place: &Path) -> Result<PathBuf> {
        match &self.0 {
            Place::Directory(path) => Ok(path.clone()),
            Place::Builtin(builtin) => {
                if !place.is_dir() {
                    create_directory(place, |place| write_files(builtin.files, place))?;
                }
                Ok(place.to_owned())
            }
        }
    }
}

fn write_files(files: &[(&str, &[u8])], directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)?;
    for (name, content) in files {
        atomic::write(&directory.join(name), content)?;
    }
    Ok(())
}
