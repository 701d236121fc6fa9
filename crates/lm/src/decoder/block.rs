//! A block: a mixer and a feed-forward with the norms around them, each added to the residual stream.

use super::buffers::buffers;
use super::feed_forward::{FeedForward, FeedForwardGradients, FeedForwardScratch, FeedForwardState};
use super::mixer::{Mixer, MixerGradients, MixerState, Sequences};
use super::{Linear, Norm, Packed, Pass, Write};
use crate::kernels::Kernels;

/// One block, from a stream `[rows, hidden]` to the next.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Width of the stream.
    pub hidden: usize,
    /// The part that reads other tokens.
    pub mixer: Mixer,
    /// The part that works on each token separately.
    pub feed_forward: FeedForward,
    /// The norms, and the order of the operations.
    pub norms: Norms,
}

/// The positions of the norms of a block: `m` of the mixer and `f` of the feed-forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norms {
    /// `x += mixer(m(x)); x += feed_forward(f(x))` (GPT-2, llama).
    Pre {
        /// Before the mixer.
        mixer: Norm,
        /// Before the feed-forward.
        feed_forward: Norm,
    },
    /// `x += m(mixer(x)); x += f(feed_forward(x))` (`OLMo` 2).
    Post {
        /// After the mixer.
        mixer: Norm,
        /// After the feed-forward.
        feed_forward: Norm,
    },
    /// `x += m1(mixer(m0(x))); x += f1(feed_forward(f0(x)))` (Gemma).
    Both {
        /// Before and after the mixer.
        mixer: [Norm; 2],
        /// Before and after the feed-forward.
        feed_forward: [Norm; 2],
    },
    /// `x += mixer(m(x)) + feed_forward(f(x))` (GPT-J, GPT-NeoX).
    Parallel {
        /// Before the mixer.
        mixer: Norm,
        /// Before the feed-forward. It may be the norm of the mixer.
        feed_forward: Norm,
    },
}

/// The norms around one mixer or feed-forward.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around {
    hidden: usize,
    before: Option<Norm>,
    after: Option<Norm>,
}

buffers! {
    /// The values that the norms around a mixer or a feed-forward save for their backward pass. The output of the first norm is computed again
    /// instead.
    AroundState(around: Around) {
        statistics: around.before.map_or(0, Norm::statistics_width),
        /// The input of the second norm.
        raw: around.after.map_or(0, |_| around.hidden),
        raw_statistics: around.after.map_or(0, Norm::statistics_width),
    }
}

buffers! {
    /// The values that the forward pass of a block saves for its backward pass.
    BlockState(block: &Block) {
        /// The residual stream after the mixer.
        middle: block.hidden,
        ..around_mixer: AroundState = AroundState::widths(block.around_mixer()),
        ..mixer: MixerState = MixerState::widths(&block.mixer),
        ..around_feed_forward: AroundState = AroundState::widths(block.around_feed_forward()),
        ..feed_forward: FeedForwardState = FeedForwardState::widths(&block.feed_forward),
    }
}

buffers! {
    /// Temporary buffers of a block. No later pass reads them.
    BlockScratch(block: &Block) {
        /// A norm's output.
        normed: block.hidden,
        ..feed_forward: FeedForwardScratch = FeedForwardScratch::widths(&block.feed_forward),
    }
}

buffers! {
    /// Gradients in the backward pass of a block.
    BlockGradients(block: &Block) {
        /// Of the input of a mixer or a feed-forward.
        input: block.hidden,
        /// Of its output, if a norm follows. In a parallel block: the gradient of the stream from the feed-forward.
        output: block.hidden,
        /// Statistics of norms that are computed again.
        statistics: block.around_mixer().statistics_width().max(block.around_feed_forward().statistics_width()),
        ..mixer: MixerGradients = MixerGradients::widths(&block.mixer),
        ..feed_forward: FeedForwardGradients = FeedForwardGradients::widths(&block.feed_forward),
    }
}

impl Around {
    fn statistics_width(self) -> usize {
        self.before.map_or(0, Norm::statistics_width)
    }

    /// The input of the mixer or feed-forward: the normed stream, or the stream itself if there is no norm before it.
    fn input<'a, K: Kernels>(
        self,
        pass: Pass<'_, K>,
        stream: &'a K::Buffer,
        normed: &'a mut K::Buffer,
        statistics: &mut K::Buffer,
    ) -> &'a K::Buffer {
        let Some(norm) = self.before else { return stream };
        norm.forward(pass, stream, normed, statistics);
        normed
    }

    /// Adds the result of `compute` on `from` to `stream`, with the norms before and after it. `compute` writes to its last argument.
    fn forward<K: Kernels>(
        self,
        pass: Pass<'_, K>,
        from: &K::Buffer,
        state: &mut AroundState<K::Buffer>,
        normed: &mut K::Buffer,
        stream: &mut K::Buffer,
        compute: impl FnOnce(&K::Buffer, Write, &mut K::Buffer),
    ) {
        let input = self.input(pass, from, normed, &mut state.statistics);
        let Some(norm) = self.after else { return compute(input, Write::Add, stream) };
        compute(input, Write::Set, &mut state.raw);
        norm.forward(pass, &state.raw, normed, &mut state.raw_statistics);
        pass.decoder.kernels.add(normed, pass.rows * self.hidden, stream);
    }

    /// The gradient of the result between the norms, from the gradient of the stream to which it was added.
    fn output_gradient<'a, K: Kernels>(
        self,
        pass: Pass<'_, K>,
        state: &AroundState<K::Buffer>,
        d_stream: &'a K::Buffer,
        d_output: &'a mut K::Buffer,
        gradients: &mut [K::Buffer],
    ) -> &'a K::Buffer {
        let Some(norm) = self.after else { return d_stream };
        pass.decoder.kernels.clear(d_output);
        norm.backward(pass, d_stream, &state.raw, &state.raw_statistics, d_output, gradients);
        d_output
    }

    /// Adds the gradient of the input of the mixer or feed-forward to the gradient of the stream that it was computed from.
    fn input_gradient<K: Kernels>(
        self,
        pass: Pass<'_, K>,
        d_input: &K::Buffer,
        from: &K::Buffer,
        state: &AroundState<K::Buffer>,
        d_from: &mut K::Buffer,
        gradients: &mut [K::Buffer],
    ) {
        match self.before {
            Some(norm) => norm.backward(pass, d_input, from, &state.statistics, d_from, gradients),
            None => pass.decoder.kernels.add(d_input, pass.rows * self.hidden, d_from),
        }
    }
}

impl Block {
    fn around_mixer(&self) -> Around {
        let (before, after) = match self.norms {
            Norms::Pre { mixer, .. } | Norms::Parallel { mixer, .. } => (Some(mixer), None),
            Norms::Post { mixer, .. } => (None, Some(mixer)),
            Norms::Both { mixer: [before, after], .. } => (Some(before), Some(after)),
        };
        Around { hidden: self.hidden, before, after }
    }

    fn around_feed_forward(&self) -> Around {
        let (before, after) = match self.norms {
            Norms::Pre { feed_forward, .. } | Norms::Parallel { feed_forward, .. } => (Some(feed_forward), None),
            Norms::Post { feed_forward, .. } => (None, Some(feed_forward)),
            Norms::Both { feed_forward: [before, after], .. } => (Some(before), Some(after)),
        };
        Around { hidden: self.hidden, before, after }
    }

    /// Returns true if the feed-forward reads the stream that the mixer reads.
    fn is_parallel(&self) -> bool {
        matches!(self.norms, Norms::Parallel { .. })
    }

    /// The linear maps, those of the mixer first.
    pub fn linears(&self) -> impl Iterator<Item = Linear> + use<> {
        self.mixer.linears().into_iter().chain(self.feed_forward.linears())
    }

    /// The keys of config.json that determine the shape, with the names of Hugging Face's llama, and their values.
    pub fn sizes(&self) -> impl Iterator<Item = (&'static str, usize)> + use<> {
        self.mixer.sizes().into_iter().chain(self.feed_forward.sizes())
    }

    /// Computes `next`, the stream after the block, from `stream`.
    pub(super) fn forward<K: Kernels>(
        &self,
        pass: Pass<'_, K>,
        sequences: &mut Sequences<'_, K>,
        stream: &K::Buffer,
        next: &mut K::Buffer,
        state: &mut BlockState<K::Buffer>,
        scratch: &mut BlockScratch<K::Buffer>,
    ) {
        let (kernels, len) = (&pass.decoder.kernels, pass.rows * self.hidden);
        let BlockState { middle, around_mixer, mixer, around_feed_forward, feed_forward } = state;
        let BlockScratch { normed, feed_forward: scratch } = scratch;
        kernels.copy(stream, middle, len);
        self.around_mixer().forward(pass, stream, around_mixer, normed, middle, |x, write, out| {
            self.mixer.forward(pass, sequences, x, mixer, write, out);
        });
        let from = if self.is_parallel() { stream } else { &*middle };
        kernels.copy(middle, next, len);
        self.around_feed_forward().forward(pass, from, around_feed_forward, normed, next, |x, write, out| {
            self.feed_forward.forward(pass, x, feed_forward, scratch, write, out);
        });
    }

    /// Replaces `d_stream`, the gradient of the stream after the block, by the gradient of the stream before it.
    #[expect(clippy::too_many_arguments, reason = "a block's input, what was saved of it, and where gradients go")]
    pub(super) fn backward<K: Kernels>(
        &self,
        pass: Pass<'_, K>,
        batch: &Packed,
        stream: &K::Buffer,
        state: &mut BlockState<K::Buffer>,
        scratch: &mut BlockScratch<K::Buffer>,
        d: &mut BlockGradients<K::Buffer>,
        d_stream: &mut K::Buffer,
        gradients: &mut [K::Buffer],
    ) {
        self.feed_forward_backward(pass, stream, state, scratch, d, d_stream, gradients);
        self.mixer_backward(pass, batch, stream, state, scratch, d, d_stream, gradients);
        if self.is_parallel() {
            // Added only now, because the backward pass of the parallel mixer needs the gradient without it.
            pass.decoder.kernels.add(&d.output, pass.rows * self.hidden, d_stream);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a block's input, what was saved of it, and where gradients go")]
    fn feed_forward_backward<K: Kernels>(
        &self,
        pass: Pass<'_, K>,
        stream: &K::Buffer,
        state: &mut BlockState<K::Buffer>,
        scratch: &mut BlockScratch<K::Buffer>,
        d: &mut BlockGradients<K::Buffer>,
        d_stream: &mut K::Buffer,
        gradients: &mut [K::Buffer],
    ) {
        let around = self.around_feed_forward();
        let BlockState { middle, around_feed_forward, feed_forward, .. } = state;
        let from = if self.is_parallel() { stream } else { &*middle };
        let x = around.input(pass, from, &mut scratch.normed, &mut d.statistics);
        let d_out = around.output_gradient(pass, around_feed_forward, d_stream, &mut d.output, gradients);
        let (inner, d_inner) = (&mut scratch.feed_forward, &mut d.feed_forward);
        self.feed_forward.backward(pass, x, feed_forward, inner, d_out, d_inner, &mut d.input, gradients);
        let d_from = if self.is_parallel() {
            pass.decoder.kernels.clear(&mut d.output);
            &mut d.output
        } else {
            d_stream
        };
        around.input_gradient(pass, &d.input, from, around_feed_forward, d_from, gradients);
    }

    #[expect(clippy::too_many_arguments, reason = "a block's input, what was saved of it, and where gradients go")]
    fn mixer_backward<K: Kernels>(
        &self,
        pass: Pass<'_, K>,
        batch: &Packed,
        stream: &K::Buffer,
        state: &BlockState<K::Buffer>,
        scratch: &mut BlockScratch<K::Buffer>,
        d: &mut BlockGradients<K::Buffer>,
        d_stream: &mut K::Buffer,
        gradients: &mut [K::Buffer],
    ) {
        let around = self.around_mixer();
        let x = around.input(pass, stream, &mut scratch.normed, &mut d.statistics);
        // A parallel block still holds the feed-forward's gradient in `d.output`; no norm follows its mixer, so nothing is written there.
        let d_out = around.output_gradient(pass, &state.around_mixer, d_stream, &mut d.output, gradients);
        self.mixer.backward(pass, batch, x, &state.mixer, d_out, &mut d.mixer, &mut d.input, gradients);
        around.input_gradient(pass, &d.input, stream, &state.around_mixer, d_stream, gradients);
    }
}
