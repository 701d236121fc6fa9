//! Mixers: the part of a block through which a token reads other tokens.
//!
//! Each kind is one file: its parameters and their tensors, its buffers, forward in training and in sampling, backward, the cache of a
//! sequence, memory and floating-point operations. This file only calls the kind of the block.

mod attention;

pub use attention::{AttentionTensors, NormedHeads, QueryKeyNorm, QueryKeyTensors, SelfAttention};

use super::buffers::buffers;
use super::cost::Flops;
use super::{CacheDtype, Linear, Packed, Pass, Write};
use crate::kernels::{Kernels, PagedRows};
use crate::weights::ParameterSpec;
use attention::{AttentionGradients, AttentionState, Pages};

/// The shape of a mixer and the indices of its parameters.
#[derive(Debug, Clone, PartialEq)]
pub enum Mixer {
    /// Causal self-attention.
    Attention(SelfAttention),
}

/// The cache of a mixer for the sequences that are sampled.
#[derive(Debug)]
pub(crate) enum MixerCache<K: Kernels> {
    /// Keys and values in pages.
    Pages(Pages<K>),
}

/// The sequences to which the rows of a pass belong.
#[derive(Debug)]
pub(crate) enum Sequences<'a, K: Kernels> {
    /// Packed documents, each from its first token.
    Packed(&'a Packed),
    /// The next rows of sequences whose earlier rows are in the cache of the mixer.
    Cached(&'a PagedRows, &'a mut MixerCache<K>),
}

impl<K: Kernels> Sequences<'_, K> {
    /// The position of each row in its sequence.
    pub fn positions(&self) -> &[u32] {
        match self {
            Sequences::Packed(batch) => &batch.positions,
            Sequences::Cached(rows, _) => &rows.positions,
        }
    }
}

buffers! {
    /// The values that the forward pass of a mixer saves for its backward pass, with buffers for every kind. The buffers of other kinds stay
    /// empty.
    MixerState(mixer: &Mixer) {
        ..attention: AttentionState = match mixer {
            Mixer::Attention(attention) => AttentionState::widths(attention),
        },
    }
}

buffers! {
    /// Gradients within a mixer, for every kind as in [`MixerState`].
    MixerGradients(mixer: &Mixer) {
        ..attention: AttentionGradients = match mixer {
            Mixer::Attention(attention) => AttentionGradients::widths(attention),
        },
    }
}

impl Mixer {
    /// The linear maps, which can have adapters.
    pub fn linears(&self) -> Vec<Linear> {
        match self {
            Mixer::Attention(attention) => attention.linears(),
        }
    }

    /// The keys of config.json that determine the shape, with the names of Hugging Face's llama, and their values.
    pub fn sizes(&self) -> Vec<(&'static str, usize)> {
        match self {
            Mixer::Attention(attention) => attention.sizes(),
        }
    }

    /// Floating-point operations of one token.
    pub fn flops(&self, parameters: &[ParameterSpec]) -> Flops {
        match self {
            Mixer::Attention(attention) => attention.flops(parameters),
        }
    }

    /// Values that are cached of each token of a sequence.
    pub fn cached_values(&self) -> usize {
        match self {
            Mixer::Attention(attention) => attention.cached_values(),
        }
    }

    /// An empty cache of `pages` pages.
    pub(crate) fn cache<K: Kernels>(&self, kernels: &K, pages: usize, dtype: CacheDtype) -> MixerCache<K> {
        match self {
            Mixer::Attention(attention) => MixerCache::Pages(Pages::new(kernels, attention, pages, dtype)),
        }
    }

    /// Mixes the rows of `x` `[rows, hidden]` within their sequences, and sets or adds the result `[rows, hidden]`.
    pub(crate) fn forward<K: Kernels>(
        &self,
        pass: Pass<'_, K>,
        sequences: &mut Sequences<'_, K>,
        x: &K::Buffer,
        state: &mut MixerState<K::Buffer>,
        write: Write,
        out: &mut K::Buffer,
    ) {
        match self {
            Mixer::Attention(attention) => attention.forward(pass, sequences, x, &mut state.attention, write, out),
        }
    }

    /// The backward pass of [`Mixer::forward`] on packed documents. Sets `d_x` and adds the gradients of the trained parameters.
    #[expect(clippy::too_many_arguments, reason = "a fused backward reads what its forward read and saved")]
    pub(crate) fn backward<K: Kernels>(
        &self,
        pass: Pass<'_, K>,
        batch: &Packed,
        x: &K::Buffer,
        state: &MixerState<K::Buffer>,
        d_out: &K::Buffer,
        d: &mut MixerGradients<K::Buffer>,
        d_x: &mut K::Buffer,
        gradients: &mut [K::Buffer],
    ) {
        match self {
            Mixer::Attention(attention) => attention.backward(pass, batch, x, &state.attention, d_out, &mut d.attention, d_x, gradients),
        }
    }
}
