//! Logits, loss, every gradient and ten AdamW steps, against PyTorch and by finite differences.

use crate::fixture::{self, FIXTURES, TRAINED};
use crate::training::moved_along;
use starloop_lm::decoder::{Packed, TrainingMemory};
use starloop_lm::train::{Document, Hyperparameters, LearningRate, Schedule, TrainingSession};
use starloop_lm::weights::Values;
use starloop_lm::{Decoder, LanguageModel, kernels::Cpu};

pub fn worst(got: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(got.len(), expected.len());
    got.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// All positions of all documents, as rows whose logits are wanted.
fn every_row(documents: &[Document]) -> Packed {
    let mut packed = Packed::new(documents);
    packed.rows = (0..packed.tokens.len() as u32).collect();
    packed.targets = vec![0; packed.tokens.len()];
    packed
}

/// Splits the decoder's parameters into the checkpoint's tensors.
pub fn by_name(model: &LanguageModel, parameters: &[Vec<f32>]) -> Vec<(String, Vec<f32>)> {
    let mut all = Vec::new();
    for (spec, values) in model.spec().parameters.iter().zip(parameters) {
        let mut rest = values.as_slice();
        for tensor in &spec.tensors {
            let (rows, after) = rest.split_at(tensor.len());
            all.push((tensor.name.clone(), tensor.layout.checkpoint_order(&tensor.shape, rows)));
            rest = after;
        }
    }
    all
}

/// The model's parameters in full.
fn full(model: &LanguageModel) -> Vec<Vec<f32>> {
    model.decoder.download().into_iter().map(Values::into_full).collect()
}

#[test]
fn logits_equal_transformers() {
    for name in FIXTURES {
        let (model, reference) = (fixture::model(name), fixture::reference(name));
        let packed = every_row(&fixture::documents(&reference));
        let logits = model.decoder.target_logits(&packed, &mut TrainingMemory::new(&Cpu));
        let error = worst(&logits, &reference["logits"]);
        assert!(error < 2e-5, "{name}: logits differ by {error}");
    }
}

#[test]
fn the_loss_and_every_gradient_equal_pytorch() {
    for name in FIXTURES {
        let (model, reference) = (fixture::model(name), fixture::reference(name));
        let packed = Packed::new(&fixture::documents(&reference));
        let mut gradients = model.decoder.zero_gradients();
        let scale = 1.0 / packed.targets.len() as f32;
        let losses = model.decoder.losses_and_gradients(&packed, scale, &mut TrainingMemory::new(&Cpu), &mut gradients);
        let loss = losses.iter().sum::<f32>() * scale;
        assert!((loss - reference["loss"][0]).abs() < 1e-5, "{name}: loss {loss}, not {}", reference["loss"][0]);
        for (tensor, gradient) in by_name(&model, &gradients) {
            let Some(expected) = reference.get(&format!("grad.{tensor}")) else { panic!("{name}: no gradient of {tensor}") };
            let largest = expected.iter().fold(0.0f32, |m, x| m.max(x.abs()));
            let error = worst(&gradient, expected);
            assert!(error < 1e-6 + 1e-4 * largest, "{name}: gradient of {tensor} differs by {error} of {largest}");
        }
    }
}

#[test]
fn every_gradient_agrees_with_finite_differences() {
    for name in FIXTURES {
        let (model, reference) = (fixture::model(name), fixture::reference(name));
        let packed = Packed::new(&fixture::documents(&reference));
        let mut memory = TrainingMemory::new(&Cpu);
        let mut gradients = model.decoder.zero_gradients();
        model.decoder.losses_and_gradients(&packed, 1.0, &mut memory, &mut gradients);
        for index in 0..gradients.len() {
            // Along a direction of ±1 per element, chosen with the gradient's sign so that the slope is its absolute sum.
            let slope: f64 = gradients[index].iter().map(|g| f64::from(g.abs())).sum();
            let mut along = |step: f32| -> f64 {
                let mut parameters = model.decoder.download();
                moved_along(&mut parameters[index], &gradients[index], step);
                let moved = Decoder::new(Cpu, model.spec().clone(), parameters);
                moved.losses(&packed, &mut memory).iter().map(|loss| f64::from(*loss)).sum()
            };
            let step = 2e-4;
            let measured = (8.0 * (along(step) - along(-step)) - (along(2.0 * step) - along(-2.0 * step))) / (12.0 * f64::from(step));
            assert!((measured - slope).abs() < 5e-3 * slope + 2e-2, "{name}: parameter {index} has slope {slope}, measured {measured}");
        }
    }
}

#[test]
fn ten_adamw_steps_equal_pytorch() {
    for name in TRAINED {
        let reference = fixture::reference(name);
        let documents = fixture::documents(&reference);
        let learning_rate = LearningRate {
            learning_rate: 1e-2,
            warmup_steps: 0,
            steps: 10,
            schedule: Schedule::Constant,
            decay_start: 0.0,
            final_fraction: 1.0,
        };
        let hyperparameters = Hyperparameters {
            learning_rate,
            betas: [0.9, 0.95],
            epsilon: 1e-8,
            weight_decay: 0.1,
            max_grad_norm: 1.0,
            micro_batch_tokens: 20,
            recompute_activations: false,
            dropout_seed: 0,
        };
        let mut session = TrainingSession::new(fixture::model(name), hyperparameters).unwrap();
        let (losses, norms) = (&reference["adamw.losses"], &reference["adamw.grad_norms"]);
        assert_eq!(losses.len(), 10);
        for (step, (loss, norm)) in losses.iter().zip(norms).enumerate() {
            let report = session.step(&documents).unwrap();
            let (loss, norm) = (f64::from(*loss), f64::from(*norm));
            assert!((report.loss - loss).abs() < 2e-5, "{name} step {step}: loss {} not {loss}", report.loss);
            assert!((report.grad_norm - norm).abs() < 1e-4 * (1.0 + norm), "{name} step {step}: norm {} not {norm}", report.grad_norm);
        }
        let model = session.into_model();
        for (tensor, values) in by_name(&model, &full(&model)) {
            let error = worst(&values, &reference[&format!("adamw.after.{tensor}")]);
            assert!(error < 1e-4, "{name}: {tensor} differs by {error} after ten steps");
        }
    }
}
