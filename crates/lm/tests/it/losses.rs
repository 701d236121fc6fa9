//! Losses on preferences and rewards: values and gradients against PyTorch (`fixtures/make_losses.py`, which holds them to TRL), and what
//! training toward them keeps.

use crate::fixture;
use crate::golden::{by_name, worst};
use starloop_lm::decoder::{Packed, TrainingMemory};
use starloop_lm::kernels::Cpu;
use starloop_lm::train::{
    BatchSize, Document, Hyperparameters, LearningRate, LengthNormalization, Objective, PackedEpochs, Pair, PolicyGradient, Preference,
    Rewarded, Schedule, TrainingSession, Unit,
};
use std::collections::BTreeMap;

const CONSTANT: usize = 24;

type Reference = BTreeMap<String, Vec<f32>>;

fn pairs(reference: &Reference) -> Vec<Pair> {
    let documents = fixture::documents(reference);
    let sums: Vec<f64> = reference["pair_reference"].iter().map(|sum| f64::from(*sum)).collect();
    let pair = |(two, sums): (&[Document], &[f64])| Pair { documents: [two[0].clone(), two[1].clone()], reference: [sums[0], sums[1]] };
    documents.chunks(2).zip(sums.chunks(2)).map(pair).collect()
}

fn samples(reference: &Reference) -> Vec<Rewarded> {
    let mut at = 0;
    let sample = |(document, advantage): (Document, &f32)| {
        let targets = at..at + document.target_count();
        at = targets.end;
        let (sampled, anchor) = (reference["sampled"][targets.clone()].to_vec(), reference["anchor"][targets].to_vec());
        Rewarded { document, advantage: *advantage, sampled, anchor }
    };
    fixture::documents(reference).into_iter().zip(&reference["advantages"]).map(sample).collect()
}

/// Loss, derivatives and gradient of one case against PyTorch's.
fn compare<O: Objective>(case: &str, objective: &O, batch: &[O::Unit], reference: &Reference) {
    let model = fixture::model("gemma2");
    let size = BatchSize::of(batch).unwrap();
    let (mut loss, mut grads) = (0.0, Vec::new());
    let mut unit_losses = |logprobs: &[f32]| {
        for unit in batch {
            let part = objective.unit_loss(unit, &logprobs[grads.len()..][..unit.target_count()], size);
            loss += part.loss;
            grads.extend(part.logprob_grads);
        }
        grads.clone()
    };
    let mut gradients = model.decoder.zero_gradients();
    let packed = Packed::new(batch.iter().flat_map(Unit::documents));
    model.decoder.gradients_by_logprobs(&packed, &mut unit_losses, &mut TrainingMemory::new(&Cpu), &mut gradients);
    let expected = f64::from(reference[&format!("{case}.loss")][0]);
    assert!((loss - expected).abs() < 1e-6 + 1e-5 * expected.abs(), "{case}: loss {loss}, not {expected}");
    let error = worst(&grads, &reference[&format!("{case}.slopes")]);
    assert!(error < 2e-6, "{case}: derivatives differ by {error}");
    let mut compared = 0;
    for (tensor, gradient) in by_name(&model, &gradients) {
        let Some(expected) = reference.get(&format!("{case}.grad.{tensor}")) else { continue };
        let largest = expected.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        let error = worst(&gradient, expected);
        assert!(error < 1e-6 + 1e-4 * largest, "{case}: gradient of {tensor} differs by {error} of {largest}");
        compared += 1;
    }
    let known = reference.keys().filter(|name| name.starts_with(&format!("{case}.grad."))).count();
    assert_eq!(compared, known, "{case}: every gradient of the reference has its parameter");
}

fn policy_gradient(clip: [f64; 2], kl: f64, length: LengthNormalization) -> PolicyGradient {
    PolicyGradient { clip, kl, length, max_new_tokens: CONSTANT }
}

#[test]
fn losses_derivatives_and_gradients_equal_pytorch() {
    use LengthNormalization::{Batch, Completion, Constant};
    let reference = fixture::reference("losses");
    let (pairs, samples) = (pairs(&reference), samples(&reference));
    for (case, beta) in [("preference", 0.1), ("preference_steep", 2.0)] {
        compare(case, &Preference { beta }, &pairs, &reference);
    }
    for (case, objective) in [
        ("grpo", policy_gradient([0.2, 0.2], 0.0, Completion)),
        ("grpo_penalty", policy_gradient([0.2, 0.28], 0.04, Completion)),
        ("dr_grpo", policy_gradient([0.2, 0.2], 0.0, Constant)),
        ("dapo", policy_gradient([0.2, 0.28], 0.5, Batch)),
    ] {
        compare(case, &objective, &samples, &reference);
    }
    assert_eq!(reference.keys().filter(|name| name.ends_with(".grad.model.norm.weight")).count(), 3);
}

#[test]
fn even_derivatives_give_the_gradient_of_cross_entropy_bit_for_bit() {
    let model = fixture::model("gemma2");
    let packed = Packed::new(&fixture::documents(&fixture::reference("losses")));
    let mut plain = model.decoder.zero_gradients();
    let losses = model.decoder.losses_and_gradients(&packed, 0.25, &mut TrainingMemory::new(&Cpu), &mut plain);
    let mut sloped = model.decoder.zero_gradients();
    let even = |logprobs: &[f32]| {
        assert!(logprobs.iter().zip(&losses).all(|(logprob, loss)| *logprob == -loss));
        vec![-0.25; logprobs.len()]
    };
    model.decoder.gradients_by_logprobs(&packed, even, &mut TrainingMemory::new(&Cpu), &mut sloped);
    assert_eq!(plain, sloped);
}

fn session(micro_batch_tokens: usize) -> TrainingSession {
    let learning_rate = LearningRate {
        learning_rate: 3e-3,
        warmup_steps: 0,
        steps: 30,
        schedule: Schedule::Constant,
        decay_start: 0.0,
        final_fraction: 1.0,
    };
    let hyperparameters = Hyperparameters {
        learning_rate,
        betas: [0.9, 0.98],
        epsilon: 1e-8,
        weight_decay: 0.0,
        max_grad_norm: 1.0,
        micro_batch_tokens,
        recompute_activations: false,
        dropout_seed: 0,
    };
    TrainingSession::new(fixture::model("llama-tiny"), hyperparameters).unwrap()
}

#[test]
fn a_pair_is_never_cut_and_parts_add_up_to_the_whole_batch() {
    let reference = fixture::reference("losses");
    let pairs = pairs(&reference);
    let objective = Preference { beta: 0.5 };
    let whole = session(10_000).step_toward(&objective, &pairs).unwrap();
    // Less than any pair, so that each goes alone.
    let parts = session(4).step_toward(&objective, &pairs).unwrap();
    assert!((whole.loss - parts.loss).abs() < 1e-9, "{} and {}", whole.loss, parts.loss);
    assert!((whole.grad_norm - parts.grad_norm).abs() < 1e-5 * whole.grad_norm);
    assert_eq!((whole.tokens, whole.target_tokens), (104, 74));
}

/// The log-probability of each completion of each pair, better before worse.
fn sums(session: &TrainingSession, pairs: &[Pair]) -> Vec<f64> {
    let sum = |document: &Document| {
        let losses = session.model().decoder.losses(&Packed::new([document]), &mut TrainingMemory::new(&Cpu));
        losses.iter().map(|loss| -f64::from(*loss)).sum()
    };
    pairs.iter().flat_map(Unit::documents).map(sum).collect()
}

#[test]
fn training_toward_a_preference_makes_the_better_completions_likelier_than_the_worse() {
    let mut pairs = pairs(&fixture::reference("losses"));
    let mut session = session(64);
    let before = sums(&session, &pairs);
    for (pair, sums) in pairs.iter_mut().zip(before.chunks(2)) {
        pair.reference = [sums[0], sums[1]];
    }
    let objective = Preference { beta: 0.5 };
    let first = session.step_toward(&objective, &pairs).unwrap().loss;
    assert!((first - std::f64::consts::LN_2).abs() < 1e-5, "the reference itself prefers neither: {first}");
    for _ in 0..20 {
        session.step_toward(&objective, &pairs).unwrap();
    }
    for (before, after) in before.chunks(2).zip(sums(&session, &pairs).chunks(2)) {
        assert!(after[0] - after[1] > before[0] - before[1], "{before:?} {after:?}");
    }
}

#[test]
fn units_are_packed_whole_and_a_long_one_alone() {
    let pairs = pairs(&fixture::reference("losses"));
    // Pairs of 21, 51, 14 and 18 tokens in rows of 40, for two epochs at least.
    let mut epochs = PackedEpochs::new(pairs.clone(), 1, 40, 3).unwrap();
    let rows: Vec<Vec<usize>> = (1..=8).map(|step| epochs.batch(step).iter().map(Unit::token_count).collect()).collect();
    assert!(rows.iter().all(|row| row.iter().sum::<usize>() <= 40 || row == &[51]), "{rows:?}");
    assert!([21, 51, 14, 18].iter().all(|tokens| rows.iter().flatten().filter(|t| *t == tokens).count() >= 2), "{rows:?}");
    let refused = PackedEpochs::new(pairs, 1, 30, 3).unwrap_err().to_string();
    assert!(refused.contains("31"), "{refused}");
}
