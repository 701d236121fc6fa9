//! The policy that samples in this process.

use super::{CompletionRequest, Policy, Sample, SampleProgress, SampleRequest, SamplingParameters, ScoreRequest, Scorer};
use crate::config::{KvCache, ModelConfig};
use crate::error::{Error, Result};
use crate::types::FinishReason;
use rayon::prelude::*;
use starloop_lm::LanguageModel;
use starloop_lm::checkpoint::weights_sha256;
use starloop_lm::engine::{self, CachePrecision, Completion, EngineLimits, Finish, Request, Sampling};
use starloop_lm::score::Tail;
use std::path::Path;

/// Samples with `starloop-lm`.
#[derive(Debug, Default)]
pub struct EmbeddedPolicy {
    model: Option<LanguageModel>,
    limits: EngineLimits,
    chat: bool,
}

impl EmbeddedPolicy {
    /// A policy that samples as `[model]` says.
    pub fn new(config: &ModelConfig) -> Self {
        let cache = match config.kv_cache {
            KvCache::F32 => CachePrecision::Full,
            KvCache::F16 => CachePrecision::Half,
        };
        EmbeddedPolicy { chat: config.chat, limits: EngineLimits { cache, ..EngineLimits::default() }, model: None }
    }
}

impl Policy for EmbeddedPolicy {
    fn load(&mut self, checkpoint: &Path) -> Result<String> {
        let failed = |error| engine_error("loading a checkpoint", &error);
        // The old model goes first, so that there are never two in memory.
        self.model = None;
        self.model = Some(LanguageModel::load(checkpoint).map_err(failed)?);
        weights_sha256(checkpoint).map_err(failed)
    }

    fn unload(&mut self) {
        self.model = None;
    }

    fn sample(
        &mut self,
        requests: &[SampleRequest],
        parameters: &SamplingParameters,
        progress: &mut dyn FnMut(SampleProgress),
    ) -> Result<Vec<Sample>> {
        let failed = |error| sampling_error(&error);
        let model = loaded(self.model.as_ref())?;
        let sampling = Sampling { temperature: parameters.temperature as f32, top_k: parameters.top_k, top_p: parameters.top_p as f32 };
        let prompts = model.prompts(self.chat).map_err(failed)?;
        let encode = |request: &SampleRequest| -> starloop_lm::Result<Request> {
            Ok(Request {
                prompt: prompts.encode(&request.prompt)?,
                sampling,
                max_new_tokens: parameters.max_new_tokens,
                seed: request.seed,
                stop_strings: parameters.stop_strings.clone(),
            })
        };
        let requests = requests.par_iter().map(encode).collect::<starloop_lm::Result<Vec<_>>>().map_err(failed)?;
        let completions = engine::sample(model, &requests, &self.limits, &mut |state| {
            progress(SampleProgress { finished: state.finished as u64, tokens: state.tokens as u64 });
        });
        Ok(completions.map_err(failed)?.into_iter().zip(&requests).map(|(completion, request)| sample(completion, request)).collect())
    }

    fn score_completions(&mut self, requests: &[CompletionRequest], progress: &mut dyn FnMut(SampleProgress)) -> Result<Vec<f64>> {
        let failed = |error| sampling_error(&error);
        let model = loaded(self.model.as_ref())?;
        let prompts = model.prompts(self.chat).map_err(failed)?;
        let encode = |request: &CompletionRequest| -> starloop_lm::Result<Tail> {
            let mut tokens = prompts.encode(&request.prompt)?;
            let from = tokens.len();
            tokens.extend(model.tokenizer().encode(&request.completion, false)?);
            tokens.extend(model.tokenizer().end_tokens().first().filter(|_| request.ended));
            Ok(Tail { tokens, from })
        };
        let tails = requests.par_iter().map(encode).collect::<starloop_lm::Result<Vec<_>>>().map_err(failed)?;
        scores(model, &tails, progress)
    }
}

impl Scorer for EmbeddedPolicy {
    fn score(&mut self, requests: &[ScoreRequest], progress: &mut dyn FnMut(SampleProgress)) -> Result<Vec<f64>> {
        let failed = |error| sampling_error(&error);
        let model = loaded(self.model.as_ref())?;
        let tails = requests.par_iter().map(|request| tail(model, request)).collect::<starloop_lm::Result<Vec<_>>>().map_err(failed)?;
        scores(model, &tails, progress)
    }
}

/// The summed log-probability of each tail.
fn scores(model: &LanguageModel, tails: &[Tail], progress: &mut dyn FnMut(SampleProgress)) -> Result<Vec<f64>> {
    let scores = model.score_tails(tails, &mut |finished| {
        let tokens = tails[..finished].iter().map(|tail| tail.tokens.len() as u64).sum();
        progress(SampleProgress { finished: finished as u64, tokens });
    });
    let scores = scores.map_err(|error| sampling_error(&error))?;
    Ok(scores.iter().map(|logprobs| logprobs.iter().map(|&logprob| f64::from(logprob)).sum()).collect())
}

/// The tokens that differ from those of the prompt alone: the last letters of a prompt may be one token with the first of what follows.
fn tail(model: &LanguageModel, request: &ScoreRequest) -> starloop_lm::Result<Tail> {
    let ScoreRequest { prompt, continuation } = request;
    let before = model.tokenizer().encode(prompt, true)?;
    let tokens = model.tokenizer().encode(&format!("{prompt}{continuation}"), true)?;
    let from = before.iter().zip(&tokens).take_while(|(a, b)| a == b).count();
    Ok(Tail { tokens, from })
}

fn loaded(model: Option<&LanguageModel>) -> Result<&LanguageModel> {
    model.ok_or_else(|| Error::Engine { context: "sampling".to_owned(), message: "no checkpoint is loaded".to_owned() })
}

fn sample(completion: Completion, request: &Request) -> Sample {
    Sample {
        prompt_tokens: request.prompt.len(),
        completion_tokens: completion.tokens.len(),
        finish: match completion.finish {
            Finish::Stop => FinishReason::Stop,
            Finish::Length => FinishReason::Length,
        },
        logprob: Some(completion.logprobs.iter().map(|&logprob| f64::from(logprob)).sum()),
        text: completion.text,
    }
}

/// Keeps the number of the request, so that the caller can name the problem.
fn sampling_error(error: &starloop_lm::Error) -> Error {
    use starloop_lm::Error::{DocumentTooLong, EmptyPrompt, NonFiniteLogit, PromptTooLong};
    match *error {
        DocumentTooLong { document: request, .. }
        | PromptTooLong { request, .. }
        | EmptyPrompt { request }
        | NonFiniteLogit { request, .. } => Error::Request { request, problem: None, message: error.to_string() },
        _ => engine_error("sampling", error),
    }
}

fn engine_error(context: &str, error: &starloop_lm::Error) -> Error {
    Error::Engine { context: context.to_owned(), message: error.to_string() }
}
