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

mod limits;
mod pages;
mod params;
mod sampler;
mod scheduler;
mod stop;
mod stream;

pub use crate::decoder::CacheDtype;
pub use crate::model::score::Progress;
pub use limits::EngineLimits;
pub use params::SamplingParams;

use crate::decoder::{DecoderSpec, KeyValueCache};
use crate::error::{Error, Result};
use crate::kernels::{Kernels, PAGE};
use crate::memory;
use crate::model::LanguageModel;
use pages::PagePool;
use rayon::prelude::*;
use sampler::Sampler;
use scheduler::Scheduler;
use serde::Serialize;
use std::ops::ControlFlow;
use stream::TextStream;

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

/// The state of one sequence: what it completes and what it has generated.
struct Generation<'a> {
    /// The place of the request in the call.
    place: usize,
    /// The place of the seed in the request.
    sample: usize,
    request: &'a Request,
    sampler: Sampler,
    tokens: Vec<u32>,
    logprobs: Vec<f32>,
    stream: TextStream,
}

/// Completes every request once for each of its seeds, within `limits` and the process's [budget](memory::budget). Returns the completions
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
    let limits = &match memory::budget() {
        Some(budget) => limits.within(budget, &model.decoder)?,
        None => *limits,
    };
    let pages = check(model, requests, limits)?;
    let mut cache = KeyValueCache::new(&model.decoder, pages, limits.kv_cache);
    let pool = if limits.share_prefixes { PagePool::new(pages) } else { PagePool::unshared(pages) };
    let mut generations = start(requests);
    let sequences = generations.iter().map(|g| (g.request.prompt.as_slice(), g.request.params.max_new_tokens));
    let mut scheduler = Scheduler::new(sequences, pool, limits);
    let mut completions: Vec<Option<Completion>> = generations.iter().map(|_| None).collect();
    let mut logits = Vec::new();
    let mut state = Progress { finished: 0, tokens: 0 };
    while let Some(step) = scheduler.plan() {
        model.decoder.step(&step.rows, &mut cache, &mut logits);
        for (index, stop_reason) in extend(model, &step.sampled, &logits, &mut generations)? {
            let generation = &mut generations[index];
            if let Some(on_token) = &mut on_token {
                generation.hand_out(model, stop_reason.as_ref(), *on_token)?;
            }
            match stop_reason {
                None => scheduler.extend(index, generation.tokens[generation.tokens.len() - 1]),
                Some(stop_reason) => {
                    scheduler.finish(index);
                    completions[index] = Some(generation.complete(model, stop_reason)?);
                    state.finished += 1;
                }
            }
        }
        state.tokens += step.sampled.len() as u64;
        continue_unless_cancelled(progress(state))?;
    }
    Ok(completions.into_iter().flatten().collect())
}

fn continue_unless_cancelled(answer: ControlFlow<()>) -> Result<()> {
    if answer.is_break() { Err(Error::Cancelled { work: "sampling" }) } else { Ok(()) }
}

/// A sequence for each seed of each request.
fn start(requests: &[Request]) -> Vec<Generation<'_>> {
    let mut generations = Vec::new();
    for (place, request) in requests.iter().enumerate() {
        generations.extend(request.seeds.iter().enumerate().map(|(sample, &seed)| Generation {
            place,
            sample,
            request,
            sampler: Sampler::new(&request.params, seed),
            tokens: Vec::new(),
            logprobs: Vec::new(),
            stream: TextStream::default(),
        }));
    }
    generations
}

/// Draws the next token of each sampled sequence. Returns why the sequence ends, if it does.
fn extend(
    model: &LanguageModel<impl Kernels>,
    sampled: &[usize],
    logits: &[f32],
    generations: &mut [Generation<'_>],
) -> Result<Vec<(usize, Option<StopReason>)>> {
    let rows = logits.par_chunks_exact(model.spec().vocabulary);
    sampled_of(generations, sampled)
        .into_par_iter()
        .zip(rows)
        .map_init(Vec::new, |weights, ((index, generation), row)| {
            let tokens = generation.request.prompt.len() + generation.tokens.len();
            let (token, logprob) =
                generation.sampler.draw(row, weights).ok_or(Error::NonFiniteLogit { request: generation.place, tokens })?;
            generation.tokens.push(token);
            generation.logprobs.push(logprob);
            Ok((index, stop_reason(model, generation)?))
        })
        .collect()
}

/// The generations that are sampled, with their numbers. The scheduler admits requests in order, so these ascend.
fn sampled_of<'a, T>(generations: &'a mut [T], sampled: &[usize]) -> Vec<(usize, &'a mut T)> {
    let (mut rest, mut passed) = (generations, 0);
    let taken = sampled.iter().filter_map(|&index| {
        let (generation, after) = std::mem::take(&mut rest).get_mut(index - passed..)?.split_first_mut()?;
        (rest, passed) = (after, index + 1);
        Some((index, generation))
    });
    taken.collect()
}

/// The reason why the sequence ends with its latest token. `None` if it continues.
fn stop_reason(model: &LanguageModel<impl Kernels>, generation: &Generation<'_>) -> Result<Option<StopReason>> {
    let Generation { request: Request { prompt, params, .. }, tokens, .. } = generation;
    if tokens.last().is_some_and(|token| model.tokenizer().eos_token_ids().contains(token)) {
        return Ok(Some(StopReason::EndToken));
    }
    if let Some(stop) = stop::reached(model.tokenizer(), prompt, tokens, params)? {
        return Ok(Some(StopReason::StopString(stop.to_owned())));
    }
    Ok((tokens.len() >= params.max_new_tokens).then_some(StopReason::Length))
}

impl Generation<'_> {
    /// The text of the completion: without end token, and up to the stop string.
    fn text(&self, model: &LanguageModel<impl Kernels>) -> Result<String> {
        let shown = match self.tokens.split_last() {
            Some((last, before)) if model.tokenizer().eos_token_ids().contains(last) => before,
            _ => &self.tokens,
        };
        let mut text = model.tokenizer().decode_after(&self.request.prompt, shown)?;
        if let Some((end, _)) = self.request.params.first_stop(&text) {
            text.truncate(end);
        }
        Ok(text)
    }

    fn complete(&mut self, model: &LanguageModel<impl Kernels>, stop_reason: StopReason) -> Result<Completion> {
        let text = self.text(model)?;
        Ok(Completion { tokens: std::mem::take(&mut self.tokens), logprobs: std::mem::take(&mut self.logprobs), text, stop_reason })
    }

    /// Hands the latest token to `on_token`.
    fn hand_out(
        &mut self,
        model: &LanguageModel<impl Kernels>,
        stop_reason: Option<&StopReason>,
        on_token: &mut OnToken<'_>,
    ) -> Result<()> {
        let (Some(&token), Some(&logprob)) = (self.tokens.last(), self.logprobs.last()) else { return Ok(()) };
        let text = match stop_reason {
            None => self.stream.next(model.tokenizer(), &self.request.prompt, &self.tokens, &self.request.params)?,
            Some(_) => self.stream.rest(self.text(model)?),
        };
        continue_unless_cancelled(on_token(GeneratedToken {
            request: self.place,
            sample: self.sample,
            token,
            logprob,
            text: &text,
            stop_reason,
        }))
    }
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
