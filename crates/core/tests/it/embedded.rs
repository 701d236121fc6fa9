//! The embedded policy and trainer on a tiny random checkpoint, whose tokens are digits and letters.

use starloop_core::config::TrainingConfig;
use starloop_core::error::Error;
use starloop_core::policy::embedded::EmbeddedPolicy;
use starloop_core::policy::{Policy, PromptRequest, SamplingParams, ScoreRequest, Scorer};
use starloop_core::selection::TrainingData;
use starloop_core::trainer::embedded::EmbeddedTrainer;
use starloop_core::trainer::{Trainer, TrainingJob, TrainingProgress};
use starloop_core::types::{Example, Mode, ProblemId};
use starloop_lm::LanguageModel;
use std::ops::ControlFlow::{Break, Continue};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/llama-tiny")
}

fn examples() -> Vec<Example> {
    let example = |i: u32| Example {
        problem: ProblemId(format!("sum/{i}")),
        mode: Mode::Unhinted,
        prompt: format!("{i} p {i}"),
        completion: (2 * i).to_string(),
    };
    (1..=4).map(example).collect()
}

fn settings() -> TrainingConfig {
    TrainingConfig { batch_size: 2, sequence_length: 24, learning_rate: 1e-3, warmup_steps: 2, checkpoint_every: 3, ..Default::default() }
}

fn job<'a>(place: &'a Places, data: &'a TrainingData, settings: &'a TrainingConfig) -> TrainingJob<'a> {
    let (output, scratch) = (&place.output, &place.scratch);
    TrainingJob { base: &place.start, data, anchor: None, settings, steps: 10, seed: 5, output, scratch }
}

struct Places {
    start: PathBuf,
    output: PathBuf,
    scratch: PathBuf,
}

impl Places {
    fn new(root: &Path, name: &str) -> Self {
        Places { start: fixture(), output: root.join(name), scratch: root.join(format!("{name}-scratch")) }
    }
}

#[test]
fn an_interrupted_fine_tuning_ends_in_the_same_weights() {
    let root = tempfile::tempdir().unwrap();
    let (data, settings) = (TrainingData::of_examples(examples()), settings());
    let whole = Places::new(root.path(), "whole");
    let mut losses = Vec::new();
    let metrics = EmbeddedTrainer::default()
        .train(&job(&whole, &data, &settings), &mut |progress| {
            losses.push(progress);
            Continue(())
        })
        .unwrap();
    assert_eq!(metrics.steps, 10);
    assert!(metrics.final_loss.is_finite());

    let cut = Places::new(root.path(), "cut");
    let cut_job = job(&cut, &data, &settings);
    let died = catch_unwind(AssertUnwindSafe(|| {
        EmbeddedTrainer::default().train(&cut_job, &mut |progress| {
            assert!(progress.step < 8, "injected death");
            Continue(())
        })
    }));
    assert!(died.is_err());
    let state = cut.scratch.join("state.safetensors");
    let saved = std::fs::read(&state).unwrap();
    std::fs::write(&state, "damaged").unwrap();
    assert!(EmbeddedTrainer::default().train(&cut_job, &mut |_| Continue(())).is_err(), "what was saved is taken up");
    std::fs::write(&state, saved).unwrap();
    let mut told = Vec::new();
    let again = EmbeddedTrainer::default()
        .train(&cut_job, &mut |progress| {
            told.push(progress);
            Continue(())
        })
        .unwrap();
    assert_eq!((told, again), (losses, metrics), "the earlier steps are reported again");
    let weights = |place: &Places| std::fs::read(place.output.join("model.safetensors")).unwrap();
    assert!(weights(&cut) == weights(&whole));
    assert!(weights(&cut) != std::fs::read(fixture().join("model.safetensors")).unwrap());
}

#[test]
fn a_break_cancels_sampling_and_training_which_is_resumed_to_the_same_weights() {
    let root = tempfile::tempdir().unwrap();
    let (data, settings) = (TrainingData::of_examples(examples()), settings());
    let [whole, cut] = ["whole", "cut"].map(|name| Places::new(root.path(), name));
    EmbeddedTrainer::default().train(&job(&whole, &data, &settings), &mut |_| Continue(())).unwrap();
    let stop = |step| move |progress: TrainingProgress| if progress.step == step { Break(()) } else { Continue(()) };
    let error = EmbeddedTrainer::default().train(&job(&cut, &data, &settings), &mut stop(4)).err().unwrap();
    assert!(matches!(error, Error::Cancelled) && !cut.output.exists(), "{error}");
    EmbeddedTrainer::default().train(&job(&cut, &data, &settings), &mut |_| Continue(())).unwrap();
    let weights = |place: &Places| std::fs::read(place.output.join("model.safetensors")).unwrap();
    assert!(weights(&cut) == weights(&whole));

    let mut policy = EmbeddedPolicy::default();
    policy.load(&cut.output).unwrap();
    let request = PromptRequest { prompt: "1 + 2".into(), seeds: vec![1, 2] };
    let error = policy.sample(&[request], &SamplingParams::greedy(6), &mut |_| Break(())).err().unwrap();
    assert!(matches!(error, Error::Cancelled), "{error}");
}

#[test]
fn an_example_that_does_not_fit_is_named() {
    let root = tempfile::tempdir().unwrap();
    let (mut examples, settings) = (examples(), settings());
    examples[2].completion = "1 ".repeat(40);
    let data = TrainingData::of_examples(examples);
    let place = Places::new(root.path(), "out");
    let error = EmbeddedTrainer::default().train(&job(&place, &data, &settings), &mut |_| Continue(())).err().unwrap();
    assert!(matches!(&error, Error::ExampleTooLong { problem, limit: 24, .. } if problem == "sum/3"), "{error}");

    let without = TrainingConfig { drop_too_long: true, ..settings };
    let metrics = EmbeddedTrainer::default().train(&job(&place, &data, &without), &mut |_| Continue(())).unwrap();
    assert_eq!(metrics.dropped_too_long, 1);
}

#[test]
fn sampling_is_counted_and_repeats() {
    let mut policy = EmbeddedPolicy::default();
    let sha256 = policy.load(&fixture()).unwrap();
    assert_eq!(sha256.len(), 64);
    let request = PromptRequest { prompt: "1 p 2".into(), seeds: (1..=5).collect() };
    let params = SamplingParams { temperature: 1.0, ..SamplingParams::greedy(6) };
    let mut finished = 0;
    let samples = policy
        .sample(std::slice::from_ref(&request), &params, &mut |progress| {
            finished = progress.finished;
            Continue(())
        })
        .unwrap();
    assert_eq!((finished, samples.len()), (5, 5));
    assert!(samples.iter().all(|sample| (1..=6).contains(&sample.completion_tokens) && sample.logprob.unwrap() < 0.0));
    let last = PromptRequest { seeds: vec![4, 5], ..request };
    assert_eq!(policy.sample(&[last], &params, &mut |_| Continue(())).unwrap(), samples[3..]);
}

#[test]
fn a_prompt_that_does_not_fit_is_named_by_its_request() {
    let mut policy = EmbeddedPolicy::default();
    policy.load(&fixture()).unwrap();
    let requests = ["1", &"1 p ".repeat(2000)].map(|prompt| PromptRequest { prompt: prompt.into(), seeds: vec![1, 2] });
    let error = policy.sample(&requests, &SamplingParams::greedy(6), &mut |_| Continue(())).err().unwrap();
    assert!(matches!(error, Error::Request { request: 1, .. }), "{error}");
}

#[test]
fn a_continuation_is_scored_by_its_own_tokens() {
    let mut policy = EmbeddedPolicy::default();
    policy.load(&fixture()).unwrap();
    let requests = [("1 p 2", " q 3"), ("1 p", " 7"), ("1 p 2", " q 4")];
    let requests = requests.map(|(prompt, continuation)| ScoreRequest { prompt: prompt.into(), continuation: continuation.into() });
    let mut done = 0;
    let scores = policy
        .score(&requests, &mut |progress| {
            done = progress.finished;
            Continue(())
        })
        .unwrap();
    assert_eq!(done, 3);
    let model = LanguageModel::load(&fixture()).unwrap();
    for (score, ScoreRequest { prompt, continuation }) in scores.iter().zip(&requests) {
        let tokens = |text: &str| model.tokenizer().encode(text, true).unwrap();
        let whole = model.score(&tokens(&format!("{prompt}{continuation}"))).unwrap();
        let expected: f64 = whole[tokens(prompt).len()..].iter().flatten().map(|&logprob| f64::from(logprob)).sum();
        assert!(*score < 0.0 && (score - expected).abs() < 1e-9, "{score} {expected}");
    }
    let too_long = ScoreRequest { prompt: "1 p ".repeat(2000), continuation: " 1".into() };
    let error = policy.score(&[requests[0].clone(), too_long], &mut |_| Continue(())).err().unwrap();
    assert!(matches!(error, Error::Request { request: 1, .. }), "{error}");
}
