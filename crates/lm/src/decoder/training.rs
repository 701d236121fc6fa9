//! Forward and backward over packed documents.

use super::adapters::Dropout;
use super::block::{BlockGradients, BlockScratch, BlockState};
use super::buffers::ensure;
use super::loss::{LogitPart, LossRows, loss_values};
use super::mixer::Sequences;
use super::{Decoder, DecoderSpec, Pass, downloaded};
use crate::kernels::Kernels;
use crate::weights::ParameterSpec;

/// Documents packed end to end. There is no attention between documents, and positions restart with each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packed {
    /// All tokens.
    pub tokens: Vec<u32>,
    /// Position of each in its document.
    pub positions: Vec<u32>,
    /// The first row of each document, and the number of all rows.
    pub offsets: Vec<usize>,
    /// Rows (tokens) whose next token carries loss.
    pub rows: Vec<u32>,
    /// Those next tokens.
    pub targets: Vec<u32>,
}

/// Buffers of a forward and backward pass, kept between steps.
#[derive(Debug)]
pub struct TrainingMemory<K: Kernels> {
    /// The residual stream before each block and after the last, `[tokens, hidden]` each.
    pub(super) streams: Vec<K::Buffer>,
    /// The saved values of each block. With recomputation there is one for all blocks, which the backward pass fills again.
    states: Vec<BlockState<K::Buffer>>,
    scratch: BlockScratch<K::Buffer>,
    /// Gradient of the residual stream, `[tokens, hidden]`.
    pub(super) d_stream: K::Buffer,
    /// Gradients within a block.
    d: BlockGradients<K::Buffer>,
    /// Rows that carry loss, and a part of their logits.
    pub(super) loss: LossRows<K::Buffer>,
    pub(super) logits: LogitPart<K::Buffer>,
    /// The dropout of adapter inputs.
    dropout: Dropout,
    recompute: bool,
}

impl<K: Kernels> TrainingMemory<K> {
    /// Empty buffers, which grow when they are used.
    pub fn new(kernels: &K) -> Self {
        TrainingMemory {
            streams: Vec::new(),
            states: Vec::new(),
            scratch: BlockScratch::empty(kernels),
            d_stream: kernels.zeros(0),
            d: BlockGradients::empty(kernels),
            loss: LossRows::empty(kernels),
            logits: LogitPart::empty(kernels),
            dropout: None,
            recompute: false,
        }
    }

    /// Keeps only the residual stream of each block and computes the rest again in the backward pass (Chen et al. 2016): a third more work, a
    /// fraction of the memory, and the same bits.
    #[must_use]
    pub fn with_recomputation(mut self) -> Self {
        self.recompute = true;
        self
    }

    /// Sets the seed of the dropout of adapter inputs for the next passes. `None` for no dropout.
    pub fn set_dropout(&mut self, seed: Option<u64>) {
        self.dropout = seed;
    }

    /// Bytes that the buffers hold.
    pub fn bytes(&self, kernels: &K) -> usize {
        let streams = self.streams.iter().chain([&self.d_stream]).map(|buffer| kernels.len(buffer)).sum::<usize>();
        let states = self.states.iter().map(|state| state.held(kernels)).sum::<usize>();
        let shared = self.scratch.held(kernels) + self.d.held(kernels) + self.loss.held(kernels) + self.logits.held(kernels);
        (streams + states + shared) * size_of::<f32>()
    }

    fn reserve(&mut self, decoder: &Decoder<K>, tokens: usize) {
        let (kernels, spec) = (&decoder.kernels, &decoder.spec);
        self.streams.resize_with(spec.blocks.len() + 1, || kernels.zeros(0));
        for stream in self.streams.iter_mut().chain([&mut self.d_stream]) {
            ensure(kernels, stream, tokens * spec.hidden);
        }
        let widths = state_widths(spec, self.recompute);
        self.states.resize_with(widths.len(), || BlockState::empty(kernels));
        for (state, widths) in self.states.iter_mut().zip(&widths) {
            state.reserve(kernels, widths, tokens);
        }
        let (scratch, gradients) = shared_widths(spec);
        self.scratch.reserve(kernels, &scratch, tokens);
        self.d.reserve(kernels, &gradients, tokens);
    }

    /// The index of a block's saved values.
    fn state_of(&self, block: usize) -> usize {
        if self.recompute { 0 } else { block }
    }
}

/// The values that each block saves for a token. With recomputation, those of the one set that all blocks share.
fn state_widths(spec: &DecoderSpec, recompute: bool) -> Vec<BlockState<usize>> {
    let each = spec.blocks.iter().map(BlockState::widths);
    if recompute { each.reduce(BlockState::or_wider).into_iter().collect() } else { each.collect() }
}

/// The buffers that all blocks share.
fn shared_widths(spec: &DecoderSpec) -> (BlockScratch<usize>, BlockGradients<usize>) {
    let scratch = spec.blocks.iter().map(BlockScratch::widths).reduce(BlockScratch::or_wider);
    let gradients = spec.blocks.iter().map(BlockGradients::widths).reduce(BlockGradients::or_wider);
    (scratch.unwrap_or_default(), gradients.unwrap_or_default())
}

impl DecoderSpec {
    /// Values that [`TrainingMemory`] holds for a pass of `tokens` tokens, all of which carry loss.
    pub(crate) fn training_values(&self, tokens: usize, recompute: bool) -> usize {
        let states = state_widths(self, recompute).iter().map(BlockState::total).sum::<usize>();
        let streams = (self.blocks.len() + 2) * self.hidden;
        let (scratch, gradients) = shared_widths(self);
        tokens * (states + streams + scratch.total() + gradients.total()) + loss_values(self, tokens)
    }
}

impl<K: Kernels> Decoder<K> {
    /// Zeros in the shape of the parameters. Frozen matrices have no gradient, so their buffers are empty.
    pub fn zero_gradients(&self) -> Vec<K::Buffer> {
        let len = |(at, p): (usize, &ParameterSpec)| if self.spec.is_trained(at) || !p.is_matrix() { p.len() } else { 0 };
        self.spec.parameters.iter().enumerate().map(|p| self.kernels.zeros(len(p))).collect()
    }

    /// Cross-entropy of every target of `batch`, in nats.
    pub fn losses(&self, batch: &Packed, memory: &mut TrainingMemory<K>) -> Vec<f32> {
        self.forward(batch, memory);
        self.loss(batch, None, memory)
    }

    /// Cross-entropy of every target of `batch`, in nats. Adds the gradient of `scale` times their sum to `gradients`.
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

    /// Adds to `gradients` the gradient of a loss that is a function of the log-probabilities of the targets. `logprob_grads` receives these
    /// log-probabilities `[targets]` and returns the derivative of the loss by each. The logits are computed twice, in parts, so that they are
    /// never held whole. All before the logits is computed once.
    pub fn gradients_by_logprobs(
        &self,
        batch: &Packed,
        logprob_grads: impl FnOnce(&[f32]) -> Vec<f32>,
        memory: &mut TrainingMemory<K>,
        gradients: &mut [K::Buffer],
    ) {
        self.forward(batch, memory);
        let logprobs: Vec<f32> = self.loss(batch, None, memory).iter().map(|loss| -loss).collect();
        // A log-probability is a negative cross-entropy.
        let scales: Vec<f32> = logprob_grads(&logprobs).iter().map(|grad| -grad).collect();
        self.loss(batch, Some((&scales, &mut *gradients)), memory);
        self.backward(batch, memory, gradients);
    }

    /// The logits of every target, `[targets, vocabulary]`. Needs memory for all of them, so it is only for tests and inspection.
    pub fn target_logits(&self, batch: &Packed, memory: &mut TrainingMemory<K>) -> Vec<f32> {
        self.forward(batch, memory);
        self.norm_loss_rows(batch, memory);
        let mut logits = self.kernels.zeros(batch.rows.len() * self.spec.vocabulary);
        self.logits(batch.rows.len(), &memory.loss.normed, &mut logits);
        self.bound_logits(batch.rows.len(), &mut logits);
        downloaded(&self.kernels, &logits)
    }

    pub(super) fn forward(&self, batch: &Packed, memory: &mut TrainingMemory<K>) {
        memory.reserve(self, batch.tokens.len());
        self.embed(&batch.tokens, &batch.positions, &mut memory.streams[0]);
        for block in 0..self.spec.blocks.len() {
            self.run_block(block, batch, memory);
        }
    }

    /// Runs one block forward, from its stream to the next one.
    fn run_block(&self, block: usize, batch: &Packed, memory: &mut TrainingMemory<K>) {
        let pass = Pass { decoder: self, rows: batch.tokens.len(), dropout: memory.dropout };
        let at = memory.state_of(block);
        let TrainingMemory { streams, states, scratch, .. } = memory;
        let (before, after) = streams.split_at_mut(block + 1);
        let sequences = &mut Sequences::Packed(batch);
        self.spec.blocks[block].forward(pass, sequences, &before[block], &mut after[0], &mut states[at], scratch);
    }

    /// From `d_stream` after the last block down to the embedding.
    fn backward(&self, batch: &Packed, memory: &mut TrainingMemory<K>, gradients: &mut [K::Buffer]) {
        let pass = Pass { decoder: self, rows: batch.tokens.len(), dropout: memory.dropout };
        for (index, block) in self.spec.blocks.iter().enumerate().rev() {
            if memory.recompute {
                self.run_block(index, batch, memory);
            }
            let at = memory.state_of(index);
            let TrainingMemory { streams, states, scratch, d_stream, d, .. } = memory;
            block.backward(pass, batch, &streams[index], &mut states[at], scratch, d, d_stream, gradients);
        }
        self.embed_backward(batch, &mut memory.d_stream, gradients);
    }

    /// Adds the gradients of the embedding and of learned positions, if they are trained.
    fn embed_backward(&self, batch: &Packed, d_stream: &mut K::Buffer, gradients: &mut [K::Buffer]) {
        let (kernels, spec) = (&self.kernels, &self.spec);
        let mut add = |table: usize, ids: &[u32], d_stream: &K::Buffer| {
            if spec.is_trained(table) {
                kernels.embed_backward(d_stream, ids, spec.hidden, &mut gradients[table]);
            }
        };
        if let Some(table) = spec.positions {
            add(table, &batch.positions, d_stream);
        }
        if spec.scales_the_embedding() {
            kernels.scale(spec.embedding_scale, batch.tokens.len() * spec.hidden, d_stream);
        }
        add(spec.embedding, &batch.tokens, d_stream);
    }
}
