//! The speed of the embedded engine on this machine, by a measurement of some seconds.
//!
//! A small base is measured itself, on the config's own problems. For a large one, and where the base or its problems are missing, a random
//! model of moderate size is measured instead. The measurement runs under the same memory limit as a run ([`starloop_lm::memory::budget`]), on examples
//! as long as the run's.

use super::memory::EngineMemory;
use super::problems::Problems;
use super::shapes::Shape;
use super::work::{Work, example_tokens};
use crate::config::{Config, PolicyConfig, TrainerKind, TrainingConfig};
use crate::error::{EngineContext, Error, Result};
use crate::experiment::Experiment;
use crate::policy::embedded::EmbeddedPolicy;
use crate::policy::{Policy, PromptRequest, SamplingParams};
use crate::task::arithmetic::vocabulary;
use crate::task::prompt;
use crate::types::{Mode, Problem, Style};
use serde::Serialize;
use serde_json::json;
use starloop_lm::LanguageModel;
use starloop_lm::engine::{EngineLimits, Request, sample};
use starloop_lm::initialize::{Initialization, initialize};
use starloop_lm::train::{Document, PackedEpochs, TrainingSession};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

/// The context of errors of the language model.
const CONTEXT: &str = "measuring this machine";
/// Bytes of training up to which the base itself is measured. A larger one would take minutes.
const SMALL: usize = 1 << 30;
/// Optimizer steps that the measurement of a base takes, after one to warm up.
const STEPS: u64 = 3;
/// A first step that takes this long is itself the measurement.
const LONG: Duration = Duration::from_secs(5);
/// The random model: wide enough to reach the speed of a large model's products, small enough for seconds.
const STAND_IN: [(&str, usize); 6] = [
    ("vocab_size", 4096),
    ("hidden_size", 1024),
    ("num_hidden_layers", 2),
    ("num_attention_heads", 16),
    ("intermediate_size", 2816),
    ("max_position_embeddings", 512),
];
/// Of the random model: sequences, prompt and new tokens of sampling; documents and their tokens in training.
const SEQUENCES: usize = 16;
const PROMPT: usize = 64;
const NEW: usize = 16;
const DOCUMENTS: usize = 4;
const DOCUMENT: usize = 128;

/// The parts of the embedded engine that are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// None.
    Nothing,
    /// Sampling if the config samples with it, training if the config trains with it.
    AsConfigured,
    /// Both, whatever the config samples and trains with.
    Everything,
}

impl Measure {
    /// Returns which of sampling and training are measured.
    fn parts(self, config: &Config) -> (bool, bool) {
        match self {
            Measure::Nothing => (false, false),
            Measure::AsConfigured => (config.policy == PolicyConfig::Embedded, config.trainer.kind == TrainerKind::Embedded),
            Measure::Everything => (true, true),
        }
    }
}

/// The speed of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Speed {
    /// The measured model, which decides the unit.
    pub of: Measured,
    /// Threads.
    pub threads: usize,
    /// Sampling, in tokens or operations a second; nothing if it was not measured.
    pub sampling: Option<f64>,
    /// Training, likewise.
    pub training: Option<f64>,
}

/// The model of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// The base on the config's own problems. Speeds are tokens a second.
    Base,
    /// A random llama of width 1024. Speeds are floating-point operations a second.
    StandIn,
}

impl Speed {
    /// Hours of a method's work; nothing if a part of it was not measured.
    pub(super) fn hours(&self, sampling_flops: f64, training_flops: f64, work: &Work) -> Option<f64> {
        let (sampled, trained) = match self.of {
            Measured::Base => (work.completion_tokens, work.trained_tokens as f64),
            Measured::StandIn => (sampling_flops, training_flops),
        };
        // No work takes no time.
        let seconds = |amount: f64, speed: Option<f64>| if amount == 0.0 { Some(0.0) } else { speed.map(|speed| amount / speed) };
        Some((seconds(sampled, self.sampling)? + seconds(trained, self.training)?) / 3600.0)
    }
}

/// Measures what `measure` says; nothing where it measures no part.
pub(super) fn speed(
    experiment: &Experiment,
    shape: &Shape,
    problems: &Problems,
    memory: &EngineMemory,
    measure: Measure,
) -> Result<Option<Speed>> {
    let config = experiment.config();
    let (samples, trains) = measure.parts(config);
    if !samples && !trains {
        return Ok(None);
    }
    let is_small = memory.training_within_limit() <= SMALL;
    let base = shape.directory.as_deref().filter(|directory| is_small && is_complete(directory));
    let (of, (sampling, training)) = match base {
        Some(base) if problems.has_data => (Measured::Base, of_base(experiment, base, problems, (samples, trains))?),
        _ => (Measured::StandIn, of_stand_in(samples, trains)?),
    };
    Ok(Some(Speed { of, threads: rayon::current_num_threads(), sampling, training }))
}

/// Returns true if a directory holds weights and a tokenizer, and not only the shape that a plan needs.
fn is_complete(directory: &Path) -> bool {
    let weights = ["safetensors", "bin"];
    let mut entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let has_weights = entries.any(|entry| entry.path().extension().is_some_and(|extension| weights.iter().any(|kind| extension == *kind)));
    has_weights && directory.join("tokenizer.json").exists()
}

/// Speeds of sampling and training, each if it was measured.
type Speeds = (Option<f64>, Option<f64>);

/// The base itself, in tokens a second.
fn of_base(experiment: &Experiment, base: &Path, problems: &Problems, (samples, trains): (bool, bool)) -> Result<Speeds> {
    let sampling = samples.then(|| sampling_speed(experiment.config(), problems, base)).transpose()?;
    let training = trains.then(|| training_speed(experiment, base, problems)).transpose()?;
    Ok((sampling, training))
}

/// Tokens that the base samples in a second, the time of prompts included.
fn sampling_speed(config: &Config, Problems { task, sample, .. }: &Problems, base: &Path) -> Result<f64> {
    let task = task.as_ref();
    let mut policy = EmbeddedPolicy::new(&config.model);
    policy.load(base)?;
    let prompt = |problem: &Problem| prompt::assemble(task, problem, Mode::Unhinted, Style::Rationale, config.sampling.few_shot);
    let request = |problem: &Problem| PromptRequest { prompt: prompt(problem), seeds: vec![0] };
    let requests: Vec<_> = sample.iter().map(request).collect();
    let params = config.sampling.params(task.stop_strings());
    let began = Instant::now();
    let samples = policy.sample(&requests, &params, &mut |_| ControlFlow::Continue(()))?;
    Ok(samples.iter().map(|sample| sample.completion_tokens).sum::<usize>() as f64 / began.elapsed().as_secs_f64())
}

/// Tokens that the base is trained on in a second, in examples as long as the longest ones of a method.
fn training_speed(experiment: &Experiment, base: &Path, problems: &Problems) -> Result<f64> {
    let settings = &experiment.config().training;
    let model = match &settings.lora {
        None => LanguageModel::load_to_train(base),
        Some(lora) => LanguageModel::load(base).and_then(|model| model.with_fresh_adapters(lora, 0)),
    };
    let model = model.during(CONTEXT)?;
    let (longest, vocabulary) = (settings.sequence_length.min(model.spec().context), model.spec().vocabulary);
    let methods = experiment.methods_to_run().map(|method| example_tokens(problems, method));
    let lengths = methods.collect::<Result<Vec<_>>>()?.into_iter().max_by_key(|lengths| lengths.iter().sum::<usize>());
    let document = |length: usize| Document::whole((0..length.clamp(2, longest)).map(|i| (i % vocabulary) as u32).collect());
    let documents: Vec<Document> = lengths.into_iter().flatten().map(document).collect();
    let mut epochs = PackedEpochs::new(documents, settings.batch_size, longest, 0).during(CONTEXT)?;
    let mut session = TrainingSession::new(model, settings.hyperparameters(STEPS + 1, 0)).during(CONTEXT)?;
    let mut step = |number: u64| -> Result<(f64, Duration)> {
        let began = Instant::now();
        let report = session.step(&epochs.batch(number)).during(CONTEXT)?;
        Ok((report.tokens as f64, began.elapsed()))
    };
    let (mut tokens, mut taken) = step(1)?;
    if taken < LONG {
        (tokens, taken) = (0.0, Duration::ZERO);
        for number in 2..=STEPS + 1 {
            let (more, time) = step(number)?;
            (tokens, taken) = (tokens + more, taken + time);
        }
    }
    Ok(tokens / taken.as_secs_f64())
}

/// A random llama, in operations a second.
fn of_stand_in(samples: bool, trains: bool) -> Result<Speeds> {
    let model = stand_in()?;
    let sampling = samples.then(|| stand_in_sampling(&model)).map_or(Ok(None), unless_too_large)?;
    let training = trains.then(|| stand_in_training(model)).map_or(Ok(None), unless_too_large)?;
    Ok((sampling, training))
}

/// Nothing if the stand-in does not fit into the memory of this process: that says nothing about the run, which has another model.
fn unless_too_large(speed: Result<f64>) -> Result<Option<f64>> {
    match speed {
        Err(Error::Engine { source, .. }) if matches!(*source, starloop_lm::Error::OutOfMemory { .. }) => Ok(None),
        speed => speed.map(Some),
    }
}

fn stand_in_sampling(model: &LanguageModel) -> Result<f64> {
    let request = |row: usize| Request {
        prompt: (0..PROMPT).map(|i| token(i + row * PROMPT)).collect(),
        seeds: vec![0],
        params: SamplingParams::greedy(NEW),
    };
    let requests: Vec<Request> = (0..SEQUENCES).map(request).collect();
    let seconds = second_time(&mut || sample(model, &requests, &EngineLimits::default(), &mut |_| ControlFlow::Continue(())).map(drop))?;
    let cost = super::ModelCost::new("the stand-in", model.spec(), &TrainingConfig::default())?;
    let prompts = (SEQUENCES * PROMPT) as f64 * cost.prefill_flops(PROMPT as f64);
    let completions = (SEQUENCES * NEW) as f64 * cost.forward_flops((PROMPT + NEW / 2) as f64);
    Ok((prompts + completions) / seconds)
}

fn stand_in_training(model: LanguageModel) -> Result<f64> {
    let settings = TrainingConfig::default();
    let cost = super::ModelCost::new("the stand-in", model.spec(), &settings)?;
    let document = |row: usize| Document::whole((0..DOCUMENT).map(|i| token(i + row * DOCUMENT)).collect());
    let documents: Vec<Document> = (0..DOCUMENTS).map(document).collect();
    let mut session = TrainingSession::new(model, settings.hyperparameters(2, 0)).during(CONTEXT)?;
    let seconds = second_time(&mut || session.step(&documents).map(drop))?;
    Ok((DOCUMENTS * DOCUMENT) as f64 * cost.training_flops(DOCUMENT as f64) / seconds)
}

fn stand_in() -> Result<LanguageModel> {
    let mut shape = json!({ "model_type": "llama", "tie_word_embeddings": true, "rms_norm_eps": 1e-5, "eos_token_id": 0 });
    for (key, value) in STAND_IN {
        shape[key] = value.into();
    }
    let companions = [("tokenizer.json".to_owned(), vocabulary::TOKENIZER.as_bytes().to_vec())].into();
    let scale = Initialization { embedding_std: 0.1, linear_gain: 0.7 };
    let checkpoint = initialize(shape, companions, scale, 1).during(CONTEXT)?;
    // Every completion then has all of its tokens.
    Ok(LanguageModel::from_checkpoint(checkpoint).during(CONTEXT)?.without_end_tokens())
}

fn token(i: usize) -> u32 {
    (i * 7919 % 4096) as u32
}

/// Seconds of some work when it is done for the second time.
fn second_time(work: &mut dyn FnMut() -> starloop_lm::Result<()>) -> Result<f64> {
    work().during(CONTEXT)?;
    let began = Instant::now();
    work().during(CONTEXT)?;
    Ok(began.elapsed().as_secs_f64())
}
