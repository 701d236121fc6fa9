//! Quantised checkpoints against the values that numpy computes from the same bytes.

use crate::fixture;
use serde_json::{Value, json};
use starloop_lm::checkpoint::{Checkpoint, Summary};
use starloop_lm::weights::Values;
use std::path::Path;

fn json_file(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The values of a tensor, which is a part of a parameter.
fn values(checkpoint: &Checkpoint, name: &str) -> Vec<f32> {
    for (spec, values) in checkpoint.spec.parameters.iter().zip(&checkpoint.parameters) {
        let mut begin = 0;
        for tensor in &spec.tensors {
            if tensor.name == name {
                return values.clone().into_full()[begin..begin + tensor.len()].to_vec();
            }
            begin += tensor.len();
        }
    }
    panic!("{name}")
}

#[test]
fn every_method_gives_the_values_of_numpy() {
    let methods = std::fs::read_dir(fixture::dir("quantised")).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    assert_eq!(methods.len(), 12);
    for directory in methods {
        let method = directory.file_name().unwrap().to_string_lossy().into_owned();
        let checkpoint = Checkpoint::load(&directory).unwrap_or_else(|error| panic!("{method}: {}", fixture::chain(&error)));
        assert_eq!(Summary::read(&directory).unwrap().dtype.0, "BF16", "{method}");
        assert!(checkpoint.config.get("quantization_config").is_none() && checkpoint.config.get("quantization").is_none(), "{method}");
        assert!(checkpoint.parameters.iter().any(|values| matches!(values, Values::Half(_))), "{method}: the embedding stays in 16 bits");
        let expected = json_file(&directory.join("expected.json"));
        for (name, elements) in expected.as_object().unwrap() {
            let found = values(&checkpoint, name);
            let step = found.len() / 64;
            for (found, expected) in found.iter().step_by(step).zip(elements.as_array().unwrap()) {
                let expected = expected.as_f64().unwrap() as f32;
                assert!((found - expected).abs() <= 1e-6 * expected.abs().max(0.01), "{method}: {name} has {found}, expected {expected}");
            }
        }
    }
}

#[test]
fn methods_that_are_not_read_are_named() {
    let place = fixture::copy("quantised/gptq");
    let path = place.path().join("config.json");
    let config = json_file(&path);
    for (given, said) in [
        (json!({"quant_method": "hqq"}), "the quantisation method \"hqq\" is not read; load the model with transformers"),
        (json!({"quant_method": "gptq", "bits": 3}), "the method \"gptq\" with 3 bits is not read"),
        (json!({"quant_method": "awq", "bits": 4, "version": "gemv"}), "the method \"awq\" with the version \"gemv\" is not read"),
        (json!({"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized"}), "the format \"nvfp4-pack-quantized\""),
        (json!({"quant_method": "mxfp4"}), "the quantisation method \"mxfp4\" is not read"),
    ] {
        let mut config = config.clone();
        config["quantization_config"] = given;
        std::fs::write(&path, config.to_string()).unwrap();
        let error = Checkpoint::load(place.path()).unwrap_err().to_string();
        assert!(error.contains("config.json: key \"quantization_config\": ") && error.contains(said), "{error}");
    }
}

#[test]
fn keys_that_change_the_weights_are_read_or_refused() {
    for (method, change, said) in [
        ("fp8-block", json!({"weight_block_size": 0}), "weight_block_size\": expected a list of two positive whole numbers, found 0"),
        ("fp8-block", json!({"weight_block_size": "x"}), "weight_block_size\": expected a list of two positive whole numbers"),
        ("fp8-block", json!({"weight_block_size": [20]}), "weight_block_size\": expected a list of two positive whole numbers"),
        ("fp8-block", json!({"weight_block_size": [0, 0]}), "weight_block_size\": expected a list of two positive whole numbers"),
        ("fp8-block", json!({"weight_block_size": [20, 24, 1]}), "weight_block_size\": expected a list of two positive whole numbers"),
        ("fp8-block", json!({"weight_block_size": null}), "check \"weight_block_size\" in config.json"),
        ("fp8-block", json!({"quant_method": 5}), "quant_method\": expected a text, found 5"),
        ("int8-row", json!({"transform_config": {"config_groups": {"R1": {}}}}), "transform_config\": {\"config_groups\""),
        ("int8-row", json!({"sparsity_config": {"format": "sparse-24-bitmask"}}), "sparsity_config\": the format"),
        ("int8-row", json!({"config_groups": 5}), "config_groups\": expected an object, found 5"),
        (
            "int8-row",
            json!({"config_groups": {"a": {"weights": {"num_bits": "8"}}}}),
            "config_groups.a\": expected a whole number \"num_bits\"",
        ),
        ("gptq", json!({"group_size": "x"}), "group_size\": expected a positive whole number, found \"x\""),
        ("gptq", json!({"dynamic": {"+:.*down.*": {"bits": 8}}}), "dynamic\": {"),
        ("gptq", json!({"checkpoint_format": 5}), "checkpoint_format\": expected a text, found 5"),
        ("awq", json!({"version": 5}), "version\": expected a text, found 5"),
        ("mlx", json!({"model.layers.0.mlp.up_proj": {"bits": 8}}), "model.layers.0.mlp.up_proj\": has other bits"),
    ] {
        let place = fixture::copy(&format!("quantised/{method}"));
        let path = place.path().join("config.json");
        let mut config = json_file(&path);
        let key = if method == "mlx" { "quantization" } else { "quantization_config" };
        config[key].as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        std::fs::write(&path, config.to_string()).unwrap();
        let error = Checkpoint::load(place.path()).unwrap_err().to_string();
        assert!(error.contains(said) && (error.contains("config.json: key \"quanti") || change["weight_block_size"].is_null()), "{error}");
    }
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let refused = |method: &str, change: &dyn Fn(&mut Value), said: &str| {
        let place = fixture::copy(&format!("quantised/{method}"));
        let path = place.path().join("config.json");
        let mut config = json_file(&path);
        change(&mut config);
        std::fs::write(&path, config.to_string()).unwrap();
        let error = fixture::chain(&Checkpoint::load(place.path()).unwrap_err());
        assert!(error.contains("model.safetensors: tensor \"model.layers.0.") && error.contains(said), "{method}: {error}");
    };
    let wrong_block = |config: &mut Value| config["quantization_config"]["weight_block_size"] = json!([7, 7]);
    refused("fp8-block", &wrong_block, "its parts do not belong together: their shapes");
    refused("mlx", &|config| config["quantization"]["bits"] = 8.into(), "has shape [");
    refused("gptq", &|config| config["quantization_config"]["group_size"] = 8.into(), "its parts do not belong together: parse error");
    refused(
        "pack-int4",
        &|config| config["quantization_config"]["config_groups"]["group_0"]["weights"]["num_bits"] = 8.into(),
        "do not belong together",
    );
}
