//! How much memory a model needs to be sampled and to be trained, before it is loaded.
//!
//! The decoder counts the buffers that it reserves, so that the figures are what a job uses, up to what the allocator and the threads add.

use crate::decoder::{CacheDtype, DecoderSpec, table_positions};
use crate::kernels::PAGE;
use std::sync::OnceLock;

const FULL: usize = size_of::<f32>();

/// What a process needs besides the model: the program, the tokenizer, documents or requests and their text.
pub(crate) const BESIDES: usize = 96 << 20;

static BUDGET: OnceLock<usize> = OnceLock::new();

/// Sets the bytes that this process may use. Like its threads they belong to the process: sampling and training choose what they hold at
/// once so that it fits, or refuse. The first call holds.
pub fn set_budget(bytes: usize) {
    BUDGET.get_or_init(|| bytes);
}

/// The bytes that this process may use, if it was told.
pub fn budget() -> Option<usize> {
    BUDGET.get().copied()
}

/// Bytes of what a job holds at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct MemoryNeeds {
    /// The model's weights, rotary tables included.
    pub weights: usize,
    /// Gradients and the optimizer's two moments of what is trained.
    pub optimizer: usize,
    /// Activations of a pass, or the buffers of a sampling step.
    pub activations: usize,
    /// Keys and values of the sequences being sampled.
    pub cache: usize,
}

impl MemoryNeeds {
    /// All together.
    pub fn total(&self) -> usize {
        self.weights + self.optimizer + self.activations + self.cache
    }
}

/// A job whose memory is asked for.
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
    /// Training with `tokens` going through the model at once; with `recompute`, their activations are computed again on the way back.
    Training {
        /// Tokens at once.
        tokens: usize,
        /// Whether activations are computed again.
        recompute: bool,
    },
}

/// What a job needs. `matrix_bytes` is the width of an element of a frozen matrix: 2 where the checkpoint has 16 bits and the matrix is not
/// trained. What is trained is held in full.
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
