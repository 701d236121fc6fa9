//! Forward over the rows of a sampling step, with a paged key-value cache.

use super::{Decoder, ensure};
use crate::arch::index::{ATTENTION_NORM, DOWN, EMBEDDING, GATE_UP, MLP_NORM, OUTPUT, QKV};
use crate::kernels::{Kernels, PAGE, PagedRows};

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

/// Keys and values of every layer, in pages of [`PAGE`] positions, and the buffers of a step.
#[derive(Debug)]
pub struct KeyValueCache<K: Kernels> {
    layers: Vec<(K::Buffer, K::Buffer)>,
    stream: K::Buffer,
    normed: K::Buffer,
    inverse_rms: K::Buffer,
    fused: K::Buffer,
    attended: K::Buffer,
    gate_up: K::Buffer,
    inner: K::Buffer,
    logits: K::Buffer,
}

impl<K: Kernels> KeyValueCache<K> {
    /// A cache of `pages` pages for a decoder.
    pub fn new(decoder: &Decoder<K>, pages: usize) -> Self {
        let kernels = &decoder.kernels;
        let size = pages * page_values(decoder);
        let layers = (0..decoder.spec.layers).map(|_| (kernels.zeros(size), kernels.zeros(size))).collect();
        let empty = || kernels.zeros(0);
        KeyValueCache {
            layers,
            stream: empty(),
            normed: empty(),
            inverse_rms: empty(),
            fused: empty(),
            attended: empty(),
            gate_up: empty(),
            inner: empty(),
            logits: empty(),
        }
    }
}

/// Values of one page of keys (or values) in one layer.
fn page_values<K: Kernels>(decoder: &Decoder<K>) -> usize {
    decoder.spec.heads.key_value * decoder.spec.heads.dim * PAGE
}

impl<K: Kernels> Decoder<K> {
    /// Bytes of one page, keys and values of all layers.
    pub fn page_bytes(&self) -> usize {
        2 * self.spec.layers * page_values(self) * size_of::<f32>()
    }

    /// Runs the rows of a step and returns the logits of the sampled ones, `[sampled, vocabulary]`.
    ///
    /// In every layer all rows' keys and values are stored before any row attends, so that a sequence may share pages that another
    /// sequence fills in this very step.
    pub fn step(&self, rows: &StepRows, cache: &mut KeyValueCache<K>, logits: &mut Vec<f32>) {
        let (kernels, spec, count) = (&self.kernels, &self.spec, rows.tokens.len());
        for (buffer, width) in [
            (&mut cache.stream, spec.hidden),
            (&mut cache.normed, spec.hidden),
            (&mut cache.inverse_rms, 1),
            (&mut cache.fused, spec.heads.fused_width()),
            (&mut cache.attended, spec.heads.output_width()),
            (&mut cache.gate_up, 2 * spec.intermediate),
            (&mut cache.inner, spec.intermediate),
        ] {
            ensure(kernels, buffer, count * width);
        }
        let KeyValueCache { layers, stream, normed, inverse_rms, fused, attended, gate_up, inner, .. } = cache;
        kernels.embed(&self.parameters[EMBEDDING], &rows.tokens, spec.hidden, stream);
        for (layer, (keys, values)) in layers.iter_mut().enumerate() {
            kernels.rms_norm(stream, self.parameter(layer, ATTENTION_NORM), count, spec.norm_epsilon, normed, inverse_rms);
            self.linear(layer, QKV, count, normed, fused, false);
            kernels.rotary(fused, spec.heads, &self.rotary, &rows.paged.positions, false);
            kernels.store_pages(fused, spec.heads, &rows.paged, keys, values);
            kernels.paged_attention(fused, spec.heads, &rows.paged, keys, values, attended);
            self.linear(layer, OUTPUT, count, attended, stream, true);
            kernels.rms_norm(stream, self.parameter(layer, MLP_NORM), count, spec.norm_epsilon, normed, inverse_rms);
            self.linear(layer, GATE_UP, count, normed, gate_up, false);
            kernels.gated_silu(gate_up, count, spec.intermediate, inner);
            self.linear(layer, DOWN, count, inner, stream, true);
        }
        self.sampled_logits(&rows.sampled, cache, logits);
    }

    fn sampled_logits(&self, sampled: &[u32], cache: &mut KeyValueCache<K>, logits: &mut Vec<f32>) {
        let (kernels, spec) = (&self.kernels, &self.spec);
        logits.resize(sampled.len() * spec.vocabulary, 0.0);
        if sampled.is_empty() {
            return;
        }
        ensure(kernels, &mut cache.logits, sampled.len() * spec.vocabulary);
        // The fused projection is free by now; it holds the rows that are sampled.
        let KeyValueCache { stream, normed, inverse_rms, fused, logits: buffer, .. } = cache;
        ensure(kernels, fused, sampled.len() * spec.hidden);
        kernels.gather_rows(stream, sampled, spec.hidden, fused);
        kernels.rms_norm(fused, &self.parameters[spec.final_norm()], sampled.len(), spec.norm_epsilon, normed, inverse_rms);
        self.logits(sampled.len(), normed, buffer);
        kernels.download(buffer, logits);
    }
}
