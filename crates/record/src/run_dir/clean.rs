//! The files of a finished run that neither reading, exporting nor resuming it needs.

use super::{RunDir, directories_in};
use crate::atomic;
use crate::error::{Error, Result};
use crate::run_dir::Lock;
use fs_err as fs;
use std::path::{Path, PathBuf};

/// The files of an iteration that only interrupted work needs.
const OF_WORK: [&str; 2] = ["training-state", "journal.jsonl"];

impl RunDir {
    /// Opens a run and holds it, so that its files can be removed.
    ///
    /// # Errors
    /// There is no run, another process holds it, or it holds a symbolic link.
    pub fn open_to_clean(root: &Path) -> Result<RunDir> {
        let mut run = RunDir::open_read_only(root)?;
        let lock = Lock::try_take(&root.join(super::LOCK))?.ok_or_else(|| Error::RunInUse { path: root.to_owned() })?;
        atomic::refuse_links(root)?;
        run.lock = Some(lock);
        Ok(run)
    }

    /// The files and directories that a finished run does not need, relative to it: the checkpoints of which `keeps` returns false, the state of
    /// interrupted work, and the output of servers.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub fn surplus(&self, keeps: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
        let info = self.info()?;
        let mut found = vec![self.server_log()];
        for directory in self.written_directories(&info)? {
            found.extend(temporary(&directory)?);
        }
        for method in &info.methods {
            for place in directories_in(&self.root.join(&method.name))? {
                found.extend(OF_WORK.map(|name| place.join(name)));
            }
            let checkpoints =
                self.iterations(&method.name)?.into_iter().map(|iteration| self.iteration(&method.name, iteration).checkpoint());
            found.extend(checkpoints.filter(|checkpoint| !keeps(checkpoint)));
        }
        found.retain(|path| fs::symlink_metadata(path).is_ok());
        let relative = |path: &PathBuf| path.strip_prefix(&self.root).map_or_else(|_| path.clone(), Path::to_owned);
        let mut relative: Vec<PathBuf> = found.iter().map(relative).collect();
        relative.sort();
        Ok(relative)
    }

    /// Removes a path that [`RunDir::surplus`] returned.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn remove(&self, relative: &Path) -> Result<()> {
        let path = atomic::below(&self.root, relative)?;
        if path.is_dir() {
            atomic::remove_directory(&path)?;
        } else {
            fs::remove_file(path)?;
        }
        Ok(())
    }
}

/// The leftovers of interrupted writers in a directory, which may be missing.
fn temporary(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if directory.is_dir() {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if atomic::is_temporary(&path) {
                found.push(path);
            }
        }
    }
    Ok(found)
}
