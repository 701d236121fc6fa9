//! The errors of this crate. Each names the file, and the line or row if there is one.

use crate::row::RowPlace;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read. The message names it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A row is not as it should be.
    #[error("{file}, {place}: {problem}")]
    Row {
        /// The file.
        file: String,
        /// The place in the file.
        place: RowPlace,
        /// The fault, and the remedy.
        problem: String,
    },
    /// A file or folder as a whole is not as it should be.
    #[error("{file}: {problem}")]
    File {
        /// The file or folder.
        file: String,
        /// The fault, and the remedy.
        problem: String,
    },
    /// There is no row.
    #[error("{file} holds no row")]
    Empty {
        /// The file, or the first of several.
        file: String,
    },
    /// This build cannot read the format.
    #[error("{file}: this program was built without the feature `{feature}`, which reads {format} files")]
    MissingFeature {
        /// The file.
        file: String,
        /// The format.
        format: &'static str,
        /// The feature.
        feature: &'static str,
    },
}
