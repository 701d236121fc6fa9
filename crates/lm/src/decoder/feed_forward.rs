//! Feed-forwards: the part of a block that works on each token by itself.
//!
//! Each kind is one file with everything that concerns it: the parameters and their tensors, the buffers, forward, backward, memory and
//! floating-point operations. This file only passes on to the kind at hand.

mod dense;

pub use dense::{Dense, DenseTensors};

use super::buffers::buffers;
use super::cost::Flops;
use super::{Linear, Pass, Write};
use crate::kernels::Kernels;
use crate::weights::ParameterSpec;
use dense::{DenseGradients, DenseScratch, DenseState};

/// A feed-forward's shape and the places of its parameters.
#[derive(Debug, Clone, PartialEq)]
pub enum FeedForward {
    /// One network for all tokens.
    Dense(Dense),
}

buffers! {
    /// What a feed-forward's forward pass leaves for its backward pass: the buffers of every kind. Those of other kinds than the block's
    /// stay empty.
    FeedForwardState(feed_forward: &FeedForward) {
        ..dense: DenseState = match feed_forward {
            FeedForward::Dense(dense) => DenseState::widths(dense),
        },
    }
}

buffers! {
    /// What a feed-forward works in and nobody reads afterwards, of every kind as in [`FeedForwardState`].
    FeedForwardScratch(feed_forward: &FeedForward) {
        ..dense: DenseScratch = match feed_forward {
            FeedForward::Dense(dense) => DenseScratch::widths(dense),
        },
    }
}

buffers! {
    /// Gradients within a feed-forward, of every kind as in [`FeedForwardState`].
    FeedForwardGradients(feed_forward: &FeedForward) {
        ..dense: DenseGradients = match feed_forward {
            FeedForward::Dense(dense) => DenseGradients::widths(dense),
        },
    }
}

impl FeedForward {
    /// Its linear maps, which can have adapters.
    pub fn linears(&self) -> Vec<Linear> {
        match self {
            FeedForward::Dense(dense) => dense.linears(),
        }
    }

    /// The keys of config.json that decide its shape, as Hugging Face's llama calls them, and their values.
    pub fn sizes(&self) -> Vec<(&'static str, usize)> {
        match self {
            FeedForward::Dense(dense) => dense.sizes(),
        }
    }

    /// Floating-point operations of one token.
    pub fn flops(&self, parameters: &[ParameterSpec]) -> Flops {
        match self {
            FeedForward::Dense(dense) => dense.flops(parameters),
        }
    }

    /// Values of one token that its backward pass needs besides its input.
    pub(super) fn kept_values(&self) -> usize {
        FeedForwardState::widths(self).total()
    }

    /// Computes the rows of `x` `[rows, hidden]`, and sets or adds the result `[rows, hidden]`.
    pub(crate) fn forward<K: Kernels>(
        &self,
        pass: Pass<'_, K>,
        x: &K::Buffer,
        state: &mut FeedForwardState<K::Buffer>,
        scratch: &mut FeedForwardScratch<K::Buffer>,
        write: Write,
        out: &mut K::Buffer,
    ) {
        match self {
            FeedForward::Dense(dense) => dense.forward(pass, x, &mut state.dense, &mut scratch.dense, write, out),
        }
    }

    /// The backward pass of [`FeedForward::forward`]. Sets `d_x` and adds the gradients of the trained parameters; may overwrite `state`.
    #[expect(clippy::too_many_arguments, reason = "a fused backward reads what its forward read and saved")]
    pub(crate) fn backward<K: Kernels>(
        &self,
        pass: Pass<'_, K>,
        x: &K::Buffer,
        state: &mut FeedForwardState<K::Buffer>,
        scratch: &mut FeedForwardScratch<K::Buffer>,
        d_out: &K::Buffer,
        d: &mut FeedForwardGradients<K::Buffer>,
        d_x: &mut K::Buffer,
        gradients: &mut [K::Buffer],
    ) {
        match self {
            FeedForward::Dense(dense) => {
                dense.backward(pass, x, &mut state.dense, &mut scratch.dense, d_out, &mut d.dense, d_x, gradients);
            }
        }
    }
}
