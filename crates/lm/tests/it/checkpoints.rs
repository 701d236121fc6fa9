//! Checkpoint directories: what is written is what was read, and damage is named.

use crate::fixture;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use starloop_lm::LanguageModel;
use starloop_lm::checkpoint::{Checkpoint, check_tuned, weights_sha256};
use starloop_lm::lora::LoraConfig;
use starloop_lm::weights::{HalfKind, Values};
use std::path::Path;

/// The message of loading a fixture after `damage`.
fn damaged(damage: impl Fn(&Path)) -> String {
    let copy = fixture::copy("llama-tiny");
    damage(copy.path());
    fixture::chain(&LanguageModel::load(copy.path()).unwrap_err())
}

fn edit_config(dir: &Path, from: &str, to: &str) {
    let path = dir.join("config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "the config has no {from}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

/// Rewrites the weights, each tensor as the closure wants it: name, shape and values, or nothing.
fn edit_weights(dir: &Path, edit: impl Fn(&str, Vec<usize>, Vec<f32>) -> Option<(String, Vec<usize>, Vec<f32>)>) {
    let path = dir.join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let floats = |data: &[u8]| data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let edited: Vec<_> =
        file.tensors().into_iter().filter_map(|(name, view)| edit(&name, view.shape().to_vec(), floats(view.data()))).collect();
    let raw: Vec<(String, Vec<usize>, Vec<u8>)> =
        edited.into_iter().map(|(name, shape, values)| (name, shape, values.iter().flat_map(|x| x.to_le_bytes()).collect())).collect();
    let views = raw.iter().map(|(name, shape, data)| (name, TensorView::new(Dtype::F32, shape.clone(), data).unwrap()));
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn a_written_checkpoint_is_read_back_bit_for_bit() {
    for name in fixture::FIXTURES {
        let out = tempfile::tempdir().unwrap();
        let dir = out.path().join("deep/copy");
        let hash = fixture::model(name).save(&dir).unwrap();
        assert_eq!(hash, weights_sha256(&dir).unwrap());
        let (before, after) = (Checkpoint::load(&fixture::dir(name)).unwrap(), Checkpoint::load(&dir).unwrap());
        assert_eq!((before.spec, before.parameters, before.companions), (after.spec, after.parameters, after.companions));
        assert!(fixture::model(name).save(&dir).unwrap_err().to_string().contains("exists already"));
        assert_eq!(std::fs::read_dir(dir.parent().unwrap()).unwrap().count(), 1, "nothing unfinished is left");
    }
}

#[test]
fn large_weights_are_written_in_shards() {
    let checkpoint = Checkpoint::load(&fixture::dir("llama-tiny")).unwrap();
    let out = tempfile::tempdir().unwrap();
    let dir = out.path().join("shards");
    let hash = checkpoint.save_in_shards(&dir, 20_000).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.join("model.safetensors.index.json")).unwrap()).unwrap();
    let elements: usize = checkpoint.parameters.iter().map(Values::len).sum();
    assert_eq!(index["metadata"]["total_size"], 4 * elements);
    let mut shards: Vec<&str> = index["weight_map"].as_object().unwrap().values().map(|shard| shard.as_str().unwrap()).collect();
    shards.sort_unstable();
    shards.dedup();
    assert!(shards.len() > 2 && shards[0] == format!("model-00001-of-{:05}.safetensors", shards.len()), "{shards:?}");
    for shard in &shards {
        let bytes = std::fs::read(dir.join(shard)).unwrap();
        let elements: usize = SafeTensors::deserialize(&bytes).unwrap().tensors().iter().map(|(_, view)| view.data().len()).sum();
        assert!((1..=20_000).contains(&elements), "{shard} holds {elements} bytes");
    }
    assert!(!dir.join("model.safetensors").exists());
    assert_eq!(Checkpoint::load(&dir).unwrap().parameters, checkpoint.parameters);
    assert_eq!(hash, weights_sha256(&dir).unwrap());
    std::fs::remove_file(dir.join(shards[1])).unwrap();
    let message = Checkpoint::load(&dir).unwrap_err().to_string();
    assert!(message.contains("shards are not there: model-00002-of-"), "{message}");
}

#[test]
fn a_second_head_of_a_tied_model_must_be_the_embedding() {
    for (change, accepted) in [(0.0, true), (0.5, false)] {
        let copy = fixture::copy("llama-tiny");
        let path = copy.path().join("model.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let embedding = file.tensor("model.embed_tokens.weight").unwrap();
        let mut head = embedding.data().to_vec();
        let first = f32::from_le_bytes(*head.first_chunk().unwrap());
        head[..4].copy_from_slice(&(first + change).to_le_bytes());
        let head = TensorView::new(Dtype::F32, embedding.shape().to_vec(), &head).unwrap();
        let tensors = file.tensors().into_iter().chain([("lm_head.weight".to_owned(), head)]);
        std::fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
        match Checkpoint::load(copy.path()) {
            Ok(_) => assert!(accepted),
            Err(error) => {
                let error = error.to_string();
                assert!(!accepted && error.contains("tensor \"lm_head.weight\" differs from \"model.embed_tokens.weight\""), "{error}");
            }
        }
    }
}

#[test]
fn names_without_the_models_own_are_read() {
    let copy = fixture::copy("gpt2");
    edit_weights(copy.path(), |name, shape, values| Some((name.strip_prefix("transformer.").unwrap().to_owned(), shape, values)));
    let (expected, got) = (Checkpoint::load(&fixture::dir("gpt2")).unwrap(), Checkpoint::load(copy.path()).unwrap());
    assert_eq!(got.parameters, expected.parameters);
    edit_weights(copy.path(), |name, shape, values| (name != "ln_f.bias").then(|| (name.to_owned(), shape, values)));
    let message = Checkpoint::load(copy.path()).unwrap_err().to_string();
    assert!(message.contains("tensor \"transformer.ln_f.bias\" is missing"), "{message}");
}

#[test]
fn half_precision_weights_are_read() {
    let copy = fixture::copy("llama-tiny");
    let path = copy.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let raw: Vec<(String, Vec<usize>, Vec<u8>)> = file
        .tensors()
        .into_iter()
        .map(|(name, view)| {
            let halves = view.data().as_chunks::<4>().0.iter().flat_map(|b| half::bf16::from_f32(f32::from_le_bytes(*b)).to_le_bytes());
            (name, view.shape().to_vec(), halves.collect())
        })
        .collect();
    let views = raw.iter().map(|(name, shape, data)| (name, TensorView::new(Dtype::BF16, shape.clone(), data).unwrap()));
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    let (exact, rounded) = (Checkpoint::load(&fixture::dir("llama-tiny")).unwrap(), Checkpoint::load(copy.path()).unwrap());
    assert!(rounded.parameters.iter().any(|values| matches!(values, Values::Half(_))), "matrices stay in 16 bits");
    for (a, b) in exact.parameters.into_iter().zip(rounded.parameters) {
        for (a, b) in a.into_full().iter().zip(b.into_full()) {
            assert!((a - b).abs() <= a.abs() / 128.0);
        }
    }
}

#[test]
fn damaged_weights_are_named() {
    let keep = |name: &str, shape, values| Some((name.to_owned(), shape, values));
    let message = damaged(|dir| edit_weights(dir, |name, s, v| if name == "model.norm.weight" { None } else { keep(name, s, v) }));
    assert!(message.contains("model.safetensors: tensor \"model.norm.weight\" is missing (expected shape [32])"), "{message}");
    let message = damaged(|dir| {
        edit_weights(dir, |name, s, v| if name == "model.norm.weight" { keep("model.norm.wight", s, v) } else { keep(name, s, v) });
    });
    assert!(message.contains("is missing"), "{message}");
    let message = damaged(|dir| {
        edit_weights(dir, |name, shape, mut values| {
            if name.ends_with("0.self_attn.q_proj.weight") {
                values.truncate(values.len() / 2);
                return keep(name, vec![shape[0] / 2, shape[1]], values);
            }
            keep(name, shape, values)
        });
    });
    assert!(message.contains("q_proj.weight\" has shape [16, 32], expected [32, 32] by config.json"), "{message}");
    let message = damaged(|dir| {
        edit_weights(dir, |name, shape, mut values| {
            values[3] = if name == "model.norm.weight" { f32::NAN } else { values[3] };
            keep(name, shape, values)
        });
    });
    assert!(message.contains("tensor \"model.norm.weight\" holds NaN at index 3"), "{message}");
    let message = damaged(|dir| {
        let path = dir.join("model.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(path, &bytes[..bytes.len() - 100]).unwrap();
    });
    assert!(message.contains("not a complete safetensors file"), "{message}");
    let message = damaged(|dir| edit_config(dir, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1"));
    assert!(message.contains("tensor \"model.layers.1.") && message.contains("is not part of this model"), "{message}");
}

#[test]
fn unsupported_configs_name_the_key() {
    for (from, to, expected) in [
        (
            "\"model_type\": \"llama\"",
            "\"model_type\": \"mamba\"",
            "model_type \"mamba\" is not supported; supported are gemma2, gemma3_text,",
        ),
        ("\"attention_bias\": false", "\"attention_bias\": 1", "key \"attention_bias\": expected true or false, found 1"),
        ("\"hidden_act\": \"silu\"", "\"hidden_act\": \"gelu\"", "key \"hidden_act\": \"gelu\" is not supported; only \"silu\" is"),
        ("\"use_cache\": true", "\"rope_scaling\": {\"type\": \"ntk\"}", "key \"rope_scaling.rope_type\": \"ntk\" is not supported"),
        ("\"use_cache\": true", "\"rope_scaling\": {\"type\": \"linear\"}", "key \"rope_scaling.factor\": is missing"),
        ("\"hidden_size\": 32", "\"hidden_size\": \"32\"", "key \"hidden_size\": expected a positive whole number, found \"32\""),
        ("\"hidden_size\": 32,", "", "key \"hidden_size\": is missing"),
        ("\"vocab_size\": 64", "\"vocab_size\": 0", "key \"vocab_size\": expected a positive whole number, found 0"),
    ] {
        let message = damaged(|dir| edit_config(dir, from, to));
        assert!(message.contains(expected) && message.contains("config.json"), "{message}");
    }
    let message = damaged(|dir| std::fs::write(dir.join("config.json"), "{\"model_type\": \n llama}").unwrap());
    assert!(message.contains("config.json") && message.contains("line 2"), "{message}");
    let message = damaged(|dir| std::fs::remove_file(dir.join("tokenizer.json")).unwrap());
    assert!(message.contains("tokenizer.json"), "{message}");
}

/// The error for a fine-tuning of `llama-tiny` after `change`.
fn said_of_tuned(change: impl Fn(&Path)) -> Result<(), String> {
    let tuned = fixture::copy("llama-tiny");
    change(tuned.path());
    check_tuned(&fixture::dir("llama-tiny"), tuned.path()).map_err(|error| error.to_string())
}

/// Another weight, as training would make it.
fn train_a_little(dir: &Path) {
    edit_weights(dir, |name, shape, mut values| {
        values[0] += if name == "model.norm.weight" { 0.5 } else { 0.0 };
        Some((name.to_owned(), shape, values))
    });
}

#[test]
fn a_fine_tuning_is_the_same_decoder_with_other_weights() {
    assert_eq!(said_of_tuned(train_a_little), Ok(()));
    let halved = |dir: &Path| {
        let checkpoint = Checkpoint::load(dir).unwrap().halved(HalfKind::Bf16);
        std::fs::remove_dir_all(dir).unwrap();
        checkpoint.save(dir).unwrap();
    };
    assert!(said_of_tuned(halved).unwrap_err().contains("every weight is what it was in the base"), "rounding is no training");
    let trained = |dir: &Path| {
        train_a_little(dir);
        halved(dir);
    };
    assert_eq!(said_of_tuned(trained), Ok(()));
}

#[test]
fn what_is_no_fine_tuning_is_named() {
    type Tensor = (String, Vec<usize>, Vec<f32>);
    let with_weights = |edit: fn(&str, Vec<usize>, Vec<f32>) -> Option<Tensor>| said_of_tuned(|dir| edit_weights(dir, edit)).unwrap_err();
    let error = with_weights(|name, shape, mut values| {
        values[3] = if name == "model.norm.weight" { f32::NAN } else { values[3] };
        Some((name.to_owned(), shape, values))
    });
    assert!(error.contains("\"model.norm.weight\"") && error.contains("NaN"), "{error}");
    let error = with_weights(|name, shape, values| (name != "model.norm.weight").then(|| (name.to_owned(), shape, values)));
    assert!(error.contains("tensor \"model.norm.weight\" is missing"), "{error}");
    let error = with_weights(|name, mut shape, values| {
        if name == "model.norm.weight" {
            shape = vec![1, values.len()];
        }
        Some((name.to_owned(), shape, values))
    });
    assert!(error.contains("\"model.norm.weight\" has shape [1, "), "{error}");
    let error = said_of_tuned(|_| {}).unwrap_err();
    assert!(error.contains("every weight is what it was in the base; was it trained"), "{error}");
    let edited = |file: &'static str, from: &'static str, to: &'static str| {
        said_of_tuned(|dir| {
            let path = dir.join(file);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(from), "{file} has no {from}");
            std::fs::write(path, text.replacen(from, to, 1)).unwrap();
        })
        .unwrap_err()
    };
    let error = edited("config.json", "\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": 1e-06");
    assert!(error.contains("describes another decoder than the base's"), "{error}");
    let error = edited("tokenizer.json", "\"a\":", "\"another\":");
    assert!(error.contains("gives ids to other tokens than the base's"), "{error}");
}

#[test]
fn an_adapter_is_a_fine_tuning_once_it_changes_something() {
    let place = tempfile::tempdir().unwrap();
    let base = fixture::dir("llama-tiny");
    let lora = LoraConfig { rank: 2, alpha: 4.0, dropout: 0.0, target_modules: vec!["q_proj".into()] };
    let fresh = fixture::model("llama-tiny").with_fresh_adapters(&lora, 1).unwrap();
    let dir = place.path().join("fresh");
    fresh.save_adapter(&dir, &base).unwrap();
    let error = check_tuned(&base, &dir).unwrap_err().to_string();
    assert!(error.contains("every lora_B is zero"), "{error}");
    let weights = dir.join("adapter_model.safetensors");
    std::fs::rename(&weights, dir.join("model.safetensors")).unwrap();
    edit_weights(&dir, |name, shape, values| {
        let change = if name.contains("lora_B") { 0.25 } else { 0.0 };
        Some((name.to_owned(), shape, values.iter().map(|x| x + change).collect()))
    });
    std::fs::rename(dir.join("model.safetensors"), &weights).unwrap();
    check_tuned(&base, &dir).unwrap();
    let error = check_tuned(&fixture::dir("llama-untied"), &dir).unwrap_err().to_string();
    assert!(error.contains("as its base, but it was to be trained on"), "{error}");
    let error = check_tuned(&dir, &dir).unwrap_err().to_string();
    assert!(error.contains("every weight is what it was in the adapter"), "{error}");
}
