//! Mixers: the part of a block through which a token reads other tokens.
//!
//! Each kind is one file with everything that concerns it: the parameters and their tensors, the buffers, forward in training and in
//! sampling, backward, what it remembers of a sequence, memory and floating-point operations. This file only passes on to the kind at hand.

mod attention;

pub use attention::{AttentionTensors, NormedHeads, QueryKeyNorm, QueryKeyTensors, SelfAttention};

use super::buffers::buffers;
use super::cost::Flops;
use super::{CacheDtype, Linear, Packed, Pass, Write};
use crate::kernels::{Kernels, PagedRows};
use crate::weights::ParameterSpec;
use attention::{AttentionGradients, AttentionState, Pages};

/// A mixer's shape and the places of its parameters.
#[derive(Debug, Clone, PartialEq)]
pub enum Mixer {
    /// Causal self-attention.
    Attention(SelfAttention),
}

/// What a mixer remembers of the sequences that are sampled.
#[derive(Debug)]
pub(crate) enum MixerCache<K: Kernels> {
    /// Keys and values in pages.
    Pages(Pages<K>),
}

/// The sequences to which the rows of a pass belong.
#[derive(Debug)]
pub(crate) enum Sequences<'a, K: Kernels> {
    /// Documents end to end, each from its beginning.
    Packed(&'a Packed),
    /// The next rows of sequences, of whose earlier rows the mixer has a memory.
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
    /// What a mixer's forward pass leaves for its backward pass: the buffers of every kind. Those of other kinds than the block's stay empty.
    MixerState(mixer: &Mixer) {
        ..attention: AttentionState = match mixer {
            Mixer::Attention(attention) => AttentionState::widths(attention),
        },
    }
}

buffers! {
    /// Gradients within a mixer, of every kind as in [`MixerState`].
    MixerGradients(mixer: &Mixer) {
        ..attention: AttentionGradients = match mixer {
            Mixer::Attention(attention) => AttentionGradients::widths(attention),
        },
    }
}

impl Mixer {
    /// Its linear maps, which can have adapters.
    pub fn linears(&self) -> Vec<Linear> {
        match self {
            Mixer::Attention(attention) => attention.linears(),
        }
    }

    /// The keys of config.json that decide its shape, as Hugging Face's llama calls them, and their values.
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

    /// Values that it remembers of each token of a sequence.
    pub fn cached_values(&self) -> usize {
        match self {
            Mixer::Attention(attention) => attention.cached_values(),
        }
    }

    /// An empty memory with room for `pages` pages.
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
