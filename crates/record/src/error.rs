//! Errors of a run directory.

use std::path::PathBuf;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error names the file or directory, what was expected, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written; the message names it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The directory already holds a run, and resuming was not asked for.
    #[error("{} already holds a run; resume it, or choose another directory", .path.display())]
    RunExists {
        /// The run directory.
        path: PathBuf,
    },
    /// The directory holds something else than a run.
    #[error("{} is not a run directory (it has no run.json)", .path.display())]
    NotARun {
        /// The directory.
        path: PathBuf,
    },
    /// Another process works in the run directory.
    #[error("{} is in use by another process, which holds its lock file; wait for that process, or choose another directory", .path.display())]
    RunInUse {
        /// The run directory.
        path: PathBuf,
    },
    /// The run was begun with another config.
    #[error("{} was begun with another config; changed: {}; a run that is resumed may have more iterations and further methods at the end of `run`; undo other changes, or choose another directory", .path.display(), .keys.join(", "))]
    ConfigChanged {
        /// The run directory.
        path: PathBuf,
        /// Each changed key, with the value then and now.
        keys: Vec<String>,
    },
    /// A file that the run depends on has changed since the run began.
    #[error("{} was begun with other content in {}; put it back, or begin a new run in another directory", .path.display(), .files.join(" and "))]
    InputChanged {
        /// The run directory.
        path: PathBuf,
        /// The files, as the config names them.
        files: Vec<String>,
    },
    /// A run that was copied here leads to files outside of its directory.
    #[error(
        "{}: this run was copied here from another place, and it leads outside of its directory: {}; expected a run that uses only its own \
         files; allow this only if you trust the author of the run",
        .path.display(), .places.join(", ")
    )]
    LeadsOutside {
        /// The run directory.
        path: PathBuf,
        /// What leads outside: paths with their targets, and what the config names.
        places: Vec<String>,
    },
    /// The run directory has another layout.
    #[error(
        "{}: this run has format version {found}, and this program reads version {expected}; use the program that made it, or make the run again",
        .path.display()
    )]
    FormatVersion {
        /// The file.
        path: PathBuf,
        /// The version in it.
        found: u32,
        /// The version that is understood.
        expected: u32,
    },
    /// A file does not hold what it should.
    #[error("{}: {message}", .path.display())]
    Corrupt {
        /// The file, with the line if there is one.
        path: PathBuf,
        /// The fault.
        message: String,
    },
    /// A file is not what its stage wrote.
    #[error(
        "{} was changed after the stage `{stage}` wrote it: its SHA-256 is {found}, expected {expected}; restore the file, or delete {} and \
         everything that was made after it, and resume",
        .path.display(), .delete.display()
    )]
    Altered {
        /// The file.
        path: PathBuf,
        /// The stage that wrote it.
        stage: String,
        /// The digest of its content; `missing` if it is not there.
        found: String,
        /// The digest that was recorded.
        expected: String,
        /// The files to delete, so that the stage is done again.
        delete: PathBuf,
    },
}

impl Error {
    /// Returns true if the request cannot be carried out as it is: nothing failed, and nothing is damaged.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Error::RunExists { .. }
                | Error::NotARun { .. }
                | Error::ConfigChanged { .. }
                | Error::InputChanged { .. }
                | Error::LeadsOutside { .. }
        )
    }

    /// The kind of the input or output error, if it is one.
    pub fn io_kind(&self) -> Option<std::io::ErrorKind> {
        if let Error::Io(error) = self { Some(error.kind()) } else { None }
    }
}
