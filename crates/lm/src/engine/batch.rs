//! A batch that requests join and leave between two steps.

use super::generation::Generation;
use super::pages::PagePool;
use super::scheduler::Scheduler;
use super::{Completion, EngineLimits, Request};
use crate::decoder::KeyValueCache;
use crate::error::Result;
use crate::kernels::{Cpu, Kernels, PAGE};
use crate::memory;
use crate::model::LanguageModel;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

/// The results of a request that a [`Batch`] hands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Each completion when it is finished.
    Completions,
    /// Each token too, as soon as it is generated.
    Tokens {
        /// Likeliest tokens that are reported beside each token.
        alternatives: usize,
    },
}

/// A token as soon as it is generated.
#[derive(Debug, Clone, PartialEq)]
pub struct NewToken {
    /// The token.
    pub id: u32,
    /// Its log-probability, as in [`Completion::logprobs`].
    pub logprob: f32,
    /// The next piece of [`Completion::text`]. It is empty while the text ends inside a character or may be the beginning of a stop string.
    pub text: String,
    /// The likeliest tokens at this place with their log-probabilities, the likeliest first.
    pub alternatives: Vec<(u32, f32)>,
}

/// The result of a step for one sequence.
#[derive(Debug)]
pub struct Update {
    /// The number that [`Batch::submit`] returned.
    pub request: u64,
    /// The place of the completion's seed in the request, counted from 0.
    pub sample: usize,
    /// The token, if the request wants tokens.
    pub token: Option<NewToken>,
    /// The completion if this was its last token, or the error that ended it.
    pub end: Option<Result<Completion>>,
}

/// Requests that are completed together. Requests can be added and cancelled between two steps. A completion does not depend on the others.
///
/// ```
/// use starloop_lm::LanguageModel;
/// use starloop_lm::engine::{Batch, Delivery, EngineLimits, Request, SamplingParams};
/// use std::path::Path;
///
/// let model = LanguageModel::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/models/arithmetic"))?;
/// let prompt = model.tokenizer().encode("Input:\n6 2 4 + 2 5 9\nTarget:\n", true)?;
/// let request = Request { prompt, seeds: vec![1], params: SamplingParams::greedy(100) };
/// let mut batch = Batch::new(&model, &EngineLimits { cache_bytes: 1 << 24, ..EngineLimits::default() })?;
/// batch.submit(request, Delivery::Completions)?;
/// while !batch.is_idle() {
///     for update in batch.step() {
///         assert!(!update.end.unwrap()?.text.is_empty());
///     }
/// }
/// # Ok::<(), starloop_lm::Error>(())
/// ```
#[derive(Debug)]
pub struct Batch<'m, K: Kernels = Cpu> {
    model: &'m LanguageModel<K>,
    cache: KeyValueCache<K>,
    scheduler: Scheduler,
    /// The sequences that are not finished, by their numbers.
    generations: HashMap<u64, Generation>,
    logits: Vec<f32>,
    /// Tokens for which the cache has room.
    capacity: usize,
    /// Requests and sequences that were added, and tokens that were generated so far.
    requests: u64,
    sequences: u64,
    generated: u64,
}

impl<'m, K: Kernels> Batch<'m, K> {
    /// An empty batch. Its cache has room for [`EngineLimits::sequences`] sequences of the model's context, or takes
    /// [`EngineLimits::cache_bytes`] if that is less, within the process's [budget](memory::budget).
    ///
    /// # Errors
    /// [`EngineLimits::check`] fails, or the budget is too small.
    pub fn new(model: &'m LanguageModel<K>, limits: &EngineLimits) -> Result<Self> {
        limits.check()?;
        let limits = limits.within_budget(model)?;
        Ok(Batch::with_pages(model, &limits, limits.pages(model)))
    }

    pub(super) fn with_pages(model: &'m LanguageModel<K>, limits: &EngineLimits, pages: usize) -> Self {
        let pool = if limits.share_prefixes { PagePool::new(pages) } else { PagePool::unshared(pages) };
        Batch {
            model,
            cache: KeyValueCache::new(&model.decoder, pages, limits.kv_cache),
            scheduler: Scheduler::new(pool, limits),
            generations: HashMap::new(),
            logits: Vec::new(),
            capacity: pages * PAGE,
            requests: 0,
            sequences: 0,
            generated: 0,
        }
    }

    /// Checks a request and adds it. Returns its number, which counts from 0.
    ///
    /// # Errors
    /// [`Request::check`] fails, or the request does not fit the key-value cache. The batch stays as it was.
    pub fn submit(&mut self, request: Request, delivery: Delivery) -> Result<u64> {
        request.check(0, self.model.spec())?;
        request.check_length(0, "the key-value cache", self.capacity)?;
        Ok(self.add(&Arc::new(request), delivery))
    }

    /// Adds a request that was checked.
    pub(super) fn add(&mut self, request: &Arc<Request>, delivery: Delivery) -> u64 {
        let number = self.requests;
        self.requests += 1;
        for sample in 0..request.seeds.len() {
            self.generations.insert(self.sequences, Generation::new(number, sample, request, delivery));
            self.scheduler.add(self.sequences, Arc::clone(request));
            self.sequences += 1;
        }
        number
    }

    /// Stops the work on these requests. No update is about them any more.
    pub fn cancel(&mut self, requests: &[u64]) {
        let Batch { generations, scheduler, .. } = self;
        generations.retain(|&sequence, generation| {
            generation.is_cancelled |= requests.contains(&generation.request_number);
            // Other sequences may share pages that this one has yet to fill. It then leaves after the step that fills them.
            !(generation.is_cancelled && scheduler.withdraw(sequence))
        });
    }

    /// Returns true if all requests are finished.
    pub fn is_idle(&self) -> bool {
        self.generations.is_empty()
    }

    /// Tokens that were generated so far.
    pub fn generated(&self) -> u64 {
        self.generated
    }

    /// Sequences that have no pages yet.
    pub fn waiting(&self) -> usize {
        self.scheduler.waiting()
    }

    /// Runs one step: a token for each sequence whose prompt is computed. Returns an update for each sequence that was finished, and for each
    /// new token of requests that want tokens.
    pub fn step(&mut self) -> Vec<Update> {
        let Some(step) = self.scheduler.plan() else { return Vec::new() };
        self.model.decoder.step(&step.rows, &mut self.cache, &mut self.logits);
        let taken = |&sequence: &u64| self.generations.remove(&sequence).map(|generation| (sequence, generation));
        let mut sampled: Vec<(u64, Generation)> = step.sampled.iter().filter_map(taken).collect();
        let rows = self.logits.par_chunks_exact(self.model.spec().vocabulary);
        let advance =
            |weights: &mut Vec<f32>, ((_, generation), row): (&mut (u64, Generation), &[f32])| generation.advance(self.model, row, weights);
        let updates: Vec<Update> = sampled.par_iter_mut().zip(rows).map_init(Vec::new, advance).collect();
        self.generated += sampled.len() as u64;
        let mut kept = Vec::new();
        for ((sequence, generation), update) in sampled.into_iter().zip(updates) {
            match generation.last_token() {
                Some(token) if update.end.is_none() && !generation.is_cancelled => {
                    self.scheduler.extend(sequence, token);
                    kept.extend(update.token.is_some().then_some(update));
                    self.generations.insert(sequence, generation);
                }
                _ => {
                    self.scheduler.finish(sequence);
                    kept.extend((!generation.is_cancelled).then_some(update));
                }
            }
        }
        kept
    }
}

impl EngineLimits {
    /// The most tokens of one sequence of a [`Batch`], its prompt included: the model's context, or the room of the cache.
    ///
    /// # Errors
    /// As [`Batch::new`].
    pub fn longest_sequence(&self, model: &LanguageModel<impl Kernels>) -> Result<usize> {
        self.check()?;
        Ok(model.spec().context.min(PAGE * self.within_budget(model)?.pages(model)))
    }

    /// Pages of the cache of a [`Batch`].
    fn pages(&self, model: &LanguageModel<impl Kernels>) -> usize {
        let wanted = model.spec().context.div_ceil(PAGE).saturating_mul(self.sequences);
        wanted.min(self.cache_bytes / model.decoder.page_bytes(self.kv_cache))
    }

    /// These limits within the process's budget, if it has one.
    pub(super) fn within_budget(self, model: &LanguageModel<impl Kernels>) -> Result<Self> {
        memory::budget().map_or(Ok(self), |budget| self.within(budget, &model.decoder))
    }
}
