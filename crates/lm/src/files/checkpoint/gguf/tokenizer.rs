//! The tokenizer files of a Hugging Face checkpoint, made from the metadata of a GGUF file.
//!
//! Two kinds are read: byte-pair encoding over bytes (`gpt2`), and `SentencePiece` (`llama`), whose merges follow from the scores as in
//! `transformers`.

use super::metadata::Metadata;
use crate::error::Result;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};

/// Types of tokens in llama.cpp.
pub(super) const NORMAL: i64 = 1;
pub(super) const UNKNOWN: i64 = 2;
pub(super) const CONTROL: i64 = 3;
pub(super) const USER_DEFINED: i64 = 4;
pub(super) const UNUSED: i64 = 5;
pub(super) const BYTE: i64 = 6;

/// The names of ways to split text (`tokenizer.ggml.pre`) that differ from each other.
pub(super) const SPLITTINGS: [&str; 5] = ["gpt-2", "smollm", "llama-bpe", "qwen2", "dbrx"];

/// How the text is split before merges, by llama.cpp's name (`tokenizer.ggml.pre`).
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The longest token in bytes. The merges of a token need every cut of it, so their time is the square of its length. Published ones have
/// a tenth of it.
const LONGEST_TOKEN: usize = 2048;

/// `tokenizer.json`, `tokenizer_config.json`, `generation_config.json` and the chat template.
pub(super) fn files(metadata: &Metadata) -> Result<BTreeMap<String, Vec<u8>>> {
    let key = "tokenizer.ggml.tokens";
    let tokens = metadata.texts(key).ok_or_else(|| metadata.error(key, "is missing; the file has no tokenizer"))?;
    if let Some((id, token)) = tokens.iter().enumerate().find(|(_, token)| token.len() > LONGEST_TOKEN) {
        return Err(metadata.error(key, &format!("token {id} has {} bytes; expected at most {LONGEST_TOKEN}", token.len())));
    }
    let types = metadata.array("tokenizer.ggml.token_type").and_then(|types| types.as_i32_slice()).unwrap_or_default();
    let kind = |id: usize| types.get(id).copied().map_or(NORMAL, i64::from);
    // The last of several tokens with the same text has it, as in llama.cpp.
    let ids: HashMap<&str, usize> = tokens.iter().enumerate().map(|(id, token)| (token.as_str(), id)).collect();
    let added: Vec<Value> = tokens
        .iter()
        .enumerate()
        .filter(|(id, token)| matches!(kind(*id), CONTROL | USER_DEFINED | UNKNOWN) && ids[token.as_str()] == *id)
        .map(|(id, token)| {
            json!({"id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
                   "special": kind(id) != USER_DEFINED})
        })
        .collect();
    let (mut tokenizer, adds_begin) = match metadata.text("tokenizer.ggml.model") {
        Some("gpt2") => byte_pairs(metadata, tokens)?,
        Some("llama") => sentence_piece(metadata, tokens)?,
        other => {
            let problem = format!("{} is not supported; supported are gpt2 and llama", other.unwrap_or("nothing"));
            return Err(metadata.error("tokenizer.ggml.model", &problem));
        }
    };
    tokenizer.insert("version".into(), "1.0".into());
    tokenizer.insert("added_tokens".into(), added.into());
    let named = |key: &str| metadata.whole(key).and_then(|id| Some((id, tokens.get(usize::try_from(id).ok()?)?)));
    let begin = named("tokenizer.ggml.bos_token_id");
    if let Some((id, token)) = begin
        && metadata.flag("tokenizer.ggml.add_bos_token").unwrap_or(adds_begin)
    {
        let special = json!({"SpecialToken": {"id": token, "type_id": 0}});
        let text = |side: &str| json!({"Sequence": {"id": side, "type_id": 0}});
        tokenizer.insert(
            "post_processor".into(),
            json!({"type": "TemplateProcessing", "single": [special, text("A")], "pair": [special, text("A"), special, text("B")],
                   "special_tokens": {token: {"id": token, "ids": [id], "tokens": [token]}}}),
        );
    }
    let mut config = Map::new();
    for (name, key) in [
        ("bos_token", "tokenizer.ggml.bos_token_id"),
        ("eos_token", "tokenizer.ggml.eos_token_id"),
        ("unk_token", "tokenizer.ggml.unknown_token_id"),
        ("pad_token", "tokenizer.ggml.padding_token_id"),
    ] {
        if let Some((_, token)) = named(key) {
            config.insert(name.into(), token.as_str().into());
        }
    }
    let ends: Vec<u64> = ["eos", "eot", "eom"].iter().filter_map(|end| metadata.whole(&format!("tokenizer.ggml.{end}_token_id"))).collect();
    let mut files = BTreeMap::from([
        ("tokenizer.json".to_owned(), Value::from(tokenizer).to_string().into_bytes()),
        ("tokenizer_config.json".to_owned(), Value::from(config).to_string().into_bytes()),
        ("generation_config.json".to_owned(), json!({"eos_token_id": ends}).to_string().into_bytes()),
    ]);
    if let Some(template) = metadata.text("tokenizer.chat_template") {
        files.insert("chat_template.jinja".to_owned(), template.as_bytes().to_vec());
    }
    Ok(files)
}

fn vocabulary(tokens: &[String]) -> Map<String, Value> {
    tokens.iter().enumerate().map(|(id, token)| (token.clone(), id.into())).collect()
}

/// A tokenizer over bytes, and whether it begins texts with a token unless the file says otherwise.
fn byte_pairs(metadata: &Metadata, tokens: &[String]) -> Result<(Map<String, Value>, bool)> {
    let key = "tokenizer.ggml.merges";
    let merges = metadata.texts(key).ok_or_else(|| metadata.error(key, "is missing; byte-pair encoding needs it"))?;
    let pairs: Option<Vec<Value>> = merges.iter().map(|merge| merge.split_once(' ').map(|(left, right)| json!([left, right]))).collect();
    let pairs = pairs.ok_or_else(|| metadata.error(key, "a merge is not two tokens with a blank between them"))?;
    let bytes = |use_regex: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex});
    let split = |pattern: &str| json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
    let sequence = |first: Value, second: Value| json!({"type": "Sequence", "pretokenizers": [first, second]});
    let name = metadata.text("tokenizer.ggml.pre").unwrap_or("default");
    let (splitting, ignores_merges, is_composed) = match name {
        "gpt-2" | "olmo" => (bytes(true), false, false),
        "smollm" => (sequence(json!({"type": "Digits", "individual_digits": true}), bytes(true)), false, false),
        "llama-bpe" | "llama3" => (sequence(split(LLAMA3), bytes(false)), true, false),
        "qwen2" => (sequence(split(QWEN2), bytes(false)), false, true),
        "dbrx" | "smaug-bpe" => (sequence(split(LLAMA3), bytes(false)), false, false),
        other => {
            let problem = format!("{other} is not supported; supported are gpt-2, olmo, smollm, llama-bpe, qwen2, dbrx and smaug-bpe");
            return Err(metadata.error("tokenizer.ggml.pre", &problem));
        }
    };
    let tokenizer = json!({
        "normalizer": is_composed.then(|| json!({"type": "NFC"})),
        "pre_tokenizer": splitting,
        "decoder": bytes(true),
        "model": {"type": "BPE", "vocab": vocabulary(tokens), "merges": pairs, "ignore_merges": ignores_merges, "byte_fallback": false,
                  "fuse_unk": false},
    });
    let tokenizer = tokenizer.as_object().cloned().unwrap_or_default();
    Ok((tokenizer, matches!(name, "llama-bpe" | "llama3")))
}

/// A `SentencePiece` tokenizer, which begins texts with a token unless the file says otherwise.
fn sentence_piece(metadata: &Metadata, tokens: &[String]) -> Result<(Map<String, Value>, bool)> {
    let key = "tokenizer.ggml.scores";
    let scores = metadata.array(key).and_then(|scores| scores.as_f32_slice());
    let scores = scores.filter(|scores| scores.len() == tokens.len());
    let scores = scores.ok_or_else(|| metadata.error(key, "is missing or has not one number for each token"))?;
    let unknown = metadata.whole("tokenizer.ggml.unknown_token_id").and_then(|id| tokens.get(usize::try_from(id).ok()?));
    let has_prefix = metadata.flag("tokenizer.ggml.add_space_prefix").unwrap_or(true);
    let mut normalizers = vec![json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})];
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if has_prefix {
        normalizers.insert(0, json!({"type": "Prepend", "prepend": "▁"}));
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    let tokenizer = json!({
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "pre_tokenizer": null,
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": {"type": "BPE", "vocab": vocabulary(tokens), "merges": merges(tokens, scores), "unk_token": unknown, "fuse_unk": true,
                  "byte_fallback": true, "ignore_merges": false},
    });
    Ok((tokenizer.as_object().cloned().unwrap_or_default(), true))
}

/// The merges that the scores of `SentencePiece` mean: every way to make a token of two others, the highest score first.
fn merges(tokens: &[String], scores: &[f32]) -> Vec<Value> {
    let ids: HashMap<&str, usize> = tokens.iter().enumerate().map(|(id, token)| (token.as_str(), id)).collect();
    let mut merges: Vec<(f32, usize, usize)> = Vec::new();
    for (token, score) in tokens.iter().zip(scores) {
        let cuts = token.char_indices().skip(1).map(|(at, _)| token.split_at(at));
        let mut pairs: Vec<(usize, usize)> = cuts.filter_map(|(left, right)| Some((*ids.get(left)?, *ids.get(right)?))).collect();
        pairs.sort_unstable();
        merges.extend(pairs.into_iter().map(|(left, right)| (*score, left, right)));
    }
    merges.sort_by(|one, other| other.0.total_cmp(&one.0));
    merges.into_iter().map(|(_, left, right)| json!([tokens[left], tokens[right]])).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::files::tokenizer::Tokenizer;
    use anamnesis::{GgufMetadataArray as Array, GgufMetadataValue as Metadatum};
    use std::time::Instant;

    fn sentence_pieces(tokens: [&str; 3]) -> Result<BTreeMap<String, Vec<u8>>> {
        let tokens = tokens.map(str::to_owned).to_vec();
        let mut metadata = Metadata { path: "a.gguf".into(), values: HashMap::new() };
        metadata.put("tokenizer.ggml.model", Metadatum::String("llama".into()));
        metadata.put("tokenizer.ggml.scores", Metadatum::Array(Box::new(Array::F32(vec![0.0; 3]))));
        metadata
            .put("tokenizer.ggml.token_type", Metadatum::Array(Box::new(Array::I32(vec![CONTROL as i32, NORMAL as i32, CONTROL as i32]))));
        metadata.put("tokenizer.ggml.eos_token_id", Metadatum::U32(2));
        metadata.put("tokenizer.ggml.tokens", Metadatum::Array(Box::new(Array::String(tokens))));
        files(&metadata)
    }

    #[test]
    fn a_token_that_takes_long_to_cut_is_refused() {
        let begun = Instant::now();
        let message = sentence_pieces(["<unk>", "a", &"a".repeat(1_000_000)]).unwrap_err().to_string();
        assert!(message.contains("a.gguf") && message.contains("tokenizer.ggml.tokens"), "{message}");
        assert!(message.contains("token 2 has 1000000 bytes; expected at most 2048"), "{message}");
        assert!(sentence_pieces(["<unk>", "a", &"a".repeat(2048)]).is_ok());
        assert!(begun.elapsed().as_secs() < 60);
    }

    #[test]
    fn the_last_of_two_tokens_with_the_same_text_has_it() {
        let files = sentence_pieces(["<x>", "a", "<x>"]).unwrap();
        let tokenizer = Tokenizer::from_files(&files, &Value::Null).unwrap();
        assert_eq!(tokenizer.encode_lossy("<x>", false).unwrap(), [2]);
    }
}
