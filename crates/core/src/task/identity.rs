//! The identity of a problem: the data of the problem, and never the words that a template, a hint or a style puts around it.
//!
//! The division into training and held-out problems, the search for duplicates and the record of what a checkpoint was trained on use this
//! identity. So a change of the prompt moves no problem from one side to the other.

use crate::types::Problem;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// The first 64 bits of the SHA-256 of a problem's data. Its `Display` writes 16 hexadecimal digits. Of a million different problems, two have the
/// same identity in one of 10^7 data sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity(u64);

impl Identity {
    /// The identity of data that consists of these texts.
    pub fn of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Identity(u64::from_be_bytes(*digest(texts).first_chunk().expect("a SHA-256 has 32 bytes")))
    }

    /// The identity of a problem whose `question` and `choices` are the data themselves.
    pub fn of_question(problem: &Problem) -> Self {
        Identity::of_texts(std::iter::once(&problem.question).chain(&problem.choices).map(String::as_str))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The SHA-256 of texts, each ended by a zero byte.
pub(crate) fn digest<'a>(texts: impl IntoIterator<Item = &'a str>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.as_bytes());
        hash.update([0]);
    }
    hash.finalize().into()
}
