//! The API key.

use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// An API key. Only its digest is kept, so that no message can show it and every comparison has the same length.
#[derive(Clone)]
pub struct ApiKey([u8; 32]);

impl ApiKey {
    /// A key.
    ///
    /// # Errors
    /// The text is empty or has characters that a header cannot carry.
    pub fn new(text: &str) -> Result<Self> {
        let text = text.trim();
        let is_key = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_key { Ok(ApiKey(digest(text.as_bytes()))) } else { Err(Error::ApiKey) }
    }

    /// Returns true if the header `Authorization` carries the key. The time does not depend on how much of the key is right.
    pub(crate) fn is_in(&self, header: Option<&[u8]>) -> bool {
        let given = header.and_then(|header| {
            let (scheme, key) = header.split_at_checked(7)?;
            scheme.eq_ignore_ascii_case(b"bearer ").then_some(key)
        });
        given.is_some_and(|given| bool::from(digest(given.trim_ascii()).ct_eq(&self.0)))
    }
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKey")
    }
}

fn digest(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_key_is_accepted() {
        let key = ApiKey::new("secret\n").unwrap();
        for (header, accepted) in [
            ("Bearer secret", true),
            ("bearer  secret ", true),
            ("Bearer secre", false),
            ("Bearer secrets", false),
            ("secret", false),
            ("", false),
        ] {
            assert_eq!(key.is_in(Some(header.as_bytes())), accepted, "{header:?}");
        }
        assert!(!key.is_in(None));
        for text in ["", " ", "a b", "ü"] {
            assert!(ApiKey::new(text).is_err(), "{text:?}");
        }
    }
}
