//! What a `tokenizer.json` may say: types of steps, how far they grow a text, ids of added tokens, dropout and text without tokens.

use serde_json::{Value, json};
use starloop_lm::{Error, Tokenizer};
use std::collections::BTreeMap;

/// A tokenizer of the letters `a`, `b` and `ab` after `edit`.
fn letters(edit: impl FnOnce(&mut Value)) -> starloop_lm::Result<Tokenizer> {
    let mut json = json!({
        "version": "1.0", "added_tokens": [{"id": 3, "content": "<|x|>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}],
        "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"], "unk_token": null, "dropout": null},
    });
    edit(&mut json);
    let files = BTreeMap::from([("tokenizer.json".to_owned(), json.to_string().into_bytes())]);
    Tokenizer::from_files(&files, &json!({"eos_token_id": 0}))
}

#[test]
fn steps_that_grow_a_text_without_a_bound_are_refused() {
    let chain = |key: &str, times: usize, step: Value| json!({"type": "Sequence", key: vec![step; times]});
    let ten = json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaaaa"});
    let between = json!({"type": "Replace", "pattern": {"Regex": "(?<=a)"}, "content": "a"});
    // The crate reads this as a step that replaces.
    let hidden = json!({"type": "BertNormalizer", "pattern": {"String": "a"}, "content": "aaaaaaaaaa"});
    for (key, steps) in [
        ("normalizer", chain("normalizers", 10, ten.clone())),
        ("normalizer", chain("normalizers", 1, chain("normalizers", 10, ten.clone()))),
        ("normalizer", chain("normalizers", 20, between)),
        ("normalizer", chain("normalizers", 10, hidden)),
        ("normalizer", chain("normalizers", 20, json!({"type": "Prepend", "prepend": "a".repeat(100_000)}))),
        ("pre_tokenizer", chain("pretokenizers", 30, json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true}))),
        ("decoder", chain("decoders", 12, ten.clone())),
        ("decoder", chain("decoders", 40, json!({"type": "BPEDecoder", "suffix": ""}))),
    ] {
        let message = letters(|json| json[key] = steps).unwrap_err().to_string();
        assert!(message.starts_with("tokenizer.json: keys ") && message.contains(&format!("{key:?}")), "{message}");
        assert!(message.contains("remove steps that write more than they replace"), "{message}");
    }
    assert!(letters(|json| json["normalizer"] = chain("normalizers", 3, ten)).is_ok());
    let blanks = json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "});
    assert!(letters(|json| json["normalizer"] = chain("normalizers", 50, blanks)).is_ok());
}

#[test]
fn a_character_map_that_is_shorter_than_its_trie_is_refused() {
    for (map, said) in [
        ("/P///wAAAAAAAAAA", "has 8 bytes after its first 4, which announce a trie of 4294967292"),
        ("AAA=", "is empty"),
        ("A-", "is not base64"),
    ] {
        let message =
            letters(|json| json["normalizer"] = json!({"type": "Precompiled", "precompiled_charsmap": map})).unwrap_err().to_string();
        assert!(message.starts_with("tokenizer.json: key \"normalizer\": precompiled_charsmap ") && message.contains(said), "{message}");
    }
}

#[test]
fn an_unknown_type_is_named() {
    let step = json!({"type": "Zzz", "prepend": "a"});
    for (key, value) in [
        ("normalizer", step.clone()),
        ("normalizer", json!({"type": "Sequence", "normalizers": [step]})),
        ("pre_tokenizer", json!({"type": "Zzz"})),
        ("post_processor", json!({"type": "Zzz"})),
        ("decoder", json!({"type": "Zzz"})),
        ("model", json!({"type": "Zzz", "vocab": {}})),
    ] {
        let message = letters(|json| json[key] = value).unwrap_err().to_string();
        let expected = format!("tokenizer.json: key {key:?}: the type \"Zzz\" is not known; expected one of ");
        assert!(message.starts_with(&expected), "{message}");
    }
}

#[test]
fn an_added_token_has_the_id_that_the_file_says() {
    for id in [0, 4, 5000, 1_u64 << 31] {
        let message = letters(|json| json["added_tokens"][0]["id"] = id.into()).unwrap_err().to_string();
        assert!(message.contains(&format!("token \"<|x|>\" has id {id}, but it would get 3")), "{message}");
    }
    assert_eq!(letters(|_| {}).unwrap().encode("<|x|>", false).unwrap(), [3]);
}

#[test]
fn merges_are_never_left_out_at_random() {
    let tokenizer = letters(|json| json["model"]["dropout"] = json!(0.5)).unwrap();
    assert!((0..50).all(|_| tokenizer.encode("ab", false).unwrap() == [2]));
}

#[test]
fn text_that_byte_pair_encoding_leaves_out_is_an_error() {
    let tokenizer = letters(|_| {}).unwrap();
    assert_eq!(tokenizer.encode("ab a<|x|> b", false).unwrap(), [2, 0, 3, 1]);
    for (text, part, at) in [("ab xyz", "x", 3), ("ab<|x|>aéb", "é", 8), ("z", "z", 0)] {
        let error = tokenizer.encode(text, true).unwrap_err();
        let Error::UnknownText { text: found, at: place, token: None, .. } = &error else { panic!("{error:?}") };
        assert_eq!((found.as_str(), *place), (part, at), "{error}");
    }
    // As in transformers.
    assert_eq!(tokenizer.encode_lossy("ab xyz b", false).unwrap(), [2, 1]);
}
