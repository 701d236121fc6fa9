//! What a run will cost before it starts: tokens from the config, speed from a short measurement on this machine.

use crate::base_model::BaseModel;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::experiment;
use crate::policy::embedded::EmbeddedPolicy;
use crate::policy::{Policy, SampleRequest, SamplingParameters};
use crate::prompt;
use crate::task::{Style, Task};
use crate::trainer::hyperparameters;
use crate::types::{Mode, Problem};
use serde::Serialize;
use starloop_lm::LanguageModel;
use starloop_lm::train::{Document, PackedEpochs, TrainingSession};
use std::path::Path;
use std::time::Instant;

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
    /// Seconds at the measured speed.
    pub seconds: f64,
}

/// The cost of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// Measured: tokens sampled in a second, prompts' time included.
    pub sampled_tokens_per_second: f64,
    /// Measured: tokens trained in a second.
    pub trained_tokens_per_second: f64,
    /// Tokens of a completion.
    pub tokens_per_completion: f64,
    /// Each method's share, in order.
    pub methods: Vec<MethodCost>,
}

/// Estimates a config's cost with its base model on this machine. Takes a few seconds; writes nothing.
///
/// # Errors
/// The base model or the task cannot be had.
pub fn cost(config: &Config) -> Result<Cost> {
    let scratch = tempfile::tempdir()?;
    let base = BaseModel::of(&config.model)?.unpacked(&scratch.path().join("base"))?;
    let task = experiment::task(config)?;
    let problems: Vec<Problem> = task.training_problems(1).into_iter().take(PROBLEMS).collect();
    let model = LanguageModel::load_to_train(&base).map_err(|error| failed(&error))?;
    let tokens_per_completion = typical_length(config, task.as_ref(), &problems, &model)?;
    let sampled_tokens_per_second = sampling_speed(config, task.as_ref(), &problems, &base)?;
    let trained_tokens_per_second = training_speed(config, model)?;
    let methods = experiment::estimate(config)?.into_iter().map(|(method, e)| {
        let completions = e.attempts + e.evaluations;
        let sampled_tokens = (completions as f64 * tokens_per_completion) as u64;
        let seconds = sampled_tokens as f64 / sampled_tokens_per_second + e.trained_tokens as f64 / trained_tokens_per_second;
        MethodCost { method, iterations: e.iterations, completions, sampled_tokens, trained_tokens: e.trained_tokens, seconds }
    });
    let methods = methods.collect();
    Ok(Cost { sampled_tokens_per_second, trained_tokens_per_second, tokens_per_completion, methods })
}

/// Mean tokens of a reference completion, its end token included.
fn typical_length(config: &Config, task: &dyn Task, problems: &[Problem], model: &LanguageModel) -> Result<f64> {
    let mut lengths = Vec::new();
    for reference in problems.iter().filter_map(|problem| task.reference(problem)) {
        lengths.push(model.tokenizer().encode(&reference, false).map_err(|error| failed(&error))?.len() + 1);
    }
    let limit = config.sampling.max_new_tokens as f64;
    Ok(if lengths.is_empty() { limit } else { (lengths.iter().sum::<usize>() as f64 / lengths.len() as f64).min(limit) })
}

fn sampling_speed(config: &Config, task: &dyn Task, problems: &[Problem], base: &Path) -> Result<f64> {
    let mut policy = EmbeddedPolicy::new(&config.model);
    policy.load(base)?;
    let prompt = |problem: &Problem| prompt::assemble(task, problem, Mode::Unhinted, Style::Rationale, config.sampling.few_shot);
    let request = |problem: &Problem| SampleRequest { prompt: prompt(problem), seed: 0 };
    let requests: Vec<_> = problems.iter().map(request).collect();
    let parameters = SamplingParameters {
        temperature: config.sampling.temperature,
        top_k: config.sampling.top_k,
        top_p: config.sampling.top_p,
        max_new_tokens: config.sampling.max_new_tokens,
        stop_strings: task.stop_strings(),
    };
    let began = Instant::now();
    let samples = policy.sample(&requests, &parameters, &mut |_| {})?;
    Ok(samples.iter().map(|sample| sample.completion_tokens).sum::<usize>() as f64 / began.elapsed().as_secs_f64())
}

fn training_speed(config: &Config, model: LanguageModel) -> Result<f64> {
    let settings = &config.training;
    let length = settings.sequence_length.min(model.spec().context);
    let document = Document::whole((0..length).map(|i| (i % model.spec().vocabulary) as u32).collect());
    let mut epochs = PackedEpochs::new(vec![document], settings.batch_size, length, 0).map_err(|error| failed(&error))?;
    let mut session = TrainingSession::new(model, hyperparameters(settings, STEPS + 1)).map_err(|error| failed(&error))?;
    session.step(&epochs.batch(1)).map_err(|error| failed(&error))?;
    let began = Instant::now();
    for step in 2..=STEPS + 1 {
        session.step(&epochs.batch(step)).map_err(|error| failed(&error))?;
    }
    Ok((STEPS as usize * settings.batch_size * length) as f64 / began.elapsed().as_secs_f64())
}

fn failed(error: &starloop_lm::Error) -> Error {
    Error::Engine { context: "estimating".to_owned(), message: error.to_string() }
}
