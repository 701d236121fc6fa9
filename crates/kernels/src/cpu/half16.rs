//! Products with weights in 16 bits, which are widened block by block when they are used. The numeric definition is that of [`super::matmul`]
//! on the widened weight.

use super::super::Product;
use super::matmul::{DEPTH, Shared, View, WIDE, product_on_this_thread};
use super::simd::vectorized;
use super::thin::{WeightRows, thin_product};
use crate::bits16::{Half16, HalfKind};
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use rayon::prelude::*;
use std::ops::Range;

/// Values of a widened block. A block should fit into the cache of one core.
const BLOCK: usize = 1 << 17;

/// `out[m, n] (+)= a[m, k] · b[k, n]` where `b` is a weight: stored `[n, k]` when `transpose_b`, else `[k, n]`.
pub(super) fn matmul(product: Product, a: &[f32], b: &Half16, out: &mut [f32]) {
    let Product { m, n, k, transpose_a, transpose_b, accumulate } = product;
    assert!(!transpose_a, "a weight of 16 bits has no gradient");
    assert!(a.len() >= m * k && b.bits.len() >= k * n && out.len() >= m * n, "{product:?} on buffers that are too small");
    match (transpose_b, m < WIDE) {
        (true, true) => thin_product(m, n, k, a, b, out, accumulate),
        (true, false) => forward(m, n, k, a, b, out, accumulate),
        (false, _) => input_gradient(m, n, k, a, b, out, accumulate),
    }
}

impl WeightRows for Half16 {
    fn rows<'a>(&'a self, rows: Range<usize>, k: usize, block: &'a mut Vec<f32>) -> &'a [f32] {
        widen(self, rows.start * k..rows.end * k, block);
        block
    }
}

/// The product of many rows with a weight. The rows of the weight are cut into blocks, and each block is widened once.
fn forward(m: usize, n: usize, k: usize, a: &[f32], b: &Half16, out: &mut [f32], accumulate: bool) {
    let (a, out) = (View::rows(a.as_ptr(), k), Shared(out.as_mut_ptr()));
    let rows = (BLOCK / k).clamp(48, 480) / 48 * 48;
    (0..n.div_ceil(rows)).into_par_iter().for_each_init(Vec::new, |block, index| {
        let (start, rows) = (index * rows, rows.min(n - index * rows));
        widen(b, start * k..(start + rows) * k, block);
        let weight = View::rows(block.as_ptr(), k).transposed();
        // SAFETY: the caller has checked the sizes; every task writes its own columns.
        unsafe { product_on_this_thread(m, rows, k, a, weight, out.add(start), n, accumulate) };
    });
}

/// The gradient of the input of a weight. The columns of the weight are cut into blocks, and the rows of each block are added [`DEPTH`] at a time.
fn input_gradient(m: usize, n: usize, k: usize, a: &[f32], b: &Half16, out: &mut [f32], accumulate: bool) {
    let out = Shared(out.as_mut_ptr());
    let columns = (BLOCK / DEPTH).min(n.next_multiple_of(16));
    (0..n.div_ceil(columns)).into_par_iter().for_each_init(Vec::new, |block, index| {
        let (start, columns) = (index * columns, columns.min(n - index * columns));
        let mut row = Vec::new();
        for first in (0..k).step_by(DEPTH) {
            let depth = DEPTH.min(k - first);
            block.clear();
            for p in first..first + depth {
                widen(b, p * n + start..p * n + start + columns, &mut row);
                block.extend_from_slice(&row);
            }
            // SAFETY: row `first` of the transposed left side lies within it.
            let a = View::rows(unsafe { a.as_ptr().add(first) }, k);
            let add = accumulate || first > 0;
            // SAFETY: the caller has checked the sizes; every task writes its own columns.
            unsafe { product_on_this_thread(m, columns, depth, a, View::rows(block.as_ptr(), columns), out.add(start), n, add) };
        }
    });
}

/// Widens a part of the weight into `to`.
fn widen(weight: &Half16, part: Range<usize>, to: &mut Vec<f32>) {
    let bits = &weight.bits[part];
    to.resize(bits.len(), 0.0);
    match weight.kind {
        HalfKind::Bf16 => vectorized(
            #[inline(always)]
            || {
                for (to, bits) in to.iter_mut().zip(bits) {
                    *to = f32::from_bits(u32::from(*bits) << 16);
                }
            },
        ),
        HalfKind::F16 => bits.reinterpret_cast::<half::f16>().convert_to_f32_slice(to),
    }
}

pub(super) fn embed(table: &Half16, ids: &[u32], width: usize, out: &mut [f32]) {
    let mut row = Vec::new();
    for (out, id) in out.chunks_exact_mut(width).zip(ids) {
        widen(table, *id as usize * width..(*id as usize + 1) * width, &mut row);
        out.copy_from_slice(&row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_with_16_bit_weights_are_those_with_the_widened_weight() {
        let number = |i: usize| ((i * 7919) % 1000) as f32 / 500.0 - 1.0;
        for kind in [HalfKind::Bf16, HalfKind::F16] {
            for (m, n, k) in [(1, 300, 96), (16, 203, 600), (40, 100, 33), (70, 515, 700)] {
                for transpose_b in [true, false] {
                    for accumulate in [false, true] {
                        let product = Product { m, n, k, transpose_a: false, transpose_b, accumulate };
                        let a: Vec<f32> = (0..m * k).map(number).collect();
                        let weight = Half16 { kind, bits: (0..n * k).map(|i| kind.bits(number(i + 5))).collect() };
                        let widened: Vec<f32> = weight.bits.iter().map(|bits| kind.number(*bits)).collect();
                        let mut got: Vec<f32> = (0..m * n).map(number).collect();
                        let mut expected = got.clone();
                        matmul(product, &a, &weight, &mut got);
                        super::super::matmul::matmul(product, &a, &widened, &mut expected);
                        assert!(got.iter().zip(&expected).all(|(x, y)| x.to_bits() == y.to_bits()), "{kind:?} {product:?}");
                    }
                }
            }
        }
    }
}
