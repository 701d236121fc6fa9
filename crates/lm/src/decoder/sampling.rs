//! Forward over the rows of a sampling step, with a paged key-value cache.

use super::layer::{LayerState, Scratch};
use super::{Decoder, ensure};
use crate::kernels::{Attention, Kernels, PAGE, PagedRows};
use crate::weights::{HalfKind, Halves};
use serde::{Deserialize, Serialize};

/// The rows of one step: tokens, where they stand, and which of them need logits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StepRows {
    /// The tokens.
    pub tokens: Vec<u32>,
    /// Their positions and pages. Rows of one sequence stand in order of position.
    pub paged: PagedRows,
    /// The rows whose next token is to be sampled.
    pub sampled: Vec<u32>,
}

/// The type of the cached keys and values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheDtype {
    /// 32 bits, as they are computed.
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

/// Keys and values of one layer.
#[derive(Debug)]
enum LayerCache<K: Kernels> {
    Full { keys: K::Buffer, values: K::Buffer },
    Half { keys: K::Halves, values: K::Halves },
}

impl<K: Kernels> LayerCache<K> {
    fn new(kernels: &K, size: usize, dtype: CacheDtype) -> Self {
        let halves = || kernels.halves(Halves { kind: HalfKind::F16, bits: vec![0; size] });
        match dtype {
            CacheDtype::F32 => LayerCache::Full { keys: kernels.zeros(size), values: kernels.zeros(size) },
            CacheDtype::F16 => LayerCache::Half { keys: halves(), values: halves() },
        }
    }

    /// Stores a step's keys and values, then attends.
    fn attend(&mut self, kernels: &K, attention: Attention, rows: &PagedRows, fused: &K::Buffer, out: &mut K::Buffer) {
        match self {
            LayerCache::Full { keys, values } => {
                kernels.store_pages(fused, attention.heads, rows, keys, values);
                kernels.paged_attention(fused, attention, rows, keys, values, out);
            }
            LayerCache::Half { keys, values } => {
                kernels.store_pages_halves(fused, attention.heads, rows, keys, values);
                kernels.paged_attention_halves(fused, attention, rows, keys, values, out);
            }
        }
    }
}

/// Keys and values of every layer, in pages of [`PAGE`] positions, and the buffers of a step.
#[derive(Debug)]
pub struct KeyValueCache<K: Kernels> {
    layers: Vec<LayerCache<K>>,
    /// The residual stream, and the one that a layer writes.
    stream: K::Buffer,
    next: K::Buffer,
    state: LayerState<K>,
    scratch: Scratch<K>,
    logits: K::Buffer,
}

impl<K: Kernels> KeyValueCache<K> {
    /// A cache of `pages` pages for a decoder.
    pub fn new(decoder: &Decoder<K>, pages: usize, dtype: CacheDtype) -> Self {
        let kernels = &decoder.kernels;
        let size = pages * page_values(decoder);
        let empty = || kernels.zeros(0);
        KeyValueCache {
            layers: decoder.spec.layers.iter().map(|_| LayerCache::new(kernels, size, dtype)).collect(),
            stream: empty(),
            next: empty(),
            state: LayerState::new(kernels),
            scratch: Scratch::new(kernels),
            logits: empty(),
        }
    }
}

/// Values of one page of keys (or values) in one layer.
fn page_values<K: Kernels>(decoder: &Decoder<K>) -> usize {
    decoder.spec.cache_width() * PAGE
}

impl<K: Kernels> Decoder<K> {
    /// Bytes of one page, keys and values of all layers.
    pub fn page_bytes(&self, dtype: CacheDtype) -> usize {
        2 * self.spec.layers.len() * page_values(self) * dtype.width()
    }

    /// Runs the rows of a step and returns the logits of the sampled ones, `[sampled, vocabulary]`.
    ///
    /// In every layer all rows' keys and values are stored before any row attends, so that a sequence may share pages that another
    /// sequence fills in this very step.
    pub fn step(&self, rows: &StepRows, cache: &mut KeyValueCache<K>, logits: &mut Vec<f32>) {
        let (kernels, spec, count) = (&self.kernels, &self.spec, rows.tokens.len());
        let KeyValueCache { layers, stream, next, state, scratch, .. } = cache;
        for buffer in [&mut *stream, &mut *next] {
            ensure(kernels, buffer, count * spec.hidden);
        }
        state.reserve(self, count);
        scratch.reserve(self, count);
        self.embed(&rows.tokens, &rows.paged.positions, stream);
        for (layer, cache) in layers.iter_mut().enumerate() {
            self.forward_layer(layer, &rows.paged.positions, stream, next, state, scratch, |attention, state| {
                cache.attend(kernels, attention, &rows.paged, &state.fused, &mut state.attended);
            });
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
        let KeyValueCache { stream, next, state, scratch, logits: buffer, .. } = cache;
        ensure(kernels, buffer, count * spec.vocabulary);
        kernels.gather_rows(stream, sampled, spec.hidden, next);
        self.norm(spec.final_norm, count, next, &mut scratch.normed, &mut state.attention_statistics);
        self.logits(count, &scratch.normed, buffer);
        if let Some(cap) = spec.logit_softcap {
            kernels.soft_cap(cap, count * spec.vocabulary, buffer);
        }
        kernels.download(buffer, logits);
    }
}
