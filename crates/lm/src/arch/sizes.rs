//! The one place that turns a config into sizes: each has a bound, their products are checked, and together they fit the weights' files,
//! before memory is reserved for them.

use super::ConfigReader;
use crate::error::{Error, Result};
use crate::kernels::Heads;

/// Bounds far above all published models. No product of two of them, with a small factor, overflows.
const MOST_LAYERS: usize = 1 << 12;
const MOST_WIDTH: usize = 1 << 22;
const MOST_TOKENS: usize = 1 << 26;
/// The most positions of a context or a window. Memory grows with the positions that are used.
pub(super) const MOST_POSITIONS: usize = 1 << 30;
/// The weights' files may hold so many times fewer elements than the sizes ask for; a smaller difference is an error that names a tensor.
const SLACK: u128 = 4;

/// The keys of a family's sizes, and the defaults of `transformers`.
#[derive(Debug, Clone, Copy)]
pub(super) struct SizeKeys {
    pub hidden: &'static str,
    pub layers: &'static str,
    pub heads: &'static str,
    pub intermediate: &'static str,
    /// The default of the feed-forward's width, as a multiple of the hidden size. `None` if the key is required.
    pub intermediate_multiple: Option<usize>,
    pub context: (&'static str, usize),
    pub grouped: Option<GroupedHeads>,
}

/// The defaults of `num_key_value_heads` (or else as many as there are heads) and of `head_dim` (or else the hidden size by the heads).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct GroupedHeads {
    pub key_value_heads: Option<usize>,
    pub head_dim: Option<usize>,
}

/// The keys of GPT-2 and GPT-J.
pub(super) const GPT: SizeKeys = SizeKeys {
    hidden: "n_embd",
    layers: "n_layer",
    heads: "n_head",
    intermediate: "n_inner",
    intermediate_multiple: Some(4),
    context: ("n_positions", 1024),
    grouped: None,
};

/// The keys of llama and most others, without grouped heads.
pub(super) const LLAMA: SizeKeys = SizeKeys {
    hidden: "hidden_size",
    layers: "num_hidden_layers",
    heads: "num_attention_heads",
    intermediate: "intermediate_size",
    intermediate_multiple: None,
    context: ("max_position_embeddings", 2048),
    grouped: None,
};

/// The sizes of a decoder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub vocabulary: usize,
    pub hidden: usize,
    pub layers: usize,
    pub heads: Heads,
    pub intermediate: usize,
    pub context: usize,
}

impl ConfigReader {
    /// Reads the sizes of a decoder.
    pub(super) fn sizes(&mut self, keys: &SizeKeys) -> Result<Sizes> {
        let hidden = self.size_within(keys.hidden, MOST_WIDTH)?;
        let layers = self.size_within(keys.layers, MOST_LAYERS)?;
        let heads = self.heads(keys, hidden)?;
        let default = keys.intermediate_multiple.map(|multiple| multiple * hidden);
        let intermediate = self.optional_size_within(keys.intermediate, MOST_WIDTH)?.or(default);
        let intermediate = intermediate.ok_or_else(|| self.error(keys.intermediate, "is missing"))?;
        let (context, default) = keys.context;
        let context = self.optional_size_within(context, MOST_POSITIONS)?.unwrap_or(default);
        let sizes = Sizes { vocabulary: self.size_within("vocab_size", MOST_TOKENS)?, hidden, layers, heads, intermediate, context };
        self.check_elements(&sizes)?;
        Ok(sizes)
    }

    fn heads(&mut self, keys: &SizeKeys, hidden: usize) -> Result<Heads> {
        let query = self.size_within(keys.heads, MOST_WIDTH)?;
        let (key_value, dim) = match keys.grouped {
            Some(defaults) => (
                self.size_or("num_key_value_heads", defaults.key_value_heads, MOST_WIDTH)?.unwrap_or(query),
                self.size_or("head_dim", defaults.head_dim, MOST_WIDTH)?,
            ),
            None => (query, None),
        };
        if !query.is_multiple_of(key_value) {
            return Err(self.error("num_key_value_heads", format!("{key_value} does not divide the {query} attention heads")));
        }
        let dim = match dim {
            Some(dim) => dim,
            None if hidden.is_multiple_of(query) => hidden / query,
            None => return Err(self.error(keys.heads, format!("{query} heads do not divide the hidden size {hidden}"))),
        };
        if query * dim > MOST_WIDTH {
            return Err(self.error(keys.heads, format!("{query} heads of width {dim} are wider than {MOST_WIDTH}")));
        }
        Ok(Heads { query, key_value, dim })
    }

    /// Refuses sizes that ask for far more weights than the files hold.
    fn check_elements(&self, sizes: &Sizes) -> Result<()> {
        let product = |a: usize, b: usize| a as u128 * b as u128;
        // Every family has queries and outputs of attention and two maps of the feed-forward.
        let layer = 2 * product(sizes.heads.query * sizes.heads.dim, sizes.hidden) + 2 * product(sizes.hidden, sizes.intermediate);
        let needed = product(sizes.vocabulary, sizes.hidden) + sizes.layers as u128 * layer;
        match self.elements {
            Some(held) if needed > SLACK * held.max(1 << 16) => {
                let problem = format!(
                    "its sizes describe a model of at least {needed} weights, but the weights' files hold {held}; do they belong together?"
                );
                Err(Error::Weights { path: self.path.clone(), problem })
            }
            _ => Ok(()),
        }
    }
}
