//! The memory that sampling and training a model need, computed before the model is loaded.
//!
//! The decoder counts the buffers that it reserves. A job uses these figures plus the overhead of the allocator and of the threads.

use crate::decoder::{CacheDtype, DecoderSpec, table_positions};
use crate::kernels::PAGE;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

const FULL: usize = size_of::<f32>();

/// The memory of a process besides the model: the program, the tokenizer, some requests or documents and their text.
const BESIDES: usize = 96 << 20;

static BUDGET: OnceLock<usize> = OnceLock::new();

/// Sets the bytes that this process may use. Sampling and training reduce their batches to stay within this budget, or fail with
/// [`Error::OutOfMemory`](crate::Error::OutOfMemory). Only the first call has an effect.
pub fn set_budget(bytes: usize) {
    BUDGET.get_or_init(|| bytes);
}

/// The bytes that this process may use, if [`set_budget`] was called.
pub fn budget() -> Option<usize> {
    BUDGET.get().copied()
}

/// Memory of the caller that sampling and training count as used, such as training data, as long as this value exists.
#[derive(Debug)]
pub struct Held(usize);

static HELD: AtomicUsize = AtomicUsize::new(0);

impl Held {
    /// Counts `bytes` as used.
    pub fn new(bytes: usize) -> Self {
        HELD.fetch_add(bytes, Ordering::Relaxed);
        Held(bytes)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// The bytes of the process besides the model.
pub(crate) fn besides() -> usize {
    BESIDES + HELD.load(Ordering::Relaxed)
}

/// The bytes that a job holds at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct MemoryNeeds {
    /// The model's weights, rotary tables included.
    pub weights: usize,
    /// Gradients and the two moments of the optimizer, for the trained parameters.
    pub optimizer: usize,
    /// Activations of a pass, or the buffers of a sampling step.
    pub activations: usize,
    /// Keys and values of the sequences being sampled.
    pub cache: usize,
}

impl MemoryNeeds {
    /// The sum.
    pub fn total(&self) -> usize {
        self.weights + self.optimizer + self.activations + self.cache
    }
}

/// A job that needs memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Sampling `sequences` at once, each of up to `length` tokens, at most `step_rows` rows in a step.
    Sampling {
        /// Sequences at once.
        sequences: usize,
        /// Tokens of each, its prompt included.
        length: usize,
        /// Rows of a step.
        step_rows: usize,
    },
    /// Training with `tokens` tokens that go through the model at once.
    Training {
        /// Tokens at once.
        tokens: usize,
        /// True if the backward pass computes activations again.
        recompute: bool,
    },
}

/// The memory that a job needs. `matrix_bytes` is the width of an element of a matrix that is not trained: 2 if the checkpoint stores it in 16
/// bits. Trained parameters take 4 bytes for each element.
pub fn needs(spec: &DecoderSpec, job: Job, matrix_bytes: usize) -> MemoryNeeds {
    let trains = matches!(job, Job::Training { .. });
    let mut needs = MemoryNeeds::default();
    for (at, parameter) in spec.parameters.iter().enumerate() {
        let trained = trains && spec.is_trained(at);
        let width = if trained || !parameter.is_matrix() { FULL } else { matrix_bytes };
        needs.weights += parameter.len() * width;
        needs.optimizer += if trained { 3 * FULL * parameter.len() } else { 0 };
    }
    let used = match job {
        Job::Sampling { length, .. } => length,
        Job::Training { tokens, .. } => tokens,
    };
    needs.weights += spec.rotary.iter().map(|rotary| table_positions(used, spec.context) * rotary.dim() * FULL).sum::<usize>();
    match job {
        Job::Sampling { sequences, length, step_rows } => {
            needs.cache = sequences * length.div_ceil(PAGE) * spec.page_bytes(CacheDtype::F32);
            needs.activations = spec.step_values(step_rows, sequences) * FULL;
        }
        Job::Training { tokens, recompute } => needs.activations = spec.training_values(tokens, recompute) * FULL,
    }
    needs
}
