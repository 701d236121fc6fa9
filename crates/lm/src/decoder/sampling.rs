//! Forward over the rows of a sampling step, with a paged key-value cache.

use super::block::{BlockScratch, BlockState};
use super::buffers::{buffers, ensure};
use super::mixer::{MixerCache, Sequences};
use super::{Decoder, DecoderSpec, Pass};
use crate::kernels::{Kernels, PagedRows};
use serde::{Deserialize, Serialize};

/// The rows of one step: tokens, their positions, and which of them need logits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StepRows {
    /// The tokens.
    pub tokens: Vec<u32>,
    /// Their positions and pages. The rows of one sequence are in order of position.
    pub paged: PagedRows,
    /// The rows whose next token is to be sampled.
    pub sampled: Vec<u32>,
}

/// The type of the cached keys and values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum CacheDtype {
    /// 32 bits, in which they are computed.
    #[default]
    F32,
    /// IEEE half precision: half the memory and half the traffic, with a relative error of up to 2^-11 in each value.
    F16,
}

impl CacheDtype {
    /// Bytes of a key's or value's element.
    pub fn width(self) -> usize {
        match self {
            CacheDtype::F32 => size_of::<f32>(),
            CacheDtype::F16 => size_of::<u16>(),
        }
    }
}

buffers! {
    /// Buffers of a step, for each of its rows.
    StepState(spec: &DecoderSpec) {
        /// The residual stream, and the one that a block writes.
        stream: spec.hidden,
        next: spec.hidden,
        statistics: spec.final_norm.statistics_width(),
        ..block: BlockState = spec.blocks.iter().map(BlockState::widths).reduce(BlockState::or_wider).unwrap_or_default(),
        ..scratch: BlockScratch = spec.blocks.iter().map(BlockScratch::widths).reduce(BlockScratch::or_wider).unwrap_or_default(),
    }
}

/// The cache of every block for the sequences, such as keys and values in pages of [`crate::kernels::PAGE`] positions, and the buffers of a
/// step.
#[derive(Debug)]
pub struct KeyValueCache<K: Kernels> {
    blocks: Vec<MixerCache<K>>,
    state: StepState<K::Buffer>,
    logits: K::Buffer,
}

impl<K: Kernels> KeyValueCache<K> {
    /// A cache of `pages` pages for a decoder.
    pub fn new(decoder: &Decoder<K>, pages: usize, dtype: CacheDtype) -> Self {
        let (kernels, spec) = (&decoder.kernels, &decoder.spec);
        KeyValueCache {
            blocks: spec.blocks.iter().map(|block| block.mixer.cache(kernels, pages, dtype)).collect(),
            state: StepState::empty(kernels),
            logits: kernels.zeros(0),
        }
    }
}

impl DecoderSpec {
    /// Values that the buffers of a step of `rows` rows hold, `sampled` of which need logits. The logits are copied once for the samplers.
    pub(crate) fn step_values(&self, rows: usize, sampled: usize) -> usize {
        rows * StepState::widths(self).total() + 2 * sampled * self.vocabulary
    }
}

impl<K: Kernels> Decoder<K> {
    /// [`DecoderSpec::page_bytes`].
    pub fn page_bytes(&self, dtype: CacheDtype) -> usize {
        self.spec.page_bytes(dtype)
    }

    /// Runs the rows of a step and returns the logits of the sampled ones, `[sampled, vocabulary]`.
    ///
    /// In every block the keys and values of all rows are stored before any row attends, so that a sequence may share pages that another
    /// sequence fills in the same step.
    pub fn step(&self, rows: &StepRows, cache: &mut KeyValueCache<K>, logits: &mut Vec<f32>) {
        let pass = Pass::plain(self, rows.tokens.len());
        let KeyValueCache { blocks, state, .. } = cache;
        state.reserve(&self.kernels, &StepState::widths(&self.spec), pass.rows);
        let StepState { stream, next, block: kept, scratch, .. } = state;
        self.embed(&rows.tokens, &rows.paged.positions, stream);
        for (block, cache) in self.spec.blocks.iter().zip(blocks) {
            block.forward(pass, &mut Sequences::Cached(&rows.paged, cache), stream, next, kept, scratch);
            std::mem::swap(stream, next);
        }
        self.sampled_logits(&rows.sampled, cache, logits);
    }

    fn sampled_logits(&self, sampled: &[u32], cache: &mut KeyValueCache<K>, logits: &mut Vec<f32>) {
        let (kernels, spec, count) = (&self.kernels, &self.spec, sampled.len());
        logits.resize(count * spec.vocabulary, 0.0);
        if sampled.is_empty() {
            return;
        }
        let KeyValueCache { state: StepState { stream, next, statistics, scratch, .. }, logits: buffer, .. } = cache;
        ensure(kernels, buffer, count * spec.vocabulary);
        kernels.gather_rows(stream, sampled, spec.hidden, next);
        spec.final_norm.forward(Pass::plain(self, count), next, &mut scratch.normed, statistics);
        self.logits(count, &scratch.normed, buffer);
        self.bound_logits(count, buffer);
        kernels.download(buffer, logits);
    }
}
