//! A byte-pair tokenizer made from text (Sennrich et al. 2016), for a model that is trained from scratch.
//!
//! Its alphabet are the 256 bytes (Radford et al. 2019), so there is no text that it cannot write, and decoding gives a text back as it
//! was. Every digit is one token. Then words are cut as GPT-2 cuts them. So a model reads a number digit by digit, as it computes with it,
//! and not in the groups of digits that the text repeats.

use crate::error::{Error, Result};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::{ModelWrapper, TrainerWrapper};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::{AddedToken, Tokenizer};

/// The token that ends a text and fills up rows; its id is 0.
pub const END_OF_TEXT: &str = "<|endoftext|>";
/// The least vocabulary: the bytes and the end token.
pub const LEAST_VOCABULARY: usize = 256 + 1;
/// A pair that occurs less often is no evidence about other texts.
const LEAST_COUNT: u64 = 2;

/// Makes a tokenizer of at most `vocabulary` tokens; it has fewer where the texts hold too few pairs that repeat. The result are the
/// tokenizer's files of a checkpoint directory, by name. The same texts give the same bytes.
///
/// # Errors
/// `vocabulary` is less than [`LEAST_VOCABULARY`].
pub fn train(texts: &[String], vocabulary: usize) -> Result<BTreeMap<String, Vec<u8>>> {
    let failed = |message: String| Error::Tokenizer { path: Path::new("tokenizer.json").to_owned(), message };
    if vocabulary < LEAST_VOCABULARY {
        return Err(failed(format!("a vocabulary of {vocabulary} does not hold the 256 bytes and the end token")));
    }
    let cut = ByteLevel::new(false, true, true);
    let mut tokenizer = Tokenizer::new(ModelWrapper::BPE(BPE::default()));
    tokenizer.with_pre_tokenizer(Some(Sequence::new(vec![Digits::new(true).into(), cut.into()]))).with_decoder(Some(cut));
    let trainer = BpeTrainer::builder()
        .vocab_size(vocabulary)
        .min_frequency(LEAST_COUNT)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .special_tokens(vec![AddedToken::from(END_OF_TEXT, true)])
        .show_progress(false)
        .build();
    tokenizer.train(&mut TrainerWrapper::from(trainer), texts.iter()).map_err(|error| failed(error.to_string()))?;
    let tokenizer = tokenizer.to_string(true).map_err(|error| failed(error.to_string()))?;
    let config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END_OF_TEXT,
        "pad_token": END_OF_TEXT,
        "clean_up_tokenization_spaces": false,
    });
    let generation = json!({ "eos_token_id": 0, "pad_token_id": 0 });
    Ok(BTreeMap::from([
        ("tokenizer.json".to_owned(), tokenizer.into_bytes()),
        ("tokenizer_config.json".to_owned(), format!("{config:#}\n").into_bytes()),
        ("generation_config.json".to_owned(), format!("{generation:#}\n").into_bytes()),
    ]))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::files::tokenizer::Tokenizer;
    use serde_json::Value;

    fn texts() -> Vec<String> {
        let text = |n: usize| format!("Q: Ann has {} apples and buys {n} more. How many apples has she?\nA: {}\n", 2 * n, 3 * n);
        (1..60).map(text).collect()
    }

    fn trained(vocabulary: usize) -> Tokenizer {
        Tokenizer::from_files(&train(&texts(), vocabulary).unwrap(), &Value::Null).unwrap()
    }

    #[test]
    fn the_same_texts_give_the_same_bytes() {
        assert_eq!(train(&texts(), 400).unwrap(), train(&texts(), 400).unwrap());
    }

    #[test]
    fn every_text_comes_back_as_it_was() {
        let tokenizer = trained(320);
        let every_character: String = (0..=0xFFFF).filter_map(char::from_u32).collect();
        for text in [
            "",
            "  two  blanks ",
            "\r\n\t\n",
            "Ann's 1,234.50 €",
            "naïve 日本語 \u{1F469}\u{200D}\u{1F680} e\u{301}",
            "\0",
            &every_character,
        ] {
            let ids = tokenizer.encode(text, true).unwrap();
            assert_eq!(tokenizer.decode(&ids).unwrap(), text);
        }
    }

    #[test]
    fn frequent_words_are_one_token_and_digits_are_one_each() {
        let tokenizer = trained(400);
        assert_eq!(tokenizer.encode(" apples", true).unwrap().len(), 1);
        assert_eq!(tokenizer.encode("1234", true).unwrap().len(), 4);
        assert_eq!(tokenizer.encode(" 12", true).unwrap().len(), 3);
        assert_eq!(tokenizer.eos_token_ids(), [0]);
    }

    #[test]
    fn the_vocabulary_is_what_was_asked_for_or_what_the_texts_give() {
        assert_eq!(trained(LEAST_VOCABULARY).vocabulary(), LEAST_VOCABULARY);
        assert_eq!(trained(280).vocabulary(), 280);
        assert!((LEAST_VOCABULARY + 1..5000).contains(&trained(5000).vocabulary()));
        let error = train(&texts(), 256).unwrap_err().to_string();
        assert!(error.contains("256 bytes"), "{error}");
    }
}
