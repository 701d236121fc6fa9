//! Low-rank adapters: against PEFT, there and back, and beside frozen weights of 16 bits.

use crate::fixture;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use starloop_lm::LanguageModel;
use starloop_lm::checkpoint::Checkpoint;
use starloop_lm::decoder::{Packed, TrainingMemory};
use starloop_lm::engine::{EngineLimits, Request, SamplingParams, sample};
use starloop_lm::kernels::Cpu;
use starloop_lm::lora::LoraConfig;
use starloop_lm::train::{Hyperparameters, LearningRate, Schedule, TrainingSession};
use starloop_lm::weights::{HalfKind, Values};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

/// The adapters that PEFT wrote, each with its base.
const ADAPTERS: [(&str, &str); 6] = [
    ("llama", "llama-tiny"),
    ("gptj", "gptj"),
    ("gpt2", "gpt2"),
    ("gpt-neox", "gpt-neox"),
    ("patterns", "llama-tiny"),
    ("regex", "llama-tiny"),
];
/// Those that change weights as no pair of matrices can.
const MERGED: [(&str, &str); 4] = [("dora", "llama-tiny"), ("dora-gpt2", "gpt2"), ("dora-gptj", "gptj"), ("saved", "llama-untied")];

fn lora(rank: usize, dropout: f64, modules: &[&str]) -> LoraConfig {
    LoraConfig { rank, alpha: 8.0, dropout, target_modules: modules.iter().map(|name| (*name).to_owned()).collect() }
}

fn hyperparameters() -> Hyperparameters {
    let learning_rate = LearningRate {
        learning_rate: 2e-2,
        warmup_steps: 0,
        steps: 30,
        schedule: Schedule::Constant,
        decay_start: 0.0,
        final_fraction: 1.0,
    };
    Hyperparameters {
        learning_rate,
        betas: [0.9, 0.98],
        epsilon: 1e-8,
        weight_decay: 0.0,
        max_grad_norm: 1.0,
        micro_batch_tokens: 40,
        recompute_activations: true,
        dropout_seed: 5,
    }
}

fn tensors(path: &Path) -> BTreeMap<String, Vec<f32>> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let floats = |data: &[u8]| data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    file.tensors().into_iter().filter(|(_, view)| view.dtype() == Dtype::F32).map(|(name, view)| (name, floats(view.data()))).collect()
}

fn worst(got: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(got.len(), expected.len());
    got.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn logits_and_gradients_equal_pefts() {
    for (name, base) in ADAPTERS {
        let dir = fixture::dir("adapters").join(name);
        let (model, expected) = (LanguageModel::load(&dir).unwrap(), tensors(&dir.join("reference.safetensors")));
        let documents = fixture::documents(&fixture::reference(base));
        let mut memory = TrainingMemory::new(&Cpu);
        let mut every_row = Packed::new(&documents);
        every_row.rows = (0..every_row.tokens.len() as u32).collect();
        every_row.targets = vec![0; every_row.tokens.len()];
        let error = worst(&model.decoder.target_logits(&every_row, &mut memory), &expected["logits"]);
        assert!(error < 5e-5, "{name}: logits differ by {error}");

        let packed = Packed::new(&documents);
        let mut gradients = model.decoder.zero_gradients();
        model.decoder.losses_and_gradients(&packed, 1.0 / packed.targets.len() as f32, &mut memory, &mut gradients);
        let first = model.spec().adapters.as_ref().unwrap().first;
        for (parameter, gradient) in model.spec().parameters.iter().zip(&gradients).skip(first) {
            let tensor = &parameter.tensors[0];
            let expected = &expected[&format!("grad.{}", tensor.name)];
            let gradient = tensor.layout.checkpoint_order(&tensor.shape, gradient);
            let largest = expected.iter().fold(0.0f32, |m, x| m.max(x.abs()));
            let error = worst(&gradient, expected);
            assert!(error < 1e-6 + 1e-4 * largest, "{name}: gradient of {} differs by {error} of {largest}", tensor.name);
        }
    }
}

#[test]
fn what_no_pair_can_hold_is_merged_when_it_is_read() {
    for (name, base) in MERGED {
        let dir = fixture::dir("adapters").join(name);
        let (model, expected) = (LanguageModel::load(&dir).unwrap(), tensors(&dir.join("reference.safetensors")));
        assert!(model.spec().adapters.is_none());
        let mut every_row = Packed::new(&fixture::documents(&fixture::reference(base)));
        every_row.rows = (0..every_row.tokens.len() as u32).collect();
        every_row.targets = vec![0; every_row.tokens.len()];
        let error = worst(&model.decoder.target_logits(&every_row, &mut TrainingMemory::new(&Cpu)), &expected["logits"]);
        assert!(error < 5e-5, "{name}: logits differ by {error}");
        let merged = Checkpoint::load_merged(&dir).unwrap();
        assert_eq!(merged.parameters, model.decoder.download(), "{name}");
    }
}

/// A copy of the adapter `llama` with other values of some keys.
fn llama_with(changes: &[(&str, serde_json::Value)]) -> tempfile::TempDir {
    adapter_with(ADAPTERS[0], changes)
}

fn adapter_with((name, base): (&str, &str), changes: &[(&str, serde_json::Value)]) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let dir = fixture::dir("adapters").join(name);
    std::fs::copy(dir.join("adapter_model.safetensors"), place.path().join("adapter_model.safetensors")).unwrap();
    let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.join("adapter_config.json")).unwrap()).unwrap();
    config["base_model_name_or_path"] = fixture::dir(base).display().to_string().into();
    for (key, value) in changes {
        config[*key] = value.clone();
    }
    std::fs::write(place.path().join("adapter_config.json"), config.to_string()).unwrap();
    place
}

/// The error for the adapter `llama` with another value of a key.
fn said_with(key: &str, value: &serde_json::Value) -> Result<(), String> {
    let place = llama_with(&[(key, value.clone())]);
    LanguageModel::load(place.path()).map(drop).map_err(|error| error.to_string())
}

/// Adds tensors of `[64, 32]`, each filled with a number, to an adapter's weights.
fn add_tables(dir: &Path, tables: &[(&str, f32)]) {
    let path = dir.join("adapter_model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let filled: Vec<(&str, Vec<u8>)> = tables.iter().map(|(name, x)| (*name, x.to_le_bytes().repeat(64 * 32))).collect();
    let added = filled.iter().map(|(name, bytes)| ((*name).to_owned(), TensorView::new(Dtype::F32, vec![64, 32], bytes).unwrap()));
    std::fs::write(path, safetensors::serialize(file.tensors().into_iter().chain(added), None).unwrap()).unwrap();
}

#[test]
fn an_embedding_that_is_saved_whole_is_the_head_only_where_peft_ties_them() {
    use serde_json::json;
    const EMBEDDING: (&str, f32) = ("base_model.model.model.embed_tokens.weight", 0.25);
    const HEAD: (&str, f32) = ("base_model.model.lm_head.weight", 0.5);
    let base = Checkpoint::load(&fixture::dir("llama-tiny")).unwrap().parameters[0].clone();
    let filled = |x: f32| Values::Full(vec![x; 64 * 32]);
    let load = |keeps_tied: bool, tables: &[(&str, f32)], saved: serde_json::Value| {
        let place = llama_with(&[("modules_to_save", saved), ("ensure_weight_tying", json!(keeps_tied))]);
        add_tables(place.path(), tables);
        let merged = Checkpoint::load_merged(place.path()).unwrap();
        let again = LanguageModel::from_checkpoint(merged.clone()).unwrap().score(&[1, 2, 3]).unwrap();
        assert_eq!(again, LanguageModel::load(place.path()).unwrap().merged().score(&[1, 2, 3]).unwrap());
        assert_eq!(merged.config["tie_word_embeddings"], merged.spec.tied());
        (merged.parameters[merged.spec.embedding].clone(), merged.parameters[merged.spec.head.weight].clone())
    };
    assert_eq!(load(false, &[EMBEDDING], json!(["embed_tokens"])), (filled(0.25), base.clone()));
    assert_eq!(load(true, &[EMBEDDING], json!(["embed_tokens"])), (filled(0.25), filled(0.25)));
    assert_eq!(load(false, &[HEAD], json!(["lm_head"])), (base, filled(0.5)));
    assert_eq!(load(false, &[EMBEDDING, HEAD], json!(["embed_tokens", "lm_head"])), (filled(0.25), filled(0.5)));
    let gpt2 = adapter_with(("gpt2", "gpt2"), &[("modules_to_save", json!(["wte"]))]);
    LanguageModel::load(gpt2.path()).unwrap();
    add_tables(gpt2.path(), &[("base_model.model.transformer.wte.weight", 0.0)]);
    let error = LanguageModel::load(gpt2.path()).unwrap_err().to_string();
    assert!(error.contains("adapter_config.json: key \"modules_to_save\": changes one of the embedding and the output head"), "{error}");
}

#[test]
fn what_does_not_fit_an_adapter_is_blamed_on_the_adapter() {
    use serde_json::json;
    let rank = said_with("r", &json!(5)).unwrap_err();
    assert!(rank.contains("adapter_model.safetensors: tensor \"base_model.") && rank.contains("\"r\" and \"rank_pattern\""), "{rank}");
    let layers = said_with("layers_to_transform", &json!([5])).unwrap_err();
    assert!(layers.contains("selects none of the base's layers 0 to 1, found [5]"), "{layers}");
    for (key, value) in [("target_modules", json!("(")), ("target_modules", json!(["nope"]))] {
        let place = llama_with(&[(key, value)]);
        let error = LanguageModel::load(place.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("{}/adapter_config.json: key \"target_modules\"", place.path().display())), "{error}");
    }
    let place = llama_with(&[]);
    std::fs::remove_file(place.path().join("adapter_model.safetensors")).unwrap();
    let error = || LanguageModel::load(place.path()).unwrap_err().to_string();
    assert!(error().contains("holds no weights of an adapter; expected adapter_model.safetensors or adapter_model.bin"), "{}", error());
    // PyTorch's own format is read.
    std::fs::copy(fixture::dir("torch/plain.bin"), place.path().join("adapter_model.bin")).unwrap();
    assert!(error().contains("adapter_model.bin: tensor \"") && error().contains("is not part of this adapter"), "{}", error());
}

#[test]
fn a_key_that_changes_the_result_and_is_not_supported_is_named() {
    use serde_json::json;
    for (key, value) in [
        ("init_lora_weights", json!("pissa")),
        ("init_lora_weights", json!("pissa_niter_16")),
        ("init_lora_weights", json!("olora")),
        ("init_lora_weights", json!("corda")),
        ("init_lora_weights", json!("loftq")),
        ("alora_invocation_tokens", json!([1, 2])),
        ("trainable_token_indices", json!([3])),
        ("target_parameters", json!(["x"])),
        ("layer_replication", json!([[0, 1]])),
        ("lora_bias", json!(true)),
        ("use_qalora", json!(true)),
        ("a_key_of_tomorrow", json!("x")),
        ("bias", json!("all")),
        ("task_type", json!("SEQ_CLS")),
        ("rank_pattern", json!({"q_proj": 0})),
        ("rank_pattern", json!({"q_proj": 2, ".*_proj": 3})),
        ("target_modules", json!("(")),
        ("layers_to_transform", json!("x")),
        ("r", json!(1_u64 << 40)),
        ("lora_alpha", json!(0)),
        ("lora_alpha", json!(1e9)),
        ("lora_dropout", json!(1.0)),
        ("alpha_pattern", json!({"q_proj": 1e300})),
        ("alpha_pattern", json!({"q_proj": -3})),
        ("layers_to_transform", json!([5])),
    ] {
        let error = said_with(key, &value).unwrap_err();
        assert!(error.contains(&format!("key \"{key}\"")) && error.contains("adapter_config.json"), "{key}: {error}");
    }
    for (key, value) in [
        ("init_lora_weights", json!("gaussian")),
        ("init_lora_weights", json!(false)),
        ("alora_invocation_tokens", json!(null)),
        ("a_key_of_tomorrow", json!({})),
        ("loftq_config", json!({"loftq_bits": 4})),
        ("revision", json!("main")),
    ] {
        assert_eq!(said_with(key, &value), Ok(()), "{key}");
    }
}

#[test]
fn an_adapter_that_is_written_is_the_one_that_was_read() {
    for (name, base) in ADAPTERS {
        let dir = fixture::dir("adapters").join(name);
        let out = tempfile::tempdir().unwrap();
        let copy = out.path().join("adapter");
        LanguageModel::load(&dir).unwrap().save_adapter(&copy, &fixture::dir(base)).unwrap();
        assert_eq!(tensors(&copy.join("adapter_model.safetensors")), tensors(&dir.join("adapter_model.safetensors")), "{name}");
        LanguageModel::load(&copy).unwrap();
    }
}

#[test]
fn merging_in_full_keeps_what_16_bits_would_round_away() {
    for (name, base) in ADAPTERS {
        let place = tempfile::tempdir().unwrap();
        let [halves, adapter] = ["base", "adapter"].map(|name| place.path().join(name));
        Checkpoint::load(&fixture::dir(base)).unwrap().halved(HalfKind::Bf16).save(&halves).unwrap();
        LanguageModel::load(&fixture::dir("adapters").join(name)).unwrap().save_adapter(&adapter, &halves).unwrap();
        let tokens: Vec<u32> = fixture::documents(&fixture::reference(base))[2].tokens().to_vec();
        let scores = |model: LanguageModel| model.score(&tokens).unwrap();
        let before = scores(LanguageModel::load(&adapter).unwrap());
        let off =
            |after: Vec<Option<f32>>| before.iter().flatten().zip(after.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let merged = |checkpoint: Checkpoint| off(scores(LanguageModel::from_checkpoint(checkpoint).unwrap()));
        let full = merged(Checkpoint::load_merged_in_full(&adapter).unwrap());
        let rounded = merged(Checkpoint::load_merged(&adapter).unwrap());
        assert!(full < 1e-4 && rounded > 10.0 * full, "{name}: {full} in full, {rounded} rounded");
    }
}

#[test]
fn merging_changes_where_the_weights_are_and_not_what_they_compute() {
    for (name, base) in ADAPTERS {
        let adapted = LanguageModel::load(&fixture::dir("adapters").join(name)).unwrap();
        let tokens: Vec<u32> = fixture::documents(&fixture::reference(base))[2].tokens().to_vec();
        let before = adapted.score(&tokens).unwrap();
        let out = tempfile::tempdir().unwrap();
        let dir = out.path().join("merged");
        adapted.merged().save(&dir).unwrap();
        let after = LanguageModel::load(&dir).unwrap().score(&tokens).unwrap();
        for (a, b) in before.iter().flatten().zip(after.iter().flatten()) {
            assert!((a - b).abs() < 1e-4, "{name}: {a} with the adapter, {b} merged");
        }
    }
}

#[test]
fn only_the_adapters_learn_beside_weights_of_16_bits() {
    let out = tempfile::tempdir().unwrap();
    let base = out.path().join("base");
    Checkpoint::load(&fixture::dir("llama-untied")).unwrap().halved(HalfKind::Bf16).save(&base).unwrap();
    let model = LanguageModel::load(&base).unwrap().with_fresh_adapters(&lora(4, 0.1, &["all-linear"]), 3).unwrap();
    let frozen = model.decoder.download();
    assert!(frozen.iter().any(|values| matches!(values, Values::Half(_))));
    let documents = fixture::documents(&fixture::reference("llama-untied"));
    let mut session = TrainingSession::new(model, hyperparameters()).unwrap();
    let losses: Vec<f64> = (0..30).map(|_| session.step(&documents).unwrap().loss).collect();
    assert!(losses[29] < 0.6 * losses[0], "{losses:?}");

    let model = session.into_model();
    let first = model.spec().adapters.as_ref().unwrap().first;
    assert_eq!(model.decoder.download()[..first], frozen[..first], "the base is as it was");
    let adapter = out.path().join("adapter");
    model.save_adapter(&adapter, &base).unwrap();
    let tokens = documents[2].tokens().to_vec();
    assert_eq!(LanguageModel::load(&adapter).unwrap().score(&tokens).unwrap(), model.score(&tokens).unwrap());

    // Sampling computes what training does, here too.
    let params = SamplingParams { temperature: 0.8, ..SamplingParams::greedy(12) };
    let request = Request { prompt: tokens[..5].to_vec(), seeds: vec![1], params };
    let limits = EngineLimits { cache_bytes: 1 << 22, ..EngineLimits::default() };
    let completion = sample(&model, &[request], &limits, &mut |_| ControlFlow::Continue(())).unwrap().remove(0);
    let scored = model.score(&[&tokens[..5], &completion.tokens].concat()).unwrap();
    for (sampled, trained) in completion.logprobs.iter().zip(&scored[5..]) {
        assert!((sampled - trained.unwrap()).abs() < 2e-5);
    }
}

#[test]
fn a_training_of_adapters_is_taken_up_where_it_was_saved() {
    let documents = fixture::documents(&fixture::reference("llama-tiny"));
    let start = || {
        let model = fixture::model("llama-tiny").with_fresh_adapters(&lora(2, 0.2, &["q_proj", "up_proj"]), 3).unwrap();
        TrainingSession::new(model, hyperparameters()).unwrap()
    };
    let mut whole = start();
    let out = tempfile::tempdir().unwrap();
    let state = out.path().join("state.safetensors");
    for step in 0..6 {
        whole.step(&documents).unwrap();
        if step == 2 {
            whole.save_state(&state, &serde_json::Map::new()).unwrap();
        }
    }
    let mut resumed = start();
    resumed.load_state(&state).unwrap();
    for _ in 3..6 {
        resumed.step(&documents).unwrap();
    }
    assert_eq!(whole.into_model().decoder.download(), resumed.into_model().decoder.download());
}

#[test]
fn what_cannot_be_is_named() {
    let refused = fixture::model("llama-tiny").with_fresh_adapters(&lora(2, 0.0, &["q_pro"]), 0).unwrap_err().to_string();
    assert!(refused.contains("no module is called q_pro; the layers have q_proj, k_proj,"), "{refused}");

    let out = tempfile::tempdir().unwrap();
    let adapter = out.path().join("adapter");
    let base = fixture::copy("llama-tiny");
    let model = LanguageModel::load(base.path()).unwrap().with_fresh_adapters(&lora(2, 0.0, &["q_proj"]), 0).unwrap();
    model.save_adapter(&adapter, base.path()).unwrap();
    let weights = base.path().join("model.safetensors");
    let other = Checkpoint::load(base.path()).unwrap().halved(HalfKind::F16);
    let elsewhere = out.path().join("other");
    other.save(&elsewhere).unwrap();
    std::fs::copy(elsewhere.join("model.safetensors"), &weights).unwrap();
    let refused = LanguageModel::load(&adapter).unwrap_err().to_string();
    assert!(refused.contains("was trained on weights with SHA-256"), "{refused}");

    let config = adapter.join("adapter_config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("\"bias\": \"none\"", "\"bias\": \"all\"")).unwrap();
    let refused = LanguageModel::load(&adapter).unwrap_err().to_string();
    assert!(refused.contains("key \"bias\": \"all\" is not supported; only \"none\" is"), "{refused}");
    std::fs::write(&config, text.replace(&base.path().display().to_string(), "/nowhere")).unwrap();
    let refused = LanguageModel::load(&adapter).unwrap_err().to_string();
    assert!(refused.contains("/nowhere is not a directory"), "{refused}");
}
