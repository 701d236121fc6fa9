//! Matrix products on library kernels, with one numeric definition.
//!
//! Every element of a product is a sum of chains of fused multiply-adds over `k` in order, with [`DEPTH`] terms in each chain. Both libraries
//! compute exactly this; a test compares them bit for bit. So the faster one is chosen for each shape, and work can be divided between threads
//! anywhere. The result for a row does not depend on other rows, on the number of threads or on the processor.
//!
//! `gemm` is the fastest on large shapes with AVX-512. It uses other orders of summation for thin shapes and derives its depth from the cache
//! sizes. So it is called in slices of [`DEPTH`], and only if both sides are at least [`WIDE`]. `matrixmultiply` has a fixed depth of 256 and
//! no special cases, and is the faster one on small shapes. Both copy their operands into blocks. For products of few rows with a weight,
//! [`super::thin`] reads the weight without a copy.

use super::super::Product;
use super::thin;
use rayon::prelude::*;

/// Terms in one chain of fused multiply-adds. The constant of `matrixmultiply`.
pub(super) const DEPTH: usize = 256;
/// Rows and columns from which `gemm` takes its general path.
pub(super) const WIDE: usize = 32;
/// Multiply-adds below which a product stays on one thread.
const SERIAL: usize = 1 << 18;

/// Rows or columns that stay together: whole vectors of every instruction set.
const VECTORS: usize = 48;

/// A matrix seen through strides.
#[derive(Clone, Copy)]
pub(super) struct View {
    pub(super) data: *const f32,
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

impl View {
    /// A row-major view whose rows are `row_stride` apart.
    pub(super) fn rows(data: *const f32, row_stride: usize) -> Self {
        View { data, row_stride, column_stride: 1 }
    }

    /// The transposed view.
    pub(super) fn transposed(self) -> Self {
        View { row_stride: self.column_stride, column_stride: self.row_stride, ..self }
    }

    fn at(self, row: usize, column: usize) -> Self {
        // SAFETY: callers ask only for elements inside the matrix that the view was made of.
        View { data: unsafe { self.data.add(row * self.row_stride + column * self.column_stride) }, ..self }
    }
}

/// Memory shared by threads that write disjoint parts of it.
#[derive(Clone, Copy)]
pub(super) struct Shared(pub(super) *mut f32);
// SAFETY: every use hands each thread a part that no other thread touches.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}
// SAFETY: views are only read while their buffers are borrowed.
unsafe impl Send for View {}
// SAFETY: as above.
unsafe impl Sync for View {}

impl Shared {
    /// A pointer `offset` elements on.
    ///
    /// # Safety
    /// The offset lies within the allocation.
    pub(super) unsafe fn add(self, offset: usize) -> *mut f32 {
        // SAFETY: the caller's promise.
        unsafe { self.0.add(offset) }
    }
}

/// `out[m, n] (+)= a[m, k] · b[k, n]` on this thread; rows of `out` are `stride` apart.
///
/// # Safety
/// The views and `out` cover the shapes, and nothing else accesses `out` during the call.
#[expect(clippy::too_many_arguments, reason = "the arguments of a matrix product in every library")]
pub(super) unsafe fn product_on_this_thread(
    m: usize,
    n: usize,
    k: usize,
    a: View,
    b: View,
    out: *mut f32,
    stride: usize,
    accumulate: bool,
) {
    let (a_row, a_column) = (a.row_stride as isize, a.column_stride as isize);
    let (b_row, b_column) = (b.row_stride as isize, b.column_stride as isize);
    if m < WIDE || n < WIDE || m * n * k < 1 << 16 {
        let beta = if accumulate { 1.0 } else { 0.0 };
        // SAFETY: the caller's promise.
        unsafe { matrixmultiply::sgemm(m, k, n, 1.0, a.data, a_row, a_column, b.data, b_row, b_column, beta, out, stride as isize, 1) };
        return;
    }
    // It is faster on column-major results, so it computes the transposed product.
    let product = gemm_f32::gemm::f32::get_gemm_fn();
    for start in (0..k).step_by(DEPTH) {
        let depth = DEPTH.min(k - start);
        let (a, b) = (a.at(0, start), b.at(start, 0));
        let add = accumulate || start > 0;
        // SAFETY: the caller's promise; the slice of k lies within both matrices.
        unsafe {
            product(
                n,
                m,
                depth,
                out,
                stride as isize,
                1,
                add,
                b.data,
                b_row,
                b_column,
                a.data,
                a_row,
                a_column,
                1.0,
                1.0,
                false,
                false,
                false,
                gemm_common::Parallelism::None,
            );
        }
    }
}

/// The product of two buffers, cut between threads along the longer side of the result.
pub(super) fn matmul(product: Product, a: &[f32], b: &[f32], out: &mut [f32]) {
    let Product { m, n, k, transpose_a, transpose_b, accumulate } = product;
    assert!(
        a.len() >= m * k && b.len() >= k * n && out.len() >= m * n,
        "{product:?} on buffers of {}, {} and {}",
        a.len(),
        b.len(),
        out.len()
    );
    if m < WIDE && transpose_b && !transpose_a {
        thin::thin_product(m, n, k, a, b, out, accumulate);
        return;
    }
    let a = if transpose_a { View::rows(a.as_ptr(), m).transposed() } else { View::rows(a.as_ptr(), k) };
    let b = if transpose_b { View::rows(b.as_ptr(), k).transposed() } else { View::rows(b.as_ptr(), n) };
    let out = Shared(out.as_mut_ptr());
    let threads = rayon::current_num_threads();
    if threads == 1 || m * n * k < SERIAL {
        // SAFETY: the assertion above; `out` is borrowed mutably.
        unsafe { product_on_this_thread(m, n, k, a, b, out.0, n, accumulate) };
        return;
    }
    let by_rows = m >= n;
    let side = m.max(n);
    // Twice as many parts as threads reduce the effect of one slow core. Whole vectors avoid the slower code at the edges. Rounding the bounds
    // and not the sizes leaves no remainder for the last thread.
    let vectors = side.div_ceil(VECTORS);
    let parts = (2 * threads).min(vectors);
    let bound = |index: usize| (vectors * index / parts * VECTORS).min(side);
    (0..parts).into_par_iter().for_each(|index| {
        let (start, length) = (bound(index), bound(index + 1) - bound(index));
        // SAFETY: parts are disjoint ranges of rows or of columns.
        unsafe {
            if by_rows {
                product_on_this_thread(length, n, k, a.at(start, 0), b, out.add(start * n), n, accumulate);
            } else {
                product_on_this_thread(m, length, k, a, b.at(0, start), out.add(start), n, accumulate);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        };
        (0..count).map(|_| next()).collect()
    }

    /// The numeric definition, written out.
    fn defined(product: Product, a: &[f32], b: &[f32], out: &mut [f32]) {
        let Product { m, n, k, transpose_a, transpose_b, accumulate } = product;
        for i in 0..m {
            for j in 0..n {
                let mut total = accumulate.then_some(out[i * n + j]);
                for start in (0..k).step_by(DEPTH) {
                    let mut chain = 0.0f32;
                    for p in start..(start + DEPTH).min(k) {
                        let x = if transpose_a { a[p * m + i] } else { a[i * k + p] };
                        let y = if transpose_b { b[j * k + p] } else { b[p * n + j] };
                        chain = x.mul_add(y, chain);
                    }
                    total = Some(total.map_or(chain, |sum| sum + chain));
                }
                out[i * n + j] = total.unwrap_or(0.0);
            }
        }
    }

    #[test]
    fn every_shape_equals_the_definition_bit_for_bit() {
        let shapes = [
            (1, 7, 5),
            (1, 300, 96),
            (3, 1, 100),
            (16, 203, 600),
            (17, 100, 256),
            (31, 33, 97),
            (32, 32, 64),
            (64, 96, 300),
            (200, 288, 96),
            (96, 512, 700),
            (130, 40, 513),
            (333, 64, 24),
        ];
        for (m, n, k) in shapes {
            for (transpose_a, transpose_b) in [(false, true), (false, false), (true, false)] {
                for accumulate in [false, true] {
                    let product = Product { m, n, k, transpose_a, transpose_b, accumulate };
                    let (a, b) = (values(m * k, 1), values(k * n, 2));
                    let (mut got, mut expected) = (values(m * n, 3), values(m * n, 3));
                    matmul(product, &a, &b, &mut got);
                    defined(product, &a, &b, &mut expected);
                    let same = got.iter().zip(&expected).all(|(x, y)| x.to_bits() == y.to_bits());
                    assert!(same, "{product:?} differs from its definition");
                }
            }
        }
    }
}
