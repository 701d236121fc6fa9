//! `starloop bench`: speed of training and sampling on a random llama, in the terms of `bench/peers/pytorch_llama.py`.

use crate::console;
use anyhow::Result;
use serde::Serialize;
use serde_json::json;
use starloop_core::task::arithmetic::vocabulary;
use starloop_lm::LanguageModel;
use starloop_lm::engine::{EngineLimits, Request, Sampling, sample};
use starloop_lm::initialize::{Initialization, initialize};
use starloop_lm::train::{Decay, Document, Hyperparameters, Schedule, TrainingSession};
use std::time::Instant;

/// Measure training and sampling speed on a random model.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  starloop --threads 2 bench --size S --mode train --steps 5 --json")]
pub struct Arguments {
    /// Which model
    #[arg(long, value_parser = ["S", "M", "L"])]
    size: String,
    /// What is measured: training steps, or rounds of prefill and greedy decoding
    #[arg(long, value_parser = ["train", "decode"])]
    mode: String,
    /// Measured steps or rounds, after one to warm up
    #[arg(long, default_value_t = 5)]
    steps: usize,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

struct Size {
    layers: usize,
    hidden: usize,
    heads: usize,
    intermediate: usize,
    vocabulary: usize,
    batch: usize,
    length: usize,
    sequences: usize,
}

/// Tokens of a decoding round: prompt and new ones of each sequence.
const PROMPT: usize = 64;
const NEW: usize = 192;

fn size(name: &str) -> Size {
    match name {
        "S" => Size { layers: 6, hidden: 256, heads: 8, intermediate: 768, vocabulary: 64, batch: 32, length: 256, sequences: 256 },
        "M" => Size { layers: 12, hidden: 768, heads: 12, intermediate: 2048, vocabulary: 50257, batch: 4, length: 256, sequences: 16 },
        _ => Size { layers: 24, hidden: 1024, heads: 16, intermediate: 2816, vocabulary: 32000, batch: 2, length: 512, sequences: 8 },
    }
}

#[derive(Serialize)]
struct Output<'a> {
    engine: String,
    size: &'a str,
    mode: &'a str,
    threads: usize,
    tokens_per_second: f64,
    peak_memory_mb: f64,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let size = size(&arguments.size);
    let model = model(&size)?;
    let mut rates = if arguments.mode == "train" { train(model, &size, arguments.steps)? } else { decode(&model, &size, arguments.steps)? };
    rates.sort_by(f64::total_cmp);
    let output = Output {
        engine: format!("starloop {}", env!("CARGO_PKG_VERSION")),
        size: &arguments.size,
        mode: &arguments.mode,
        threads: rayon::current_num_threads(),
        tokens_per_second: rates[rates.len() / 2],
        peak_memory_mb: peak_memory_mb(),
    };
    if arguments.json {
        return console::print_json(&output);
    }
    console::print(&format!("{:.0} tokens/s, {:.0} MB at most", output.tokens_per_second, output.peak_memory_mb))
}

/// A random llama whose end token is none of its vocabulary, so that nothing ends early.
fn model(size: &Size) -> Result<LanguageModel> {
    let config = json!({
        "model_type": "llama", "vocab_size": size.vocabulary, "hidden_size": size.hidden, "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads, "intermediate_size": size.intermediate, "max_position_embeddings": 1024,
        "tie_word_embeddings": true, "rms_norm_eps": 1e-5, "eos_token_id": u32::MAX,
    });
    let companions = [("tokenizer.json".to_owned(), vocabulary::TOKENIZER.as_bytes().to_vec())].into();
    let scale = Initialization { embedding_std: 0.1, linear_gain: 0.7 };
    Ok(LanguageModel::from_checkpoint(initialize(config, companions, scale, 1)?)?)
}

/// Token ids that differ, without a pattern that a cache could use.
fn tokens(count: usize, salt: usize, size: &Size) -> Vec<u32> {
    (0..count).map(|i| ((i * 7919 + salt * 104_729 + i * i * 31) % size.vocabulary) as u32).collect()
}

fn train(model: LanguageModel, size: &Size, steps: usize) -> Result<Vec<f64>> {
    let schedule =
        Schedule { learning_rate: 1e-4, warmup_steps: 0, steps: 1000, decay: Decay::Constant, decay_start: 0.0, final_share: 1.0 };
    let hyperparameters = Hyperparameters {
        schedule,
        betas: (0.9, 0.95),
        epsilon: 1e-8,
        weight_decay: 0.1,
        max_grad_norm: 1.0,
        micro_batch_tokens: size.batch * size.length,
        recompute_activations: false,
        dropout_seed: 0,
    };
    let mut session = TrainingSession::new(model, hyperparameters)?;
    let documents: Vec<Document> = (0..size.batch).map(|row| Document::whole(tokens(size.length, row, size))).collect();
    measure(steps, size.batch * size.length, || Ok(session.step(&documents).map(|_| ())?))
}

fn decode(model: &LanguageModel, size: &Size, rounds: usize) -> Result<Vec<f64>> {
    let request = |row| Request {
        prompt: tokens(PROMPT, row, size),
        sampling: Sampling::GREEDY,
        max_new_tokens: NEW,
        seed: 0,
        stop_strings: Vec::new(),
    };
    let requests: Vec<Request> = (0..size.sequences).map(request).collect();
    let limits = EngineLimits { cache_bytes: 2 << 30, ..EngineLimits::default() };
    measure(rounds, size.sequences * NEW, || Ok(sample(model, &requests, &limits, &mut |_| {}).map(|_| ())?))
}

/// Tokens per second of each call after the first.
fn measure(calls: usize, tokens: usize, mut work: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
    work()?;
    (0..calls.max(1))
        .map(|_| {
            let began = Instant::now();
            work()?;
            Ok(tokens as f64 / began.elapsed().as_secs_f64())
        })
        .collect()
}

/// The process's peak resident set in units of 10^6 bytes; 0 where the system does not tell.
fn peak_memory_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes: Option<f64> = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kilobytes.map_or(0.0, |kb| kb * 1024.0 / 1e6)
}
