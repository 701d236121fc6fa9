//! The pretrained model that everything starts from: a directory of the user's, or one that comes with the program.

use crate::error::{Error, Result};
use crate::run_dir::{RunDir, create_directory};
use fs_err as fs;
use std::path::{Path, PathBuf};

/// A model that comes with the program.
struct Builtin {
    name: &'static str,
    /// File name and content.
    files: &'static [(&'static str, &'static [u8])],
}

/// The shipped models, made by `starloop pretrain` from the recipe of the same name.
const BUILTINS: &[Builtin] = &[];

/// The checkpoint directory that `model.base` means. A shipped model is unpacked into the run directory, so that the run is whole without
/// the program.
///
/// # Errors
/// There is no such model or directory, or it cannot be unpacked.
pub fn resolve(base: &str, run_dir: &RunDir) -> Result<PathBuf> {
    let missing = |message: String| Error::BaseModel { base: base.to_owned(), message };
    let Some(name) = base.strip_prefix("builtin:") else {
        let path = Path::new(base);
        return if path.is_dir() { Ok(path.to_owned()) } else { Err(missing("no such directory".to_owned())) };
    };
    let Some(builtin) = BUILTINS.iter().find(|builtin| builtin.name == name) else {
        let names: Vec<_> = BUILTINS.iter().map(|builtin| builtin.name).collect();
        return Err(missing(format!("no such shipped model; there are: {}", names.join(", "))));
    };
    let directory = run_dir.base_model();
    if !directory.is_dir() {
        unpack(builtin.files, &directory)?;
    }
    Ok(directory)
}

fn unpack(files: &[(&str, &[u8])], directory: &Path) -> Result<()> {
    create_directory(directory, |directory| {
        fs::create_dir_all(directory)?;
        for (name, content) in files {
            fs::write(directory.join(name), content)?;
        }
        Ok(())
    })
}
