//! A lock file: one process at a time.

use fs_err as fs;
use std::fs::{File, TryLockError};
use std::io::Result;
use std::path::Path;

/// Locks the file, which is made if need be, for as long as the value lives; nothing if another process holds it. The system lets go of it
/// when the process dies.
pub(crate) fn try_lock(path: &Path) -> Result<Option<File>> {
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(path)?.into_file();
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
