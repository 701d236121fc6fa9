//! Sampling: many requests at once, each with its own random generator, over a shared key-value cache.
//!
//! Continuous batching: finished sequences leave and waiting ones enter at every step. Prompts that begin alike share the pages of
//! what they have in common, so a few-shot prefix is computed once. The scheduler (`scheduler`, `pages`) knows token ids and page
//! numbers and holds no tensors; the sampler sees one row of logits. A completion is the same whatever else is in the batch.

mod limits;
mod pages;
mod params;
mod sampler;
mod scheduler;
mod stop;

pub use crate::decoder::CacheDtype;
pub use crate::model::score::Progress;
pub use limits::EngineLimits;
pub use params::SamplingParams;

use crate::decoder::KeyValueCache;
use crate::error::{Error, Result};
use crate::kernels::{Kernels, PAGE};
use crate::memory;
use crate::model::LanguageModel;
use pages::PagePool;
use rayon::prelude::*;
use sampler::Sampler;
use scheduler::Scheduler;
use serde::Serialize;

/// A prompt, and how it is completed: once for each seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The prompt's tokens; at least one.
    pub prompt: Vec<u32>,
    /// For each completion the seed of its random generator.
    pub seeds: Vec<u64>,
    /// How tokens are chosen, and what ends a completion.
    pub params: SamplingParams,
}

/// What ended a completion.
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
    /// What ended it.
    pub stop_reason: StopReason,
}

/// The state of one sequence: what it completes and what it has generated.
struct Generation<'a> {
    /// The place of the request in the call.
    place: usize,
    request: &'a Request,
    sampler: Sampler,
    tokens: Vec<u32>,
    logprobs: Vec<f32>,
}

/// Completes every request once for each of its seeds, within `limits` and the process's [budget](memory::budget). Returns the completions
/// of the first request in the order of its seeds, then those of the second, and so on.
///
/// # Errors
/// A prompt is empty or does not fit, or a logit is not a number. These errors name the place of the request in the call.
pub fn sample(
    model: &LanguageModel<impl Kernels>,
    requests: &[Request],
    limits: &EngineLimits,
    progress: &mut dyn FnMut(Progress),
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
            match stop_reason {
                None => scheduler.extend(index, generations[index].tokens[generations[index].tokens.len() - 1]),
                Some(stop_reason) => {
                    scheduler.finish(index);
                    completions[index] = Some(complete(model, &mut generations[index], stop_reason)?);
                    state.finished += 1;
                }
            }
        }
        state.tokens += step.sampled.len() as u64;
        progress(state);
    }
    Ok(completions.into_iter().flatten().collect())
}

/// A sequence for each seed of each request.
fn start(requests: &[Request]) -> Vec<Generation<'_>> {
    let mut generations = Vec::new();
    for (place, request) in requests.iter().enumerate() {
        generations.extend(request.seeds.iter().map(|&seed| {
            let sampler = Sampler::new(&request.params, seed);
            Generation { place, request, sampler, tokens: Vec::new(), logprobs: Vec::new() }
        }));
    }
    generations
}

/// Draws the next token of each sampled sequence, and says which of them end.
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

/// What the latest token ended the sequence by; nothing while it goes on.
fn stop_reason(model: &LanguageModel<impl Kernels>, generation: &Generation<'_>) -> Result<Option<StopReason>> {
    let Generation { request: Request { prompt, params, .. }, tokens, .. } = generation;
    if tokens.last().is_some_and(|token| model.tokenizer().end_tokens().contains(token)) {
        return Ok(Some(StopReason::EndToken));
    }
    if let Some(stop) = stop::reached(model.tokenizer(), prompt, tokens, params)? {
        return Ok(Some(StopReason::StopString(stop.to_owned())));
    }
    Ok((tokens.len() >= params.max_new_tokens).then_some(StopReason::Length))
}

fn complete(model: &LanguageModel<impl Kernels>, generation: &mut Generation<'_>, stop_reason: StopReason) -> Result<Completion> {
    let Request { prompt, params, .. } = generation.request;
    let tokens = std::mem::take(&mut generation.tokens);
    let shown = match tokens.split_last() {
        Some((last, before)) if model.tokenizer().end_tokens().contains(last) => before,
        _ => &tokens,
    };
    let mut text = model.tokenizer().decode_after(prompt, shown)?;
    if let Some((end, _)) = params.first_stop(&text) {
        text.truncate(end);
    }
    Ok(Completion { tokens, logprobs: std::mem::take(&mut generation.logprobs), text, stop_reason })
}

/// Refuses what cannot be served, and says how many pages the cache gets.
fn check(model: &LanguageModel<impl Kernels>, requests: &[Request], limits: &EngineLimits) -> Result<usize> {
    let affordable = limits.cache_bytes / model.decoder.page_bytes(limits.kv_cache);
    let mut largest = 1;
    for (index, request) in requests.iter().enumerate() {
        let (prompt_tokens, new_tokens) = (request.prompt.len(), request.params.max_new_tokens);
        if prompt_tokens == 0 {
            return Err(Error::EmptyPrompt { request: index });
        }
        for (what, limit) in [("the model's context", model.spec().context), ("the key-value cache", affordable * PAGE)] {
            if prompt_tokens + new_tokens > limit {
                return Err(Error::PromptTooLong { request: index, prompt_tokens, new_tokens, what, limit });
            }
        }
        largest = largest.max((prompt_tokens + new_tokens).div_ceil(PAGE));
    }
    let sequences = requests.iter().map(|request| request.seeds.len()).sum();
    Ok(affordable.min(largest * limits.sequences.min(sequences).max(1)))
}
