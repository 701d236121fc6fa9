//! GGUF files against Python's `gguf`, and against the same models in the Hugging Face format.

use crate::fixture;
use crate::golden::{by_name, worst};
use serde_json::Value;
use starloop_lm::checkpoint::Checkpoint;
use starloop_lm::decoder::{Packed, TrainingMemory};
use starloop_lm::kernels::Cpu;
use starloop_lm::weights::Values;
use starloop_lm::{LanguageModel, Result};
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
