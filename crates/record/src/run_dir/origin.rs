//! The place where a run was made, and its links and paths to other places.
//!
//! A run can come from someone else. Its files can then name files of the reader: through symbolic links, and as the base of an adapter. The
//! run's lock file holds a mark of the place where the run was begun: on Unix the number of the lock file itself, which no archive, copy or
//! upload keeps. A run without a fitting mark was copied, and its reader decides whether to trust it.

use super::{LOCK, RunDir};
use crate::atomic::regular;
use crate::error::Result;
use fs_err as fs;
use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// The file of an adapter that names its base.
const ADAPTER_CONFIG: &str = "adapter_config.json";

#[derive(Default, Deserialize)]
struct BaseOfAdapter {
    #[serde(default)]
    base_model_name_or_path: Option<PathBuf>,
}

/// Something in a run that leads to a file or directory outside of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outside {
    /// A symbolic link.
    Link {
        /// Its place in the run.
        path: PathBuf,
        /// Its target.
        target: PathBuf,
    },
    /// The base of an adapter.
    AdapterBase {
        /// The adapter's config in the run.
        path: PathBuf,
        /// The base.
        target: PathBuf,
    },
    /// Something that the run's config or `run.json` names: a file, a model, a program or a server.
    Named {
        /// The key that names it.
        key: &'static str,
        /// Its path, command or address.
        target: String,
    },
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outside::Link { path, target } => write!(f, "{} (a symbolic link to {})", path.display(), target.display()),
            Outside::AdapterBase { path, target } => write!(f, "{} (an adapter of {})", path.display(), target.display()),
            Outside::Named { key, target } => write!(f, "{key} = {target:?}"),
        }
    }
}

impl RunDir {
    /// Writes the mark of this place into the lock file.
    pub(super) fn mark_as_made_here(&self) -> Result<()> {
        let Some(lock) = &self.lock else { return Ok(()) };
        Ok(lock.write(&mark(&self.root.join(LOCK))?)?)
    }

    /// Returns true if the run in `root` was begun in this place, or was moved within the file system since.
    pub fn was_made_here(root: &Path) -> bool {
        let path = root.join(LOCK);
        let is_file = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file() && metadata.len() < 4096);
        is_file && fs::read_to_string(&path).is_ok_and(|found| mark(&path).is_ok_and(|expected| found == expected))
    }

    /// The links and adapters that lead out of the run in `root`. Empty if the run was made here, or if none leads out.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub fn outside(root: &Path) -> Result<Vec<Outside>> {
        let mut found = Vec::new();
        if !RunDir::was_made_here(root) {
            let canonical = fs::canonicalize(root)?;
            collect(&canonical, &canonical, &mut found)?;
            found.sort_by_key(ToString::to_string);
        }
        Ok(found)
    }
}

/// The content of the lock file of a run that was begun at this place.
#[cfg(unix)]
fn mark(lock: &Path) -> Result<String> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::symlink_metadata(lock)?;
    Ok(format!("{} {}\n", metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn mark(lock: &Path) -> Result<String> {
    Ok(format!("{}\n", fs::canonicalize(lock)?.display()))
}

fn collect(root: &Path, directory: &Path, found: &mut Vec<Outside>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let relative = || path.strip_prefix(root).unwrap_or(&path).to_owned();
        if kind.is_dir() {
            collect(root, &path, found)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(&path)?;
            if !leads_inside(root, directory, &target) {
                found.push(Outside::Link { path: relative(), target });
            }
        } else if kind.is_file() && entry.file_name() == ADAPTER_CONFIG {
            // A damaged config has no base to read.
            let config: BaseOfAdapter = serde_json::from_slice(&regular::read(&path)?).unwrap_or_default();
            let target = config.base_model_name_or_path;
            if let Some(target) = target.filter(|target| !leads_inside(root, directory, target)) {
                found.push(Outside::AdapterBase { path: relative(), target });
            }
        }
    }
    Ok(())
}

/// Returns true if `target`, a path as a config names it, leads out of the run in `root` to something that exists.
pub fn leads_outside(root: &Path, target: &Path) -> bool {
    match (fs::canonicalize(root), fs::canonicalize(target)) {
        (Ok(root), Ok(target)) => !target.starts_with(root),
        (_, target) => target.is_ok(),
    }
}

/// Returns true if a path in a directory of the run leads to something in the run, or to nothing.
fn leads_inside(root: &Path, directory: &Path, target: &Path) -> bool {
    fs::canonicalize(directory.join(target)).map_or(true, |target| target.starts_with(root))
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_copied_run_says_what_leads_out_of_it() {
        let place = tempfile::tempdir().unwrap();
        let (run, secret) = (place.path().join("run"), place.path().join("secret"));
        let checkpoint = run.join("star/iter-001/checkpoint");
        std::fs::create_dir_all(&checkpoint).unwrap();
        std::fs::create_dir_all(run.join("base")).unwrap();
        std::fs::write(&secret, "secret").unwrap();
        std::fs::write(run.join("run.json"), "{}").unwrap();
        std::fs::write(run.join(LOCK), "").unwrap();
        symlink(&secret, checkpoint.join("notes.md")).unwrap();
        symlink("../../../run.json", checkpoint.join("inside.json")).unwrap();
        let adapter =
            |base: &str| std::fs::write(checkpoint.join(ADAPTER_CONFIG), format!("{{\"base_model_name_or_path\": \"{base}\"}}")).unwrap();
        adapter("../../../base");
        let link = Outside::Link { path: "star/iter-001/checkpoint/notes.md".into(), target: secret.clone() };
        assert_eq!(RunDir::outside(&run).unwrap(), std::slice::from_ref(&link));
        adapter("/");
        let base = Outside::AdapterBase { path: "star/iter-001/checkpoint/adapter_config.json".into(), target: "/".into() };
        assert_eq!(RunDir::outside(&run).unwrap(), [base, link]);
        assert!(!RunDir::was_made_here(&run));
        std::fs::write(run.join(LOCK), mark(&run.join(LOCK)).unwrap()).unwrap();
        assert!(RunDir::was_made_here(&run) && RunDir::outside(&run).unwrap().is_empty());
        std::fs::rename(&run, place.path().join("moved")).unwrap();
        assert!(RunDir::was_made_here(&place.path().join("moved")), "the user moved it");
        std::fs::copy(place.path().join("moved").join(LOCK), place.path().join("moved/copy")).unwrap();
        std::fs::rename(place.path().join("moved/copy"), place.path().join("moved").join(LOCK)).unwrap();
        assert!(!RunDir::was_made_here(&place.path().join("moved")), "a copy of the lock file has another number");
    }
}
