//! GGUF files against Python's `gguf`, and against the same models in the Hugging Face format.

use crate::fixture;
use crate::golden::{by_name, worst};
use serde_json::Value;
use starloop_lm::checkpoint::{Checkpoint, GgufType};
use starloop_lm::decoder::{Packed, TrainingMemory};
use starloop_lm::kernels::Cpu;
use starloop_lm::weights::Values;
use starloop_lm::{LanguageModel, Result, Tokenizer};
use std::collections::BTreeMap;
use std::path::Path;

fn gguf(name: &str) -> Checkpoint {
    Checkpoint::load_gguf(&fixture::dir("gguf").join(name)).unwrap()
}

fn logits(model: &LanguageModel, name: &str) -> Vec<f32> {
    let mut packed = Packed::new(&fixture::documents(&fixture::reference(name)));
    packed.rows = (0..packed.tokens.len() as u32).collect();
    packed.targets = vec![0; packed.tokens.len()];
    model.decoder.target_logits(&packed, &mut TrainingMemory::new(&Cpu))
}

#[test]
fn models_compute_what_they_compute_in_the_other_format() {
    for name in ["llama-tiny", "qwen3", "olmo2"] {
        let model = LanguageModel::from_checkpoint(gguf(&format!("{name}.gguf"))).unwrap();
        let error = worst(&logits(&model, name), &fixture::reference(name)["logits"]);
        assert!(error < 2e-5, "{name}: logits differ by {error}");
    }
    // llama.cpp does not store all settings of these two models, such as windows in some layers. Their weights are compared.
    for name in ["qwen2", "gemma2"] {
        let (read, expected) = (gguf(&format!("{name}.gguf")), Checkpoint::load(&fixture::dir(name)).unwrap());
        assert_eq!(read.parameters.len(), expected.parameters.len());
        for (one, other) in read.parameters.into_iter().zip(expected.parameters) {
            assert!(worst(&one.into_full(), &other.into_full()) < 1e-6, "{name}");
        }
    }
}

#[test]
fn every_type_is_dequantised_as_gguf_does() {
    let expected: Value = serde_json::from_slice(&std::fs::read(fixture::dir("gguf").join("types.json")).unwrap()).unwrap();
    let model = LanguageModel::from_checkpoint(gguf("types.gguf")).unwrap();
    let parameters: Vec<Vec<f32>> = model.decoder.download().into_iter().map(Values::into_full).collect();
    let tensors = by_name(&model, &parameters);
    let find = |name: &str| &tensors.iter().find(|(found, _)| found == name).unwrap().1;
    let modules = [
        ("attn_q", "self_attn.q_proj"),
        ("attn_k", "self_attn.k_proj"),
        ("attn_v", "self_attn.v_proj"),
        ("attn_output", "self_attn.o_proj"),
        ("ffn_gate", "mlp.gate_proj"),
        ("ffn_up", "mlp.up_proj"),
        ("ffn_down", "mlp.down_proj"),
    ];
    let mut kinds = std::collections::BTreeSet::new();
    for (name, tensor) in expected.as_object().unwrap() {
        let parts: Vec<&str> = name.split('.').collect();
        let values = match parts[..] {
            ["token_embd", _] => find("model.embed_tokens.weight"),
            [_, layer, module, _] => {
                let module = modules.iter().find(|(name, _)| *name == module).unwrap().1;
                find(&format!("model.layers.{layer}.{module}.weight"))
            }
            _ => panic!("{name}"),
        };
        let step = values.len() / 64;
        let found: Vec<f32> = values.iter().step_by(step).copied().collect();
        let elements: Vec<f32> = tensor["elements"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect();
        let largest = elements.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let kind = tensor["type"].as_str().unwrap();
        assert!(worst(&found, &elements) <= largest * 1e-6, "{name} ({kind}) differs by {}", worst(&found, &elements));
        kinds.insert(kind.to_owned());
    }
    assert_eq!(kinds.len(), 15, "{kinds:?}");
}

#[test]
fn the_tokenizer_and_the_template_come_from_the_file() {
    let checkpoint = gguf("types.gguf");
    assert!(String::from_utf8_lossy(&checkpoint.companions["chat_template.jinja"]).contains("m.content"));
    let model = LanguageModel::from_checkpoint(checkpoint).unwrap();
    let ids = model.tokenizer().encode("ABA!<|end|>", true).unwrap();
    // AB is one token by its merge; `A` is the character 65, and the token 1 is the character 33.
    assert_eq!(ids, [63, 65 - 32, 1, 0]);
    assert_eq!(model.tokenizer().decode(&ids).unwrap(), "ABA!");
    assert_eq!(model.tokenizer().eos_token_ids(), [0]);
}

#[test]
fn damaged_files_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let whole = std::fs::read(fixture::dir("gguf").join("types.gguf")).unwrap();
    let load = |bytes: &[u8]| -> Result<Checkpoint> {
        let path = place.path().join("a.gguf");
        std::fs::write(&path, bytes).unwrap();
        Checkpoint::load_gguf(&path)
    };
    let refused = |bytes: &[u8], said: &str| {
        let error = fixture::chain(&load(bytes).unwrap_err());
        assert!(error.contains("a.gguf") && error.contains(said), "{error}");
    };
    refused(b"", "is not a complete GGUF file");
    refused(b"GGUF", "is not a complete GGUF file");
    refused(&whole[..whole.len() / 2], "exceeds file size");
    let renamed = |from: &str, to: &str| {
        let at = whole.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        [&whole[..at], to.as_bytes(), &whole[at + from.len()..]].concat()
    };
    refused(&renamed("blk.0.attn_q.weight", "blk.0.attn_x.weight"), "tensor blk.0.attn_x.weight: not known for the family llama");
    refused(&renamed("general.architecture", "general.architectuxe"), "\"general.architecture\": is missing");
    refused(&renamed("smollm", "smullm"), "\"tokenizer.ggml.pre\": smullm is not supported");
    refused(&renamed("llama.block_count", "llama.block_kount"), "\"llama.block_count\": is missing");
    // No byte of the header makes it panic.
    for at in (0..4096).step_by(7) {
        let mut changed = whole.clone();
        changed[at] ^= 0x5a;
        let _ = load(&changed);
    }
    assert!(Checkpoint::load_gguf(Path::new("/nowhere/a.gguf")).is_err());
}

/// A file with one more entry of its metadata: key, type and value. A filler keeps the tensors where the file's alignment wants them.
fn with_entry(file: &[u8], key: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    let entry =
        |key: &str, kind: u32, value: &[u8]| [&(key.len() as u64).to_le_bytes(), key.as_bytes(), &kind.to_le_bytes(), value].concat();
    let text = |length: usize| [&(length as u64).to_le_bytes()[..], &vec![b' '; length]].concat();
    let mut added = entry(key, kind, value);
    let missing =
        (added.len() + entry("filler", 8, &text(0)).len()).next_multiple_of(32) - added.len() - entry("filler", 8, &text(0)).len();
    added.extend(entry("filler", 8, &text(missing)));
    // Magic number, version, number of tensors, number of entries.
    let entries = u64::from_le_bytes(file[16..24].try_into().unwrap()) + 2;
    [&file[..16], &entries.to_le_bytes(), &added, &file[24..]].concat()
}

/// A file with another value of 4 bytes, and its type.
fn with_value(file: &[u8], key: &str, kind: u32, value: [u8; 4]) -> Vec<u8> {
    let mut changed = file.to_vec();
    let at = file.windows(key.len()).position(|window| window == key.as_bytes()).unwrap() + key.len();
    changed[at..at + 4].copy_from_slice(&kind.to_le_bytes());
    changed[at + 4..at + 8].copy_from_slice(&value);
    changed
}

#[test]
fn metadata_of_a_wrong_type_or_out_of_range_are_refused() {
    const U32: u32 = 4;
    const F32: u32 = 6;
    const TEXT: u32 = 8;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a.gguf");
    let load = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Checkpoint::load_gguf(&path)
    };
    let (types, tiny) =
        (["types", "llama-tiny"].map(|name| std::fs::read(fixture::dir("gguf").join(format!("{name}.gguf"))).unwrap())).into();
    let number = |key: &str, kind: u32, value: [u8; 4]| with_value(&tiny, key, kind, value);
    let one_text = [&1_u64.to_le_bytes()[..], b"x"].concat();
    load(&with_entry(&types, "llama.rope.freq_base", F32, &10_000.0_f32.to_le_bytes())).unwrap();
    for (bytes, said) in [
        (
            with_entry(&types, "llama.rope.freq_base", TEXT, &one_text),
            "\"llama.rope.freq_base\": expected a finite number, found the text \"x\"",
        ),
        (number("llama.rope.freq_base", F32, f32::NAN.to_le_bytes()), "\"llama.rope.freq_base\": expected a finite number, found NaN"),
        (number("llama.rope.freq_base", F32, (-1.0_f32).to_le_bytes()), "\"llama.rope.freq_base\": expected a positive number, found -1"),
        (number("layer_norm_rms_epsilon", F32, f32::INFINITY.to_le_bytes()), "_epsilon\": expected a finite number, found inf"),
        (number("layer_norm_rms_epsilon", F32, 0.0_f32.to_le_bytes()), "_epsilon\": expected a number above 0 and at most 0.1, found 0"),
        (number("llama.attention.head_count_kv", F32, [0; 4]), "head_count_kv\": expected a whole number of 0 or more, found 0"),
        (number("llama.block_count", U32, [0; 4]), "\"llama.block_count\": expected a positive whole number, found 0"),
        (number("llama.context_length", U32, [0; 4]), "\"llama.context_length\": expected a positive whole number, found 0"),
        (number("tokenizer.ggml.bos_token_id", U32, 64_u32.to_le_bytes()), "bos_token_id\": 64 is no token; expected a number below"),
        (number("tokenizer.ggml.bos_token_id", U32, [255; 4]), "bos_token_id\": 4294967295 is no token"),
        (number("tokenizer.ggml.eos_token_id", F32, [0; 4]), "eos_token_id\": expected a whole number of 0 or more, found 0"),
        (
            with_value(&tiny, "tokenizer.ggml.token_type", 9, U32.to_le_bytes()),
            "token_type\": expected a list of 64 whole numbers of 32 bits",
        ),
        (with_entry(&tiny, "llama.rope.dimension_count", U32, &2_u32.to_le_bytes()), "dimension_count\": is 2, but heads have 8"),
        (with_entry(&tiny, "llama.expert_count", U32, &8_u32.to_le_bytes()), "\"llama.expert_count\": 8 is not supported; only 0 is"),
        (with_entry(&tiny, "llama.rope.scaling.type", TEXT, &[&6_u64.to_le_bytes()[..], b"linear"].concat()), "factor\": is missing"),
        (
            number("llama.feed_forward_length", U32, 40_u32.to_le_bytes()),
            "tensor blk.0.ffn_gate.weight has shape [48, 32], expected [40, 32] by the",
        ),
    ] {
        let error = load(&bytes).unwrap_err().to_string();
        assert!(error.contains("a.gguf: ") && error.contains(said), "{said}: {error}");
    }
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 3\n";
    assert!(load(pointer.as_bytes()).unwrap_err().to_string().contains("a.gguf: is a Git LFS pointer"));
}

/// A checkpoint with the tokenizer of `fixtures/tokenizers/KIND` and a row for each of its tokens.
fn with_tokenizer(family: &str, kind: &str) -> Checkpoint {
    let mut checkpoint = Checkpoint::load(&fixture::dir(family)).unwrap();
    let directory = fixture::dir("tokenizers").join(kind);
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        checkpoint.companions.insert(name.into(), std::fs::read(directory.join(name)).unwrap());
    }
    checkpoint.companions.remove("generation_config.json");
    checkpoint.companions.insert("chat_template.jinja".into(), b"{% for m in messages %}{{ m.content }}{% endfor %}".into());
    let rows = Tokenizer::load(&directory).unwrap().vocabulary() + 3;
    checkpoint.config["vocab_size"] = rows.into();
    checkpoint.config["eos_token_id"] = Value::Null;
    checkpoint.spec = starloop_lm::decoder::DecoderSpec::from_config(&checkpoint.config, Path::new("config.json")).unwrap();
    for (spec, values) in checkpoint.spec.parameters.iter().zip(&mut checkpoint.parameters) {
        let old = std::mem::replace(values, Values::Full(Vec::new())).into_full();
        *values = Values::Full(old.iter().copied().cycle().take(spec.len()).collect());
    }
    checkpoint
}

fn written(checkpoint: &Checkpoint, kind: GgufType) -> Result<Checkpoint> {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("model.gguf");
    let records = BTreeMap::from([("trained".to_owned(), "{\"a\": \"é\"}\n".to_owned())]);
    checkpoint.save_gguf(&path, kind, "model", &records).map(|()| {
        assert_eq!(Checkpoint::records_of_gguf(&path).unwrap(), records);
        Checkpoint::load_gguf(&path).unwrap()
    })
}

#[test]
fn a_written_file_holds_the_same_tensors() {
    for family in ["llama-tiny", "llama-untied", "qwen3", "olmo2", "gemma2", "smollm3", "mistral"] {
        let mut checkpoint = with_tokenizer(family, "gpt2");
        // llama.cpp computes these with the settings of the published models.
        for (key, value) in [("query_pre_attn_scalar", 4), ("no_rope_layer_interval", 4)] {
            if checkpoint.config.get(key).is_some() {
                checkpoint.config[key] = value.into();
            }
        }
        checkpoint.config.as_object_mut().unwrap().remove("no_rope_layers");
        checkpoint.spec = starloop_lm::decoder::DecoderSpec::from_config(&checkpoint.config, Path::new("config.json")).unwrap();
        let again = written(&checkpoint, GgufType::F32).unwrap();
        let tolerance = if family == "gemma2" { 1e-6 } else { 0.0 };
        for ((one, other), spec) in again.parameters.into_iter().zip(&checkpoint.parameters).zip(&again.spec.parameters) {
            let difference = worst(&one.into_full(), &other.clone().into_full());
            assert!(difference <= tolerance, "{family}: {} differs by {difference}", spec.tensors[0].name);
        }
        let context = if family == "mistral" { 7 } else { 128 };
        assert_eq!((again.spec.context, again.spec.parameters), (context, checkpoint.spec.parameters), "{family}");
    }
}

#[test]
fn every_number_type_is_read_again() {
    let checkpoint = with_tokenizer("llama-tiny", "gpt2");
    for (name, kind) in GgufType::NAMES {
        let again = written(&checkpoint, kind).unwrap();
        // Half a step of 8 bits, 3 bits of bf16 less than of f16.
        let tolerance = match kind {
            GgufType::F32 => 0.0,
            GgufType::F16 => 1.0 / 2048.0,
            GgufType::Bf16 | GgufType::Q8_0 => 1.0 / 250.0,
        };
        let mut differences = 0;
        for (one, other) in again.parameters.into_iter().zip(&checkpoint.parameters) {
            let (one, other) = (one.into_full(), other.clone().into_full());
            let largest = other.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            assert!(worst(&one, &other) <= tolerance * largest, "{name}: {} of {largest}", worst(&one, &other));
            differences += usize::from(one != other);
        }
        assert_eq!(differences > 0, kind != GgufType::F32, "{name}");
    }
}

#[test]
fn a_written_file_holds_the_tokenizer_and_the_template() {
    let texts: Vec<String> = serde_json::from_slice(&std::fs::read(fixture::dir("tokenizers/texts.json")).unwrap()).unwrap();
    for kind in ["gpt2", "llama3", "qwen", "llama2", "gemma"] {
        let checkpoint = with_tokenizer("llama-tiny", kind);
        let again = written(&checkpoint, GgufType::F16).unwrap_or_else(|error| panic!("{kind}: {error}"));
        let tokenizer = |files: &BTreeMap<String, Vec<u8>>, config| Tokenizer::from_files(files, config).unwrap();
        let (before, after) = (tokenizer(&checkpoint.companions, &checkpoint.config), tokenizer(&again.companions, &again.config));
        for text in &texts {
            assert_eq!(after.encode_lossy(text, true).unwrap(), before.encode_lossy(text, true).unwrap(), "{kind}: {text:?}");
        }
        assert_eq!(after.eos_token_ids(), before.eos_token_ids(), "{kind}");
        assert_eq!(again.companions["chat_template.jinja"], checkpoint.companions["chat_template.jinja"]);
        assert_eq!(after.vocabulary(), before.vocabulary() + 3, "{kind}: rows without a token have a text");
    }
}

#[test]
fn a_model_without_a_description_is_refused_and_nothing_is_written() {
    let refused = |checkpoint: &Checkpoint, said: &str| {
        let place = tempfile::tempdir().unwrap();
        let error = fixture::chain(&checkpoint.save_gguf(&place.path().join("a.gguf"), GgufType::F16, "a", &BTreeMap::new()).unwrap_err());
        assert!(error.contains("a.gguf: the model cannot be written as GGUF") && error.contains(said), "{error}");
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    };
    refused(&Checkpoint::load(&fixture::dir("../crates/core/models/arithmetic")).unwrap(), "a model of the kind WordLevel");
    refused(&Checkpoint::load(&fixture::dir("gptj")).unwrap(), "the family gptj is not written as GGUF");
    refused(&with_tokenizer("llama-tiny", "unigram"), "a model of the kind Unigram");
    refused(&with_tokenizer("smollm3", "gpt2"), "no description of this model's");
    refused(&with_tokenizer("gemma2", "gpt2"), "no description of this model's a setting of the attention");
    let mut small = with_tokenizer("llama-tiny", "gpt2");
    small.companions.insert("tokenizer.json".into(), std::fs::read(fixture::dir("tokenizers/gpt-neox/tokenizer.json")).unwrap());
    refused(&small, "has no row in the embedding");
}

#[test]
fn a_model_in_several_files_is_read_from_any_of_them() {
    let place = tempfile::tempdir().unwrap();
    for part in 1..=2 {
        let name = format!("split-0000{part}-of-00002.gguf");
        std::fs::copy(fixture::dir("gguf").join(&name), place.path().join(&name)).unwrap();
    }
    let whole = gguf("llama-tiny.gguf");
    for part in 1..=2 {
        let read = Checkpoint::load_gguf(&place.path().join(format!("split-0000{part}-of-00002.gguf"))).unwrap();
        assert_eq!((read.parameters, read.companions), (whole.parameters.clone(), whole.companions.clone()));
    }
    let message = |name: &str| Checkpoint::load_gguf(&place.path().join(name)).unwrap_err().to_string();
    std::fs::rename(place.path().join("split-00001-of-00002.gguf"), place.path().join("first.gguf")).unwrap();
    assert!(message("first.gguf").contains("\"split.count\": is 2, but the name of the file does not end in -00001-of-00002.gguf"));
    assert!(message("split-00002-of-00002.gguf").contains("split-00001-of-00002.gguf"));
}
