//! A lock file: one process at a time.

use crate::atomic::{self, regular};
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Result, Write};
use std::path::Path;

/// A held lock. The system releases it when the process dies.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Locks the file, which is created if it is missing. Returns `None` if another process holds the lock.
    ///
    /// # Errors
    /// The file cannot be opened or locked.
    pub fn try_take(path: &Path) -> Result<Option<Lock>> {
        Self::of(atomic::open_to_lock(path)?.into_file())
    }

    /// Returns true if another process holds the lock. It writes nothing. If the file is missing, it returns false.
    ///
    /// # Errors
    /// The file cannot be opened or locked.
    pub fn is_held(path: &Path) -> Result<bool> {
        match regular::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            file => Ok(Self::of(file?.into_file())?.is_none()),
        }
    }

    /// Replaces the content of the lock file, which readers see.
    pub(super) fn write(&self, text: &str) -> Result<()> {
        self.file.set_len(0)?;
        (&self.file).write_all(text.as_bytes())
    }

    fn of(file: File) -> Result<Option<Lock>> {
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for Lock {
    /// Unlocks explicitly. Closing the file is not enough: a child process that another thread starts at this moment has a copy of the
    /// descriptor between fork and exec, and the lock lives as long as any copy. An unlock through one copy releases it for all.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Lock;
    use std::process::{Command, Stdio};
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Without the explicit unlock this fails within some hundred rounds: a child that a thread is just starting keeps the lock.
    #[test]
    #[cfg(unix)]
    fn a_dropped_lock_is_free_while_other_threads_start_processes() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lock");
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        Command::new("true").stdin(Stdio::null()).status().unwrap();
                    }
                });
            }
            let free = (0..2000).all(|_| Lock::try_take(&path).unwrap().is_some());
            done.store(true, Ordering::Relaxed);
            assert!(free, "a dropped lock was still held");
        });
    }

    #[test]
    fn a_held_lock_keeps_others_out() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lock");
        let held = Lock::try_take(&path).unwrap();
        assert!(held.is_some());
        assert!(Lock::try_take(&path).unwrap().is_none());
        assert!(Lock::is_held(&path).unwrap());
        drop(held);
        assert!(!Lock::is_held(&path).unwrap());
        assert!(!Lock::is_held(&place.path().join("missing")).unwrap() && !place.path().join("missing").exists());
        assert!(Lock::try_take(&path).unwrap().is_some());
    }
}
