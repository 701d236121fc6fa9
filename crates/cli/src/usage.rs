//! The errors of wrong usage that only the program can see.

use std::fmt;

/// A request that cannot be carried out as it is. Nothing failed: the exit code is 2.
#[derive(Debug)]
pub struct Usage(pub String);

impl Usage {
    /// An error with this message.
    pub(crate) fn error(message: impl Into<String>) -> anyhow::Error {
        Usage(message.into()).into()
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// A model or directory that does not exist. The exit code is 2.
#[derive(Debug)]
pub struct NoSuchPath(pub String);

impl NoSuchPath {
    /// An error with this message.
    pub(crate) fn error(message: impl Into<String>) -> anyhow::Error {
        NoSuchPath(message.into()).into()
    }
}

impl fmt::Display for NoSuchPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoSuchPath {}
