//! The embedded engine on this machine: the memory that it needs, and its speed by a short measurement.

use super::problems::Work;
use super::shapes::Shape;
use crate::config::Config;
use crate::error::{EngineContext, Result};
use crate::estimate;
use crate::task::arithmetic::vocabulary;
use serde::Serialize;
use serde_json::json;
use starloop_lm::LanguageModel;
use starloop_lm::engine::{EngineLimits, Request, SamplingParams, sample};
use starloop_lm::initialize::{Initialization, initialize};
use starloop_lm::memory::{Job, MemoryNeeds, needs};
use starloop_lm::train::{Document, TrainingSession};
use std::time::Instant;

/// What is being done, for errors.
const CONTEXT: &str = "measuring this machine";
/// Sequences that the memory of sampling is told for.
const SEQUENCES: usize = 64;
/// Bytes of training up to which the base itself is measured; a larger one would not be a short measurement.
const SMALL: usize = 1 << 30;
/// Of the model that stands for a larger one: wide enough to reach the speed of a large model's products, small enough for seconds.
const STAND_IN: [(&str, usize); 6] = [
    ("vocab_size", 4096),
    ("hidden_size", 1024),
    ("num_hidden_layers", 2),
    ("num_attention_heads", 16),
    ("intermediate_size", 2816),
    ("max_position_embeddings", 512),
];
/// Sequences, prompt and new tokens of the measured sampling, and tokens of the measured training.
const MEASURED: (usize, usize, usize, usize) = (16, 64, 16, 512);

/// The embedded engine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Embedded {
    /// Bytes of sampling 64 sequences at once, as long as the config's training sequences.
    pub sampling: MemoryNeeds,
    /// Bytes of fine-tuning by the config.
    pub training: MemoryNeeds,
    /// This machine's speed, where it was measured.
    pub speed: Option<Speed>,
}

/// The speed of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Speed {
    /// What was measured.
    pub of: Measured,
    /// Threads.
    pub threads: usize,
    /// Tokens sampled in a second, where the base was measured; or else operations of sampling.
    pub sampling: f64,
    /// Tokens trained in a second, likewise.
    pub training: f64,
}

/// What a measurement was of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// The base on the config's own problems; speeds are tokens a second.
    Base,
    /// A random llama of width 1024; speeds are floating-point operations a second.
    StandIn,
}

impl Speed {
    /// Hours of a method's work.
    pub(super) fn hours(&self, sampling_flops: f64, training_flops: f64, work: &Work) -> f64 {
        let (sampled, trained) = match self.of {
            Measured::Base => (work.completion_tokens, work.trained_tokens as f64),
            Measured::StandIn => (sampling_flops, training_flops),
        };
        (sampled / self.sampling + trained / self.training) / 3600.0
    }
}

/// What the embedded engine needs, and with `measure` how fast it is.
pub(super) fn embedded(config: &Config, shape: &Shape, measure: bool) -> Result<Embedded> {
    let (settings, spec) = (&config.training, &shape.spec);
    let tokens = settings.micro_batch_tokens.max(settings.sequence_length).min(settings.batch_size * settings.sequence_length);
    let training = Job::Training { tokens, recompute: settings.recompute_activations };
    // A frozen model stays in 16 bits, as published ones are stored.
    let training = match &settings.lora {
        None => needs(spec, training, size_of::<f32>()),
        Some(lora) => needs(&spec.clone().adapted(lora).during(CONTEXT)?, training, 2),
    };
    let length = settings.sequence_length.min(spec.context);
    let sampling = needs(spec, Job::Sampling { sequences: SEQUENCES, length, step_rows: EngineLimits::default().step_rows }, 2);
    let is_base = shape.directory.as_deref().is_some_and(|directory| directory.join("tokenizer.json").exists());
    let speed = match measure {
        false => None,
        true if is_base && training.total() <= SMALL => Some(of_base(config)?),
        true => Some(of_stand_in(config)?),
    };
    Ok(Embedded { sampling, training, speed })
}

/// The base itself, where it can be measured.
fn of_base(config: &Config) -> Result<Speed> {
    match estimate::embedded_speeds(config) {
        Ok((sampling, training)) => Ok(Speed { of: Measured::Base, threads: rayon::current_num_threads(), sampling, training }),
        // Its weights or its problems are not there.
        Err(_) => of_stand_in(config),
    }
}

/// A random llama, in operations a second.
fn of_stand_in(config: &Config) -> Result<Speed> {
    let mut shape = json!({ "model_type": "llama", "tie_word_embeddings": true, "rms_norm_eps": 1e-5, "eos_token_id": u32::MAX });
    for (key, value) in STAND_IN {
        shape[key] = value.into();
    }
    let companions = [("tokenizer.json".to_owned(), vocabulary::TOKENIZER.as_bytes().to_vec())].into();
    let scale = Initialization { embedding_std: 0.1, linear_gain: 0.7 };
    let checkpoint = initialize(shape, companions, scale, 1).during(CONTEXT)?;
    let model = LanguageModel::from_checkpoint(checkpoint).during(CONTEXT)?;
    let cost = super::Model::new("the stand-in", model.spec(), &crate::config::TrainingConfig::default())?;
    let (sequences, prompt, new, trained) = MEASURED;
    let token = |i: usize| (i * 7919 % 4096) as u32;
    let request = |row: usize| Request {
        prompt: (0..prompt).map(|i| token(i + row * prompt)).collect(),
        seeds: vec![0],
        params: SamplingParams::greedy(new),
    };
    let requests: Vec<Request> = (0..sequences).map(request).collect();
    let seconds = |work: &mut dyn FnMut() -> starloop_lm::Result<()>| -> Result<f64> {
        work().during(CONTEXT)?;
        let began = Instant::now();
        work().during(CONTEXT)?;
        Ok(began.elapsed().as_secs_f64())
    };
    let sampled = seconds(&mut || sample(&model, &requests, &EngineLimits::default(), &mut |_| {}).map(drop))?;
    let sampling_flops = (sequences * prompt) as f64 * cost.prefill_flops(prompt as f64)
        + (sequences * new) as f64 * cost.forward_flops((prompt + new / 2) as f64);
    let document = Document::whole((0..trained).map(token).collect());
    let settings = config.training.hyperparameters(2, 0);
    let mut session = TrainingSession::new(model, settings).during(CONTEXT)?;
    let taken = seconds(&mut || session.step(std::slice::from_ref(&document)).map(drop))?;
    let mut passes = 3.0 * cost.forward_flops(trained as f64 / 2.0);
    if settings.recompute_activations {
        passes *= 4.0 / 3.0;
    }
    Ok(Speed {
        of: Measured::StandIn,
        threads: rayon::current_num_threads(),
        sampling: sampling_flops / sampled,
        training: trained as f64 * passes / taken,
    })
}
