//! `starloop bench`: the speed of training and sampling on this machine, in the terms of the scripts in `bench/peers/`.

mod product;
mod requests;
mod shape;

use crate::access::Access;
use crate::console;
use crate::model::Model;
use anyhow::Result;
use requests::Job;
use serde::Serialize;
use shape::Shape;
use starloop_lm::LanguageModel;
use starloop_lm::engine::{EngineLimits, Request, SamplingParams, sample};
use starloop_lm::train::{Document, Hyperparameters, LearningRate, Schedule, TrainingSession};
use starloop_record::format::bytes;
use std::ops::ControlFlow;
use std::time::Instant;

/// Measure training and sampling speed: of a random llama of any shape, of a checkpoint on requests from a file, or of one matrix product.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop --threads 2 bench --size S --mode train --steps 5 --json
  starloop bench --mode decode --layers 2 --hidden 64 --sequences 512
  starloop bench --mode sample --model DIR --requests requests.jsonl --temperature 0.7 --json
  starloop bench --mode product --product NT:8192x768x256

Each line of the requests: {\"prompt_token_ids\": [...], \"max_new_tokens\": 93, \"seed\": 1}.")]
pub struct Arguments {
    /// The work to measure: training steps, rounds of prefill and greedy decoding, the requests of a file, or a matrix product
    #[arg(long, value_parser = ["train", "decode", "sample", "product"])]
    mode: String,
    /// With `--mode product`: how the operands are stored, and the sizes m, n and k
    #[arg(long, value_name = "LAYOUT:MxNxK", required_if_eq("mode", "product"))]
    product: Option<product::Shape>,
    #[command(flatten)]
    shape: Shape,
    #[command(flatten)]
    job: Job,
    /// Number of measured steps or rounds, after one warm-up. Requests are answered once
    #[arg(long, default_value_t = 5)]
    steps: usize,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Output<'a> {
    engine: String,
    size: &'a str,
    mode: &'a str,
    threads: usize,
    parameters: usize,
    /// Tokens of a step, round or file, and the median of the seconds that one takes.
    tokens: usize,
    seconds: f64,
    tokens_per_second: f64,
    peak_memory_mb: f64,
    /// Of a file of requests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tenths: Vec<requests::Tenth>,
}

/// The size of a piece of work, in tokens or in 10^9 floating-point operations, and the seconds of each repetition.
struct Timing {
    work: f64,
    seconds: Vec<f64>,
}

impl Timing {
    fn median(&mut self) -> f64 {
        self.seconds.sort_by(f64::total_cmp);
        self.seconds[self.seconds.len() / 2]
    }
}

pub fn run(arguments: &Arguments, access: Access) -> Result<()> {
    let Arguments { mode, product, shape, job, steps, .. } = arguments;
    if let (Some(product), "product") = (product, mode.as_str()) {
        return print_product(product.measure(), arguments.json);
    }
    // No completion ends early, so that every engine does the same work.
    let model = if mode == "sample" { Model::find(job.model(), access)?.load()? } else { shape.model()? }.without_end_tokens();
    let parameters = model.spec().parameter_count();
    let (mut timing, tenths) = match mode.as_str() {
        "train" => (train(model, shape, *steps)?, Vec::new()),
        "decode" => (decode(&model, shape, *steps)?, Vec::new()),
        _ => job.answer(&model)?,
    };
    let seconds = timing.median();
    let output = Output {
        engine: format!("starloop {}", env!("CARGO_PKG_VERSION")),
        size: shape.name(),
        mode,
        threads: rayon::current_num_threads(),
        parameters,
        tokens: timing.work as usize,
        seconds,
        tokens_per_second: timing.work / seconds,
        peak_memory_mb: memory_mb("VmHWM:"),
        tenths,
    };
    if arguments.json {
        return console::print_json(&output);
    }
    console::print(&format!("{:.0} tokens/s, {} at most", output.tokens_per_second, bytes((output.peak_memory_mb * 1e6) as u64)))
}

fn print_product(mut timing: Timing, json: bool) -> Result<()> {
    let (work, seconds) = (timing.work, timing.median());
    if json {
        return console::print_json(&serde_json::json!({ "gflop": work, "seconds": seconds, "gflop_per_second": work / seconds }));
    }
    console::print(&format!("{:.1} GFLOP/s", work / seconds))
}

fn train(model: LanguageModel, shape: &Shape, steps: usize) -> Result<Timing> {
    let learning_rate = LearningRate {
        learning_rate: 1e-4,
        warmup_steps: 0,
        steps: 1000,
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
        micro_batch_tokens: shape.micro_batch_tokens(),
        recompute_activations: false,
        dropout_seed: 0,
    };
    let mut session = TrainingSession::new(model, hyperparameters)?;
    let documents: Vec<Document> = (0..shape.batch()).map(|row| Document::whole(shape.tokens(shape.length(), row))).collect();
    measure(steps, shape.batch() * shape.length(), || Ok(session.step(&documents).map(|_| ())?))
}

fn decode(model: &LanguageModel, shape: &Shape, rounds: usize) -> Result<Timing> {
    let request =
        |row| Request { prompt: shape.tokens(shape.prompt(), row), seeds: vec![0], params: SamplingParams::greedy(shape.new_tokens()) };
    let requests: Vec<Request> = (0..shape.sequences()).map(request).collect();
    // All sequences run at once, as in the peer's script.
    let limits = EngineLimits { cache_bytes: 8 << 30, sequences: shape.sequences(), ..EngineLimits::default() };
    measure(rounds, shape.sequences() * shape.new_tokens(), || {
        Ok(sample(model, &requests, &limits, &mut |_| ControlFlow::Continue(())).map(|_| ())?)
    })
}

/// The seconds of each call after the first, which warms up.
fn measure(calls: usize, tokens: usize, mut work: impl FnMut() -> Result<()>) -> Result<Timing> {
    work()?;
    let timed = |_| {
        let began = Instant::now();
        work()?;
        Ok(began.elapsed().as_secs_f64())
    };
    Ok(Timing { work: tokens as f64, seconds: (0..calls.max(1)).map(timed).collect::<Result<_>>()? })
}

/// Memory of the process in units of 10^6 bytes, from Linux: the resident set (`VmRSS:`) or its peak (`VmHWM:`). Other systems give 0.
fn memory_mb(line: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|found| found.strip_prefix(line));
    let kilobytes: Option<f64> = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kilobytes.map_or(0.0, |kb| kb * 1024.0 / 1e6)
}
