//! Bounds on a step's work and on memory, and the bounds that fit a budget.

use crate::decoder::{CacheDtype, Decoder, DecoderSpec};
use crate::error::{Error, InvalidSetting, Result};
use crate::kernels::Kernels;
use crate::memory::{Job, besides, needs};

/// Bounds on the work of one step and on memory. Of these fields, only the type of the cache changes completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineLimits {
    /// Sequences at once.
    pub sequences: usize,
    /// Rows (tokens) in one step. Longer prompts are computed over several steps.
    pub step_rows: usize,
    /// Bytes of the key-value cache.
    pub cache_bytes: usize,
    /// True if the common beginning of several prompts is computed once. Turn it off only to measure its effect.
    pub share_prefixes: bool,
    /// The type of the cached keys and values.
    pub kv_cache: CacheDtype,
}

impl Default for EngineLimits {
    fn default() -> Self {
        EngineLimits { sequences: 256, step_rows: 1024, cache_bytes: 1 << 29, share_prefixes: true, kv_cache: CacheDtype::F32 }
    }
}

/// The fewest rows to which a budget reduces a step.
const FEWEST_ROWS: usize = 64;

impl EngineLimits {
    /// Checks every value. [`sample`](super::sample) does so first.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        InvalidSetting::unless(self.sequences > 0, "sequences", "at least 1", self.sequences)?;
        InvalidSetting::unless(self.step_rows > 0, "step_rows", "at least 1", self.step_rows)
    }

    /// The bounds, none above those of `self`, under which sampling stays within `budget` bytes, weights included. Sequences and rows are
    /// reduced until their buffers take at most a quarter of the free memory. The cache gets the rest.
    ///
    /// # Errors
    /// The budget is too small for one sequence of one page.
    pub fn within<K: Kernels>(self, budget: usize, decoder: &Decoder<K>) -> Result<Self> {
        let spec = decoder.spec();
        let besides = besides();
        let fixed = sampling_needs(spec, decoder.matrix_width(), 0, 0) + besides;
        let free = budget.saturating_sub(fixed);
        let buffers =
            |limits: &EngineLimits| sampling_needs(spec, decoder.matrix_width(), limits.sequences, limits.step_rows) + besides - fixed;
        let mut limits = self;
        while buffers(&limits) > free / 4 && (limits.sequences > 1 || limits.step_rows > FEWEST_ROWS) {
            limits.sequences = (limits.sequences / 2).max(1);
            limits.step_rows = (limits.step_rows / 2).max(FEWEST_ROWS);
        }
        limits.cache_bytes = free.saturating_sub(buffers(&limits));
        let page = decoder.page_bytes(limits.kv_cache);
        if limits.cache_bytes < page {
            let needed = fixed + buffers(&limits) + page;
            return Err(Error::OutOfMemory { what: "sampling", budget, needed, remedy: "a smaller model or one stored in 16 bits" });
        }
        Ok(limits)
    }
}

/// Bytes of the weights and of the buffers of a step, without the cache.
fn sampling_needs(spec: &DecoderSpec, matrix_width: usize, sequences: usize, step_rows: usize) -> usize {
    needs(spec, Job::Sampling { sequences, length: 0, step_rows }, matrix_width).total()
}
