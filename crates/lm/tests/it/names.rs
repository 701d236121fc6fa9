//! Weights under other names and of other types, and headers that list too much.

use crate::fixture;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use starloop_lm::checkpoint::Checkpoint;

fn message(place: &tempfile::TempDir) -> String {
    fixture::chain(&Checkpoint::load(place.path()).unwrap_err())
}

/// Rewrites the weights of a fixture's copy: each tensor's name and type.
fn rewritten(name: &str, rename: impl Fn(&str) -> String, dtype: Dtype) -> tempfile::TempDir {
    let copy = fixture::copy(name);
    let path = copy.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let wide =
        |data: &[u8]| data.as_chunks::<4>().0.iter().flat_map(|b| f64::from(f32::from_le_bytes(*b)).to_le_bytes()).collect::<Vec<u8>>();
    let tensors = file.tensors().into_iter().map(|(name, view)| {
        let data = if dtype == Dtype::F64 { wide(view.data()) } else { view.data().to_vec() };
        (rename(&name), view.shape().to_vec(), data)
    });
    let tensors: Vec<_> = tensors.collect();
    let views = tensors.iter().map(|(name, shape, data)| (name, TensorView::new(dtype, shape.clone(), data).unwrap()));
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
    copy
}

#[test]
fn what_programs_put_before_all_names_is_left_out() {
    for prefix in ["module.", "_orig_mod.", "language_model.", "_orig_mod.module.", "base_model.model.", "model.", "transformer."] {
        for name in ["llama-untied", "gpt2"] {
            let copy = rewritten(name, |tensor| format!("{prefix}{tensor}"), Dtype::F32);
            let expected = Checkpoint::load(&fixture::dir(name)).unwrap().parameters;
            assert_eq!(Checkpoint::load(copy.path()).unwrap().parameters, expected, "{prefix}");
        }
    }
}

#[test]
fn a_language_model_in_a_larger_model_has_its_own_names() {
    let expected = Checkpoint::load(&fixture::dir("llama-untied")).unwrap().parameters;
    for prefix in ["model.language_model.", "language_model.model."] {
        let copy = rewritten("llama-untied", |tensor| tensor.replacen("model.", prefix, 1), Dtype::F32);
        assert_eq!(Checkpoint::load(copy.path()).unwrap().parameters, expected, "{prefix}");
    }
}

#[test]
fn a_missing_tensor_is_named_with_similar_ones() {
    let copy = rewritten("llama-untied", |tensor| tensor.replace("self_attn.q_proj", "attention.q_proj"), Dtype::F32);
    let error = message(&copy);
    let said = "\"model.layers.0.self_attn.q_proj.weight\" is missing (expected shape [48, 32]); the weights have \
                model.layers.0.attention.q_proj.weight, model.layers.1.attention.q_proj.weight and others";
    assert!(error.contains(said), "{error}");
}

#[test]
fn a_header_with_more_tensors_than_a_model_has_is_not_read() {
    let copy = fixture::copy("llama-tiny");
    let tensors: Vec<String> =
        (0..200_000).map(|i| format!("\"t{i}\":{{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}")).collect();
    let header = format!("{{{}}}", tensors.join(","));
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat();
    std::fs::write(copy.path().join("model.safetensors"), bytes).unwrap();
    let error = message(&copy);
    assert!(error.contains("model.safetensors: has about 200001 objects"), "{error}");
}

#[test]
fn weights_of_64_bits_are_read() {
    let copy = rewritten("llama-tiny", str::to_owned, Dtype::F64);
    assert_eq!(Checkpoint::load(copy.path()).unwrap().parameters, Checkpoint::load(&fixture::dir("llama-tiny")).unwrap().parameters);
}
