//! The operations of a decoder as one trait. Another device is another implementation.
//!
//! All buffers hold dense row-major `f32` matrices. Each call passes the shapes. Operations are fused where memory traffic would dominate. Every
//! forward operation that training needs is followed by its backward operation.
//!
//! **Requirement for an implementation:** the result for a row depends only on that row and, in attention, on the rows before it in the same
//! document. It does not depend on other rows in the call or on the number of threads. Sampling needs this: the same request gives the same
//! tokens, whatever else is in the batch.

mod bits16;
mod cpu;

pub use bits16::{Half16, HalfKind};
pub use cpu::{Cpu, exponentials, vector_units};

use std::fmt::Debug;

/// A matrix product `out[m, n] (+)= a · b`, where `a` is `[m, k]` (stored `[k, m]` when `transpose_a`) and `b` is `[k, n]`
/// (stored `[n, k]` when `transpose_b`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Product {
    /// Rows of the result.
    pub m: usize,
    /// Columns of the result.
    pub n: usize,
    /// The summed dimension.
    pub k: usize,
    /// True if `a` is stored transposed.
    pub transpose_a: bool,
    /// True if `b` is stored transposed.
    pub transpose_b: bool,
    /// True if the product is added to `out`. If false, it replaces the values of `out`.
    pub accumulate: bool,
}

impl Product {
    /// `out = x · Wᵀ`: `rows` activations of width `input` through a weight stored `[output, input]`.
    pub fn linear(rows: usize, input: usize, output: usize) -> Self {
        Product { m: rows, n: output, k: input, transpose_a: false, transpose_b: true, accumulate: false }
    }

    /// `dx = dy · W`, the gradient of [`Product::linear`] with respect to its input.
    pub fn input_gradient(rows: usize, input: usize, output: usize) -> Self {
        Product { m: rows, n: input, k: output, transpose_a: false, transpose_b: false, accumulate: false }
    }

    /// `dW += dyᵀ · x`, the gradient of [`Product::linear`] with respect to its weight.
    pub fn weight_gradient(rows: usize, input: usize, output: usize) -> Self {
        Product { m: output, n: input, k: rows, transpose_a: true, transpose_b: false, accumulate: true }
    }
}

/// How a fused `[tokens, (query + 2 * key_value) * dim]` projection is divided: queries first, then keys, then values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// Query heads.
    pub query: usize,
    /// Key heads, and also value heads. Divides `query`.
    pub key_value: usize,
    /// Width of one head.
    pub dim: usize,
}

impl Heads {
    /// Width of the fused projection.
    pub fn fused_width(&self) -> usize {
        (self.query + 2 * self.key_value) * self.dim
    }

    /// Width of the attention's output.
    pub fn output_width(&self) -> usize {
        self.query * self.dim
    }

    /// Query heads that share one key head.
    pub fn group(&self) -> usize {
        self.query / self.key_value
    }

    /// Column at which key head `head` begins.
    pub fn key_column(&self, head: usize) -> usize {
        (self.query + head) * self.dim
    }

    /// Column at which value head `head` begins.
    pub fn value_column(&self, head: usize) -> usize {
        (self.query + self.key_value + head) * self.dim
    }
}

/// Attention in one layer: `softmax(bounded(scale * q · k)) · v` over the positions that a query sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention {
    /// How the fused projection is divided.
    pub heads: Heads,
    /// The factor on query-key products.
    pub scale: f32,
    /// The bound of scores, `cap * tanh(score / cap)`.
    pub softcap: Option<f32>,
    /// Positions that a query sees, including its own. `None` for all positions up to its own.
    pub window: Option<usize>,
}

impl Attention {
    /// The first position that the query at `position` sees.
    pub fn first_seen(&self, position: usize) -> usize {
        self.window.map_or(0, |window| (position + 1).saturating_sub(window))
    }
}

/// Columns of a buffer's rows, in `groups` of the same width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Columns {
    /// Width of a row of the buffer.
    pub row: usize,
    /// The first column.
    pub start: usize,
    /// Groups, each as wide as its weight.
    pub groups: usize,
}

/// A feed-forward's activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activation {
    /// The function.
    pub function: ActivationFunction,
    /// True if its result is a gate: `f(gate) * up` rather than `f(up)` (Shazeer 2020).
    pub gated: bool,
}

/// The function of an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivationFunction {
    /// `x * sigmoid(x)`.
    Silu,
    /// `x * Φ(x)` with the normal distribution Φ (Hendrycks and Gimpel 2016).
    Gelu,
    /// `x * Φ(x)` with Φ approximated by a hyperbolic tangent.
    GeluTanh,
}

/// Positions in one page of the key-value cache.
pub const PAGE: usize = 16;

/// For every row of a sampling step, the pages of the keys and values of its sequence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PagedRows {
    /// Position of each row in its sequence.
    pub positions: Vec<u32>,
    /// The page table that each row reads.
    pub tables: Vec<u32>,
    /// Page ids of each sequence, in order of position.
    pub pages: Vec<Vec<u32>>,
}

/// The numbers of one AdamW update (Loshchilov and Hutter 2019), with the bias corrections included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWStep {
    /// Factor on the gradient (clipping).
    pub gradient_scale: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// `learning rate / (1 - beta1^t)`.
    pub step_size: f32,
    /// `1 / sqrt(1 - beta2^t)`.
    pub second_moment_scale: f32,
    /// Added to the denominator.
    pub epsilon: f32,
    /// `1 - learning rate * weight decay`.
    pub decay: f32,
}

/// The operations of a decoder on one device.
pub trait Kernels: Debug + Clone + Send + Sync + 'static {
    /// Device memory of `f32`.
    type Buffer: Debug + Send + Sync;
    /// Device memory of a weight in 16 bits.
    type Half16: Debug + Send + Sync;

    /// A buffer of `len` zeros.
    fn zeros(&self, len: usize) -> Self::Buffer;
    /// A buffer that takes over these values.
    fn buffer(&self, values: Vec<f32>) -> Self::Buffer;
    /// A weight of 16 bits that takes over these values.
    fn half16(&self, values: Half16) -> Self::Half16;
    /// Copies a weight of 16 bits back.
    fn download_half16(&self, from: &Self::Half16) -> Half16;
    /// Values that a buffer can hold.
    fn len(&self, buffer: &Self::Buffer) -> usize;
    /// Copies to the start of the buffer.
    fn upload(&self, host: &[f32], to: &mut Self::Buffer);
    /// Copies the first `host.len()` values.
    fn download(&self, from: &Self::Buffer, host: &mut [f32]);
    /// Sets every value to zero.
    fn clear(&self, buffer: &mut Self::Buffer);
    /// Copies the first `len` values.
    fn copy(&self, from: &Self::Buffer, to: &mut Self::Buffer, len: usize);

    /// Matrix product. Each element of the result is one chain of fused multiply-adds for each 256 terms of `k`, in order.
    fn matmul(&self, product: Product, a: &Self::Buffer, b: &Self::Buffer, out: &mut Self::Buffer);
    /// As [`Kernels::matmul`] with a weight in 16 bits. The result has the same bits as with the weight widened to `f32`.
    fn matmul_half16(&self, product: Product, a: &Self::Buffer, b: &Self::Half16, out: &mut Self::Buffer);

    /// `out[i] = table[ids[i]]`, rows of `width`.
    fn embed(&self, table: &Self::Buffer, ids: &[u32], width: usize, out: &mut Self::Buffer);
    /// As [`Kernels::embed`] from a table in 16 bits.
    fn embed_half16(&self, table: &Self::Half16, ids: &[u32], width: usize, out: &mut Self::Buffer);
    /// `out[i] += table[ids[i]]`, rows of `width`.
    fn embed_add(&self, table: &Self::Buffer, ids: &[u32], width: usize, out: &mut Self::Buffer);
    /// `table_gradient[ids[i]] += gradient[i]`.
    fn embed_backward(&self, gradient: &Self::Buffer, ids: &[u32], width: usize, table_gradient: &mut Self::Buffer);

    /// `out[i] = x[rows[i]]`.
    fn gather_rows(&self, x: &Self::Buffer, rows: &[u32], width: usize, out: &mut Self::Buffer);
    /// `x[first..first + rows] = values[..rows]`, rows of `width`.
    fn put_rows(&self, values: &Self::Buffer, first: usize, rows: usize, width: usize, x: &mut Self::Buffer);
    /// `x[rows[i]] = values[i]`, all other rows of the first `total` zero. `rows` are distinct.
    fn scatter_rows(&self, values: &Self::Buffer, rows: &[u32], width: usize, total: usize, x: &mut Self::Buffer);

    /// `x[i] *= factor` for the first `len` values.
    fn scale(&self, factor: f32, len: usize, x: &mut Self::Buffer);
    /// `x[i] += values[i]` for the first `len` values.
    fn add(&self, values: &Self::Buffer, len: usize, x: &mut Self::Buffer);
    /// Adds `values` `[rows, width]` to some columns of `x`.
    fn add_columns(&self, columns: Columns, width: usize, rows: usize, values: &Self::Buffer, x: &mut Self::Buffer);
    /// Copies some columns of `x` to `values` `[rows, width]`.
    fn take_columns(&self, columns: Columns, width: usize, rows: usize, x: &Self::Buffer, values: &mut Self::Buffer);
    /// For the first `len` values, `out[i]` is zero with probability `rate` and `x[i] / (1 - rate)` otherwise (Srivastava et al. 2014). Which
    /// values are zero is a function of `seed` and `i`.
    fn dropout(&self, rate: f32, seed: u64, len: usize, x: &Self::Buffer, out: &mut Self::Buffer);
    /// Adds a vector, such as a bias, to each of `rows` rows.
    fn add_to_rows(&self, vector: &Self::Buffer, rows: usize, x: &mut Self::Buffer);
    /// Adds the sum of `rows` rows to a vector: the gradient of [`Kernels::add_to_rows`].
    fn sum_rows(&self, x: &Self::Buffer, rows: usize, vector: &mut Self::Buffer);
    /// `x[i] = cap * tanh(x[i] / cap)` for the first `len` values.
    fn soft_cap(&self, cap: f32, len: usize, x: &mut Self::Buffer);

    /// Root-mean-square norm (Zhang and Sennrich 2019): `out = x * inverse_rms * weight`. `inverse_rms` is `[rows]`.
    fn rms_norm(
        &self,
        x: &Self::Buffer,
        weight: &Self::Buffer,
        rows: usize,
        epsilon: f32,
        out: &mut Self::Buffer,
        inverse_rms: &mut Self::Buffer,
    );
    /// Adds to `x_gradient` and `weight_gradient`.
    #[expect(clippy::too_many_arguments, reason = "a fused backward reads what its forward read and saved")]
    fn rms_norm_backward(
        &self,
        gradient: &Self::Buffer,
        x: &Self::Buffer,
        weight: &Self::Buffer,
        inverse_rms: &Self::Buffer,
        rows: usize,
        x_gradient: &mut Self::Buffer,
        weight_gradient: &mut Self::Buffer,
    );

    /// [`Kernels::rms_norm`] in place on each group of some columns. `inverse_rms` is `[rows, groups]`.
    fn rms_norm_columns(
        &self,
        columns: Columns,
        weight: &Self::Buffer,
        rows: usize,
        epsilon: f32,
        x: &mut Self::Buffer,
        inverse_rms: &mut Self::Buffer,
    );
    /// Replaces those columns of `gradient` by the gradient of the input `x`, and adds to `weight_gradient`.
    #[expect(clippy::too_many_arguments, reason = "a fused backward reads what its forward read and saved")]
    fn rms_norm_columns_backward(
        &self,
        columns: Columns,
        x: &Self::Buffer,
        weight: &Self::Buffer,
        inverse_rms: &Self::Buffer,
        rows: usize,
        gradient: &mut Self::Buffer,
        weight_gradient: &mut Self::Buffer,
    );

    /// Layer norm (Ba et al. 2016): `out = (x - mean) * inverse_std * weight + bias`. `statistics` is `[rows, 2]`: mean and inverse standard
    /// deviation.
    #[expect(clippy::too_many_arguments, reason = "what a norm reads, and what its backward pass needs")]
    fn layer_norm(
        &self,
        x: &Self::Buffer,
        weight: &Self::Buffer,
        bias: &Self::Buffer,
        rows: usize,
        epsilon: f32,
        out: &mut Self::Buffer,
        statistics: &mut Self::Buffer,
    );
    /// Adds to `x_gradient` and `weight_gradient`. The gradient of the bias is [`Kernels::sum_rows`] of `gradient`.
    #[expect(clippy::too_many_arguments, reason = "a fused backward reads what its forward read and saved")]
    fn layer_norm_backward(
        &self,
        gradient: &Self::Buffer,
        x: &Self::Buffer,
        weight: &Self::Buffer,
        statistics: &Self::Buffer,
        rows: usize,
        x_gradient: &mut Self::Buffer,
        weight_gradient: &mut Self::Buffer,
    );

    /// Rotary embedding in place (Su et al. 2021) on the queries and keys of a fused projection. It rotates the first `rotated` coordinates of
    /// each head, and pairs coordinate `i` with coordinate `i + rotated / 2`. `table` is `[positions, rotated]`: cosines, then sines. `inverse`
    /// rotates back, which gives the gradient.
    fn rotary(&self, fused: &mut Self::Buffer, heads: Heads, rotated: usize, table: &Self::Buffer, positions: &[u32], inverse: bool);

    /// Causal attention within each document. `offsets[d]..offsets[d + 1]` are the rows of document `d`. `out` is `[tokens, query * dim]`.
    /// `log_sum_exp`, which the backward pass needs, is `[tokens, query]`.
    fn attention(
        &self,
        fused: &Self::Buffer,
        attention: Attention,
        offsets: &[usize],
        out: &mut Self::Buffer,
        log_sum_exp: &mut Self::Buffer,
    );
    /// Sets `fused_gradient`.
    #[expect(clippy::too_many_arguments, reason = "a fused backward reads what its forward read and saved")]
    fn attention_backward(
        &self,
        gradient: &Self::Buffer,
        out: &Self::Buffer,
        fused: &Self::Buffer,
        log_sum_exp: &Self::Buffer,
        attention: Attention,
        offsets: &[usize],
        fused_gradient: &mut Self::Buffer,
    );

    /// Stores the keys and values of the rows of a step in their pages. `keys` is `[pages, heads, dim, PAGE]`, `values`
    /// `[pages, heads, PAGE, dim]`.
    fn store_pages(&self, fused: &Self::Buffer, heads: Heads, rows: &PagedRows, keys: &mut Self::Buffer, values: &mut Self::Buffer);
    /// Attention of each row over the pages of its sequence, up to and including its own position.
    fn paged_attention(
        &self,
        fused: &Self::Buffer,
        attention: Attention,
        rows: &PagedRows,
        keys: &Self::Buffer,
        values: &Self::Buffer,
        out: &mut Self::Buffer,
    );

    /// [`Kernels::store_pages`] in half precision.
    fn store_pages_half16(&self, fused: &Self::Buffer, heads: Heads, rows: &PagedRows, keys: &mut Self::Half16, values: &mut Self::Half16);
    /// [`Kernels::paged_attention`] over pages in half precision, which are widened when they are read.
    fn paged_attention_half16(
        &self,
        fused: &Self::Buffer,
        attention: Attention,
        rows: &PagedRows,
        keys: &Self::Half16,
        values: &Self::Half16,
        out: &mut Self::Buffer,
    );

    /// `out = f(up)`, or `f(gate) * up` for `x` `[rows, 2 * width]`, gates first.
    fn activate(&self, activation: Activation, x: &Self::Buffer, rows: usize, width: usize, out: &mut Self::Buffer);
    /// Replaces `x` by its gradient.
    fn activate_backward(&self, activation: Activation, gradient: &Self::Buffer, rows: usize, width: usize, x: &mut Self::Buffer);

    /// Cross-entropy of each row of `logits` `[targets, classes]`, in nats. Replaces each row by its gradient times its value of `scales`
    /// `[targets]`. With a `softcap`, the logits are bounded first. The result of a row with a logit that is not finite is not finite.
    fn cross_entropy(&self, logits: &mut Self::Buffer, targets: &[u32], classes: usize, softcap: Option<f32>, scales: &[f32]) -> Vec<f32>;

    /// The sum of squares.
    fn squared_norm(&self, buffer: &Self::Buffer) -> f64;
    /// One AdamW update of a parameter and its moments.
    fn adamw(
        &self,
        step: AdamWStep,
        gradient: &Self::Buffer,
        parameter: &mut Self::Buffer,
        first: &mut Self::Buffer,
        second: &mut Self::Buffer,
    );
}
