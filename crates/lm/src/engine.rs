//! Sampling: many requests at once, each completion with its own random generator, over a shared key-value cache.
//!
//! The engine batches continuously: at every step, finished sequences leave and waiting sequences enter. Prompts with the same beginning
//! share the cache pages of that beginning, so a few-shot prefix is computed once. The scheduler (`scheduler`, `pages`) works on token ids
//! and page numbers, and holds no tensors. The sampler sees one row of logits. A completion does not depend on the rest of the batch.
//!
//! ```
//! use starloop_lm::LanguageModel;
//! use starloop_lm::engine::{EngineLimits, Request, SamplingParams, sample};
//! use std::ops::ControlFlow;
//! use std::path::Path;
//!
//! let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/models/arithmetic");
//! let model = LanguageModel::load(&directory)?;
//! let request = Request {
//!     prompt: model.tokenizer().encode("Input:\n6 2 4 + 2 5 9\nTarget:\n", true)?,
//!     seeds: vec![1, 2, 3],
//!     params: SamplingParams { temperature: 0.8, max_new_tokens: 100, ..SamplingParams::default() },
//! };
//! let completions = sample(&model, &[request], &EngineLimits::default(), &mut |_| ControlFlow::Continue(()))?;
//! assert_eq!(completions.len(), 3);
//! # Ok::<(), starloop_lm::Error>(())
//! ```

mod batch;
mod generation;
mod limits;
mod pages;
mod params;
mod sampler;
mod scheduler;
mod stop;
mod stream;

pub use crate::decoder::CacheDtype;
pub use crate::model::score::Progress;
pub use batch::{Batch, Delivery, NewToken, Update};
pub use limits::EngineLimits;
pub use params::SamplingParams;

use crate::decoder::DecoderSpec;
use crate::error::{Error, Result};
use crate::kernels::{Kernels, PAGE};
use crate::model::LanguageModel;
use serde::Serialize;
use std::ops::ControlFlow;
use std::sync::Arc;

/// A prompt, and how it is completed.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The tokens of the prompt. At least one.
    pub prompt: Vec<u32>,
    /// The prompt is completed once for each seed: the seed of the completion's random generator. No seed gives no completion.
    pub seeds: Vec<u64>,
    /// How tokens are chosen, and what ends a completion.
    pub params: SamplingParams,
}

impl Request {
    /// Checks the request for a model with this specification. [`sample`] does so first. `index` is the request's place in the call; errors
    /// name it.
    ///
    /// # Errors
    /// The prompt is empty, has a token that is not in the vocabulary, or does not fit the model's context with its new tokens; or
    /// [`SamplingParams::check`] fails.
    pub fn check(&self, index: usize, spec: &DecoderSpec) -> Result<()> {
        self.params.check().map_err(|source| Error::InvalidRequest { request: index, source })?;
        if self.prompt.is_empty() {
            return Err(Error::EmptyPrompt { request: index });
        }
        spec.check_tokens("request", index, &self.prompt)?;
        self.check_length(index, "the model's context", spec.context)
    }

    /// Refuses a request that may come to more than `limit` tokens.
    fn check_length(&self, request: usize, what: &'static str, limit: usize) -> Result<()> {
        let (prompt_tokens, new_tokens) = (self.prompt.len(), self.params.max_new_tokens);
        if prompt_tokens.saturating_add(new_tokens) <= limit {
            return Ok(());
        }
        Err(Error::PromptTooLong { request, prompt_tokens, new_tokens, what, limit })
    }
}

/// The reason for the end of a completion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// An end token of the model.
    EndToken,
    /// This stop string.
    StopString(String),
    /// The limit of new tokens.
    Length,
}

/// One completion of a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// Generated tokens, the end token included.
    pub tokens: Vec<u32>,
    /// The log-probability of each under the model (natural logarithm, temperature 1, nothing cut off).
    pub logprobs: Vec<f32>,
    /// The text, without end token and without stop string.
    pub text: String,
    /// The reason for its end.
    pub stop_reason: StopReason,
}

/// A token as soon as it is generated, with the text that it adds to its completion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GeneratedToken<'a> {
    /// The place of the request in the call, counted from 0.
    pub request: usize,
    /// The place of the completion's seed in the request, counted from 0.
    pub sample: usize,
    /// The token.
    pub token: u32,
    /// Its log-probability, as in [`Completion::logprobs`].
    pub logprob: f32,
    /// The next piece of [`Completion::text`]. It is empty while the text ends inside a character or may be the beginning of a stop string.
    pub text: &'a str,
    /// The reason for the end of the completion, if this is its last token.
    pub stop_reason: Option<&'a StopReason>,
}

/// Receives each token as it is generated.
type OnToken<'a> = dyn FnMut(GeneratedToken<'_>) -> ControlFlow<()> + 'a;

/// Completes every request once for each of its seeds, within `limits` and the process's [budget](crate::memory::budget). Returns the completions
/// of the first request in the order of its seeds, then those of the second, and so on. Calls `progress` after each step of the batch.
///
/// # Errors
/// [`EngineLimits::check`] or [`Request::check`] fails, a request does not fit the key-value cache, or a logit is not a number. Errors name
/// the place of the request in the call. [`Error::Cancelled`] if `progress` returns [`ControlFlow::Break`].
pub fn sample(
    model: &LanguageModel<impl Kernels>,
    requests: &[Request],
    limits: &EngineLimits,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Vec<Completion>> {
    run(model, requests, limits, None, progress)
}

/// As [`sample`], and hands each token to `on_token` as soon as it is generated. The pieces of text of a completion, joined, are its text. The
/// tokens of a completion arrive in order; tokens of several completions alternate.
///
/// ```
/// use starloop_lm::LanguageModel;
/// use starloop_lm::engine::{EngineLimits, Request, SamplingParams, sample_streaming};
/// use std::ops::ControlFlow;
/// use std::path::Path;
///
/// let model = LanguageModel::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/models/arithmetic"))?;
/// let prompt = model.tokenizer().encode("Input:\n6 2 4 + 2 5 9\nTarget:\n", true)?;
/// let request = Request { prompt, seeds: vec![1], params: SamplingParams::greedy(100) };
/// let mut text = String::new();
/// let completions = sample_streaming(&model, &[request], &EngineLimits::default(), &mut |token| {
///     text += token.text;
///     ControlFlow::Continue(())
/// })?;
/// assert_eq!(completions[0].text, text);
/// # Ok::<(), starloop_lm::Error>(())
/// ```
///
/// # Errors
/// As [`sample`]. [`Error::Cancelled`] if `on_token` returns [`ControlFlow::Break`]; no further token is generated.
pub fn sample_streaming(
    model: &LanguageModel<impl Kernels>,
    requests: &[Request],
    limits: &EngineLimits,
    on_token: &mut dyn FnMut(GeneratedToken<'_>) -> ControlFlow<()>,
) -> Result<Vec<Completion>> {
    run(model, requests, limits, Some(on_token), &mut |_| ControlFlow::Continue(()))
}

fn run(
    model: &LanguageModel<impl Kernels>,
    requests: &[Request],
    limits: &EngineLimits,
    mut on_token: Option<&mut OnToken<'_>>,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Vec<Completion>> {
    let limits = limits.within_budget(model)?;
    let mut batch = Batch::with_pages(model, &limits, check(model, requests, &limits)?);
    let delivery = if on_token.is_some() { Delivery::Tokens { alternatives: 0 } } else { Delivery::Completions };
    let mut first_places = Vec::with_capacity(requests.len());
    let mut completions = Vec::new();
    for request in requests {
        first_places.push(completions.len());
        completions.resize(completions.len() + request.seeds.len(), None);
        batch.add(&Arc::new(request.clone()), delivery);
    }
    let mut state = Progress { finished: 0, tokens: 0 };
    while !batch.is_idle() {
        for Update { request, sample, token, end } in batch.step() {
            let (request, end) = (request as usize, end.transpose()?);
            if let (Some(on_token), Some(token)) = (&mut on_token, &token) {
                let NewToken { id: token, logprob, ref text, .. } = *token;
                let stop_reason = end.as_ref().map(|completion| &completion.stop_reason);
                continue_unless_cancelled(on_token(GeneratedToken { request, sample, token, logprob, text, stop_reason }))?;
            }
            if let Some(completion) = end {
                completions[first_places[request] + sample] = Some(completion);
                state.finished += 1;
            }
        }
        state.tokens = batch.generated();
        continue_unless_cancelled(progress(state))?;
    }
    Ok(completions.into_iter().flatten().collect())
}

fn continue_unless_cancelled(answer: ControlFlow<()>) -> Result<()> {
    if answer.is_break() { Err(Error::Cancelled { work: "sampling" }) } else { Ok(()) }
}

/// Checks limits and requests, and returns how many pages the cache gets.
fn check(model: &LanguageModel<impl Kernels>, requests: &[Request], limits: &EngineLimits) -> Result<usize> {
    limits.check()?;
    let affordable = limits.cache_bytes / model.decoder.page_bytes(limits.kv_cache);
    let mut largest = 1;
    for (index, request) in requests.iter().enumerate() {
        request.check(index, model.spec())?;
        request.check_length(index, "the key-value cache", affordable.saturating_mul(PAGE))?;
        largest = largest.max((request.prompt.len() + request.params.max_new_tokens).div_ceil(PAGE));
    }
    let sequences = requests.iter().map(|request| request.seeds.len()).sum();
    Ok(affordable.min(largest * limits.sequences.min(sequences).max(1)))
}
