//! How much memory a model needs to be sampled and to be trained, before it is loaded.
//!
//! Counted from the buffers that the decoder reserves, so that it is what will be used, up to the allocator's and the threads' own.

use crate::arch::DecoderSpec;
use crate::decoder::layer::state_widths;
use crate::decoder::training::{gradient_widths, logit_rows};
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
    needs.weights += spec.rotary.iter().map(|rotary| spec.context * rotary.dim() * FULL).sum::<usize>();
    match job {
        Job::Sampling { sequences, length, step_rows } => {
            let pages = sequences * length.div_ceil(PAGE);
            needs.cache = 2 * spec.layers.len() * pages * PAGE * spec.cache_width() * FULL;
            let rows = step_rows * (state_width(spec) + 3 * spec.hidden + spec.intermediate);
            // The logits are copied once for the samplers.
            needs.activations = (rows + 2 * sequences * spec.vocabulary) * FULL;
        }
        Job::Training { tokens, recompute } => needs.activations = activations(spec, tokens, recompute) * FULL,
    }
    needs
}

fn state_width(spec: &DecoderSpec) -> usize {
    state_widths(spec).iter().sum()
}

/// Values of a training pass of `tokens` tokens, all of which carry loss.
fn activations(spec: &DecoderSpec, tokens: usize, recompute: bool) -> usize {
    let layers = spec.layers.len();
    let states = if recompute { 1 } else { layers } * state_width(spec);
    let streams = (layers + 2) * spec.hidden;
    let scratch = spec.hidden + spec.intermediate + gradient_widths(spec).iter().sum::<usize>();
    let loss = 4 * spec.hidden + spec.statistics_width();
    let part = logit_rows(spec, tokens) * (spec.vocabulary + 2 * spec.hidden);
    tokens * (states + streams + scratch + loss) + part
}
