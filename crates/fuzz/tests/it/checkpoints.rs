//! The files of a checkpoint.

use super::{bytes, copies, files, tmp};
use starloop_fuzz::{Target, overwrite};
use starloop_lm::files::chat::{ChatTemplate, Message};
use starloop_lm::{Checkpoint, LanguageModel, Tokenizer};
use std::collections::BTreeMap;
use std::path::Path;

const TINY: &str = "fixtures/llama-tiny";
const PARTS: [&str; 4] = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];

/// Fuzzes one file of a directory, and loads the directory. `load` returns true if it accepts the file.
fn file_of(target: &Target, dir: &Path, file: &str, load: impl Fn(&Path) -> bool) {
    let mut accepted = 0;
    target.run(tmp(), |input| {
        overwrite(&dir.join(file), input);
        accepted += usize::from(load(dir));
    });
    assert!(accepted > 0, "no {file} was accepted, not even the seeds");
}

#[test]
fn model_config() {
    let families = ["llama-tiny", "gpt2", "gptj", "gpt-neox", "gemma3", "phi3", "olmo2", "smollm3", "llama-scaled"];
    let seeds = families.map(|family| bytes(&format!("fixtures/{family}/config.json")));
    let words = &["rope_scaling", "layer_types", "sliding_attention", "hidden_act", "num_key_value_heads"];
    file_of(&Target::new("model-config", seeds).words(words), copies(TINY, &PARTS).path(), "config.json", |dir| {
        LanguageModel::load(dir).is_ok()
    });
}

#[test]
fn safetensors() {
    let target = Target::new("safetensors", [bytes("fixtures/llama-tiny/model.safetensors"), bytes("fixtures/torch/model.safetensors")]);
    file_of(&target.words(&["data_offsets", "BF16", "F8_E4M3"]), copies(TINY, &PARTS).path(), "model.safetensors", |dir| {
        Checkpoint::load(dir).is_ok()
    });
}

#[test]
fn torch_files() {
    let target = Target::new("torch", ["plain.bin", "views.bin", "shard-1.bin"].map(|name| bytes(&format!("fixtures/torch/{name}"))));
    file_of(&target, copies("fixtures/torch", &["config.json"]).path(), "pytorch_model.bin", |dir| Checkpoint::load(dir).is_ok());
}

#[test]
fn gguf() {
    let seeds = files("fixtures/gguf").into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "gguf"));
    let target =
        Target::new("gguf", seeds.map(|path| std::fs::read(path).unwrap())).words(&["general.architecture", "tokenizer.ggml.model"]);
    let place = tempfile::tempdir().unwrap();
    file_of(&target, place.path(), "model.gguf", |dir| {
        let path = dir.join("model.gguf");
        LanguageModel::load(&path).is_ok() | Checkpoint::load_gguf(&path).is_ok()
    });
}

#[test]
fn quantised_weights() {
    let methods = [
        ("quantised-fp8", "fp8-block"),
        ("quantised-pack", "pack-int4"),
        ("quantised-gptq", "gptq"),
        ("quantised-awq", "awq"),
        ("quantised-nf4", "nf4"),
        ("quantised-int8", "bnb-int8"),
        ("quantised-mlx", "mlx"),
    ];
    for (name, method) in methods {
        let directory = format!("fixtures/quantised/{method}");
        let target = Target::new(name, [bytes(&format!("{directory}/model.safetensors"))]);
        let target = target.words(&["data_offsets", "I32", "F8_E4M3", "blocksize"]).share(0.15);
        file_of(&target, copies(&directory, &["config.json"]).path(), "model.safetensors", |dir| Checkpoint::load(dir).is_ok());
    }
}

#[test]
fn quantisation_config() {
    let seeds = ["fp8-block", "pack-int4", "gptq", "mlx"].map(|method| bytes(&format!("fixtures/quantised/{method}/config.json")));
    let target = Target::new("quantisation-config", seeds).words(&["weight_block_size", "group_size", "bits", "quant_method"]).share(0.3);
    file_of(&target, copies("fixtures/quantised/gptq", &["model.safetensors"]).path(), "config.json", |dir| Checkpoint::load(dir).is_ok());
}

#[test]
fn older_vocabularies() {
    let place = tempfile::tempdir().unwrap();
    let tokenizer: serde_json::Value = serde_json::from_slice(&bytes("fixtures/tokenizers/gpt2/tokenizer.json")).unwrap();
    std::fs::write(place.path().join("tokenizer_config.json"), r#"{"tokenizer_class": "GPT2Tokenizer", "eos_token": "<|endoftext|>"}"#)
        .unwrap();
    let merges = tokenizer["model"]["merges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| format!("{} {}\n", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
    std::fs::write(place.path().join("merges.txt"), merges.collect::<String>()).unwrap();
    let mut vocabulary = tokenizer["model"]["vocab"].clone();
    vocabulary["<|endoftext|>"] = 9999.into();
    let target = Target::new("vocabulary", [vocabulary.to_string().into_bytes()]).share(0.1);
    file_of(&target, place.path(), "vocab.json", |dir| Tokenizer::load(dir).is_ok());
}

#[test]
fn tokenizer() {
    let seeds = ["gpt2", "llama2", "llama3", "qwen"].map(|name| bytes(&format!("fixtures/tokenizers/{name}/tokenizer.json")));
    let words = &["Split", "ByteLevel", "(?<=", "(a+)+", "added_tokens", "<unk>"];
    file_of(&Target::new("tokenizer", seeds).words(words).share(0.1), copies(TINY, &PARTS).path(), "tokenizer.json", |dir| {
        let Ok(tokenizer) = Tokenizer::load(dir) else { return false };
        let _ = tokenizer.encode("12 + 3 = 15\n", false).map(|tokens| tokenizer.decode(&tokens));
        true
    });
}

#[test]
fn tokenizer_config() {
    let target = Target::new("tokenizer-config", [bytes("fixtures/llama-tiny/tokenizer_config.json")]);
    file_of(
        &target.words(&["chat_template", "eos_token", "added_tokens_decoder"]),
        copies(TINY, &PARTS).path(),
        "tokenizer_config.json",
        |dir| Tokenizer::load(dir).is_ok() & ChatTemplate::load(dir).is_ok(),
    );
}

#[test]
fn chat_template() {
    let seeds = files("fixtures/chat").into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "jinja"));
    let words = &[
        "{%",
        "%}",
        "{{",
        "}}",
        "{% for i in range(99999) %}",
        "{% endfor %}",
        "{% macro m() %}",
        "{% if %}",
        "|tojson",
        "* 9",
        "~",
        "{% set n.x = [n.x] %}",
        "namespace()",
    ];
    Target::new("chat-template", seeds.map(|path| std::fs::read(path).unwrap())).words(words).run(tmp(), |input| {
        let files = BTreeMap::from([("chat_template.jinja".to_owned(), input.to_vec())]);
        if let Ok(Some(template)) = ChatTemplate::from_files(&files) {
            let messages = [Message::new("system", "Be brief."), Message::new("user", "1 + 1?"), Message::new("assistant", "2")];
            let _ = template.render(&messages, true);
        }
    });
}

#[test]
fn adapter_config() {
    let words = &["target_modules", "rank_pattern", "(a+)+$", "all-linear", "use_rslora"];
    let seeds = ["llama", "patterns", "regex"].map(|name| bytes(&format!("fixtures/adapters/{name}/adapter_config.json")));
    adapter(&Target::new("adapter-config", seeds).words(words), "adapter_config.json");
}

#[test]
fn adapter_weights() {
    let seeds = ["llama", "patterns", "regex"].map(|name| bytes(&format!("fixtures/adapters/{name}/adapter_model.safetensors")));
    adapter(&Target::new("adapter", seeds).words(&["lora_A", "F16", "data_offsets"]), "adapter_model.safetensors");
}

/// Fuzzes one file of an adapter. Its base lies where the config says.
fn adapter(target: &Target, file: &str) {
    let base = copies(TINY, &PARTS);
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(place.path().join("adapters")).unwrap();
    std::fs::rename(base.keep(), place.path().join("llama-tiny")).unwrap();
    let files = copies("fixtures/adapters/llama", &["adapter_config.json", "adapter_model.safetensors"]);
    let dir = place.path().join("adapters/llama");
    std::fs::rename(files.keep(), &dir).unwrap();
    file_of(target, &dir, file, |dir| LanguageModel::load(dir).is_ok());
}
