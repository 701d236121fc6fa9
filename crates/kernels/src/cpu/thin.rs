//! Products of few rows with a weight, `out = x · Wᵀ`: the shape of decoding. The speed of reading the weight limits them.
//!
//! The libraries copy the weight into blocks first, which is faster only if many rows use each block. Here, the rows are the lanes of a vector,
//! and the weight is read once in its stored order. The numeric definition is that of [`super::matmul`].

use super::matmul::{DEPTH, Shared};
use super::simd::{LANES, vectorized};
use rayon::prelude::*;
use std::ops::Range;

/// Weight rows that are read together: as many independent sums as the registers of AVX2 can hold.
const COLUMNS: usize = 6;
/// Output columns of one task.
const COLUMNS_PER_TASK: usize = 16 * COLUMNS;

/// A weight that is read a few rows at a time.
pub(super) trait WeightRows: Sync {
    /// Rows of width `k`: in place, or widened into the block.
    fn rows<'a>(&'a self, rows: Range<usize>, k: usize, block: &'a mut Vec<f32>) -> &'a [f32];
}

impl WeightRows for [f32] {
    fn rows<'a>(&'a self, rows: Range<usize>, k: usize, _: &'a mut Vec<f32>) -> &'a [f32] {
        &self[rows.start * k..rows.end * k]
    }
}

/// `out[m, n] (+)= x[m, k] · weight[n, k]ᵀ`.
pub(super) fn thin_product<W: WeightRows + ?Sized>(m: usize, n: usize, k: usize, x: &[f32], weight: &W, out: &mut [f32], accumulate: bool) {
    let groups: Vec<RowLanes> = (0..m).step_by(LANES).map(|first| RowLanes::new(first, &x[first * k..m * k], k)).collect();
    let out = Shared(out[..m * n].as_mut_ptr());
    (0..n.div_ceil(COLUMNS_PER_TASK)).into_par_iter().for_each_init(Vec::new, |block, task| {
        for column in (task * COLUMNS_PER_TASK..n.min((task + 1) * COLUMNS_PER_TASK)).step_by(COLUMNS) {
            let weight = weight.rows(column..n.min(column + COLUMNS), k, block);
            for group in &groups {
                // SAFETY: a task writes its own columns alone, and they lie within the slice taken above.
                unsafe { group.product(k, weight, out.add(group.first * n + column), n, accumulate) };
            }
        }
    });
}

/// Up to [`LANES`] rows as the lanes of vectors.
struct RowLanes {
    first: usize,
    rows: usize,
    /// `[k, LANES]`, zero beyond the rows.
    lanes: Vec<[f32; LANES]>,
}

impl RowLanes {
    /// The first rows of `x`. Row 0 of `x` is row `first` of all rows.
    fn new(first: usize, x: &[f32], k: usize) -> Self {
        let mut lanes = vec![[0.0; LANES]; k];
        let rows = (x.len() / k).min(LANES);
        for (lane, row) in x.chunks_exact(k).take(LANES).enumerate() {
            for (lanes, value) in lanes.iter_mut().zip(row) {
                lanes[lane] = *value;
            }
        }
        RowLanes { first, rows, lanes }
    }

    /// The rows of the group in as many columns as `weight` has rows, at most [`COLUMNS`]; rows of `out` are `stride` apart.
    ///
    /// # Safety
    /// `out` covers these rows and columns, and nothing else accesses them during the call.
    unsafe fn product(&self, k: usize, weight: &[f32], out: *mut f32, stride: usize, accumulate: bool) {
        let columns = weight.len() / k;
        let at = |column: usize, row: usize| row * stride + column;
        let mut sums = [[0.0f32; LANES]; COLUMNS];
        if accumulate {
            for (column, sums) in sums[..columns].iter_mut().enumerate() {
                for (row, sum) in sums[..self.rows].iter_mut().enumerate() {
                    // SAFETY: the caller's promise.
                    *sum = unsafe { *out.add(at(column, row)) };
                }
            }
        }
        for (start, lanes) in (0..k).step_by(DEPTH).zip(self.lanes.chunks(DEPTH)) {
            // Chains are added to the value of `out`. Without accumulation the first chain replaces it, because adding to 0 would lose a negative zero.
            let fresh = start == 0 && !accumulate;
            vectorized(
                #[inline(always)]
                || {
                    if columns == COLUMNS {
                        chains::<COLUMNS>(lanes, &weight[start..], k, fresh, &mut sums);
                    } else {
                        for column in 0..columns {
                            chains::<1>(lanes, &weight[column * k + start..], k, fresh, &mut sums[column..]);
                        }
                    }
                },
            );
        }
        for (column, sums) in sums[..columns].iter().enumerate() {
            for (row, sum) in sums[..self.rows].iter().enumerate() {
                // SAFETY: the caller's promise.
                unsafe { *out.add(at(column, row)) = *sum };
            }
        }
    }
}

/// Adds one chain of fused multiply-adds over `lanes` for each of `N` weight rows, which are `k` apart. It uses plain loops, because a closure
/// would be compiled without the instruction set.
#[inline(always)]
fn chains<const N: usize>(lanes: &[[f32; LANES]], weight: &[f32], k: usize, fresh: bool, sums: &mut [[f32; LANES]]) {
    let depth = lanes.len();
    let mut rows: [&[f32]; N] = [&[]; N];
    for column in 0..N {
        rows[column] = &weight[column * k..][..depth];
    }
    let mut chains = [[0.0f32; LANES]; N];
    for p in 0..depth {
        for column in 0..N {
            let w = rows[column][p];
            for lane in 0..LANES {
                chains[column][lane] = lanes[p][lane].mul_add(w, chains[column][lane]);
            }
        }
    }
    for column in 0..N {
        for lane in 0..LANES {
            let sum = &mut sums[column][lane];
            *sum = if fresh { chains[column][lane] } else { *sum + chains[column][lane] };
        }
    }
}
