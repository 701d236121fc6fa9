//! Training: packing changes nothing, states come back, threads do not matter.

use crate::fixture::{self, FIXTURES};
use starloop_lm::Decoder;
use starloop_lm::decoder::{Mixer, Packed, TrainingMemory};
use starloop_lm::kernels::Cpu;
use starloop_lm::train::{Document, Hyperparameters, LearningRate, PackedEpochs, Schedule, TrainingSession};
use starloop_lm::weights::Values;

fn hyperparameters() -> Hyperparameters {
    let learning_rate =
        LearningRate { learning_rate: 3e-3, warmup_steps: 2, steps: 12, schedule: Schedule::Cosine, decay_start: 0.5, final_fraction: 0.1 };
    Hyperparameters {
        learning_rate,
        betas: [0.9, 0.98],
        epsilon: 1e-8,
        weight_decay: 0.0,
        max_grad_norm: 1.0,
        micro_batch_tokens: 64,
        recompute_activations: false,
        dropout_seed: 0,
    }
}

/// Moves a parameter by `step` in each element, along its gradient's sign.
pub fn moved_along(parameter: &mut Values, gradient: &[f32], step: f32) {
    let Values::Full(values) = parameter else { panic!("only full parameters are moved") };
    values.iter_mut().zip(gradient).for_each(|(p, g)| *p += step * g.signum());
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
    for name in ["llama-tiny", "mistral", "gpt2", "gemma2"] {
        let model = fixture::model(name);
        let mut memory = TrainingMemory::new(&Cpu);
        let packed = model.decoder.losses(&Packed::new(&documents()), &mut memory);
        let alone: Vec<f32> =
            documents().iter().flat_map(|d| model.decoder.losses(&Packed::new(std::slice::from_ref(d)), &mut memory)).collect();
        assert_eq!(packed, alone, "{name}");
    }
}

#[test]
fn recomputation_changes_no_bit() {
    for name in FIXTURES {
        let model = fixture::model(name);
        let packed = Packed::new(&documents().into_iter().filter(|document| document.tokens().len() < 60).collect::<Vec<_>>());
        let run = |mut memory: TrainingMemory<Cpu>| {
            let mut gradients = model.decoder.zero_gradients();
            let losses = model.decoder.losses_and_gradients(&packed, 0.1, &mut memory, &mut gradients);
            (losses, gradients)
        };
        let (kept, again) = (run(TrainingMemory::new(&Cpu)), run(TrainingMemory::new(&Cpu).with_recomputation()));
        assert_eq!(kept, again, "{name}");
    }
}

#[test]
fn a_window_slides_over_documents_longer_than_a_tile() {
    let model = fixture::model("mistral");
    let Mixer::Attention(attention) = &model.spec().blocks[0].mixer;
    let window = attention.scores.window.unwrap();
    let document: Vec<u32> = (0..100).map(|i| (1 + (i * 17 + i * i) % 60) as u32).collect();
    let losses = |document: &[u32]| {
        let packed = Packed::new(&[Document::whole(document.to_vec())]);
        model.decoder.losses(&packed, &mut TrainingMemory::new(&Cpu))
    };
    // Through two layers a token sees as far as twice the window; what lies before that is of no consequence, what lies within is.
    let reach = 2 * (window - 1) + 1;
    let mut changed = document.clone();
    changed[10] = 61;
    let (before, after) = (losses(&document), losses(&changed));
    let differs: Vec<usize> = (0..before.len()).filter(|i| before[*i].to_bits() != after[*i].to_bits()).collect();
    assert!(differs.first() == Some(&9) && *differs.last().unwrap() == 10 + reach - 1, "{differs:?}");

    // The gradient along its own sign, where rows of the second tile see only keys of their window.
    let packed = Packed::new(&[Document::whole(document)]);
    let mut gradients = model.decoder.zero_gradients();
    model.decoder.losses_and_gradients(&packed, 1.0, &mut TrainingMemory::new(&Cpu), &mut gradients);
    for (index, gradient) in gradients.iter().enumerate() {
        let slope: f64 = gradient.iter().map(|g| f64::from(g.abs())).sum();
        let along = |step: f32| -> f64 {
            let mut parameters = model.decoder.download();
            moved_along(&mut parameters[index], gradient, step);
            let moved = Decoder::new(Cpu, model.spec().clone(), parameters);
            moved.losses(&packed, &mut TrainingMemory::new(&Cpu)).iter().map(|loss| f64::from(*loss)).sum()
        };
        let measured = (8.0 * (along(2e-4) - along(-2e-4)) - (along(4e-4) - along(-4e-4))) / (12.0 * 2e-4);
        assert!((measured - slope).abs() < 5e-3 * slope + 5e-2, "parameter {index} has slope {slope}, measured {measured}");
    }
}

#[test]
fn accumulation_is_the_whole_batch_at_once() {
    let step = |micro_batch_tokens| {
        let mut session =
            TrainingSession::new(fixture::model("llama-tiny"), Hyperparameters { micro_batch_tokens, ..hyperparameters() }).unwrap();
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
            let mut session = TrainingSession::new(fixture::model("llama-untied"), hyperparameters()).unwrap();
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
    let mut whole = TrainingSession::new(fixture::model("llama-tiny"), hyperparameters()).unwrap();
    for step in 1..=12 {
        whole.step(&batches.batch(step)).unwrap();
        if step == 5 {
            whole.save_state(&state, &serde_json::Map::from_iter([("loss".into(), 0.5.into())])).unwrap();
        }
    }
    let mut resumed = TrainingSession::new(fixture::model("llama-tiny"), hyperparameters()).unwrap();
    assert_eq!(resumed.load_state(&state).unwrap()["loss"], 0.5);
    assert_eq!(resumed.steps_done(), 5);
    for step in 6..=12 {
        resumed.step(&batches.batch(step)).unwrap();
    }
    assert_eq!(whole.model().decoder.download(), resumed.model().decoder.download());
    let mut other = TrainingSession::new(fixture::model("llama-untied"), hyperparameters()).unwrap();
    assert!(other.load_state(&state).unwrap_err().to_string().contains("belongs to another model"));
}

#[test]
fn divergence_and_silence_are_errors() {
    let mut diverged = fixture::model("llama-tiny");
    diverged.decoder.trained_mut().next().unwrap().1.fill(f32::NAN);
    let mut session = TrainingSession::new(diverged, hyperparameters()).unwrap();
    assert!(session.step(&documents()).unwrap_err().to_string().contains("training diverged at step 1: the loss is NaN"));
    let mut session = TrainingSession::new(fixture::model("llama-tiny"), hyperparameters()).unwrap();
    let silent = Document::masked(vec![1, 2, 3], vec![true, false, false]).unwrap();
    assert!(session.step(&[silent]).unwrap_err().to_string().contains("no token of the training data carries loss"));
}
