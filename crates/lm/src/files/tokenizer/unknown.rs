//! Text for which a tokenizer has no token, which it can only encode as its unknown token, or not at all.

use super::definition::Definition;
use super::{Tokenizer, guarded};
use crate::error::{Error, Result};
use tokenizers::models::ModelWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{Model, OffsetReferential, OffsetType, PreTokenizer};

/// What a tokenizer makes of text that has no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// This token.
    Token(u32),
    /// Nothing: byte-pair encoding leaves such text out if it has no unknown token.
    LeftOut,
    /// There is no such text, or encoding it is an error.
    None,
}

impl Unknown {
    pub(super) fn of(definition: &Definition, tokenizer: &tokenizers::Tokenizer) -> Self {
        let model = &definition.model;
        if let Some(id) = model.unk_token.as_ref().and_then(|token| tokenizer.token_to_id(token)).or(model.unk_id) {
            return Unknown::Token(id);
        }
        match tokenizer.get_model() {
            ModelWrapper::BPE(model) if model.unk_token.is_none() && !has_every_byte(definition, tokenizer) => Unknown::LeftOut,
            _ => Unknown::None,
        }
    }
}

/// Returns true if every byte has a token, so that every text has tokens.
fn has_every_byte(definition: &Definition, tokenizer: &tokenizers::Tokenizer) -> bool {
    let ModelWrapper::BPE(model) = tokenizer.get_model() else { return false };
    let is_known = |token: &str| model.token_to_id(token).is_some();
    let is_affixed = [&model.continuing_subword_prefix, &model.end_of_word_suffix].into_iter().flatten().any(|affix| !affix.is_empty());
    let writes_bytes = definition.encoding_steps().iter().any(|step| step.r#type.as_deref() == Some("ByteLevel"));
    let has_characters = || ByteLevel::alphabet().into_iter().all(|byte| is_known(byte.encode_utf8(&mut [0; 4])));
    let has_codes = || (0..=u8::MAX).all(|byte| is_known(&format!("<0x{byte:02X}>")));
    !is_affixed && writes_bytes && has_characters() || model.byte_fallback && has_codes()
}

impl Tokenizer {
    /// Refuses `ids`, the tokens of `text`, if a part of the text has no token.
    pub(super) fn check_known(&self, text: &str, ids: &[u32]) -> Result<()> {
        match self.unknown {
            Unknown::Token(unknown) if ids.contains(&unknown) => self.check_unknown(text, unknown),
            Unknown::LeftOut => self.check_whole(text),
            _ => Ok(()),
        }
    }

    /// Refuses a text of which the unknown token stands for a part that is not its name.
    fn check_unknown(&self, text: &str, unknown: u32) -> Result<()> {
        let name = self.inner.id_to_token(unknown).unwrap_or_default();
        let encoding = guarded(&self.path, || self.inner.encode(text, false))?;
        let places = encoding.get_ids().iter().zip(encoding.get_offsets()).filter(|(id, _)| **id == unknown);
        let mut parts = places.map(|(_, &(from, to))| (from, text.get(from..to).unwrap_or_default()));
        match parts.find(|(_, part)| *part != name) {
            None => Ok(()),
            Some((at, part)) => Err(self.unknown_text(part, at, Some(name))),
        }
    }

    /// Refuses a text of which a part was left out.
    fn check_whole(&self, text: &str) -> Result<()> {
        let Some((piece, (from, to))) = guarded(&self.path, || self.incomplete_piece(text))? else { return Ok(()) };
        let first = piece.chars().find(|letter| self.inner.token_to_id(letter.encode_utf8(&mut [0; 4])).is_none());
        let source = text.get(from..to).unwrap_or_default();
        let place = first.and_then(|letter| Some((source.find(letter)?, letter)));
        Err(match place {
            Some((at, letter)) => self.unknown_text(&letter.to_string(), from + at, None),
            None => self.unknown_text(source, from, None),
        })
    }

    /// The first piece of a text whose tokens are shorter than it is, and the bytes of the text from which it is made.
    fn incomplete_piece(&self, text: &str) -> tokenizers::Result<Option<(String, (usize, usize))>> {
        let mut pieces = self.inner.get_added_vocabulary().extract_and_normalize(self.inner.get_normalizer(), text);
        if let Some(splitting) = self.inner.get_pre_tokenizer() {
            splitting.pre_tokenize(&mut pieces)?;
        }
        for (piece, offsets, tokens) in pieces.get_splits(OffsetReferential::Original, OffsetType::Byte) {
            let is_added = tokens.is_some();
            if !is_added && self.inner.get_model().tokenize(piece)?.last().map_or(0, |token| token.offsets.1) < piece.len() {
                return Ok(Some((piece.to_owned(), offsets)));
            }
        }
        Ok(None)
    }

    fn unknown_text(&self, text: &str, at: usize, token: Option<String>) -> Error {
        Error::UnknownText { path: self.path.clone(), text: text.into(), at, token }
    }
}
