//! Causal self-attention (Vaswani et al. 2017) with grouped keys and values, optional norms of queries and keys, rotary positions, a sliding
//! window and bounded scores.

use super::Sequences;
use crate::decoder::buffers::buffers;
use crate::decoder::{CacheDtype, Decoder, Flops, Linear, LinearTensors, MixerCache, Packed, Pass, Write};
use crate::kernels::{Attention, Columns, Heads, Kernels, PAGE, PagedRows};
use crate::weights::{Half16, HalfKind, Layout, ParameterSpec, Parameters, Role};

/// The shape of an attention layer and the indices of its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct SelfAttention {
    /// Heads, and how scores are scaled, bounded and windowed.
    pub scores: Attention,
    /// The index of [`crate::decoder::DecoderSpec::rotary`] that rotates queries and keys. `None` without rotary positions.
    pub rotary: Option<usize>,
    /// Queries, keys and values, `[fused width, hidden]`.
    pub qkv: Linear,
    /// Norms of queries and keys.
    pub query_key_norm: Option<QueryKeyNorm>,
    /// The output projection, `[hidden, query * dim]`.
    pub output: Linear,
}

/// Root-mean-square norms of queries and keys, of each head separately or of all heads together, depending on the width of the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryKeyNorm {
    /// Weight for queries, `[dim]` or `[query * dim]`.
    pub query: usize,
    /// Weight for keys, `[dim]` or `[key_value * dim]`.
    pub key: usize,
}

/// The tensors of an attention layer in a checkpoint.
#[derive(Debug, Clone)]
pub struct AttentionTensors {
    /// Three modules for queries, keys and values, or one module for all.
    pub qkv: LinearTensors,
    /// The weights of the norms of queries and keys.
    pub query_key_norm: Option<QueryKeyTensors>,
    /// The output projection.
    pub output: LinearTensors,
}

/// The norms of queries and keys in a checkpoint.
#[derive(Debug, Clone)]
pub struct QueryKeyTensors {
    /// The tensor for queries.
    pub query: String,
    /// The tensor for keys.
    pub key: String,
    /// The heads that are normed together.
    pub heads: NormedHeads,
    /// How both are stored.
    pub layout: Layout,
}

/// The heads that are normed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormedHeads {
    /// Each head separately (qwen3).
    Each,
    /// All heads together (olmo2).
    All,
}

buffers! {
    /// The values that attention saves for its backward pass. The kernels work on `[tokens, fused width]`: all queries, all keys, all values.
    AttentionState(attention: &SelfAttention) {
        /// Projected queries, keys and values. Empty unless queries and keys are normed.
        projected: attention.when_normed(attention.scores.heads.fused_width()),
        query_statistics: attention.when_normed(attention.scores.heads.query),
        key_statistics: attention.when_normed(attention.scores.heads.key_value),
        /// Queries, keys and values after norms and rotation.
        fused: attention.scores.heads.fused_width(),
        /// The attended values, `[tokens, query * dim]`.
        attended: attention.scores.heads.output_width(),
        /// `[tokens, query]`.
        log_sum_exp: attention.scores.heads.query,
    }
}

buffers! {
    /// Gradients of [`AttentionState`]'s buffers of the same names.
    AttentionGradients(attention: &SelfAttention) {
        attended: attention.scores.heads.output_width(),
        fused: attention.scores.heads.fused_width(),
    }
}

impl SelfAttention {
    /// The factor on query-key products of most families: `dim^-1/2`.
    pub fn usual_scale(dim: usize) -> f32 {
        1.0 / (dim as f32).sqrt()
    }

    /// Adds the parameters of a layer that reads and writes a stream of width `hidden`: the projections, the norms, the output.
    pub fn new(scores: Attention, rotary: Option<usize>, hidden: usize, tensors: &AttentionTensors, parameters: &mut Parameters) -> Self {
        let Heads { query, key_value, dim } = scores.heads;
        let outputs = match tensors.qkv.modules.len() {
            1 => vec![scores.heads.fused_width()],
            _ => vec![query * dim, key_value * dim, key_value * dim],
        };
        let qkv = tensors.qkv.add_to(parameters, Role::Linear, &outputs, hidden);
        let query_key_norm = tensors.query_key_norm.as_ref().map(|norm| {
            let (query, key) = match norm.heads {
                NormedHeads::Each => (dim, dim),
                NormedHeads::All => (query * dim, key_value * dim),
            };
            let mut add =
                |name: &str, width| parameters.add(ParameterSpec::vector(Role::Norm, name, width).laid_out([norm.layout.clone()]));
            QueryKeyNorm { query: add(&norm.query, query), key: add(&norm.key, key) }
        });
        let output = tensors.output.add_to(parameters, Role::Residual, &[hidden], query * dim);
        SelfAttention { scores, rotary, qkv, query_key_norm, output }
    }

    pub(super) fn linears(&self) -> Vec<Linear> {
        vec![self.qkv, self.output]
    }

    pub(super) fn sizes(&self) -> Vec<(&'static str, usize)> {
        let Heads { query, key_value, dim } = self.scores.heads;
        vec![("num_attention_heads", query), ("num_key_value_heads", key_value), ("head_dim", dim)]
    }

    /// A query is multiplied with each key that it sees, and each score with a value. The window is not considered: this is a bound.
    pub(super) fn flops(&self, parameters: &[ParameterSpec]) -> Flops {
        Flops { per_seen_token: 4.0 * self.scores.heads.output_width() as f64, ..Flops::of_linears(&self.linears(), parameters) }
    }

    /// Keys and values of one token.
    pub(super) fn cached_values(&self) -> usize {
        2 * self.key_width()
    }

    /// Keys (or values) of one token.
    fn key_width(&self) -> usize {
        self.scores.heads.key_value * self.scores.heads.dim
    }

    fn when_normed(&self, width: usize) -> usize {
        if self.query_key_norm.is_some() { width } else { 0 }
    }

    pub(super) fn forward<K: Kernels>(
        &self,
        pass: Pass<'_, K>,
        sequences: &mut Sequences<'_, K>,
        x: &K::Buffer,
        state: &mut AttentionState<K::Buffer>,
        write: Write,
        out: &mut K::Buffer,
    ) {
        let kernels = &pass.decoder.kernels;
        self.qkv.forward(pass, x, Write::Set, &mut state.fused);
        self.norm_queries_and_keys(pass, state);
        self.apply_rope(pass.decoder, sequences.positions(), &mut state.fused, false);
        match sequences {
            Sequences::Packed(batch) => {
                kernels.attention(&state.fused, self.scores, &batch.offsets, &mut state.attended, &mut state.log_sum_exp);
            }
            Sequences::Cached(rows, MixerCache::Pages(pages)) => {
                pages.attend(kernels, self.scores, rows, &state.fused, &mut state.attended);
            }
        }
        self.output.forward(pass, &state.attended, write, out);
    }

    #[expect(clippy::too_many_arguments, reason = "a fused backward reads what its forward read and saved")]
    pub(super) fn backward<K: Kernels>(
        &self,
        pass: Pass<'_, K>,
        batch: &Packed,
        x: &K::Buffer,
        state: &AttentionState<K::Buffer>,
        d_out: &K::Buffer,
        d: &mut AttentionGradients<K::Buffer>,
        d_x: &mut K::Buffer,
        gradients: &mut [K::Buffer],
    ) {
        let Pass { decoder, rows, .. } = pass;
        let kernels = &decoder.kernels;
        let AttentionGradients { attended, fused } = d;
        self.output.backward(pass, &state.attended, d_out, attended, gradients);
        kernels.attention_backward(attended, &state.attended, &state.fused, &state.log_sum_exp, self.scores, &batch.offsets, fused);
        self.apply_rope(decoder, &batch.positions, fused, true);
        if let Some(norm) = self.query_key_norm {
            let (queries, keys) = self.normed_columns(norm, &decoder.spec.parameters);
            for (columns, weight, statistics) in [(queries, norm.query, &state.query_statistics), (keys, norm.key, &state.key_statistics)] {
                let (parameter, gradient) = (decoder.full(weight), &mut gradients[weight]);
                kernels.rms_norm_columns_backward(columns, &state.projected, parameter, statistics, rows, fused, gradient);
            }
        }
        self.qkv.backward(pass, x, fused, d_x, gradients);
    }

    /// Norms queries and keys in place, if the layer has such norms, and saves their previous values.
    fn norm_queries_and_keys<K: Kernels>(&self, pass: Pass<'_, K>, state: &mut AttentionState<K::Buffer>) {
        let Pass { decoder, rows, .. } = pass;
        let Some(norm) = self.query_key_norm else { return };
        decoder.kernels.copy(&state.fused, &mut state.projected, rows * self.scores.heads.fused_width());
        let (queries, keys) = self.normed_columns(norm, &decoder.spec.parameters);
        for (columns, weight, statistics) in
            [(queries, norm.query, &mut state.query_statistics), (keys, norm.key, &mut state.key_statistics)]
        {
            let epsilon = decoder.spec.norm_epsilon;
            decoder.kernels.rms_norm_columns(columns, decoder.full(weight), rows, epsilon, &mut state.fused, statistics);
        }
    }

    /// The columns of the fused projection that the norms of queries and of keys work on, group by group.
    fn normed_columns(&self, norm: QueryKeyNorm, parameters: &[ParameterSpec]) -> (Columns, Columns) {
        let row = self.scores.heads.fused_width();
        let columns = |start: usize, width: usize, weight: usize| Columns { row, start, groups: width / parameters[weight].columns };
        let queries = self.scores.heads.output_width();
        (columns(0, queries, norm.query), columns(queries, self.key_width(), norm.key))
    }

    /// Rotates queries and keys by their positions, or back with `inverse`. Does nothing in a layer without rotary positions.
    fn apply_rope<K: Kernels>(&self, decoder: &Decoder<K>, positions: &[u32], fused: &mut K::Buffer, inverse: bool) {
        let Some(index) = self.rotary else { return };
        let rotated = decoder.spec.rotary[index].dim();
        let tables = decoder.rotary.current();
        decoder.kernels.rotary(fused, self.scores.heads, rotated, &tables[index], positions, inverse);
    }
}

/// Keys and values of one layer, in pages of [`PAGE`] positions.
#[derive(Debug)]
pub(crate) enum Pages<K: Kernels> {
    Full { keys: K::Buffer, values: K::Buffer },
    Half { keys: K::Half16, values: K::Half16 },
}

impl<K: Kernels> Pages<K> {
    pub(super) fn new(kernels: &K, attention: &SelfAttention, pages: usize, dtype: CacheDtype) -> Self {
        let size = pages * PAGE * attention.key_width();
        let halves = || kernels.half16(Half16 { kind: HalfKind::F16, bits: vec![0; size] });
        match dtype {
            CacheDtype::F32 => Pages::Full { keys: kernels.zeros(size), values: kernels.zeros(size) },
            CacheDtype::F16 => Pages::Half { keys: halves(), values: halves() },
        }
    }

    /// Stores the keys and values of a step, then attends, so that a sequence can share pages that another sequence fills in this step.
    fn attend(&mut self, kernels: &K, scores: Attention, rows: &PagedRows, fused: &K::Buffer, out: &mut K::Buffer) {
        match self {
            Pages::Full { keys, values } => {
                kernels.store_pages(fused, scores.heads, rows, keys, values);
                kernels.paged_attention(fused, scores, rows, keys, values, out);
            }
            Pages::Half { keys, values } => {
                kernels.store_pages_half16(fused, scores.heads, rows, keys, values);
                kernels.paged_attention_half16(fused, scores, rows, keys, values, out);
            }
        }
    }
}
