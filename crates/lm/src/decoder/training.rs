//! Forward and backward over packed documents.

use super::{Decoder, ensure};
use crate::arch::index;
use crate::arch::index::{ATTENTION_NORM, DOWN, EMBEDDING, GATE_UP, MLP_NORM, OUTPUT, QKV};
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
    layers: Vec<LayerMemory<K>>,
    /// The residual stream after the last layer, `[tokens, hidden]`.
    last: K::Buffer,
    /// Gradient of the residual stream, `[tokens, hidden]`.
    d_stream: K::Buffer,
    /// Norm outputs and their gradients, `[tokens, hidden]`.
    normed: K::Buffer,
    d_normed: K::Buffer,
    /// Norm factors that are not kept, `[tokens]`.
    inverse_rms: K::Buffer,
    /// The feed-forward's inner activation and its gradient, `[tokens, intermediate]`.
    inner: K::Buffer,
    d_inner: K::Buffer,
    /// Gradients of attention's output and of the fused projection.
    d_attended: K::Buffer,
    d_fused: K::Buffer,
    /// Rows that carry loss, their norm, its gradient, and a part of their logits.
    loss: LossMemory<K>,
}

/// What a layer keeps for its backward pass. Norm outputs and the inner activation are computed again instead.
#[derive(Debug)]
struct LayerMemory<K: Kernels> {
    /// The residual stream that enters, `[tokens, hidden]`.
    stream: K::Buffer,
    attention_inverse_rms: K::Buffer,
    /// Rotated queries, keys and values, `[tokens, fused width]`.
    fused: K::Buffer,
    /// `[tokens, query * dim]`.
    attended: K::Buffer,
    log_sum_exp: K::Buffer,
    /// The residual stream after attention, `[tokens, hidden]`.
    middle: K::Buffer,
    mlp_inverse_rms: K::Buffer,
    /// `[tokens, 2 * intermediate]`; the backward pass turns it into its gradient.
    gate_up: K::Buffer,
}

#[derive(Debug)]
struct LossMemory<K: Kernels> {
    x: K::Buffer,
    normed: K::Buffer,
    inverse_rms: K::Buffer,
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
            inverse_rms: empty(),
            d_normed: empty(),
            d_x: empty(),
            logits: empty(),
            part: empty(),
            d_part: empty(),
        };
        TrainingMemory {
            layers: Vec::new(),
            last: empty(),
            d_stream: empty(),
            normed: empty(),
            d_normed: empty(),
            inverse_rms: empty(),
            inner: empty(),
            d_inner: empty(),
            d_attended: empty(),
            d_fused: empty(),
            loss,
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
        let mut logits = self.kernels.zeros(batch.rows.len() * self.spec.vocabulary);
        self.logits(batch.rows.len(), &memory.loss.normed, &mut logits);
        super::downloaded(&self.kernels, &logits)
    }

    fn forward(&self, batch: &Packed, memory: &mut TrainingMemory<K>) {
        let tokens = batch.tokens.len();
        self.reserve(tokens, memory);
        let (kernels, spec) = (&self.kernels, &self.spec);
        let TrainingMemory { layers, last, normed, inner, .. } = memory;
        kernels.embed(&self.parameters[EMBEDDING], &batch.tokens, spec.hidden, &mut layers[0].stream);
        for layer in 0..spec.layers {
            let (done, rest) = layers.split_at_mut(layer + 1);
            let m = &mut done[layer];
            let next = rest.first_mut().map_or(&mut *last, |next| &mut next.stream);

            kernels.rms_norm(
                &m.stream,
                self.parameter(layer, ATTENTION_NORM),
                tokens,
                spec.norm_epsilon,
                normed,
                &mut m.attention_inverse_rms,
            );
            self.linear(layer, QKV, tokens, normed, &mut m.fused, false);
            kernels.rotary(&mut m.fused, spec.heads, &self.rotary, &batch.positions, false);
            kernels.attention(&m.fused, spec.heads, &batch.offsets, &mut m.attended, &mut m.log_sum_exp);
            kernels.copy(&m.stream, &mut m.middle, tokens * spec.hidden);
            self.linear(layer, OUTPUT, tokens, &m.attended, &mut m.middle, true);

            kernels.rms_norm(&m.middle, self.parameter(layer, MLP_NORM), tokens, spec.norm_epsilon, normed, &mut m.mlp_inverse_rms);
            self.linear(layer, GATE_UP, tokens, normed, &mut m.gate_up, false);
            kernels.gated_silu(&m.gate_up, tokens, spec.intermediate, inner);
            kernels.copy(&m.middle, next, tokens * spec.hidden);
            self.linear(layer, DOWN, tokens, inner, next, true);
        }
    }

    /// The final norm of the rows that carry loss.
    fn norm_loss_rows(&self, batch: &Packed, memory: &mut TrainingMemory<K>) {
        let (kernels, spec, rows) = (&self.kernels, &self.spec, batch.rows.len());
        let TrainingMemory { last, loss, .. } = memory;
        for buffer in [&mut loss.x, &mut loss.normed, &mut loss.d_normed, &mut loss.d_x] {
            ensure(kernels, buffer, rows * spec.hidden);
        }
        ensure(kernels, &mut loss.inverse_rms, rows);
        kernels.gather_rows(last, &batch.rows, spec.hidden, &mut loss.x);
        kernels.rms_norm(&loss.x, &self.parameters[spec.final_norm()], rows, spec.norm_epsilon, &mut loss.normed, &mut loss.inverse_rms);
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
            losses.extend(kernels.cross_entropy(&mut loss.logits, targets, spec.vocabulary, scale));
            if let Some((_, gradients)) = &mut gradients {
                let (input, output) = (spec.hidden, spec.vocabulary);
                kernels.matmul(
                    Product::input_gradient(rows.len(), input, output),
                    &loss.logits,
                    &self.parameters[spec.head()],
                    &mut loss.d_part,
                );
                kernels.matmul(Product::weight_gradient(rows.len(), input, output), &loss.logits, &loss.part, &mut gradients[spec.head()]);
                kernels.put_rows(&loss.d_part, rows[0] as usize, rows.len(), spec.hidden, &mut loss.d_normed);
            }
        }
        if let Some((_, gradients)) = gradients {
            let (norm, rows) = (spec.final_norm(), batch.rows.len());
            kernels.clear(&mut loss.d_x);
            kernels.rms_norm_backward(
                &loss.d_normed,
                &loss.x,
                &self.parameters[norm],
                &loss.inverse_rms,
                rows,
                &mut loss.d_x,
                &mut gradients[norm],
            );
            kernels.scatter_rows(&loss.d_x, &batch.rows, spec.hidden, batch.tokens.len(), d_stream);
        }
        losses
    }

    /// From `d_stream` after the last layer down to the embedding.
    fn backward(&self, batch: &Packed, memory: &mut TrainingMemory<K>, gradients: &mut [K::Buffer]) {
        for layer in (0..self.spec.layers).rev() {
            self.mlp_backward(layer, batch.tokens.len(), memory, gradients);
            self.attention_backward(layer, batch, memory, gradients);
        }
        self.kernels.embed_backward(&memory.d_stream, &batch.tokens, self.spec.hidden, &mut gradients[EMBEDDING]);
    }

    fn mlp_backward(&self, layer: usize, tokens: usize, memory: &mut TrainingMemory<K>, gradients: &mut [K::Buffer]) {
        let (kernels, spec) = (&self.kernels, &self.spec);
        let TrainingMemory { layers, d_stream, normed, d_normed, inverse_rms, inner, d_inner, .. } = memory;
        let m = &mut layers[layer];
        kernels.gated_silu(&m.gate_up, tokens, spec.intermediate, inner);
        self.linear_backward(layer, DOWN, tokens, inner, d_stream, d_inner, gradients);
        kernels.gated_silu_backward(d_inner, tokens, spec.intermediate, &mut m.gate_up);
        kernels.rms_norm(&m.middle, self.parameter(layer, MLP_NORM), tokens, spec.norm_epsilon, normed, inverse_rms);
        self.linear_backward(layer, GATE_UP, tokens, normed, &m.gate_up, d_normed, gradients);
        let norm = index::layer(layer, MLP_NORM);
        kernels.rms_norm_backward(d_normed, &m.middle, &self.parameters[norm], &m.mlp_inverse_rms, tokens, d_stream, &mut gradients[norm]);
    }

    fn attention_backward(&self, layer: usize, batch: &Packed, memory: &mut TrainingMemory<K>, gradients: &mut [K::Buffer]) {
        let (kernels, spec, tokens) = (&self.kernels, &self.spec, batch.tokens.len());
        let TrainingMemory { layers, d_stream, normed, d_normed, inverse_rms, d_attended, d_fused, .. } = memory;
        let m = &mut layers[layer];
        self.linear_backward(layer, OUTPUT, tokens, &m.attended, d_stream, d_attended, gradients);
        kernels.attention_backward(d_attended, &m.attended, &m.fused, &m.log_sum_exp, spec.heads, &batch.offsets, d_fused);
        kernels.rotary(d_fused, spec.heads, &self.rotary, &batch.positions, true);
        kernels.rms_norm(&m.stream, self.parameter(layer, ATTENTION_NORM), tokens, spec.norm_epsilon, normed, inverse_rms);
        self.linear_backward(layer, QKV, tokens, normed, d_fused, d_normed, gradients);
        let norm = index::layer(layer, ATTENTION_NORM);
        kernels.rms_norm_backward(
            d_normed,
            &m.stream,
            &self.parameters[norm],
            &m.attention_inverse_rms,
            tokens,
            d_stream,
            &mut gradients[norm],
        );
    }

    /// Gradients of [`Decoder::linear`]: adds the weight's, sets the input's.
    #[expect(clippy::too_many_arguments, reason = "a layer, its input and output, and where their gradients go")]
    fn linear_backward(
        &self,
        layer: usize,
        part: usize,
        rows: usize,
        x: &K::Buffer,
        d_out: &K::Buffer,
        d_x: &mut K::Buffer,
        gradients: &mut [K::Buffer],
    ) {
        let at = index::layer(layer, part);
        let spec = &self.spec.parameters[at];
        self.kernels.matmul(Product::weight_gradient(rows, spec.columns, spec.rows), d_out, x, &mut gradients[at]);
        self.kernels.matmul(Product::input_gradient(rows, spec.columns, spec.rows), d_out, &self.parameters[at], d_x);
    }

    fn reserve(&self, tokens: usize, memory: &mut TrainingMemory<K>) {
        let (kernels, spec) = (&self.kernels, &self.spec);
        let empty = || kernels.zeros(0);
        memory.layers.resize_with(spec.layers, || LayerMemory {
            stream: empty(),
            attention_inverse_rms: empty(),
            fused: empty(),
            attended: empty(),
            log_sum_exp: empty(),
            middle: empty(),
            mlp_inverse_rms: empty(),
            gate_up: empty(),
        });
        let (hidden, inner) = (tokens * spec.hidden, tokens * spec.intermediate);
        let (fused, attended) = (tokens * spec.heads.fused_width(), tokens * spec.heads.output_width());
        for layer in &mut memory.layers {
            ensure(kernels, &mut layer.stream, hidden);
            ensure(kernels, &mut layer.attention_inverse_rms, tokens);
            ensure(kernels, &mut layer.fused, fused);
            ensure(kernels, &mut layer.attended, attended);
            ensure(kernels, &mut layer.log_sum_exp, tokens * spec.heads.query);
            ensure(kernels, &mut layer.middle, hidden);
            ensure(kernels, &mut layer.mlp_inverse_rms, tokens);
            ensure(kernels, &mut layer.gate_up, 2 * inner);
        }
        for buffer in [&mut memory.last, &mut memory.d_stream, &mut memory.normed, &mut memory.d_normed] {
            ensure(kernels, buffer, hidden);
        }
        ensure(kernels, &mut memory.inverse_rms, tokens);
        ensure(kernels, &mut memory.inner, inner);
        ensure(kernels, &mut memory.d_inner, inner);
        ensure(kernels, &mut memory.d_attended, attended);
        ensure(kernels, &mut memory.d_fused, fused);
    }
}
