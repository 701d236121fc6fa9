//! Forward over packed documents, and the loss.

use super::layer::{LayerState, Scratch};
use super::{Decoder, downloaded, ensure};
use crate::kernels::{Kernels, Product};

/// Logits that are held at once; the loss runs over its rows in parts of about this size.
const LOGITS: usize = 1 << 22;

/// Documents laid end to end. No document sees another, and positions restart with each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packed {
    /// All tokens.
    pub tokens: Vec<u32>,
    /// Position of each in its document.
    pub positions: Vec<u32>,
    /// Where documents begin, and the end.
    pub offsets: Vec<usize>,
    /// Rows (tokens) whose next token carries loss.
    pub rows: Vec<u32>,
    /// Those next tokens.
    pub targets: Vec<u32>,
}

/// Buffers of a forward and backward pass, kept between steps.
#[derive(Debug)]
pub struct TrainingMemory<K: Kernels> {
    /// The residual stream before each layer and after the last, `[tokens, hidden]` each.
    pub(super) streams: Vec<K::Buffer>,
    /// What each layer keeps; with recomputation one for all, filled again on the way back.
    pub(super) states: Vec<LayerState<K>>,
    pub(super) scratch: Scratch<K>,
    /// Gradient of the residual stream, `[tokens, hidden]`.
    pub(super) d_stream: K::Buffer,
    /// Buffers of the way back.
    pub(super) d: Gradients<K>,
    /// Rows that carry loss, their norm, its gradient, and a part of their logits.
    loss: LossMemory<K>,
    recompute: bool,
}

/// Gradients on the way back through a layer.
#[derive(Debug)]
pub(super) struct Gradients<K: Kernels> {
    /// Of a norm's output, `[tokens, hidden]`.
    pub normed: K::Buffer,
    /// Of a block's output before its norm; in a parallel residual, what the feed-forward adds to the stream's gradient.
    pub block: K::Buffer,
    pub inner: K::Buffer,
    pub attended: K::Buffer,
    pub fused: K::Buffer,
    /// Statistics of norms that are computed again.
    pub statistics: K::Buffer,
}

#[derive(Debug)]
struct LossMemory<K: Kernels> {
    x: K::Buffer,
    normed: K::Buffer,
    statistics: K::Buffer,
    d_normed: K::Buffer,
    d_x: K::Buffer,
    /// Part of the logits with the rows that they come from and the gradient that goes back.
    logits: K::Buffer,
    part: K::Buffer,
    d_part: K::Buffer,
}

impl<K: Kernels> TrainingMemory<K> {
    /// Empty buffers, which grow with their first use.
    pub fn new(kernels: &K) -> Self {
        let empty = || kernels.zeros(0);
        let loss = LossMemory {
            x: empty(),
            normed: empty(),
            statistics: empty(),
            d_normed: empty(),
            d_x: empty(),
            logits: empty(),
            part: empty(),
            d_part: empty(),
        };
        let d = Gradients { normed: empty(), block: empty(), inner: empty(), attended: empty(), fused: empty(), statistics: empty() };
        let scratch = Scratch::new(kernels);
        TrainingMemory { streams: Vec::new(), states: Vec::new(), scratch, d_stream: empty(), d, loss, recompute: false }
    }

    /// Keeps only the residual stream of each layer and computes the rest again on the way back (Chen et al. 2016): a third more work for
    /// a fraction of the memory, and the same bits.
    #[must_use]
    pub fn with_recomputation(mut self) -> Self {
        self.recompute = true;
        self
    }

    fn reserve(&mut self, decoder: &Decoder<K>, tokens: usize) {
        let (kernels, spec) = (&decoder.kernels, &decoder.spec);
        let layers = spec.layers.len();
        self.streams.resize_with(layers + 1, || kernels.zeros(0));
        for stream in &mut self.streams {
            ensure(kernels, stream, tokens * spec.hidden);
        }
        self.states.resize_with(if self.recompute { 1 } else { layers }, || LayerState::new(kernels));
        for state in &mut self.states {
            state.reserve(decoder, tokens);
        }
        self.scratch.reserve(decoder, tokens);
        ensure(kernels, &mut self.d_stream, tokens * spec.hidden);
        for (buffer, width) in [
            (&mut self.d.normed, spec.hidden),
            (&mut self.d.block, spec.hidden),
            (&mut self.d.inner, spec.intermediate),
            (&mut self.d.attended, spec.heads.output_width()),
            (&mut self.d.fused, spec.heads.fused_width()),
            (&mut self.d.statistics, decoder.statistics_width()),
        ] {
            ensure(kernels, buffer, tokens * width);
        }
    }
}

impl<K: Kernels> Decoder<K> {
    /// Zeros in the shape of the parameters.
    pub fn zero_gradients(&self) -> Vec<K::Buffer> {
        self.spec.parameters.iter().map(|p| self.kernels.zeros(p.len())).collect()
    }

    /// Cross-entropy of every target of `batch`, in nats.
    pub fn losses(&self, batch: &Packed, memory: &mut TrainingMemory<K>) -> Vec<f32> {
        self.forward(batch, memory);
        self.loss(batch, None, memory)
    }

    /// Cross-entropy of every target of `batch`, in nats; adds the gradient of `scale` times their sum to `gradients`.
    pub fn losses_and_gradients(
        &self,
        batch: &Packed,
        scale: f32,
        memory: &mut TrainingMemory<K>,
        gradients: &mut [K::Buffer],
    ) -> Vec<f32> {
        self.forward(batch, memory);
        let losses = self.loss(batch, Some((scale, &mut *gradients)), memory);
        self.backward(batch, memory, gradients);
        losses
    }

    /// Logits of every target's row, `[targets, vocabulary]`; for tests and inspection, as it holds them all.
    pub fn target_logits(&self, batch: &Packed, memory: &mut TrainingMemory<K>) -> Vec<f32> {
        self.forward(batch, memory);
        self.norm_loss_rows(batch, memory);
        let len = batch.rows.len() * self.spec.vocabulary;
        let mut logits = self.kernels.zeros(len);
        self.logits(batch.rows.len(), &memory.loss.normed, &mut logits);
        if let Some(cap) = self.spec.logit_softcap {
            self.kernels.soft_cap(cap, len, &mut logits);
        }
        downloaded(&self.kernels, &logits)
    }

    fn forward(&self, batch: &Packed, memory: &mut TrainingMemory<K>) {
        memory.reserve(self, batch.tokens.len());
        self.embed(&batch.tokens, &batch.positions, &mut memory.streams[0]);
        for layer in 0..self.spec.layers.len() {
            self.run_layer(layer, batch, memory);
        }
    }

    /// One layer forward, from its stream to the next one's.
    pub(super) fn run_layer(&self, layer: usize, batch: &Packed, memory: &mut TrainingMemory<K>) {
        let TrainingMemory { streams, states, scratch, recompute, .. } = memory;
        let (before, after) = streams.split_at_mut(layer + 1);
        let state = &mut states[if *recompute { 0 } else { layer }];
        self.forward_layer(layer, &batch.positions, &before[layer], &mut after[0], state, scratch, |attention, state| {
            self.kernels.attention(&state.fused, attention, &batch.offsets, &mut state.attended, &mut state.log_sum_exp);
        });
    }

    /// The final norm of the rows that carry loss.
    fn norm_loss_rows(&self, batch: &Packed, memory: &mut TrainingMemory<K>) {
        let (kernels, spec, rows) = (&self.kernels, &self.spec, batch.rows.len());
        let TrainingMemory { streams, loss, .. } = memory;
        for buffer in [&mut loss.x, &mut loss.normed, &mut loss.d_normed, &mut loss.d_x] {
            ensure(kernels, buffer, rows * spec.hidden);
        }
        ensure(kernels, &mut loss.statistics, rows * self.statistics_width());
        kernels.gather_rows(&streams[spec.layers.len()], &batch.rows, spec.hidden, &mut loss.x);
        self.norm(spec.final_norm, rows, &loss.x, &mut loss.normed, &mut loss.statistics);
    }

    /// The loss of every target, a part of the logits at a time; with `gradients`, also their gradient, down to `d_stream`.
    fn loss(&self, batch: &Packed, mut gradients: Option<(f32, &mut [K::Buffer])>, memory: &mut TrainingMemory<K>) -> Vec<f32> {
        self.norm_loss_rows(batch, memory);
        let (kernels, spec) = (&self.kernels, &self.spec);
        let part = (LOGITS / spec.vocabulary).clamp(128, 2048).min(batch.rows.len().max(1));
        let TrainingMemory { loss, d_stream, .. } = memory;
        ensure(kernels, &mut loss.logits, part * spec.vocabulary);
        ensure(kernels, &mut loss.part, part * spec.hidden);
        ensure(kernels, &mut loss.d_part, part * spec.hidden);
        let mut losses = Vec::with_capacity(batch.rows.len());
        let order: Vec<u32> = (0..batch.rows.len() as u32).collect();
        for (targets, rows) in batch.targets.chunks(part).zip(order.chunks(part)) {
            kernels.gather_rows(&loss.normed, rows, spec.hidden, &mut loss.part);
            self.logits(rows.len(), &loss.part, &mut loss.logits);
            let scale = gradients.as_ref().map_or(0.0, |(scale, _)| *scale);
            losses.extend(kernels.cross_entropy(&mut loss.logits, targets, spec.vocabulary, spec.logit_softcap, scale));
            if let Some((_, gradients)) = &mut gradients {
                self.linear_backward(spec.head, rows.len(), &loss.part, &loss.logits, &mut loss.d_part, gradients);
                kernels.put_rows(&loss.d_part, rows[0] as usize, rows.len(), spec.hidden, &mut loss.d_normed);
            }
        }
        if let Some((_, gradients)) = gradients {
            kernels.clear(&mut loss.d_x);
            self.norm_backward(spec.final_norm, batch.rows.len(), &loss.d_normed, &loss.x, &loss.statistics, &mut loss.d_x, gradients);
            kernels.scatter_rows(&loss.d_x, &batch.rows, spec.hidden, batch.tokens.len(), d_stream);
        }
        losses
    }

    /// Gradients of [`Decoder::linear`]: adds those of weight and bias, sets the input's.
    pub(super) fn linear_backward(
        &self,
        linear: crate::arch::Linear,
        rows: usize,
        x: &K::Buffer,
        d_out: &K::Buffer,
        d_x: &mut K::Buffer,
        gradients: &mut [K::Buffer],
    ) {
        let spec = &self.spec.parameters[linear.weight];
        let (inputs, outputs) = (spec.columns, spec.rows);
        if let Some(bias) = linear.bias {
            self.kernels.sum_rows(d_out, rows, &mut gradients[bias]);
        }
        self.kernels.matmul(Product::weight_gradient(rows, inputs, outputs), d_out, x, &mut gradients[linear.weight]);
        self.kernels.matmul(Product::input_gradient(rows, inputs, outputs), d_out, &self.parameters[linear.weight], d_x);
    }
}
