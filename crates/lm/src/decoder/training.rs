//! Forward over packed documents, and the loss.

use super::adapters::Dropout;
use super::layer::{LayerState, PostNormed, Scratch};
use super::{Decoder, downloaded, ensure};
use crate::arch::{DecoderSpec, ParameterSpec};
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

    /// Drops some of the adapters' inputs in what follows, by this seed, or nothing.
    pub fn set_dropout(&mut self, seed: Option<u64>) {
        self.scratch.dropout = seed;
    }

    /// Bytes that the buffers hold.
    pub fn bytes(&self, kernels: &K) -> usize {
        let of_output = |output: &PostNormed<K>| kernels.len(&output.raw) + kernels.len(&output.statistics);
        let of_state = |s: &LayerState<K>| {
            let LayerState { projected, query_statistics, key_statistics, fused, attended, log_sum_exp, middle, up, .. } = s;
            let several = [projected, query_statistics, key_statistics, fused, attended, log_sum_exp, middle, up];
            let norms = [&s.attention_statistics, &s.mlp_statistics];
            several.iter().chain(&norms).map(|buffer| kernels.len(buffer)).sum::<usize>()
                + of_output(&s.attention_output)
                + of_output(&s.mlp_output)
        };
        let Gradients { normed, block, inner, attended, fused, statistics } = &self.d;
        let LossMemory { x, normed: loss_normed, statistics: loss_statistics, d_normed, d_x, logits, part, d_part } = &self.loss;
        let singles = [
            &self.scratch.normed,
            &self.scratch.inner,
            &self.d_stream,
            normed,
            block,
            inner,
            attended,
            fused,
            statistics,
            x,
            loss_normed,
            loss_statistics,
            d_normed,
            d_x,
            logits,
            part,
            d_part,
        ];
        let values = self.streams.iter().chain(singles).map(|buffer| kernels.len(buffer)).sum::<usize>()
            + self.states.iter().map(of_state).sum::<usize>();
        values * size_of::<f32>()
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
        let Gradients { normed, block, inner, attended, fused, statistics } = &mut self.d;
        for (buffer, width) in [normed, block, inner, attended, fused, statistics].into_iter().zip(gradient_widths(spec)) {
            ensure(kernels, buffer, tokens * width);
        }
    }
}

/// Values of each buffer of [`Gradients`] for each token, in the order of its fields.
pub(crate) fn gradient_widths(spec: &DecoderSpec) -> [usize; 6] {
    let heads = spec.heads;
    [spec.hidden, spec.hidden, spec.intermediate, heads.output_width(), heads.fused_width(), spec.statistics_width()]
}

/// Rows whose logits are held at once, of `targets`.
pub(crate) fn logit_rows(spec: &DecoderSpec, targets: usize) -> usize {
    (LOGITS / spec.vocabulary).clamp(128, 2048).min(targets.max(1))
}

impl<K: Kernels> Decoder<K> {
    /// Zeros in the shape of the parameters; frozen matrices, which get no gradient, have none.
    pub fn zero_gradients(&self) -> Vec<K::Buffer> {
        let len = |(at, p): (usize, &ParameterSpec)| if self.spec.is_trained(at) || !p.is_matrix() { p.len() } else { 0 };
        self.spec.parameters.iter().enumerate().map(|p| self.kernels.zeros(len(p))).collect()
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
        let scales = vec![scale; batch.targets.len()];
        let losses = self.loss(batch, Some((&scales, &mut *gradients)), memory);
        self.backward(batch, memory, gradients);
        losses
    }

    /// Adds to `gradients` that of a loss which is a function of the log-probabilities of the targets. `slopes` is told these
    /// log-probabilities `[targets]` and gives the derivative of the loss by each. The logits are computed twice for it, and so are never
    /// held whole; all before them is computed once.
    pub fn gradients_by_slopes(
        &self,
        batch: &Packed,
        slopes: impl FnOnce(&[f32]) -> Vec<f32>,
        memory: &mut TrainingMemory<K>,
        gradients: &mut [K::Buffer],
    ) {
        self.forward(batch, memory);
        let logprobs: Vec<f32> = self.loss(batch, None, memory).iter().map(|loss| -loss).collect();
        // A log-probability is a negative cross-entropy.
        let scales: Vec<f32> = slopes(&logprobs).iter().map(|slope| -slope).collect();
        self.loss(batch, Some((&scales, &mut *gradients)), memory);
        self.backward(batch, memory, gradients);
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
        ensure(kernels, &mut loss.statistics, rows * self.spec.statistics_width());
        kernels.gather_rows(&streams[spec.layers.len()], &batch.rows, spec.hidden, &mut loss.x);
        self.norm(spec.final_norm, rows, &loss.x, &mut loss.normed, &mut loss.statistics);
    }

    /// The loss of every target, a part of the logits at a time; with `gradients`, also the gradient of their sum, each loss times its one
    /// of the scales `[targets]`, down to `d_stream`.
    fn loss(&self, batch: &Packed, mut gradients: Option<(&[f32], &mut [K::Buffer])>, memory: &mut TrainingMemory<K>) -> Vec<f32> {
        self.norm_loss_rows(batch, memory);
        let (kernels, spec) = (&self.kernels, &self.spec);
        let part = logit_rows(spec, batch.rows.len());
        let TrainingMemory { loss, d_stream, .. } = memory;
        ensure(kernels, &mut loss.logits, part * spec.vocabulary);
        ensure(kernels, &mut loss.part, part * spec.hidden);
        ensure(kernels, &mut loss.d_part, part * spec.hidden);
        let mut losses = Vec::with_capacity(batch.rows.len());
        let order: Vec<u32> = (0..batch.rows.len() as u32).collect();
        let none = vec![0.0; part];
        for (targets, rows) in batch.targets.chunks(part).zip(order.chunks(part)) {
            kernels.gather_rows(&loss.normed, rows, spec.hidden, &mut loss.part);
            self.logits(rows.len(), &loss.part, &mut loss.logits);
            let scales = gradients.as_ref().map_or(&none[..rows.len()], |(scales, _)| &scales[losses.len()..][..rows.len()]);
            losses.extend(kernels.cross_entropy(&mut loss.logits, targets, spec.vocabulary, spec.logit_softcap, scales));
            if let Some((_, gradients)) = &mut gradients {
                self.linear_backward(spec.head, rows.len(), &loss.part, &loss.logits, &mut loss.d_part, gradients, None);
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

    /// Gradients of [`Decoder::linear`]: adds those of what is trained of it, sets the input's.
    #[expect(clippy::too_many_arguments, reason = "a layer, its input and output, and where their gradients go")]
    pub(super) fn linear_backward(
        &self,
        linear: crate::arch::Linear,
        rows: usize,
        x: &K::Buffer,
        d_out: &K::Buffer,
        d_x: &mut K::Buffer,
        gradients: &mut [K::Buffer],
        dropout: Dropout,
    ) {
        let spec = &self.spec.parameters[linear.weight];
        let (inputs, outputs) = (spec.columns, spec.rows);
        if self.spec.is_trained(linear.weight) {
            if let Some(bias) = linear.bias {
                self.kernels.sum_rows(d_out, rows, &mut gradients[bias]);
            }
            self.kernels.matmul(Product::weight_gradient(rows, inputs, outputs), d_out, x, &mut gradients[linear.weight]);
        }
        self.multiply(Product::input_gradient(rows, inputs, outputs), d_out, linear.weight, d_x);
        self.adapters_backward(linear.weight, rows, x, d_out, d_x, gradients, dropout);
    }
}
