//! Text for which a tokenizer has no token, which it can only encode as its unknown token.

use super::{Tokenizer, guarded};
use crate::error::{Error, Result};
use serde::Deserialize;

/// The part of `tokenizer.json` that names the unknown token.
#[derive(Deserialize)]
struct TokenizerFile {
    model: ModelSection,
}

#[derive(Deserialize)]
struct ModelSection {
    /// Of BPE, `WordPiece` and `WordLevel`.
    unk_token: Option<String>,
    /// Of Unigram.
    unk_id: Option<u32>,
}

/// The id of the unknown token of a `tokenizer.json`, if there is one.
pub(super) fn unknown_token(file: &[u8], tokenizer: &tokenizers::Tokenizer) -> Option<u32> {
    // The reader of the tokenizer has accepted the file already, so an error here means a model without an unknown token.
    let ModelSection { unk_token, unk_id } = serde_json::from_slice::<TokenizerFile>(file).ok()?.model;
    unk_token.and_then(|token| tokenizer.token_to_id(&token)).or(unk_id)
}

impl Tokenizer {
    /// Refuses `ids`, the tokens of `text`, if they have the unknown token in the place of other text.
    pub(super) fn check_known(&self, text: &str, ids: &[u32]) -> Result<()> {
        let Some(unknown) = self.unknown.filter(|unknown| ids.contains(unknown)) else { return Ok(()) };
        let name = self.inner.id_to_token(unknown).unwrap_or_default();
        let encoding = guarded(&self.path, || self.inner.encode(text, false))?;
        let places = encoding.get_ids().iter().zip(encoding.get_offsets()).filter(|(id, _)| **id == unknown);
        let mut parts = places.map(|(_, &(from, to))| (from, text.get(from..to).unwrap_or_default()));
        match parts.find(|(_, part)| *part != name) {
            None => Ok(()),
            Some((at, part)) => Err(Error::UnknownText { path: self.path.clone(), text: part.into(), at, token: name }),
        }
    }
}
