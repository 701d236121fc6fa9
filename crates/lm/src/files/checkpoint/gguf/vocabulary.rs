//! The metadata of a GGUF file that describe a tokenizer: the inverse of `tokenizer.rs`.
//!
//! llama.cpp has names for ways to split text and keeps no rules. The name is found by trial: a name is right if the tokenizer that
//! `tokenizer.rs` makes from it gives the ids of the checkpoint's tokenizer, for texts of many kinds and for the tokens themselves.

use super::metadata::Metadata;
use super::tokenizer::{BYTE, CONTROL, NORMAL, SPLITTINGS, UNKNOWN, UNUSED, USER_DEFINED};
use crate::error::{Error, Result};
use crate::files::named_tokens::named_tokens;
use crate::files::tokenizer::Tokenizer;
use crate::files::{chat, read_json};
use anamnesis::{GgufMetadataArray as Array, GgufMetadataValue as Metadatum};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Texts that ways of splitting divide differently.
const PROBES: [&str; 12] = [
    "Hello, World! It's WE'LL they'd've don't",
    "1 12 123 1234 12345 3.14159e-10 1,000,000",
    "a  b   c    d\ttab\n\nnewlines\r\n \n  end  ",
    " leading and trailing ",
    "def f(x):\n    if x:\n\t\treturn x**2 // 3 != None\n",
    "Straße größer Où est l'élève Съешь ещё булок",
    "日本語のテキスト、猫です。 我们今天学习数学 안녕하세요 세계",
    "שלום עולם مرحبا بالعالم ١٢٣ नमस्ते दुनिया สวัสดี",
    "e\u{301} n\u{303} \u{fb01} \u{2460} \u{ff21} nbsp\u{a0}here zero\u{200b}width",
    "😀 👩‍👩‍👧‍👦 🇩🇪 mixed 日本123猫",
    "$1,234.56 (100%) {\"key\": [1, 2]} <b>x</b> https://a.b/c?d=%20#e",
    "under_score CamelCase ABCdef '''\"\"\" ---- ====",
];
/// Tokens of the vocabulary whose texts are probes too.
const SAMPLED_TOKENS: usize = 4096;

/// Adds the tokenizer and the chat template to the metadata. `files` are the checkpoint's, by name.
pub(super) fn add_tokenizer(metadata: &mut Metadata, files: &BTreeMap<String, Vec<u8>>, config: &Value, rows: usize) -> Result<()> {
    let path = metadata.path.clone();
    let wrong = |problem: String| Error::Gguf { path: path.clone(), problem };
    let tokenizer = Tokenizer::from_files(files, config)?;
    let file = Path::new("tokenizer.json");
    let json = read_json(files.get("tokenizer.json").map_or(&[], Vec::as_slice), file)?;
    let model = &json["model"];
    // Old files name no type.
    if !matches!(model["type"].as_str(), Some("BPE") | None) || !model["merges"].is_array() {
        let kind = model["type"].as_str().unwrap_or("without a type");
        return Err(wrong(format!("the tokenizer has a model of the kind {kind}; llama.cpp can be given byte-pair encoding (BPE) only")));
    }
    let tokens = tokens(&tokenizer, rows).map_err(wrong)?;
    let has_bytes = model["byte_fallback"].as_bool().unwrap_or(false);
    put_tokens(metadata, &tokenizer, &json, &tokens, has_bytes);
    put_named_tokens(metadata, &tokenizer, files, &tokens)?;
    if let Some((_, template)) = chat::source(Path::new(""), files)? {
        metadata.put("tokenizer.chat_template", Metadatum::String(template));
    }
    let merges = merges(model).ok_or_else(|| wrong("its tokenizer.json has a merge that is not two tokens".into()))?;
    let probes = probes(&tokenizer, tokens.len());
    let is_right = |metadata: &Metadata| is_same(&tokenizer, metadata, config, &probes);
    if has_bytes { put_sentence_piece(metadata, &tokens, &merges, is_right) } else { put_byte_pairs(metadata, &merges, is_right) }
}

/// The text of each row of the embedding. Rows without a token have a text that nothing else has.
fn tokens(tokenizer: &Tokenizer, rows: usize) -> Result<Vec<Option<String>>, String> {
    let mut tokens = vec![None; rows];
    for (text, id) in tokenizer.tokens() {
        let place = tokens.get_mut(id as usize);
        *place.ok_or_else(|| format!("token {id} of the tokenizer has no row in the embedding, which has {rows}"))? = Some(text);
    }
    Ok(tokens)
}

fn put_tokens(metadata: &mut Metadata, tokenizer: &Tokenizer, json: &Value, tokens: &[Option<String>], has_bytes: bool) {
    let (unknown, added) = (json["model"]["unk_token"].as_str(), tokenizer.added_tokens());
    let kind = |id: usize, text: &Option<String>| match text {
        None => UNUSED,
        Some(text) if has_bytes && unknown == Some(text.as_str()) => UNKNOWN,
        Some(text) if has_bytes && is_byte(text) => BYTE,
        Some(_) => match added.get(&(id as u32)) {
            Some(true) => CONTROL,
            Some(false) => USER_DEFINED,
            None => NORMAL,
        },
    };
    let kinds = tokens.iter().enumerate().map(|(id, text)| kind(id, text) as i32).collect();
    let texts = tokens.iter().enumerate().map(|(id, text)| text.clone().unwrap_or_else(|| format!("[PAD{id}]"))).collect();
    metadata.put("tokenizer.ggml.tokens", Metadatum::Array(Box::new(Array::String(texts))));
    metadata.put("tokenizer.ggml.token_type", Metadatum::Array(Box::new(Array::I32(kinds))));
}

/// Returns true for `<0x41>`.
fn is_byte(text: &str) -> bool {
    let digits = text.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    digits.is_some_and(|digits| digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

fn put_named_tokens(
    metadata: &mut Metadata,
    tokenizer: &Tokenizer,
    files: &BTreeMap<String, Vec<u8>>,
    tokens: &[Option<String>],
) -> Result<()> {
    let file = |name: &str| files.get(name).map(|bytes| read_json(bytes, Path::new(name))).transpose();
    let config = file("tokenizer_config.json")?.unwrap_or_default();
    let names = named_tokens(&config, Path::new(""), files)?;
    let named = |name: &str| tokens.iter().position(|text| text.is_some() && text.as_ref() == names.get(name)).map(|id| id as u32);
    let mut put = |name: &str, id: Option<u32>| {
        if let Some(id) = id {
            metadata.put(&format!("tokenizer.ggml.{name}_token_id"), Metadatum::U32(id));
        }
    };
    put("bos", tokenizer.begin_token().or_else(|| named("bos_token")));
    put("unknown", named("unk_token"));
    put("padding", named("pad_token"));
    let end = tokenizer.end_of_text();
    put("eos", Some(end));
    let others: Vec<u32> = tokenizer.eos_token_ids().iter().copied().filter(|id| *id != end).collect();
    put("eot", others.first().copied());
    put("eom", others.get(1).copied());
    if let Some(rest) = others.get(2..).filter(|rest| !rest.is_empty()) {
        log::warn!("GGUF: the file names three tokens that end a text, and these further ones do not fit: {rest:?}");
    }
    metadata.put("tokenizer.ggml.add_bos_token", Metadatum::Bool(tokenizer.begin_token().is_some()));
    Ok(())
}

/// The merges of a `tokenizer.json`, each two tokens.
fn merges(model: &Value) -> Option<Vec<(&str, &str)>> {
    model["merges"].as_array()?.iter().map(merge).collect()
}

/// A merge is a text with a blank between its tokens, or a list of both.
fn merge(merge: &Value) -> Option<(&str, &str)> {
    match merge {
        Value::String(text) => text.split_once(' '),
        pair => Some((pair[0].as_str()?, pair[1].as_str()?)),
    }
}

fn put_byte_pairs(metadata: &mut Metadata, merges: &[(&str, &str)], is_right: impl Fn(&Metadata) -> bool) -> Result<()> {
    metadata.put("tokenizer.ggml.model", Metadatum::String("gpt2".into()));
    let merges = merges.iter().map(|(left, right)| format!("{left} {right}")).collect();
    metadata.put("tokenizer.ggml.merges", Metadatum::Array(Box::new(Array::String(merges))));
    for name in SPLITTINGS {
        metadata.put("tokenizer.ggml.pre", Metadatum::String(name.into()));
        if is_right(metadata) {
            return Ok(());
        }
    }
    let problem = format!("the tokenizer splits text in a way that has none of the names {}", SPLITTINGS.join(", "));
    Err(Error::Gguf { path: metadata.path.clone(), problem })
}

/// llama.cpp merges the pair whose result has the highest score, so the score of a token is the rank of its first merge, less than 0.
fn put_sentence_piece(
    metadata: &mut Metadata,
    tokens: &[Option<String>],
    merges: &[(&str, &str)],
    is_right: impl Fn(&Metadata) -> bool,
) -> Result<()> {
    let mut ranks = HashMap::new();
    for (rank, (left, right)) in merges.iter().enumerate() {
        ranks.entry(format!("{left}{right}")).or_insert(rank);
    }
    let score = |(id, text): (usize, &Option<String>)| {
        let rank = text.as_ref().and_then(|text| ranks.get(text).copied());
        -(rank.unwrap_or(merges.len() + id) as f32)
    };
    let scores = tokens.iter().enumerate().map(score).collect();
    metadata.put("tokenizer.ggml.model", Metadatum::String("llama".into()));
    metadata.put("tokenizer.ggml.scores", Metadatum::Array(Box::new(Array::F32(scores))));
    for has_prefix in [true, false] {
        metadata.put("tokenizer.ggml.add_space_prefix", Metadatum::Bool(has_prefix));
        if is_right(metadata) {
            return Ok(());
        }
    }
    let problem = "the tokenizer gives other ids than llama.cpp's SentencePiece would, with and without a blank before the text".into();
    Err(Error::Gguf { path: metadata.path.clone(), problem })
}

fn probes(tokenizer: &Tokenizer, tokens: usize) -> Vec<String> {
    let mut probes: Vec<String> = PROBES.map(str::to_owned).to_vec();
    let added = tokenizer.added_tokens();
    let sampled = (0..tokens as u32).step_by(tokens.div_ceil(SAMPLED_TOKENS).max(1)).filter(|id| !added.contains_key(id));
    let texts: Vec<String> = sampled.filter_map(|id| tokenizer.decode(&[id]).ok()).collect();
    probes.extend(texts.chunks(16).map(<[String]>::concat));
    probes
}

/// Returns true if the tokenizer that the metadata describe gives the same ids.
fn is_same(tokenizer: &Tokenizer, metadata: &Metadata, config: &Value, probes: &[String]) -> bool {
    let described = super::tokenizer::files(metadata).and_then(|files| Tokenizer::from_files(&files, config));
    let Ok(described) = described else { return false };
    probes.iter().all(|text| {
        [false, true].into_iter().all(|special| {
            matches!((tokenizer.encode_lossy(text, special), described.encode_lossy(text, special)), (Ok(one), Ok(other)) if one == other)
        })
    })
}
