//! Configs that are not what they should be: defaults, sizes beyond the tensors, numbers that no model can have.

use crate::fixture;
use serde_json::{Value, json};
use starloop_lm::checkpoint::{Checkpoint, own_files};
use starloop_lm::decoder::DecoderSpec;
use starloop_lm::model::PromptEncoder;
use starloop_lm::{LanguageModel, Tokenizer};
use std::path::Path;

/// A copy of a fixture with another config.
fn edited(name: &str, edit: impl Fn(&mut Value)) -> tempfile::TempDir {
    let copy = fixture::copy(name);
    let path = copy.path().join("config.json");
    let mut config = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    edit(&mut config);
    std::fs::write(path, config.to_string()).unwrap();
    copy
}

fn message(dir: &Path) -> String {
    fixture::chain(&Checkpoint::load(dir).unwrap_err())
}

#[test]
fn what_a_config_leaves_out_is_what_transformers_takes() {
    let entries: Value = serde_json::from_slice(&std::fs::read(fixture::dir("defaults.json")).unwrap()).unwrap();
    let entries = entries.as_array().unwrap();
    let families: std::collections::BTreeSet<_> = entries.iter().map(|entry| entry["given"]["model_type"].as_str().unwrap()).collect();
    assert_eq!(families.len(), 12);
    for entry in entries {
        let spec = |config: &Value| DecoderSpec::from_config(config, Path::new("config.json")).unwrap_or_else(|error| panic!("{error}"));
        let (given, complete) = (spec(&entry["given"]), spec(&entry["complete"]));
        let differ = given.sizes().zip(complete.sizes()).filter(|(a, b)| a != b).collect::<Vec<_>>();
        assert_eq!(given, complete, "{}: {differ:?}", entry["given"]);
    }
}

#[test]
fn sizes_beyond_the_tensors_are_refused_before_memory_is_reserved() {
    for (name, key, value) in [
        ("llama-tiny", "num_hidden_layers", json!(9_223_372_036_854_775_807_u64)),
        ("llama-tiny", "num_hidden_layers", json!(18_446_744_073_709_551_615_u64)),
        ("llama-tiny", "num_hidden_layers", json!(4096)),
        ("llama-tiny", "head_dim", json!(1_000_000_000)),
        ("llama-tiny", "hidden_size", json!(9_223_372_036_854_775_807_u64)),
        ("llama-tiny", "num_attention_heads", json!(4_000_000)),
        ("llama-tiny", "intermediate_size", json!(4_000_000)),
        ("llama-tiny", "vocab_size", json!(60_000_000)),
        ("llama-tiny", "max_position_embeddings", json!(9_223_372_036_854_775_807_u64)),
        ("gptj", "n_embd", json!(1_u64 << 63)),
        ("gptj", "n_layer", json!(1_u64 << 63)),
        ("gptj", "n_head", json!(3)),
        ("gptj", "rotary_dim", json!(1_u64 << 63)),
        ("gpt2", "n_embd", json!(1_u64 << 63)),
        ("gpt2", "n_inner", json!(1_u64 << 63)),
        ("gpt2", "n_positions", json!(1_u64 << 63)),
        ("gpt2", "n_positions", json!(1_u64 << 29)),
        ("gpt-neox", "num_attention_heads", json!(1_u64 << 22)),
        ("mistral", "sliding_window", json!(1_u64 << 63)),
    ] {
        let copy = edited(name, |config| config[key] = value.clone());
        let error = message(copy.path());
        assert!(error.contains("config.json") || error.contains("\"transformer.wpe.weight\""), "{name}, {key} {value}: {error}");
        let text = serde_json::from_slice(&std::fs::read(copy.path().join("config.json")).unwrap()).unwrap();
        // Without weights no size may overflow either.
        if ![json!(4096), json!(1_u64 << 29), json!(4_000_000), json!(60_000_000)].contains(&value) {
            DecoderSpec::from_config(&text, Path::new("config.json")).unwrap_err();
        }
    }
}

#[test]
fn a_long_context_takes_memory_when_it_is_used() {
    let copy = edited("llama-tiny", |config| config["max_position_embeddings"] = json!(1 << 30));
    let (long, short) = (LanguageModel::load(copy.path()).unwrap(), fixture::model("llama-tiny"));
    assert_eq!(long.spec().context, 1 << 30);
    let tokens: Vec<u32> = (0..50).map(|i| i % 60).collect();
    assert_eq!(long.score(&tokens).unwrap(), short.score(&tokens).unwrap());
    // Beyond the first table.
    let longer = edited("llama-tiny", |config| config["max_position_embeddings"] = json!(4096));
    let tokens: Vec<u32> = (0..1500).map(|i| i * i % 61).collect();
    assert_eq!(long.score(&tokens).unwrap(), LanguageModel::load(longer.path()).unwrap().score(&tokens).unwrap());
}

#[test]
fn numbers_that_no_model_can_have_are_refused() {
    for (name, key, value, expected) in [
        ("llama-tiny", "rms_norm_eps", json!(-1), "key \"rms_norm_eps\": expected a number above 0 and at most 0.1, found -1"),
        ("llama-tiny", "rms_norm_eps", json!(0), "key \"rms_norm_eps\": expected a number above 0 and at most 0.1, found 0"),
        ("llama-tiny", "rms_norm_eps", json!(1e38), "key \"rms_norm_eps\": expected a number above 0 and at most 0.1"),
        ("llama-tiny", "rms_norm_eps", json!(1e300), "key \"rms_norm_eps\": expected a finite number, found 1e+300"),
        ("llama-tiny", "rope_theta", json!(0), "key \"rope_theta\": expected a positive number, found 0"),
        (
            "llama-tiny",
            "partial_rotary_factor",
            json!(3),
            "key \"partial_rotary_factor\": expected a number above 0 and at most 1, found 3",
        ),
        ("llama-tiny", "partial_rotary_factor", json!(-1), "key \"partial_rotary_factor\": expected a positive number, found -1"),
        ("llama-tiny", "partial_rotary_factor", json!(0.4), "key \"partial_rotary_factor\": 3 of 8 coordinates of a head would turn"),
        (
            "phi3",
            "original_max_position_embeddings",
            json!(0),
            "key \"original_max_position_embeddings\": expected a positive whole number",
        ),
        ("phi3", "original_max_position_embeddings", json!(1.5), "key \"original_max_position_embeddings\": expected a positive whole"),
        ("gpt2", "layer_norm_epsilon", json!(-1e-5), "key \"layer_norm_epsilon\""),
        ("gptj", "layer_norm_epsilon", json!(0), "key \"layer_norm_epsilon\""),
        ("gpt-neox", "layer_norm_eps", json!(2), "key \"layer_norm_eps\""),
        ("gemma2", "query_pre_attn_scalar", json!(-4), "key \"query_pre_attn_scalar\": expected a positive number, found -4"),
        ("gemma2", "attn_logit_softcapping", json!(0), "key \"attn_logit_softcapping\": expected a positive number, found 0"),
    ] {
        let copy = edited(name, |config| config[key] = value.clone());
        let error = message(copy.path());
        assert!(error.contains(expected), "{name}: {error}");
    }
}

/// A linear scaling with other values.
fn scaled(changes: &Value) -> Value {
    let mut scaling = json!({"rope_type": "linear", "factor": 2.0});
    scaling.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    scaling
}

#[test]
fn rotary_parameters_have_the_type_and_the_range_that_they_need() {
    let yarn = |key: &str, value: Value| scaled(&json!({"rope_type": "yarn", "original_max_position_embeddings": 16, key: value}));
    let llama3 = |key: &str, value: Value| {
        let mut scaling = json!({"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4});
        scaling["original_max_position_embeddings"] = json!(16);
        scaling[key] = value;
        scaling
    };
    for (scaling, expected) in [
        (scaled(&json!({"rope_theta": "500000"})), "rope_theta\": expected a finite number, found \"500000\""),
        (scaled(&json!({"rope_theta": 0})), "rope_theta\": expected a positive number, found 0"),
        (scaled(&json!({"rope_type": 5})), "rope_type\": expected a text, found 5"),
        (scaled(&json!({"rope_type": ["yarn"]})), "rope_type\": expected a text, found [\"yarn\"]"),
        (scaled(&json!({"rope_type": "none"})), "rope_type\": \"none\" is not supported; expected default, linear"),
        (scaled(&json!({"factor": "2"})), "factor\": expected a finite number, found \"2\""),
        (scaled(&json!({"factor": -2})), "factor\": expected a positive number, found -2"),
        (scaled(&json!({"factor": null})), "factor\": is missing"),
        (scaled(&json!({"partial_rotary_factor": "1"})), "partial_rotary_factor\": expected a finite number"),
        (json!({"factor": 2.0}), "rope_type\": is missing, but there is a factor"),
        (json!(5), "rope_scaling\": expected an object, found 5"),
        (yarn("factor", json!("8")), "factor\": expected a finite number, found \"8\""),
        (yarn("original_max_position_embeddings", json!(-5)), "original_max_position_embeddings\": expected a positive whole number"),
        (yarn("original_max_position_embeddings", json!("16")), "original_max_position_embeddings\": expected a positive whole number"),
        (yarn("attention_factor", json!(0)), "attention_factor\": expected a positive number, found 0"),
        (yarn("beta_fast", json!(-1)), "beta_fast\": expected a positive number, found -1"),
        (yarn("beta_slow", json!("1")), "beta_slow\": expected a finite number, found \"1\""),
        (yarn("mscale", json!(-1)), "mscale\": expected a number of 0 or more, found -1"),
        (yarn("truncate", json!(1)), "truncate\": expected true or false, found 1"),
        (yarn("rope_theta", json!(1)), "rope_theta\": yarn expects a number above 1, found 1"),
        (llama3("factor", json!(-8)), "factor\": expected a positive number, found -8"),
        (llama3("low_freq_factor", json!(0)), "low_freq_factor\": expected a positive number, found 0"),
        (llama3("high_freq_factor", json!(null)), "high_freq_factor\": is missing"),
        (
            scaled(&json!({"rope_type": "longrope", "short_factor": [1, 1, "x", 1]})),
            "short_factor\": expected a list of 4 positive numbers",
        ),
        (scaled(&json!({"rope_type": "longrope", "short_factor": [1, 1, 0, 1]})), "short_factor\": expected a list of 4 positive numbers"),
    ] {
        let copy = edited("llama-tiny", |config| {
            config.as_object_mut().unwrap().remove("rope_parameters");
            config["rope_scaling"] = scaling.clone();
        });
        let error = message(copy.path());
        assert!(error.contains("config.json: key \"rope_scaling") && error.contains(expected), "{scaling}: {error}");
    }
}

#[test]
fn the_older_key_of_a_scaling_holds_where_the_newer_one_says_nothing() {
    let rotary = |scaling: Value| {
        let copy = edited("llama-tiny", |config| config["rope_scaling"] = scaling.clone());
        Checkpoint::load(copy.path()).unwrap().spec.rotary
    };
    let linear = rotary(json!({"rope_type": "linear", "factor": 2.0}));
    assert_eq!(rotary(json!({"rope_type": null, "type": "linear", "factor": 2.0})), linear);
    assert_eq!(rotary(json!({"type": "linear", "factor": 2.0})), linear);
    assert_ne!(rotary(json!({})), linear);
}

#[test]
fn a_dynamic_context_ends_where_the_frequencies_would_change() {
    let scaling = json!({"rope_type": "dynamic", "factor": 4.0, "original_max_position_embeddings": 40});
    let copy = edited("llama-tiny", |config| {
        config.as_object_mut().unwrap().remove("rope_parameters");
        config["rope_scaling"] = scaling.clone();
    });
    let (dynamic, plain) = (LanguageModel::load(copy.path()).unwrap(), fixture::model("llama-tiny"));
    assert_eq!(dynamic.spec().context, 40);
    let tokens: Vec<u32> = (0..40).collect();
    assert_eq!(dynamic.score(&tokens).unwrap(), plain.score(&tokens).unwrap());
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_config() {
    let copy = fixture::copy("llama-tiny");
    for name in ["config.json", "generation_config.json", "tokenizer_config.json"] {
        let path = copy.path().join(name);
        let text = std::fs::read(&path).unwrap();
        std::fs::write(path, [b"\xef\xbb\xbf", text.as_slice()].concat()).unwrap();
    }
    LanguageModel::load(copy.path()).unwrap();
}

#[test]
fn a_pointer_of_git_lfs_says_what_to_do() {
    for name in ["model.safetensors", "tokenizer.json", "config.json"] {
        let copy = fixture::copy("llama-tiny");
        let text = "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 3\n";
        std::fs::write(copy.path().join(name), text).unwrap();
        let error = LanguageModel::load(copy.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("{name}: is a Git LFS pointer")) && error.contains("git lfs pull"), "{error}");
    }
    let copy = fixture::copy("llama-tiny");
    std::fs::remove_file(copy.path().join("model.safetensors")).unwrap();
    std::fs::write(copy.path().join("pytorch_model.bin"), "version https://git-lfs.github.com/spec/v1\n").unwrap();
    assert!(message(copy.path()).contains("pytorch_model.bin: is a Git LFS pointer"));
}

#[test]
fn a_json_file_that_would_take_much_more_memory_than_its_size_is_not_read() {
    for name in ["config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json"] {
        let copy = fixture::copy("llama-tiny");
        std::fs::write(copy.path().join(name), format!("{{\"a\": [{}0]}}", "{\"b\":0},".repeat(400_000))).unwrap();
        let error = LanguageModel::load(copy.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("{name}: has about 400001 objects")) && error.contains("more than 192 MiB"), "{error}");
    }
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let nowhere = Path::new("/nowhere/model");
    let file = tempfile::NamedTempFile::new().unwrap();
    let errors = |path: &Path| {
        [
            LanguageModel::load(path).unwrap_err(),
            LanguageModel::load_to_train(path).unwrap_err(),
            Tokenizer::load(path).unwrap_err(),
            PromptEncoder::load(path, true).unwrap_err(),
            starloop_lm::checkpoint::Summary::read(path).unwrap_err(),
        ]
        .map(|error| error.to_string())
    };
    for error in errors(nowhere) {
        assert!(error.starts_with("/nowhere/model: does not exist; expected the directory of a checkpoint"), "{error}");
    }
    for error in errors(file.path()) {
        assert!(error.contains("not a checkpoint: expected a directory in the Hugging Face layout, found a file"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_that_leaves_the_directory_is_not_copied() {
    use std::os::unix::fs::symlink;
    let elsewhere = tempfile::tempdir().unwrap();
    let secret = elsewhere.path().join("secret");
    std::fs::write(&secret, "{}").unwrap();
    let copy = fixture::copy("llama-tiny");
    symlink(&secret, copy.path().join("notes.md")).unwrap();
    std::fs::create_dir(copy.path().join("special_tokens_map.json")).unwrap();
    let names: Vec<String> =
        own_files(copy.path()).unwrap().iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(names, ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]);
    std::fs::remove_dir(copy.path().join("special_tokens_map.json")).unwrap();
    symlink(&secret, copy.path().join("special_tokens_map.json")).unwrap();
    for error in [message(copy.path()), own_files(copy.path()).unwrap_err().to_string()] {
        assert!(error.contains("special_tokens_map.json: is a link to") && error.contains("which is not in the directory"), "{error}");
    }
    // Within the directory, and in a cache of the hub.
    std::fs::remove_file(copy.path().join("special_tokens_map.json")).unwrap();
    symlink("tokenizer_config.json", copy.path().join("special_tokens_map.json")).unwrap();
    assert_eq!(own_files(copy.path()).unwrap().len(), 6);
    let (blobs, snapshot) = (elsewhere.path().join("blobs"), elsewhere.path().join("snapshots/abc"));
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::create_dir(&blobs).unwrap();
    for entry in std::fs::read_dir(fixture::dir("llama-tiny")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), blobs.join(entry.file_name())).unwrap();
        symlink(Path::new("../../blobs").join(entry.file_name()), snapshot.join(entry.file_name())).unwrap();
    }
    assert_eq!(Checkpoint::load(&snapshot).unwrap().companions, Checkpoint::load(&fixture::dir("llama-tiny")).unwrap().companions);
}

#[test]
fn an_odd_tokenizer_is_an_error_that_names_the_file() {
    let base = |edit: &dyn Fn(&mut Value)| {
        let copy = fixture::copy("llama-tiny");
        let path = copy.path().join("tokenizer.json");
        let mut json: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        edit(&mut json);
        std::fs::write(path, json.to_string()).unwrap();
        let tokenizer = Tokenizer::load(copy.path());
        let used = tokenizer.and_then(|tokenizer| tokenizer.encode("a b", true).and_then(|ids| tokenizer.decode(&ids)));
        used.map_err(|error| error.to_string())
    };
    let edits: [&dyn Fn(&mut Value); 5] = [
        &|json| json["decoder"] = json!({"type": "Strip", "content": " ", "start": 1_000_000, "stop": 1_000_000}),
        &|json| json["decoder"] = json!({"type": "Sequence", "decoders": [{"type": "Nothing"}]}),
        &|json| {
            json["post_processor"] = json!({
                "type": "TemplateProcessing", "pair": [], "single": [{"SpecialToken": {"id": "no", "type_id": 0}}], "special_tokens": {},
            });
        },
        &|json| json["model"]["merges"] = json!([["no", "such"]]),
        &|json| json["model"] = json!(null),
    ];
    let mut refused = 0;
    for edit in edits {
        if let Err(error) = base(edit) {
            assert!(error.contains("tokenizer.json: "), "{error}");
            refused += 1;
        }
    }
    assert!(refused >= 3, "{refused}");
}

#[test]
fn an_adapter_cannot_be_its_own_base() {
    let place = tempfile::tempdir().unwrap();
    let write = |text: &str| std::fs::write(place.path().join("adapter_config.json"), text).unwrap();
    let config = json!({"peft_type": "LORA", "r": 2, "target_modules": ["q_proj"], "base_model_name_or_path": "."});
    write(&config.to_string());
    for error in [LanguageModel::load(place.path()).unwrap_err(), PromptEncoder::load(place.path(), false).unwrap_err()] {
        let error = error.to_string();
        assert!(error.contains("key \"base_model_name_or_path\"") && error.contains("is an adapter itself"), "{error}");
    }
    let nested = format!("{{\"peft_type\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    write(&nested);
    let error = fixture::chain(&LanguageModel::load(place.path()).unwrap_err());
    assert!(error.contains("adapter_config.json") && error.contains("recursion limit"), "{error}");
}
