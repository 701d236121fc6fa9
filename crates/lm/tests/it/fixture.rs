//! The committed checkpoints and what PyTorch computed from them.

use safetensors::{Dtype, SafeTensors};
use starloop_lm::LanguageModel;
use starloop_lm::engine::{self, EngineLimits, Request, SamplingParams, StopReason};
use starloop_lm::train::Document;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// An error with its causes on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Every family, with every switch that it has.
pub const FIXTURES: [&str; 15] = [
    "llama-tiny",
    "llama-untied",
    "llama-scaled",
    "mistral",
    "qwen2",
    "qwen3",
    "gptj",
    "gpt-neox",
    "gpt-neox-sequential",
    "gpt2",
    "olmo2",
    "smollm3",
    "gemma2",
    "gemma3",
    "phi3",
];

/// Those with ten AdamW steps.
pub const TRAINED: [&str; 2] = ["llama-tiny", "llama-untied"];

pub fn dir(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

pub fn model(name: &str) -> LanguageModel {
    LanguageModel::load(&dir(name)).unwrap()
}

/// Every reference tensor as f32.
pub fn reference(name: &str) -> BTreeMap<String, Vec<f32>> {
    let bytes = std::fs::read(dir(name).join("reference.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let values = |view: &safetensors::tensor::TensorView<'_>| -> Vec<f32> {
        match view.dtype() {
            Dtype::F32 => view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Dtype::I64 => view.data().as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b) as f32).collect(),
            Dtype::U8 => view.data().iter().map(|b| f32::from(*b)).collect(),
            other => panic!("no reference tensor has type {other:?}"),
        }
    };
    file.tensors().into_iter().map(|(name, view)| (name, values(&view))).collect()
}

/// The reference's documents.
pub fn documents(reference: &BTreeMap<String, Vec<f32>>) -> Vec<Document> {
    let (ids, mask) = (&reference["input_ids"], &reference["loss_mask"]);
    reference["offsets"]
        .windows(2)
        .map(|w| (w[0] as usize, w[1] as usize))
        .map(|(from, to)| {
            let target = mask[from..to].iter().map(|m| *m > 0.0).collect();
            Document::masked(ids[from..to].iter().map(|id| *id as u32).collect(), target).unwrap()
        })
        .collect()
}

/// A copy of a fixture that a test may damage.
pub fn copy(name: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(dir(name)).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

/// A copy whose end token is in no greedy continuation of the reference and of `prompt`, so that nothing ends early.
pub fn endless(name: &str, prompt: &[u32]) -> (tempfile::TempDir, LanguageModel) {
    let (copy, greedy) = (copy(name), &reference(name)["greedy"]);
    std::fs::write(copy.path().join("tokenizer_config.json"), "{}").unwrap();
    for unused in (0..64).filter(|id| !greedy.contains(&(*id as f32))) {
        std::fs::write(copy.path().join("generation_config.json"), format!(r#"{{"eos_token_id": {unused}}}"#)).unwrap();
        let model = LanguageModel::load(copy.path()).unwrap();
        let request = Request { prompt: prompt.to_vec(), seeds: vec![0], params: SamplingParams::greedy(40) };
        let sampled = engine::sample(&model, &[request], &EngineLimits::default(), &mut |_| ControlFlow::Continue(())).unwrap();
        if sampled[0].stop_reason == StopReason::Length {
            return (copy, model);
        }
    }
    panic!("every token ends a continuation");
}
