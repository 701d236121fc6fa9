//! The cost of a token on any device: floating-point operations and memory, counted from the blocks of the decoder.

use super::{Block, DecoderSpec, Linear};
use crate::weights::ParameterSpec;
use std::iter::Sum;
use std::ops::Add;

/// The floating-point operations of the forward pass of one token. A multiplication and an addition are two operations, so each weight costs
/// two.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Flops {
    /// Operations that do not depend on other tokens.
    pub own: f64,
    /// Operations for each token that this token sees.
    pub per_seen_token: f64,
}

impl Flops {
    /// The operations of a token that sees `seen` tokens on average.
    pub fn total(self, seen: f64) -> f64 {
        self.own + self.per_seen_token * seen
    }

    /// The products with the weights of linear maps. Adapters are not counted.
    pub(super) fn of_linears(linears: &[Linear], parameters: &[ParameterSpec]) -> Self {
        let weights = linears.iter().map(|linear| parameters[linear.weight].len()).sum::<usize>();
        Flops { own: 2.0 * weights as f64, per_seen_token: 0.0 }
    }
}

impl Add for Flops {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Flops { own: self.own + other.own, per_seen_token: self.per_seen_token + other.per_seen_token }
    }
}

impl Sum for Flops {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Flops::default(), Add::add)
    }
}

impl DecoderSpec {
    /// The operations of all blocks.
    pub fn block_flops(&self) -> Flops {
        self.blocks.iter().map(|block| block.mixer.flops(&self.parameters) + block.feed_forward.flops(&self.parameters)).sum()
    }

    /// Values that the mixers cache of each token of a sequence.
    pub fn cached_values(&self) -> usize {
        self.blocks.iter().map(|block| block.mixer.cached_values()).sum()
    }

    /// Values of one token that usual trainers on accelerators keep for the backward pass. Of a block, these are its input, two norms, the
    /// queries, the attended values, the stream between mixer and feed-forward, the cached values of the mixer, and both sides of the
    /// feed-forward. With `recompute`, these are the inputs of all blocks and one whole block. `crate::memory` counts what this crate keeps.
    pub fn usual_training_values(&self, recompute: bool) -> usize {
        let whole = |block: &Block| 6 * block.hidden + block.mixer.cached_values() + 2 * block.feed_forward.kept_values();
        let each = self.blocks.iter().map(whole);
        if recompute { self.blocks.len() * self.hidden + each.max().unwrap_or(0) } else { each.sum() }
    }

    /// The operations of the output head. Only tokens whose logits are needed have this cost.
    pub fn head_flops(&self) -> Flops {
        Flops::of_linears(&[self.head], &self.parameters)
    }
}
