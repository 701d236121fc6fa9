//! Training: packing changes nothing, states come back, threads do not matter.

use crate::fixture;
use starloop_lm::decoder::{Packed, TrainingMemory};
use starloop_lm::kernels::Cpu;
use starloop_lm::train::{Decay, Document, Hyperparameters, PackedEpochs, Schedule, TrainingSession};

fn hyperparameters() -> Hyperparameters {
    let schedule = Schedule { learning_rate: 3e-3, warmup_steps: 2, steps: 12, decay: Decay::Cosine, decay_start: 0.5, final_share: 0.1 };
    Hyperparameters { schedule, betas: (0.9, 0.98), epsilon: 1e-8, weight_decay: 0.0, max_grad_norm: 1.0, micro_batch_tokens: 64 }
}

/// Documents of every length up to 90, longer than an attention tile.
fn documents() -> Vec<Document> {
    (0..40)
        .map(|i: usize| {
            let tokens: Vec<u32> = (0..2 + (i * 23) % 89).map(|j| (1 + (i * 7 + j * j) % 60) as u32).collect();
            let (prompt, completion) = tokens.split_at(1 + i % 2);
            Document::completion(prompt, completion)
        })
        .collect()
}

#[test]
fn packed_documents_have_the_losses_that_they_have_alone() {
    let model = fixture::model("llama-tiny");
    let mut memory = TrainingMemory::new(&Cpu);
    let packed = model.decoder.losses(&Packed::new(&documents()), &mut memory);
    let alone: Vec<f32> =
        documents().iter().flat_map(|d| model.decoder.losses(&Packed::new(std::slice::from_ref(d)), &mut memory)).collect();
    assert_eq!(packed, alone);
}

#[test]
fn accumulation_is_the_whole_batch_at_once() {
    let step = |micro_batch_tokens| {
        let mut session = TrainingSession::new(fixture::model("llama-tiny"), Hyperparameters { micro_batch_tokens, ..hyperparameters() });
        session.step(&documents()).unwrap()
    };
    let (whole, parts) = (step(100_000), step(100));
    assert!((whole.loss - parts.loss).abs() < 1e-9);
    assert!((whole.grad_norm - parts.grad_norm).abs() < 1e-5 * whole.grad_norm);
}

#[test]
fn a_training_is_the_same_on_any_number_of_threads() {
    let train = |threads| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let mut session = TrainingSession::new(fixture::model("llama-untied"), hyperparameters());
            let mut batches = PackedEpochs::new(documents(), 4, 100, 3).unwrap();
            for step in 1..=6 {
                session.step(&batches.batch(step)).unwrap();
            }
            session.into_model().decoder.download()
        })
    };
    assert_eq!(train(1), train(3));
}

#[test]
fn a_saved_training_goes_on_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state.safetensors");
    let mut batches = PackedEpochs::new(documents(), 4, 100, 3).unwrap();
    let mut whole = TrainingSession::new(fixture::model("llama-tiny"), hyperparameters());
    for step in 1..=12 {
        whole.step(&batches.batch(step)).unwrap();
        if step == 5 {
            whole.save_state(&state, &serde_json::Map::from_iter([("loss".into(), 0.5.into())])).unwrap();
        }
    }
    let mut resumed = TrainingSession::new(fixture::model("llama-tiny"), hyperparameters());
    assert_eq!(resumed.load_state(&state).unwrap()["loss"], 0.5);
    assert_eq!(resumed.steps_done(), 5);
    for step in 6..=12 {
        resumed.step(&batches.batch(step)).unwrap();
    }
    assert_eq!(whole.model().decoder.download(), resumed.model().decoder.download());
    let mut other = TrainingSession::new(fixture::model("llama-untied"), hyperparameters());
    assert!(other.load_state(&state).unwrap_err().to_string().contains("belongs to another model"));
}

#[test]
fn divergence_and_silence_are_errors() {
    let mut diverged = fixture::model("llama-tiny");
    diverged.decoder.parameters_mut()[0].fill(f32::NAN);
    let mut session = TrainingSession::new(diverged, hyperparameters());
    assert!(session.step(&documents()).unwrap_err().to_string().contains("training diverged at step 1: the loss is NaN"));
    let mut session = TrainingSession::new(fixture::model("llama-tiny"), hyperparameters());
    let silent = Document { tokens: vec![1, 2, 3], target: vec![true, false, false] };
    assert!(session.step(&[silent]).unwrap_err().to_string().contains("no token of the training data carries loss"));
}
