//! The policy that samples in this process.

use super::{
    CompletionRequest, Policy, Sample, SampleProgress, SampleRequest, SamplingParameters, ScoreRequest, Scorer, TokenScore, Written,
};
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

impl EmbeddedPolicy {
    /// The tokens of each completion, put after its prompt as when it is sampled and learned, and after them what ended it; nothing where all
    /// that is longer than the model's context. The text is divided into tokens anew, which a model may have done otherwise while it wrote.
    ///
    /// # Errors
    /// No model is loaded, or its chat template refuses a prompt.
    pub fn score_tokens(&self, completions: &[Written], stop_strings: &[String]) -> Result<Vec<Option<Vec<TokenScore>>>> {
        let failed = |error| sampling_error(&error);
        let model = loaded(self.model.as_ref())?;
        let (prompts, context) = (model.prompts(self.chat).map_err(failed)?, model.spec().context);
        let encode = |written: &Written| -> starloop_lm::Result<(Tail, Vec<usize>)> {
            let mut tokens = prompts.encode(&written.prompt)?;
            let from = tokens.len();
            let (ids, ends): (Vec<u32>, Vec<usize>) = as_drawn(model, written, stop_strings)?.into_iter().unzip();
            tokens.extend(ids);
            Ok((Tail { tokens, from }, ends))
        };
        let encoded = completions.par_iter().map(encode).collect::<starloop_lm::Result<Vec<_>>>().map_err(failed)?;
        let fits = |(tail, _): &&(Tail, Vec<usize>)| tail.tokens.len() <= context;
        let tails: Vec<Tail> = encoded.iter().filter(fits).map(|(tail, _)| tail.clone()).collect();
        let mut scores = model.score_tails(&tails, &mut |_| {}).map_err(failed)?.into_iter();
        let scored = encoded.iter().map(|document| {
            let scores = Some(document).filter(fits).and_then(|_| scores.next())?;
            Some(document.1.iter().zip(scores).map(|(&end, logprob)| TokenScore { end, logprob }).collect())
        });
        Ok(scored.collect())
    }
}

/// The tokens of a completion with what ended it: nothing, the end token or a stop string, whichever makes as many as were counted. Each with
/// the byte of the text that it ends before.
fn as_drawn(model: &LanguageModel, written: &Written, stop_strings: &[String]) -> starloop_lm::Result<Vec<(u32, usize)>> {
    let ends = written.text.len();
    let mut tokens = model.tokenizer().encode_with_ends(&written.text)?;
    if written.finish == FinishReason::Length || tokens.len() == written.tokens {
        return Ok(tokens);
    }
    for stop in stop_strings.iter().filter(|_| tokens.len() + 1 < written.tokens) {
        let stopped = model.tokenizer().encode_with_ends(&format!("{}{stop}", written.text))?;
        if stopped.len() == written.tokens {
            return Ok(stopped.into_iter().map(|(id, end)| (id, end.min(ends))).collect());
        }
    }
    tokens.extend(model.tokenizer().end_tokens().first().map(|&id| (id, ends)));
    Ok(tokens)
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
