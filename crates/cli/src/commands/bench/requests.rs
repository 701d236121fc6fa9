//! A file of requests, answered with the engine settings of the loop.

use super::{Timing, memory_mb};
use anyhow::{Context, Result, bail};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use starloop_lm::LanguageModel;
use starloop_lm::engine::{CacheDtype, EngineLimits, Progress, Request, SamplingParams, sample};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

/// The job of `--mode sample`.
#[derive(Debug, clap::Args)]
pub(super) struct Job {
    /// The checkpoint that answers requests: a directory in the Hugging Face layout, or builtin:NAME
    #[arg(long, value_name = "DIR", required_if_eq("mode", "sample"))]
    model: Option<String>,
    /// JSON lines of requests
    #[arg(long, value_name = "FILE", required_if_eq("mode", "sample"))]
    requests: Option<PathBuf>,
    /// Divides the logits; 0 takes the most likely token
    #[arg(long, default_value_t = 0.0)]
    temperature: f64,
    /// The number format of the cache
    #[arg(long, value_parser = ["f32", "f16"], default_value = "f32")]
    kv_cache: String,
    /// Switch this technique off, to measure its effect; may be given several times
    #[arg(long, value_parser = ["prefix-sharing", "continuous-batching", "chunked-prefill"])]
    without: Vec<String>,
    /// A string that ends a completion; may be given several times
    #[arg(long, value_name = "STR")]
    stop: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    prompt_token_ids: Vec<u32>,
    max_new_tokens: usize,
    seed: u64,
}

/// Speed and memory during a tenth of the requests of a job.
#[derive(Serialize)]
pub(super) struct Tenth {
    /// Tokens generated in a second, from the last tenth's end on.
    tokens_per_second: f64,
    /// Resident at its end, in units of 10^6 bytes.
    memory_mb: f64,
}

/// Records the tenths while requests are answered.
struct Notes {
    requests: u64,
    began: Instant,
    /// Tokens and seconds at the last tenth's end.
    last: (u64, f64),
    tenths: Vec<Tenth>,
}

impl Notes {
    fn progress(&mut self, finished: u64, tokens: u64) {
        if finished * 10 < self.requests * (self.tenths.len() as u64 + 1) {
            return;
        }
        let now = self.began.elapsed().as_secs_f64();
        let tokens_per_second = (tokens - self.last.0) as f64 / (now - self.last.1);
        self.tenths.push(Tenth { tokens_per_second, memory_mb: memory_mb("VmRSS:") });
        self.last = (tokens, now);
    }
}

impl Job {
    /// The checkpoint's name.
    pub(super) fn model(&self) -> &str {
        self.model.as_deref().expect("clap requires it with --mode sample")
    }

    /// Answers them all once, with the loop's own limits; tokens are those that were generated.
    pub(super) fn answer(&self, model: &LanguageModel) -> Result<(Timing, Vec<Tenth>)> {
        let (requests, limits) = (self.read()?, self.limits());
        // Without continuous batching the next requests wait for the longest of those before them.
        let at_once = if self.is_without("continuous-batching") { limits.sequences } else { requests.len() };
        let began = Instant::now();
        let mut notes = Notes { requests: requests.len() as u64, began, last: (0, 0.0), tenths: Vec::new() };
        let (mut finished, mut tokens) = (0, 0);
        for requests in requests.chunks(at_once) {
            let mut progress = |state: Progress| {
                notes.progress(finished + state.finished, tokens + state.tokens);
                ControlFlow::Continue(())
            };
            let completions = sample(model, requests, &limits, &mut progress)?;
            finished += requests.len() as u64;
            tokens += completions.iter().map(|completion| completion.tokens.len() as u64).sum::<u64>();
        }
        Ok((Timing { work: tokens as f64, seconds: vec![began.elapsed().as_secs_f64()] }, notes.tenths))
    }

    fn is_without(&self, idea: &str) -> bool {
        self.without.iter().any(|without| without == idea)
    }

    fn limits(&self) -> EngineLimits {
        let kv_cache = if self.kv_cache == "f16" { CacheDtype::F16 } else { CacheDtype::F32 };
        let limits = EngineLimits { kv_cache, share_prefixes: !self.is_without("prefix-sharing"), ..EngineLimits::default() };
        // Without chunked prefill a step holds whole prompts of any length.
        if self.is_without("chunked-prefill") { EngineLimits { step_rows: usize::MAX, ..limits } } else { limits }
    }

    fn read(&self) -> Result<Vec<Request>> {
        let path = self.requests.as_deref().expect("clap requires it with --mode sample");
        let request = |(number, line): (usize, &str)| {
            let Line { prompt_token_ids, max_new_tokens, seed } =
                serde_json::from_str(line).with_context(|| format!("{}, line {}", path.display(), number + 1))?;
            let (temperature, stop) = (self.temperature, self.stop.clone());
            let params = SamplingParams { temperature, stop, ..SamplingParams::greedy(max_new_tokens) };
            Ok(Request { prompt: prompt_token_ids, seeds: vec![seed], params })
        };
        let requests: Vec<Request> = fs::read_to_string(path)?.lines().enumerate().map(request).collect::<Result<_>>()?;
        if requests.is_empty() {
            bail!("{}: the file has no request; expected one JSON object on each line", path.display());
        }
        Ok(requests)
    }
}
