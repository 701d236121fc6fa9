//! The directory in which a training outside of a run keeps its state until its output is complete.
//!
//! It is beside the output and has the output's whole name, so that `tuned-1.5` and `tuned-1.6` have different directories. A lock keeps a
//! second process out, which would write the same state and replace the output.

use crate::error::{Error, Result};
use fs_err as fs;
use starloop_record::atomic;
use starloop_record::run_dir::Lock;
use std::path::{Path, PathBuf};

/// The place of one training, held by this process.
#[derive(Debug)]
pub(crate) struct Workplace {
    root: PathBuf,
    /// For this training's state, which another training of the same output must not take up. Not there before something is saved.
    pub scratch: PathBuf,
    _lock: Lock,
}

impl Workplace {
    /// Takes the place beside `output`, and removes what an interrupted writer of `output` left. `fingerprint` identifies the training.
    ///
    /// # Errors
    /// It cannot be written, or another process holds it.
    pub fn take(output: &Path, fingerprint: &str) -> Result<Self> {
        let mut name = output.file_name().unwrap_or_default().to_owned();
        name.push(".training-state");
        let root = output.with_file_name(name);
        atomic::make_directory(&root)?;
        let in_use = || Error::OutputInUse { path: output.to_owned(), states: root.clone() };
        let lock = Lock::try_take(&root.join("lock"))?.ok_or_else(in_use)?;
        atomic::sweep_beside(output)?;
        Ok(Workplace { scratch: root.join(fingerprint), root, _lock: lock })
    }

    /// Clears it away, states of other trainings of the same output included.
    pub fn clear(self) -> Result<()> {
        Ok(fs::remove_dir_all(&self.root)?)
    }
}
