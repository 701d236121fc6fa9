//! Products of few rows with a weight, `out = x · Wᵀ`: the shape of decoding, bound by how fast the weight can be read.
//!
//! The libraries copy the weight into blocks first, which pays only when many rows use each block. Here the rows lie side by side as
//! the lanes of a vector, and the weight streams past once, as it is stored. The numeric definition is that of [`super::matmul`].

use super::matmul::{DEPTH, Shared};
use super::simd::{LANES, vectorized};
use rayon::prelude::*;

/// Weight rows that stream past side by side: as many independent sums as the registers of AVX2 hold.
const COLUMNS: usize = 6;
/// Output columns of one task.
const COLUMNS_PER_TASK: usize = 16 * COLUMNS;

/// `out[m, n] (+)= x[m, k] · weight[n, k]ᵀ`.
pub(super) fn thin_product(m: usize, n: usize, k: usize, x: &[f32], weight: &[f32], out: &mut [f32], accumulate: bool) {
    let tiles: Vec<Tile> = (0..m).step_by(LANES).map(|first| Tile::new(first, &x[first * k..m * k], k)).collect();
    let (weight, out) = (&weight[..n * k], Shared(out[..m * n].as_mut_ptr()));
    weight.par_chunks(COLUMNS_PER_TASK * k).enumerate().for_each(|(task, weight)| {
        for (group, weight) in weight.chunks(COLUMNS * k).enumerate() {
            let column = task * COLUMNS_PER_TASK + group * COLUMNS;
            for tile in &tiles {
                // SAFETY: a task writes its own columns alone, and they lie within the slice taken above.
                unsafe { tile.product(k, weight, out.add(tile.first * n + column), n, accumulate) };
            }
        }
    });
}

/// Up to [`LANES`] rows side by side.
struct Tile {
    first: usize,
    rows: usize,
    /// `[k, LANES]`, zero beyond the rows.
    lanes: Vec<[f32; LANES]>,
}

impl Tile {
    /// The first rows of `x`, which are the rows from `first` on of the whole.
    fn new(first: usize, x: &[f32], k: usize) -> Self {
        let mut lanes = vec![[0.0; LANES]; k];
        let rows = (x.len() / k).min(LANES);
        for (lane, row) in x.chunks_exact(k).take(LANES).enumerate() {
            for (lanes, value) in lanes.iter_mut().zip(row) {
                lanes[lane] = *value;
            }
        }
        Tile { first, rows, lanes }
    }

    /// The tile's rows in as many columns as `weight` has rows, at most [`COLUMNS`]; rows of `out` are `stride` apart.
    ///
    /// # Safety
    /// `out` covers these rows and columns, and nothing else touches them meanwhile.
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
            // Chains are added to what is there; where nothing is, the first is taken as it is, for the sign of zero.
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

/// Adds one chain of fused multiply-adds over `lanes` for each of `N` weight rows, which are `k` apart. Plain loops: a closure in here
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
