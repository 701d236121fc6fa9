//! The policy that samples in this process.

use super::{Completion, CompletionRequest, Policy, Progress, PromptRequest, SamplingParams, ScoreRequest, Scorer, TokenScore, Written};
use crate::config::{ModelConfig, RecordConfig};
use crate::error::{EngineContext, Error, Result};
use crate::types::StopReason;
use rayon::prelude::*;
use starloop_lm::LanguageModel;
use starloop_lm::checkpoint::weights_sha256;
use starloop_lm::engine::{self, EngineLimits, Request};
use starloop_lm::files::chat::Chat;
use starloop_lm::model::PromptEncoder;
use starloop_lm::score::Tail;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Once;

/// Samples with `starloop-lm`.
#[derive(Debug, Default)]
pub struct EmbeddedPolicy {
    model: Option<LanguageModel>,
    limits: EngineLimits,
    chat: Chat,
    record: RecordConfig,
}

impl EmbeddedPolicy {
    /// A policy that samples as `[model]` says.
    pub fn new(config: &ModelConfig) -> Self {
        let limits = EngineLimits { kv_cache: config.kv_cache, ..EngineLimits::default() };
        EmbeddedPolicy { chat: config.chat(), limits, ..EmbeddedPolicy::default() }
    }

    /// The same policy, whose completions hold what `[record]` asks for.
    #[must_use]
    pub fn recording(self, record: RecordConfig) -> Self {
        EmbeddedPolicy { record, ..self }
    }
}

impl Policy for EmbeddedPolicy {
    fn load(&mut self, checkpoint: &Path) -> Result<String> {
        // The old model goes first, so that there are never two in memory.
        self.model = None;
        self.model = Some(LanguageModel::load(checkpoint).during("loading a checkpoint")?);
        weights_sha256(checkpoint).during("loading a checkpoint")
    }

    fn unload(&mut self) {
        self.model = None;
    }

    fn sample(
        &mut self,
        requests: &[PromptRequest],
        params: &SamplingParams,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Vec<Completion>> {
        let model = loaded(self.model.as_ref())?;
        let prompts = model.prompt_encoder(self.chat.clone()).map_err(sampling_error)?;
        let encode = |request: &PromptRequest| -> starloop_lm::Result<Request> {
            Ok(Request { prompt: prompt_tokens(&prompts, &request.prompt)?, seeds: request.seeds.clone(), params: params.clone() })
        };
        let requests = requests.par_iter().map(encode).collect::<starloop_lm::Result<Vec<_>>>().map_err(sampling_error)?;
        let completions = engine::sample(model, &requests, &self.limits, progress).map_err(sampling_error)?;
        let prompts: Vec<&[u32]> = requests.iter().flat_map(|request| vec![request.prompt.as_slice(); request.seeds.len()]).collect();
        let read = |(completion, prompt): (engine::Completion, &[u32])| self.read(model, prompt, completion);
        completions.into_par_iter().zip(prompts).map(read).collect::<starloop_lm::Result<_>>().map_err(sampling_error)
    }

    fn score_completions(
        &mut self,
        requests: &[CompletionRequest],
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Vec<f64>> {
        let model = loaded(self.model.as_ref())?;
        let prompts = model.prompt_encoder(self.chat.clone()).map_err(sampling_error)?;
        let encode = |request: &CompletionRequest| -> starloop_lm::Result<Tail> {
            let mut tokens = prompt_tokens(&prompts, &request.prompt)?;
            let from = tokens.len();
            tokens.extend(model.tokenizer().encode_lossy(&request.completion, false)?);
            tokens.extend(request.ended.then(|| prompts.end_token()));
            Ok(Tail { tokens, from })
        };
        let tails = requests.par_iter().map(encode).collect::<starloop_lm::Result<Vec<_>>>().map_err(sampling_error)?;
        scores(model, &tails, progress)
    }
}

impl EmbeddedPolicy {
    /// A completion of the engine after this prompt, as the loop knows it.
    fn read(&self, model: &LanguageModel, prompt: &[u32], completion: engine::Completion) -> starloop_lm::Result<Completion> {
        let engine::Completion { tokens, logprobs, text, stop_reason } = completion;
        let scores = if self.record.token_logprobs {
            let ends = model.tokenizer().ends_in(&text, prompt, &tokens)?;
            Some(ends.into_iter().zip(&logprobs).map(|(end, &logprob)| TokenScore { end, logprob }).collect())
        } else {
            None
        };
        Ok(Completion {
            text,
            prompt_tokens: prompt.len(),
            completion_tokens: tokens.len(),
            stop_reason: recorded(stop_reason),
            logprob: Some(logprobs.iter().map(|&logprob| f64::from(logprob)).sum()),
            tokens: scores,
        })
    }

    /// The tokens of each completion, put after its prompt as when it is sampled and learned, and after them what ended it; nothing where all
    /// that is longer than the model's context. The text is divided into tokens anew, which a model may have done otherwise while it wrote.
    ///
    /// # Errors
    /// No model is loaded, or its chat template refuses a prompt.
    pub fn score_tokens(&self, completions: &[Written], stop_strings: &[String]) -> Result<Vec<Option<Vec<TokenScore>>>> {
        let model = loaded(self.model.as_ref())?;
        let (prompts, context) = (model.prompt_encoder(self.chat.clone()).map_err(sampling_error)?, model.spec().context);
        let encode = |written: &Written| -> starloop_lm::Result<(Tail, Vec<usize>)> {
            let mut tokens = prompt_tokens(&prompts, &written.prompt)?;
            let from = tokens.len();
            let (ids, ends): (Vec<u32>, Vec<usize>) = as_drawn(&prompts, written, stop_strings)?.into_iter().unzip();
            tokens.extend(ids);
            Ok((Tail { tokens, from }, ends))
        };
        let encoded = completions.par_iter().map(encode).collect::<starloop_lm::Result<Vec<_>>>().map_err(sampling_error)?;
        let fits = |(tail, _): &&(Tail, Vec<usize>)| tail.tokens.len() <= context;
        let tails: Vec<Tail> = encoded.iter().filter(fits).map(|(tail, _)| tail.clone()).collect();
        let mut scores = model.score_tails(&tails, &mut |_| ControlFlow::Continue(())).map_err(sampling_error)?.into_iter();
        let scored = encoded.iter().map(|document| {
            let scores = Some(document).filter(fits).and_then(|_| scores.next())?;
            Some(document.1.iter().zip(scores).map(|(&end, logprob)| TokenScore { end, logprob }).collect())
        });
        Ok(scored.collect())
    }
}

/// The tokens of a completion with what ended it: nothing, the end token or a stop string, whichever makes as many as were counted. Each with
/// the byte of the text that it ends before.
fn as_drawn(prompts: &PromptEncoder<'_>, written: &Written, stop_strings: &[String]) -> starloop_lm::Result<Vec<(u32, usize)>> {
    let ends = written.text.len();
    let mut tokens = prompts.tokenizer().encode_with_ends(&written.text)?;
    if written.stop_reason.is_cut() || tokens.len() == written.tokens {
        return Ok(tokens);
    }
    for stop in stop_strings.iter().filter(|_| tokens.len() + 1 < written.tokens) {
        let stopped = prompts.tokenizer().encode_with_ends(&format!("{}{stop}", written.text))?;
        if stopped.len() == written.tokens {
            return Ok(stopped.into_iter().map(|(id, end)| (id, end.min(ends))).collect());
        }
    }
    tokens.push((prompts.end_token(), ends));
    Ok(tokens)
}

impl Scorer for EmbeddedPolicy {
    fn score(&mut self, requests: &[ScoreRequest], progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<Vec<f64>> {
        let model = loaded(self.model.as_ref())?;
        let tails =
            requests.par_iter().map(|request| tail(model, request)).collect::<starloop_lm::Result<Vec<_>>>().map_err(sampling_error)?;
        scores(model, &tails, progress)
    }
}

/// The tokens of a prompt. Text that has no token becomes the unknown token, with one warning: a single character of a data set must not end
/// a run.
pub(crate) fn prompt_tokens(prompts: &PromptEncoder<'_>, prompt: &str) -> starloop_lm::Result<Vec<u32>> {
    known_or_lossy(prompts.encode(prompt), || prompts.encode_lossy(prompt))
}

/// The tokens of a conversation that the chat template has rendered, as [`prompt_tokens`].
pub(crate) fn conversation_tokens(tokenizer: &starloop_lm::Tokenizer, conversation: &str) -> starloop_lm::Result<Vec<u32>> {
    // The template has written the special tokens.
    known_or_lossy(tokenizer.encode(conversation, false), || tokenizer.encode_lossy(conversation, false))
}

fn known_or_lossy(
    tokens: starloop_lm::Result<Vec<u32>>,
    lossy: impl FnOnce() -> starloop_lm::Result<Vec<u32>>,
) -> starloop_lm::Result<Vec<u32>> {
    static WARNED: Once = Once::new();
    match tokens {
        Err(error @ starloop_lm::Error::UnknownText { .. }) => {
            WARNED.call_once(|| log::warn!("{error}; prompts have the unknown token in its place, or nothing if there is none"));
            lossy()
        }
        tokens => tokens,
    }
}

/// The summed log-probability of each tail.
fn scores(model: &LanguageModel, tails: &[Tail], progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<Vec<f64>> {
    let scores = model.score_tails(tails, progress).map_err(sampling_error)?;
    Ok(scores.iter().map(|logprobs| logprobs.iter().map(|&logprob| f64::from(logprob)).sum()).collect())
}

/// The tokens that differ from those of the prompt alone: the last letters of a prompt may be one token with the first of what follows.
fn tail(model: &LanguageModel, request: &ScoreRequest) -> starloop_lm::Result<Tail> {
    let ScoreRequest { prompt, continuation } = request;
    let before = model.tokenizer().encode_lossy(prompt, true)?;
    let tokens = model.tokenizer().encode_lossy(&format!("{prompt}{continuation}"), true)?;
    let from = before.iter().zip(&tokens).take_while(|(a, b)| a == b).count();
    Ok(Tail { tokens, from })
}

fn loaded(model: Option<&LanguageModel>) -> Result<&LanguageModel> {
    model.ok_or(Error::NoCheckpoint)
}

/// The cause of a completion's end, as runs record it.
fn recorded(reason: engine::StopReason) -> StopReason {
    match reason {
        engine::StopReason::EndToken => StopReason::EndToken,
        engine::StopReason::StopString(stop) => StopReason::StopString(stop),
        engine::StopReason::Length => StopReason::Length,
    }
}

/// Keeps the place of the request, so that the caller can name the problem.
fn sampling_error(error: starloop_lm::Error) -> Error {
    use starloop_lm::Error::{DocumentTooLong, EmptyPrompt, InvalidRequest, NonFiniteLogit, PromptTooLong, UnknownToken};
    match error {
        starloop_lm::Error::Cancelled { .. } => Error::Cancelled,
        DocumentTooLong { document: request, .. }
        | PromptTooLong { request, .. }
        | EmptyPrompt { request }
        | InvalidRequest { request, .. }
        | UnknownToken { index: request, .. }
        | NonFiniteLogit { request, .. } => Error::Request { request, problem: None, source: error.into() },
        source => Error::Engine { context: "sampling", source: Box::new(source) },
    }
}
