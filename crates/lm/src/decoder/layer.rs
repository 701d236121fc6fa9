//! The forward pass of one layer, shared by training, recomputation and sampling. They differ in how rows attend and in what they keep.

use super::adapters::Dropout;
use super::{Decoder, ensure};
use crate::arch::{DecoderSpec, LayerSpec, Linear, Norm};
use crate::kernels::{Attention, Columns, Kernels};

/// What a layer's forward pass leaves for its backward pass. Norm outputs and the feed-forward's inner activation are computed again instead.
#[derive(Debug)]
pub(super) struct LayerState<K: Kernels> {
    pub attention_statistics: K::Buffer,
    /// Queries, keys and values as they were projected, `[tokens, fused width]`; kept only where queries and keys are normed.
    pub projected: K::Buffer,
    pub query_statistics: K::Buffer,
    pub key_statistics: K::Buffer,
    /// Queries, keys and values as they attend, normed and turned, `[tokens, fused width]`.
    pub fused: K::Buffer,
    /// Attention's output, `[tokens, query * dim]`.
    pub attended: K::Buffer,
    /// `[tokens, query]`.
    pub log_sum_exp: K::Buffer,
    /// Where a norm follows the output projection, what it norms, `[tokens, hidden]`.
    pub attention_output: PostNormed<K>,
    /// The residual stream after attention, `[tokens, hidden]`.
    pub middle: K::Buffer,
    pub mlp_statistics: K::Buffer,
    /// The feed-forward's input projection, `[tokens, up width]`; the backward pass turns it into its gradient.
    pub up: K::Buffer,
    pub mlp_output: PostNormed<K>,
}

/// The output of a block that is normed before it is added to the stream.
#[derive(Debug)]
pub(super) struct PostNormed<K: Kernels> {
    pub raw: K::Buffer,
    pub statistics: K::Buffer,
}

/// What a layer works in and nobody reads afterwards.
#[derive(Debug)]
pub(super) struct Scratch<K: Kernels> {
    /// A norm's output, `[tokens, hidden]`.
    pub normed: K::Buffer,
    /// The feed-forward's inner activation, `[tokens, intermediate]`.
    pub inner: K::Buffer,
    /// What is dropped of the adapters' inputs.
    pub dropout: Dropout,
}

impl<K: Kernels> LayerState<K> {
    /// Empty buffers.
    pub fn new(kernels: &K) -> Self {
        let empty = || kernels.zeros(0);
        let post_normed = || PostNormed { raw: empty(), statistics: empty() };
        LayerState {
            attention_statistics: empty(),
            projected: empty(),
            query_statistics: empty(),
            key_statistics: empty(),
            fused: empty(),
            attended: empty(),
            log_sum_exp: empty(),
            attention_output: post_normed(),
            middle: empty(),
            mlp_statistics: empty(),
            up: empty(),
            mlp_output: post_normed(),
        }
    }

    /// Makes room for `tokens` rows of any layer of the decoder.
    pub fn reserve(&mut self, decoder: &Decoder<K>, tokens: usize) {
        let buffers = [
            &mut self.attention_statistics,
            &mut self.projected,
            &mut self.query_statistics,
            &mut self.key_statistics,
            &mut self.fused,
            &mut self.attended,
            &mut self.log_sum_exp,
            &mut self.attention_output.raw,
            &mut self.attention_output.statistics,
            &mut self.middle,
            &mut self.mlp_statistics,
            &mut self.up,
            &mut self.mlp_output.raw,
            &mut self.mlp_output.statistics,
        ];
        for (buffer, width) in buffers.into_iter().zip(state_widths(&decoder.spec)) {
            ensure(&decoder.kernels, buffer, tokens * width);
        }
    }
}

/// Values of each buffer of a [`LayerState`] for each token, in the order of its fields.
pub(crate) fn state_widths(spec: &DecoderSpec) -> [usize; 14] {
    let (heads, statistics) = (spec.heads, spec.statistics_width());
    let when = |needed: bool, width: usize| if needed { width } else { 0 };
    let any = |has: fn(&LayerSpec) -> bool| spec.layers.iter().any(has);
    let query_key_norm = any(|layer| layer.query_key_norm.is_some());
    let after_attention = any(|layer| layer.attention_post_norm.is_some());
    let after_mlp = any(|layer| layer.mlp_post_norm.is_some());
    [
        statistics,
        when(query_key_norm, heads.fused_width()),
        when(query_key_norm, heads.query),
        when(query_key_norm, heads.key_value),
        heads.fused_width(),
        heads.output_width(),
        heads.query,
        when(after_attention, spec.hidden),
        when(after_attention, statistics),
        spec.hidden,
        statistics,
        spec.up_width(),
        when(after_mlp, spec.hidden),
        when(after_mlp, statistics),
    ]
}

impl<K: Kernels> Scratch<K> {
    /// Empty buffers.
    pub fn new(kernels: &K) -> Self {
        Scratch { normed: kernels.zeros(0), inner: kernels.zeros(0), dropout: None }
    }

    /// Makes room for `tokens` rows.
    pub fn reserve(&mut self, decoder: &Decoder<K>, tokens: usize) {
        ensure(&decoder.kernels, &mut self.normed, tokens * decoder.spec.hidden);
        ensure(&decoder.kernels, &mut self.inner, tokens * decoder.spec.intermediate);
    }
}

impl<K: Kernels> Decoder<K> {
    /// Runs layer `layer` on the rows of `stream` and writes the stream that leaves it to `next`. `attend` computes attention from the fused
    /// projection into `attended` and `log_sum_exp`.
    #[expect(clippy::too_many_arguments, reason = "a layer's input, output and memory")]
    pub(super) fn forward_layer(
        &self,
        layer: usize,
        positions: &[u32],
        stream: &K::Buffer,
        next: &mut K::Buffer,
        state: &mut LayerState<K>,
        scratch: &mut Scratch<K>,
        attend: impl FnOnce(Attention, &mut LayerState<K>),
    ) {
        let (kernels, spec, rows) = (&self.kernels, &self.spec, positions.len());
        let l = &spec.layers[layer];

        let input = self.block_input(l.attention_norm, rows, stream, &mut scratch.normed, &mut state.attention_statistics);
        self.linear(l.qkv, rows, input, &mut state.fused, false, scratch.dropout);
        self.norm_queries_and_keys(layer, rows, state);
        self.turn(layer, positions, &mut state.fused, false);
        attend(spec.attention(layer), state);
        kernels.copy(stream, &mut state.middle, rows * spec.hidden);
        let LayerState { attended, attention_output, middle, .. } = state;
        self.add_block(l.output, l.attention_post_norm, rows, attended, attention_output, &mut scratch.normed, middle, scratch.dropout);

        let mlp_input = if spec.parallel_residual { stream } else { &state.middle };
        let input = self.block_input(l.mlp_norm, rows, mlp_input, &mut scratch.normed, &mut state.mlp_statistics);
        self.linear(l.up, rows, input, &mut state.up, false, scratch.dropout);
        kernels.activate(spec.activation, &state.up, rows, spec.intermediate, &mut scratch.inner);
        kernels.copy(&state.middle, next, rows * spec.hidden);
        self.add_block(l.down, l.mlp_post_norm, rows, &scratch.inner, &mut state.mlp_output, &mut scratch.normed, next, scratch.dropout);
    }

    /// What a block reads: the normed stream, or the stream itself where no norm stands before the block.
    pub(super) fn block_input<'a>(
        &self,
        norm: Option<Norm>,
        rows: usize,
        stream: &'a K::Buffer,
        normed: &'a mut K::Buffer,
        statistics: &mut K::Buffer,
    ) -> &'a K::Buffer {
        let Some(norm) = norm else { return stream };
        self.norm(norm, rows, stream, normed, statistics);
        normed
    }

    /// Adds a block's output projection of `x` to `stream`, normed where a norm follows.
    #[expect(clippy::too_many_arguments, reason = "a projection, the norm after it, and their memory")]
    fn add_block(
        &self,
        linear: Linear,
        post_norm: Option<Norm>,
        rows: usize,
        x: &K::Buffer,
        output: &mut PostNormed<K>,
        normed: &mut K::Buffer,
        stream: &mut K::Buffer,
        dropout: Dropout,
    ) {
        let Some(norm) = post_norm else { return self.linear(linear, rows, x, stream, true, dropout) };
        self.linear(linear, rows, x, &mut output.raw, false, dropout);
        self.norm(norm, rows, &output.raw, normed, &mut output.statistics);
        self.kernels.add(normed, rows * self.spec.hidden, stream);
    }

    /// Norms queries and keys in place where the layer does, and keeps what they were.
    fn norm_queries_and_keys(&self, layer: usize, rows: usize, state: &mut LayerState<K>) {
        let (kernels, spec) = (&self.kernels, &self.spec);
        let Some(norm) = spec.layers[layer].query_key_norm else { return };
        kernels.copy(&state.fused, &mut state.projected, rows * spec.heads.fused_width());
        let (queries, keys) = self.query_key_columns(layer);
        for (columns, weight, statistics) in
            [(queries, norm.query, &mut state.query_statistics), (keys, norm.key, &mut state.key_statistics)]
        {
            kernels.rms_norm_columns(columns, self.full(weight), rows, spec.norm_epsilon, &mut state.fused, statistics);
        }
    }

    /// The columns of a fused projection that a layer's norms of queries and of keys work on, group by group.
    pub(super) fn query_key_columns(&self, layer: usize) -> (Columns, Columns) {
        let heads = self.spec.heads;
        let groups = |weight: Option<usize>, width: usize| weight.map_or(1, |weight| width / self.spec.parameters[weight].columns);
        let norm = self.spec.layers[layer].query_key_norm;
        let (queries, keys) = (heads.query * heads.dim, heads.key_value * heads.dim);
        (
            Columns { row: heads.fused_width(), start: 0, groups: groups(norm.map(|norm| norm.query), queries) },
            Columns { row: heads.fused_width(), start: queries, groups: groups(norm.map(|norm| norm.key), keys) },
        )
    }

    /// Turns queries and keys by their positions, or back; nothing in a layer without rotary positions.
    pub(super) fn turn(&self, layer: usize, positions: &[u32], fused: &mut K::Buffer, inverse: bool) {
        let Some(index) = self.spec.layers[layer].rotary else { return };
        let turned = self.spec.rotary[index].dim();
        self.kernels.rotary(fused, self.spec.heads, turned, &self.rotary[index], positions, inverse);
    }
}
