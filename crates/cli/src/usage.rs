//! The errors of wrong usage that only the program can see.

use std::fmt;

/// A request that cannot be carried out as it is. Nothing failed: the exit code is 2.
#[derive(Debug)]
pub enum UsageError {
    /// Options or names that do not fit.
    Request(String),
    /// A model or directory that does not exist.
    NoSuchPath(String),
}

impl UsageError {
    /// An error about options or names, with this message.
    pub(crate) fn request(message: impl Into<String>) -> anyhow::Error {
        UsageError::Request(message.into()).into()
    }

    /// An error about a model or directory that does not exist, with this message.
    pub(crate) fn no_such_path(message: impl Into<String>) -> anyhow::Error {
        UsageError::NoSuchPath(message.into()).into()
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (UsageError::Request(message) | UsageError::NoSuchPath(message)) = self;
        f.write_str(message)
    }
}

impl std::error::Error for UsageError {}
