//! The word-level tokenizer of the arithmetic base model, as the files of a Hugging Face checkpoint directory.
//!
//! A token is a word between blanks, or a newline. Blanks are implicit. Encoding and decoding reproduce a text exactly if it has single
//! blanks between words and no blank at the ends of lines. All texts of this task are so. A word outside the vocabulary is encoded as
//! [`UNKNOWN`]. No text of the task contains it, so a caller can detect it. `fixtures/make_arithmetic_tokenizer.py` writes the files.

/// `tokenizer.json`
pub const TOKENIZER: &str = include_str!("../../../assets/arithmetic/tokenizer.json");
/// `tokenizer_config.json`
pub const TOKENIZER_CONFIG: &str = include_str!("../../../assets/arithmetic/tokenizer_config.json");
/// `generation_config.json`
pub const GENERATION_CONFIG: &str = include_str!("../../../assets/arithmetic/generation_config.json");

/// The files under the names that a checkpoint directory gives them.
pub const FILES: [(&str, &str); 3] =
    [("tokenizer.json", TOKENIZER), ("tokenizer_config.json", TOKENIZER_CONFIG), ("generation_config.json", GENERATION_CONFIG)];

/// The token that ends a text and fills up rows.
pub const END_OF_TEXT: &str = "<|endoftext|>";
/// The id of [`END_OF_TEXT`].
pub const END_OF_TEXT_ID: u32 = 0;
/// The token of a word outside the vocabulary.
pub const UNKNOWN: &str = "<|unk|>";
/// The id of [`UNKNOWN`].
pub const UNKNOWN_ID: u32 = 1;

/// The symbols that may stand between two numbers in the pretraining corpus. Problems use `+` alone.
pub const OPERATORS: [&str; 5] = ["+", "|", ">", "-", "="];
/// The letters that copying is learned with.
pub const LETTERS: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

/// Every token in the order of its id.
pub const WORDS: [&str; 34] = [
    END_OF_TEXT,
    UNKNOWN,
    "\n",
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "8",
    "9",
    "+",
    ",",
    "C:",
    "Input:",
    "Target:",
    "<scratch>",
    "</scratch>",
    "a",
    "b",
    "c",
    "d",
    "e",
    "f",
    "g",
    "h",
    "i",
    "j",
    "|",
    ">",
    "-",
    "=",
];

/// The number of tokens of a text, without encoding it: its words and its newlines.
pub fn token_count(text: &str) -> usize {
    text.split_ascii_whitespace().count() + text.bytes().filter(|&b| b == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::arithmetic::corpus::{CorpusConfig, document};
    use crate::task::arithmetic::pairs::generator;
    use serde_json::Value;

    #[test]
    fn the_asset_has_these_words() {
        let tokenizer: Value = serde_json::from_str(TOKENIZER).expect("valid JSON");
        let vocabulary = tokenizer["model"]["vocab"].as_object().expect("a map");
        assert_eq!(vocabulary.len(), WORDS.len());
        for (id, word) in WORDS.iter().enumerate() {
            assert_eq!(vocabulary[*word], id, "{word:?}");
        }
        assert_eq!(tokenizer["model"]["unk_token"], UNKNOWN);
        assert_eq!(WORDS[END_OF_TEXT_ID as usize], END_OF_TEXT);
        assert_eq!(WORDS[UNKNOWN_ID as usize], UNKNOWN);
        assert!(OPERATORS.iter().chain(&LETTERS).all(|word| WORDS.contains(word)));
    }

    #[test]
    fn the_configs_agree_on_the_end_token() {
        let tokenizer: Value = serde_json::from_str(TOKENIZER_CONFIG).expect("valid JSON");
        assert_eq!((&tokenizer["eos_token"], &tokenizer["pad_token"]), (&END_OF_TEXT.into(), &END_OF_TEXT.into()));
        let generation: Value = serde_json::from_str(GENERATION_CONFIG).expect("valid JSON");
        assert_eq!((&generation["eos_token_id"], &generation["pad_token_id"]), (&END_OF_TEXT_ID.into(), &END_OF_TEXT_ID.into()));
    }

    #[test]
    fn counting_tokens() {
        assert_eq!(token_count(""), 0);
        assert_eq!(token_count("Input:\n6 2 + 2 5\nTarget:\n"), 2 + 6 + 2);
    }
    /// The test uses the tokenizer of sampling and training.
    #[test]
    fn texts_come_back_exactly() {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, content) in FILES {
            fs_err::write(dir.path().join(name), content).expect("written");
        }
        let tokenizer = starloop_lm::Tokenizer::load(dir.path()).expect("a tokenizer");
        assert_eq!((tokenizer.vocabulary(), tokenizer.eos_token_ids()), (WORDS.len(), &[END_OF_TEXT_ID][..]));
        let rng = &mut generator("vocabulary test", &[1]);
        for _ in 0..300 {
            let text = document(&CorpusConfig::default(), rng, 191);
            let ids = tokenizer.encode(&text, true).expect("encodes");
            assert_eq!(ids.len(), token_count(&text));
            assert!(!ids.contains(&UNKNOWN_ID) && !ids.contains(&END_OF_TEXT_ID));
            assert_eq!(tokenizer.decode(&ids).expect("decodes"), text);
        }
        for text in ["", "Input:\n6 2 + 2 5\nTarget:\n", "\n\n", "\n8 8\n\n3\n"] {
            let ids = tokenizer.encode(text, true).expect("encodes");
            assert_eq!(tokenizer.decode(&ids).expect("decodes"), text);
        }
        let end_and_unknown = tokenizer.encode_lossy("7 seven\n<|endoftext|>", true).expect("encodes");
        assert_eq!(end_and_unknown, [10, UNKNOWN_ID, 2, END_OF_TEXT_ID]);
    }
}
