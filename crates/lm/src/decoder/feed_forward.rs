//! Feed-forwards: the part of a block that works on each token separately.
//!
//! Each kind is one file: its parameters and their tensors, its buffers, forward, backward, memory and floating-point operations. This file
//! only calls the kind of the block.

mod dense;

pub use dense::{Dense, DenseTensors};

use super::buffers::buffers;
use super::cost::Flops;
use super::{Linear, Pass, Write};
use crate::kernels::Kernels;
use crate::weights::ParameterSpec;
use dense::{DenseGradients, DenseScratch, DenseState};

/// The shape of a feed-forward and the indices of its parameters.
#[derive(Debug, Clone, PartialEq)]
pub enum FeedForward {
    /// One network for all tokens.
    Dense(Dense),
}

buffers! {
    /// The values that the forward pass of a feed-forward saves for its backward pass, with buffers for every kind. The buffers of other kinds
    /// stay empty.
    FeedForwardState(feed_forward: &FeedForward) {
        ..dense: DenseState = match feed_forward {
            FeedForward::Dense(dense) => DenseState::widths(dense),
        },
    }
}

buffers! {
    /// Temporary buffers of a feed-forward, for every kind as in [`FeedForwardState`]. No later pass reads them.
    FeedForwardScratch(feed_forward: &FeedForward) {
        ..dense: DenseScratch = match feed_forward {
            FeedForward::Dense(dense) => DenseScratch::widths(dense),
        },
    }
}

buffers! {
    /// Gradients within a feed-forward, for every kind as in [`FeedForwardState`].
    FeedForwardGradients(feed_forward: &FeedForward) {
        ..dense: DenseGradients = match feed_forward {
            FeedForward::Dense(dense) => DenseGradients::widths(dense),
        },
    }
}

impl FeedForward {
    /// The linear maps, which can have adapters.
    pub fn linears(&self) -> Vec<Linear> {
        match self {
            FeedForward::Dense(dense) => dense.linears(),
        }
    }

    /// The keys of config.json that determine the shape, with the names of Hugging Face's llama, and their values.
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

    /// Values of one token that the backward pass needs besides the input.
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

    /// The backward pass of [`FeedForward::forward`]. Sets `d_x` and adds the gradients of the trained parameters. It may overwrite `state`.
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
