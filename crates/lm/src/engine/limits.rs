//! Bounds on a step's work and on memory, and the bounds that fit a budget.

use crate::decoder::{CacheDtype, Decoder, DecoderSpec};
use crate::error::{Error, Result};
use crate::kernels::Kernels;
use crate::memory::{BESIDES, Job, needs};

/// Bounds on the work of one step and on memory. Completions depend on none of them except the type of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineLimits {
    /// Sequences at once.
    pub sequences: usize,
    /// Rows (tokens) in one step; longer prompts are computed over several steps.
    pub step_rows: usize,
    /// Bytes of the key-value cache.
    pub cache_bytes: usize,
    /// Whether prompts that begin alike are computed once; off only to see what it gives.
    pub share_prefixes: bool,
    /// The type of the cached keys and values.
    pub kv_cache: CacheDtype,
}

impl Default for EngineLimits {
    fn default() -> Self {
        EngineLimits { sequences: 256, step_rows: 1024, cache_bytes: 1 << 29, share_prefixes: true, kv_cache: CacheDtype::F32 }
    }
}

/// The least rows of a step.
const FEWEST_ROWS: usize = 64;

impl EngineLimits {
    /// The bounds under which sampling stays within `budget` bytes, weights included: as many sequences and rows as leave three quarters of
    /// what is free to the cache, and no more than these.
    ///
    /// # Errors
    /// Not even one sequence of one page fits.
    pub fn within<K: Kernels>(self, budget: usize, decoder: &Decoder<K>) -> Result<Self> {
        let spec = decoder.spec();
        let fixed = sampling_needs(spec, decoder.matrix_width(), 0, 0) + BESIDES;
        let free = budget.saturating_sub(fixed);
        let buffers =
            |limits: &EngineLimits| sampling_needs(spec, decoder.matrix_width(), limits.sequences, limits.step_rows) + BESIDES - fixed;
        let mut limits = self;
        while buffers(&limits) > free / 4 && (limits.sequences > 1 || limits.step_rows > FEWEST_ROWS) {
            limits.sequences = (limits.sequences / 2).max(1);
            limits.step_rows = (limits.step_rows / 2).max(FEWEST_ROWS);
        }
        limits.cache_bytes = free.saturating_sub(buffers(&limits));
        let page = decoder.page_bytes(limits.kv_cache);
        if limits.cache_bytes < page {
            let needed = fixed + buffers(&limits) + page;
            return Err(Error::BudgetTooSmall { what: "sampling", budget, needed, remedy: "a smaller model or one stored in 16 bits" });
        }
        Ok(limits)
    }
}

/// Bytes of weights and step buffers, without the cache.
fn sampling_needs(spec: &DecoderSpec, matrix_width: usize, sequences: usize, step_rows: usize) -> usize {
    needs(spec, Job::Sampling { sequences, length: 0, step_rows }, matrix_width).total()
}
