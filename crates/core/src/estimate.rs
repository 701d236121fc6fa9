//! What a run will cost before it starts: tokens from the config, speed from a short measurement on this machine.
//!
//! What servers sample and other programs train is counted, but not measured: this machine's speed says nothing of theirs.

use crate::base_model::BaseModel;
use crate::config::{Config, PolicyConfig, TrainerKind};
use crate::error::{EngineContext, Result};
use crate::experiment;
use crate::policy::embedded::EmbeddedPolicy;
use crate::policy::{Policy, PromptRequest};
use crate::prompt;
use crate::task::{Style, Task};
use crate::types::{Mode, Problem};
use serde::Serialize;
use starloop_lm::model::PromptEncoder;
use starloop_lm::train::{Document, PackedEpochs, TrainingSession};
use starloop_lm::{LanguageModel, Tokenizer};
use std::path::Path;
use std::time::Instant;

/// What is being done, for errors.
const CONTEXT: &str = "estimating";
/// Problems that the measurement samples.
const PROBLEMS: usize = 128;
/// Optimizer steps that the measurement takes, after one to warm up.
const STEPS: u64 = 3;

/// The cost of one method.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MethodCost {
    /// The method's name in the config.
    pub method: String,
    /// Outer iterations, at most.
    pub iterations: u32,
    /// Completions, as if every problem needed a rationalization.
    pub completions: u64,
    /// Tokens of those completions, at the length of the task's reference rationales, or at `max_new_tokens` where it has none.
    pub sampled_tokens: u64,
    /// Tokens that go through the model in training, as if every packed sequence were full.
    pub trained_tokens: u64,
    /// Seconds at the measured speed; nothing where a part of it was not measured.
    pub seconds: Option<f64>,
    /// How often servers are started, or told to load another checkpoint: for the base, and for the model of each iteration.
    pub server_starts: u64,
    /// How often a training program is started.
    pub trainer_starts: u64,
}

/// The cost of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// Measured: tokens sampled in a second, prompts' time included; nothing where servers sample.
    pub sampled_tokens_per_second: Option<f64>,
    /// Measured: tokens trained in a second; nothing where another program trains.
    pub trained_tokens_per_second: Option<f64>,
    /// Tokens of a completion.
    pub tokens_per_completion: f64,
    /// Each method's share, in order.
    pub methods: Vec<MethodCost>,
}

/// Whether a config's sampling is done by this process, and its training.
fn is_embedded(config: &Config) -> (bool, bool) {
    (config.policy == PolicyConfig::Embedded, config.trainer.kind == TrainerKind::Embedded)
}

/// Estimates a config's cost with its base model on this machine. Takes a few seconds; writes nothing.
///
/// # Errors
/// The base model or the task cannot be had.
pub fn cost(config: &Config) -> Result<Cost> {
    let (samples, trains) = is_embedded(config);
    let Measured { sampling, training, tokens_per_completion } = measure(config, samples, trains)?;
    let methods = experiment::estimate(config)?.into_iter().map(|(method, e)| {
        let completions = e.attempts + e.evaluations;
        let sampled_tokens = (completions as f64 * tokens_per_completion) as u64;
        let trainings = if e.trained_tokens > 0 { u64::from(e.iterations) } else { 0 };
        // Nothing takes no time, whoever does it.
        let seconds = |tokens: u64, speed: Option<f64>| if tokens == 0 { Some(0.0) } else { speed.map(|speed| tokens as f64 / speed) };
        MethodCost {
            method,
            iterations: e.iterations,
            completions,
            sampled_tokens,
            trained_tokens: e.trained_tokens,
            seconds: seconds(sampled_tokens, sampling).zip(seconds(e.trained_tokens, training)).map(|(sampled, trained)| sampled + trained),
            server_starts: if samples { 0 } else { 1 + trainings },
            trainer_starts: if trains { 0 } else { trainings },
        }
    });
    let methods = methods.collect();
    Ok(Cost { sampled_tokens_per_second: sampling, trained_tokens_per_second: training, tokens_per_completion, methods })
}

/// Tokens that the embedded engine samples and trains in a second, whoever does it in the config.
pub(crate) fn embedded_speeds(config: &Config) -> Result<(f64, f64)> {
    let Measured { sampling, training, .. } = measure(config, true, true)?;
    Ok((sampling.expect("it was measured"), training.expect("it was measured")))
}

/// What a measurement tells.
struct Measured {
    sampling: Option<f64>,
    training: Option<f64>,
    tokens_per_completion: f64,
}

/// Measures sampling, training or neither; then the base is asked for its tokenizer alone, as its weights may not fit here.
fn measure(config: &Config, samples: bool, trains: bool) -> Result<Measured> {
    let scratch = tempfile::tempdir()?;
    let base = BaseModel::of(&config.model)?.unpacked(&scratch.path().join("base"))?;
    let task = experiment::task(config)?;
    let problems: Vec<Problem> = task.training_problems(1).into_iter().take(PROBLEMS).collect();
    let prompts = PromptEncoder::load(&base, false).during(CONTEXT)?;
    let tokens_per_completion = typical_length(config, task.as_ref(), &problems, prompts.tokenizer())?;
    let sampling = samples.then(|| sampling_speed(config, task.as_ref(), &problems, &base)).transpose()?;
    let training = trains.then(|| training_speed(config, &base)).transpose()?;
    Ok(Measured { sampling, training, tokens_per_completion })
}

/// Mean tokens of a reference completion, its end token included.
fn typical_length(config: &Config, task: &dyn Task, problems: &[Problem], tokenizer: &Tokenizer) -> Result<f64> {
    let mut lengths = Vec::new();
    for reference in problems.iter().filter_map(|problem| task.reference(problem)) {
        lengths.push(tokenizer.encode(&reference, false).during(CONTEXT)?.len() + 1);
    }
    let limit = config.sampling.max_new_tokens as f64;
    Ok(if lengths.is_empty() { limit } else { (lengths.iter().sum::<usize>() as f64 / lengths.len() as f64).min(limit) })
}

fn sampling_speed(config: &Config, task: &dyn Task, problems: &[Problem], base: &Path) -> Result<f64> {
    let mut policy = EmbeddedPolicy::new(&config.model);
    policy.load(base)?;
    let prompt = |problem: &Problem| prompt::assemble(task, problem, Mode::Unhinted, Style::Rationale, config.sampling.few_shot);
    let request = |problem: &Problem| PromptRequest { prompt: prompt(problem), seeds: vec![0] };
    let requests: Vec<_> = problems.iter().map(request).collect();
    let params = config.sampling.params(task.stop_strings());
    let began = Instant::now();
    let completions = policy.sample(&requests, &params, &mut |_| {})?;
    Ok(completions.iter().map(|completion| completion.completion_tokens).sum::<usize>() as f64 / began.elapsed().as_secs_f64())
}

fn training_speed(config: &Config, base: &Path) -> Result<f64> {
    let model = LanguageModel::load_to_train(base).during(CONTEXT)?;
    let settings = &config.training;
    let length = settings.sequence_length.min(model.spec().context);
    let document = Document::whole((0..length).map(|i| (i % model.spec().vocabulary) as u32).collect());
    let mut epochs = PackedEpochs::new(vec![document], settings.batch_size, length, 0).during(CONTEXT)?;
    let mut session = TrainingSession::new(model, settings.hyperparameters(STEPS + 1, 0)).during(CONTEXT)?;
    session.step(&epochs.batch(1)).during(CONTEXT)?;
    let began = Instant::now();
    for step in 2..=STEPS + 1 {
        session.step(&epochs.batch(step)).during(CONTEXT)?;
    }
    Ok((STEPS as usize * settings.batch_size * length) as f64 / began.elapsed().as_secs_f64())
}
