//! Sampling: many requests at once, each with its own random generator, over a shared key-value cache.
//!
//! Continuous batching: finished sequences leave and waiting ones enter at every step. Prompts that begin alike share the pages of
//! what they have in common, so a few-shot prefix is computed once. The scheduler (`scheduler`, `pages`) knows token ids and page
//! numbers and holds no tensors; the sampler sees one row of logits. A request's completion is the same whatever else is in the batch.

mod limits;
mod pages;
mod sampler;
mod scheduler;
mod stop;

pub use crate::decoder::CachePrecision;
pub use limits::EngineLimits;
pub use sampler::Sampling;

use crate::decoder::KeyValueCache;
use crate::error::{Error, Result};
use crate::kernels::{Kernels, PAGE};
use crate::memory;
use crate::model::LanguageModel;
use pages::PagePool;
use rayon::prelude::*;
use sampler::Sampler;
use scheduler::Scheduler;

/// A prompt and how to continue it.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The prompt's tokens; at least one.
    pub prompt: Vec<u32>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// The most tokens to generate, the end token included.
    pub max_new_tokens: usize,
    /// Seed of this request's own generator.
    pub seed: u64,
    /// Strings that end the completion, besides the model's end tokens.
    pub stop_strings: Vec<String>,
}

/// Why a completion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// An end token or a stop string.
    Stop,
    /// The limit of new tokens.
    Length,
}

/// What a request became.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// Generated tokens, the end token included.
    pub tokens: Vec<u32>,
    /// The log-probability of each under the model (natural logarithm, temperature 1, nothing cut off).
    pub logprobs: Vec<f32>,
    /// The text, without end token and without stop string.
    pub text: String,
    /// Why it ended.
    pub finish: Finish,
}

/// How far sampling has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SamplingProgress {
    /// Requests that are finished.
    pub finished: usize,
    /// Tokens generated.
    pub tokens: usize,
}

/// A sequence's own state: what it was asked and what it has generated.
struct Generation<'a> {
    request: &'a Request,
    sampler: Sampler,
    tokens: Vec<u32>,
    logprobs: Vec<f32>,
}

/// Completes every request, in the order given, within `limits` and the process's [budget](memory::budget).
pub fn sample(
    model: &LanguageModel<impl Kernels>,
    requests: &[Request],
    limits: &EngineLimits,
    progress: &mut dyn FnMut(SamplingProgress),
) -> Result<Vec<Completion>> {
    let limits = &match memory::budget() {
        Some(budget) => limits.within(budget, &model.decoder)?,
        None => *limits,
    };
    let pages = check(model, requests, limits)?;
    let mut cache = KeyValueCache::new(&model.decoder, pages, limits.cache);
    let pool = if limits.share_prefixes { PagePool::new(pages) } else { PagePool::unshared(pages) };
    let mut scheduler = Scheduler::new(requests.iter().map(|r| (r.prompt.as_slice(), r.max_new_tokens)), pool, limits);
    let start = |request| Generation { request, sampler: Sampler::new(request), tokens: Vec::new(), logprobs: Vec::new() };
    let mut generations: Vec<Generation<'_>> = requests.iter().map(start).collect();
    let mut completions: Vec<Option<Completion>> = requests.iter().map(|_| None).collect();
    let mut logits = Vec::new();
    let mut state = SamplingProgress { finished: 0, tokens: 0 };
    while let Some(step) = scheduler.plan() {
        model.decoder.step(&step.rows, &mut cache, &mut logits);
        for (index, finish) in extend(model, &step.sampled, &logits, &mut generations)? {
            match finish {
                None => scheduler.extend(index, generations[index].tokens[generations[index].tokens.len() - 1]),
                Some(finish) => {
                    scheduler.finish(index);
                    completions[index] = Some(complete(model, &mut generations[index], finish)?);
                    state.finished += 1;
                }
            }
        }
        state.tokens += step.sampled.len();
        progress(state);
    }
    Ok(completions.into_iter().flatten().collect())
}

/// Draws the next token of each sampled sequence, and says which of them end.
fn extend(
    model: &LanguageModel<impl Kernels>,
    sampled: &[usize],
    logits: &[f32],
    generations: &mut [Generation<'_>],
) -> Result<Vec<(usize, Option<Finish>)>> {
    let rows = logits.par_chunks_exact(model.spec().vocabulary);
    sampled_of(generations, sampled)
        .into_par_iter()
        .zip(rows)
        .map_init(Vec::new, |weights, ((index, generation), row)| {
            let tokens = generation.request.prompt.len() + generation.tokens.len();
            let (token, logprob) = generation.sampler.draw(row, weights).ok_or(Error::NonFiniteLogit { request: index, tokens })?;
            generation.tokens.push(token);
            generation.logprobs.push(logprob);
            Ok((index, finished(model, generation)?))
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

fn finished(model: &LanguageModel<impl Kernels>, generation: &Generation<'_>) -> Result<Option<Finish>> {
    let Generation { request, tokens, .. } = generation;
    let ended = tokens.last().is_some_and(|token| model.tokenizer().end_tokens().contains(token));
    if ended || stop::reached(model.tokenizer(), &request.prompt, tokens, &request.stop_strings)? {
        return Ok(Some(Finish::Stop));
    }
    Ok((tokens.len() >= request.max_new_tokens).then_some(Finish::Length))
}

fn complete(model: &LanguageModel<impl Kernels>, generation: &mut Generation<'_>, finish: Finish) -> Result<Completion> {
    let tokens = std::mem::take(&mut generation.tokens);
    let shown = match tokens.split_last() {
        Some((last, before)) if model.tokenizer().end_tokens().contains(last) => before,
        _ => &tokens,
    };
    let text = model.tokenizer().decode_after(&generation.request.prompt, shown)?;
    let text = stop::cut(&text, &generation.request.stop_strings).to_owned();
    Ok(Completion { tokens, logprobs: std::mem::take(&mut generation.logprobs), text, finish })
}

/// Refuses what cannot be served, and says how many pages the cache gets.
fn check(model: &LanguageModel<impl Kernels>, requests: &[Request], limits: &EngineLimits) -> Result<usize> {
    let affordable = limits.cache_bytes / model.decoder.page_bytes(limits.cache);
    let mut largest = 1;
    for (index, request) in requests.iter().enumerate() {
        let (prompt_tokens, new_tokens) = (request.prompt.len(), request.max_new_tokens);
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
    Ok(affordable.min(largest * limits.sequences.min(requests.len()).max(1)))
}
