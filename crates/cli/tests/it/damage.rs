//! Checkpoints that are not what they should be, as `sample` tells it.

use crate::program::{repository, starloop, text};
use serde_json::Value;
use std::path::Path;

const WEIGHTS: &str = "model.safetensors";

/// A file on which the library that reads tokenizers panics.
const PANICS: &str = r###"{"version": "1.0", "added_tokens": [], "model": {
    "type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": [["a", "b"]], "continuing_subword_prefix": "##"
}}"###;

type Damage<'a> = &'a dyn Fn(&Path);

/// Puts `to` in the place of `from` in config.json.
fn edit_config(directory: &Path, from: &str, to: &str) {
    let path = directory.join("config.json");
    let config = std::fs::read_to_string(&path).unwrap();
    assert!(config.contains(from), "{from} is in {config}");
    std::fs::write(path, config.replace(from, to)).unwrap();
}

/// Overwrites the first number of a tensor.
fn overwrite(directory: &Path, tensor: &str, number: f32) {
    let path = directory.join(WEIGHTS);
    let mut bytes = std::fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let tensors: Value = serde_json::from_slice(&bytes[8..header]).unwrap();
    let at = header + tensors[tensor]["data_offsets"][0].as_u64().unwrap() as usize;
    bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
    std::fs::write(path, bytes).unwrap();
}

fn cut_off(directory: &Path) {
    let path = directory.join(WEIGHTS);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(path, &bytes[..bytes.len() - 10]).unwrap();
}

#[test]
fn a_damaged_checkpoint_is_named_with_its_file_and_tensor() {
    let damages: &[(Damage<'_>, &[&str])] = &[
        (&|d| edit_config(d, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3"), &[WEIGHTS, "\"model.layers.2.", "is missing"]),
        (
            &|d| edit_config(d, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1"),
            &[WEIGHTS, "\"model.layers.1.", "not part of this model"],
        ),
        (&|d| edit_config(d, "\"intermediate_size\": 48", "\"intermediate_size\": 40"), &[WEIGHTS, "shape [48, 32], expected [40, 32]"]),
        (
            &|d| edit_config(d, "\"model_type\": \"llama\"", "\"model_type\": \"lama\""),
            &["config.json", "\"lama\" is not supported", "llama"],
        ),
        (&|d| edit_config(d, "\"hidden_size\": 32,", ""), &["config.json", "\"hidden_size\""]),
        (&|d| edit_config(d, "\"hidden_size\": 32,", "\"hidden_size\" 32,"), &["config.json", "line "]),
        (&|d| overwrite(d, "model.norm.weight", f32::NAN), &[WEIGHTS, "\"model.norm.weight\" holds NaN"]),
        (&|d| overwrite(d, "model.norm.weight", f32::NEG_INFINITY), &[WEIGHTS, "\"model.norm.weight\" holds -inf"]),
        (&cut_off, &[WEIGHTS, "not a complete safetensors file"]),
        (&|d| std::fs::remove_file(d.join(WEIGHTS)).unwrap(), &[WEIGHTS]),
        (&|d| std::fs::remove_file(d.join("tokenizer.json")).unwrap(), &["tokenizer.json"]),
        (&|d| std::fs::write(d.join("tokenizer.json"), PANICS).unwrap(), &["tokenizer.json", "the tokenizer is damaged"]),
        (&|d| std::fs::remove_file(d.join("config.json")).unwrap(), &["config.json"]),
    ];
    for (damage, said) in damages {
        let place = tempfile::tempdir().unwrap();
        let copy = place.path().join("checkpoint");
        std::fs::create_dir(&copy).unwrap();
        for name in ["config.json", WEIGHTS, "tokenizer.json", "tokenizer_config.json", "generation_config.json"] {
            std::fs::copy(repository("fixtures/llama-tiny").join(name), copy.join(name)).unwrap();
        }
        damage(&copy);
        starloop("sample --prompt a", &["--model", text(&copy)]).failed(1, &[&[text(&copy)], *said].concat());
    }
}

#[test]
fn a_prompt_that_does_not_fit_is_told_with_its_length_and_the_limit() {
    let model = repository("fixtures/llama-tiny");
    let prompt = "1 p ".repeat(100);
    starloop("sample", &["--model", text(&model), "--prompt", &prompt]).failed(1, &["prompt tokens", "128 new ones", "context of 128"]);
    starloop("score", &["--model", text(&model), "--text", &prompt]).failed(1, &["tokens", "context of 128"]);
}
