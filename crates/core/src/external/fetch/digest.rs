//! Digests of files that are known before the files.

use crate::error::Result;
use fs_err as fs;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use std::io::Read;
use std::path::Path;

/// The hash of a file that is known before the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Digest {
    /// Of the bytes.
    Sha256(String),
    /// Git's name for the file: SHA-1 of `blob`, its length and the bytes. The hub knows no other hash of its small files.
    GitBlob(String),
}

impl Digest {
    /// The kind follows from the number of hexadecimal digits; nothing if the text is neither.
    pub(super) fn from_hexadecimal(text: &str) -> Option<Self> {
        match (text.len(), text.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            (64, true) => Some(Digest::Sha256(text.to_ascii_lowercase())),
            (40, true) => Some(Digest::GitBlob(text.to_ascii_lowercase())),
            _ => None,
        }
    }

    pub(super) fn expected(&self) -> &str {
        let (Digest::Sha256(expected) | Digest::GitBlob(expected)) = self;
        expected
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Digest::Sha256(_) => "SHA-256",
            Digest::GitBlob(_) => "Git hash",
        }
    }

    /// This kind of hash of a file.
    pub(super) fn of_file(&self, path: &Path) -> Result<String> {
        let file = fs::File::open(path)?;
        match self {
            Digest::Sha256(_) => hash(file, Sha256::new()),
            Digest::GitBlob(_) => {
                let length = file.metadata()?.len();
                hash(file, Sha1::new().chain_update(format!("blob {length}\0")))
            }
        }
    }

    pub(super) fn matches(&self, path: &Path) -> Result<bool> {
        Ok(self.of_file(path)? == self.expected())
    }
}

fn hash(mut file: fs::File, mut hash: impl sha2::Digest) -> Result<String> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    Ok(hash.finalize().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
}
