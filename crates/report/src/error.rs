//! The errors of reading, comparing and exporting runs.

use std::path::PathBuf;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error names the run or file, what was expected, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A run directory could not be read, or a file could not be written.
    #[error(transparent)]
    Record(#[from] starloop_record::Error),
    /// The run has no finished iteration.
    #[error("{}: the run has no finished iteration yet, so there is nothing to report; wait for the first one", .path.display())]
    NothingToReport {
        /// The run directory.
        path: PathBuf,
    },
    /// The run does not hold what an export needs.
    #[error("{}: {message}", .path.display())]
    Unexportable {
        /// The run directory.
        path: PathBuf,
        /// The missing part, and what the run has instead.
        message: String,
    },
    /// Two runs share nothing that can be compared.
    #[error("{}: {message}", .path.display())]
    Incomparable {
        /// The second run directory.
        path: PathBuf,
        /// The missing part, and what the run has instead.
        message: String,
    },
    /// The figure could not be drawn as a bitmap.
    #[error("failed to draw the figure as PNG: {message}")]
    Picture {
        /// The renderer's message.
        message: String,
    },
    /// A part of the program was left out when it was compiled.
    #[error("{what} needs the feature `{feature}`; build starloop with `--features {feature}`")]
    MissingFeature {
        /// The part that was asked for.
        what: &'static str,
        /// The feature of the crate.
        feature: &'static str,
    },
}

impl Error {
    /// Returns true if the error is one of usage: the request cannot be fulfilled, and nothing failed.
    pub fn is_usage(&self) -> bool {
        matches!(self, Error::Unexportable { .. } | Error::Incomparable { .. } | Error::MissingFeature { .. })
            || matches!(self, Error::Record(error) if error.is_usage())
    }

    /// The kind of the input or output error behind this error, if there is one.
    pub fn io_kind(&self) -> Option<std::io::ErrorKind> {
        if let Error::Record(error) = self { error.io_kind() } else { None }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Error::Record(error.into())
    }
}
