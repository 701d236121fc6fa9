//! Operations on whole rows: embedding, gathering, adding, rotary embedding.

use super::super::Heads;
use super::matmul::Shared;
use super::simd::{tanh, vectorized};
use rayon::prelude::*;

/// Rows that one task takes. A constant, because sums over rows are added up task by task.
pub(super) const ROWS_PER_TASK: usize = 64;

pub(super) fn embed(table: &[f32], ids: &[u32], width: usize, out: &mut [f32]) {
    for (row, id) in out.chunks_exact_mut(width).zip(ids) {
        row.copy_from_slice(&table[*id as usize * width..][..width]);
    }
}

pub(super) fn embed_add(table: &[f32], ids: &[u32], width: usize, out: &mut [f32]) {
    for (row, id) in out.chunks_exact_mut(width).zip(ids) {
        add(&table[*id as usize * width..][..width], row);
    }
}

pub(super) fn embed_backward(gradient: &[f32], ids: &[u32], width: usize, table_gradient: &mut [f32]) {
    for (row, id) in gradient.chunks_exact(width).zip(ids) {
        add(row, &mut table_gradient[*id as usize * width..][..width]);
    }
}

pub(super) fn scatter_rows(values: &[f32], rows: &[u32], width: usize, total: usize, x: &mut [f32]) {
    x[..total * width].fill(0.0);
    for (row, value) in rows.iter().zip(values.chunks_exact(width)) {
        x[*row as usize * width..][..width].copy_from_slice(value);
    }
}

/// `x[i] += values[i]`.
pub(super) fn add(values: &[f32], x: &mut [f32]) {
    for (x, value) in x.iter_mut().zip(values) {
        *x += value;
    }
}

pub(super) fn scale(factor: f32, x: &mut [f32]) {
    for x in x {
        *x *= factor;
    }
}

/// The dropped values depend only on the seed and their index, so that the backward pass drops the same values without a mask.
pub(super) fn dropout(rate: f32, seed: u64, x: &[f32], out: &mut [f32]) {
    const PART: usize = 1 << 14;
    let kept = 1.0 / (1.0 - rate);
    let limit = (f64::from(rate) * u64::MAX as f64) as u64;
    x.par_chunks(PART).zip(out.par_chunks_mut(PART)).enumerate().for_each(|(part, (x, out))| {
        for (i, (x, out)) in x.iter().zip(out).enumerate() {
            let dropped = mixed(seed.wrapping_add((part * PART + i) as u64)) < limit;
            *out = if dropped { 0.0 } else { x * kept };
        }
    });
}

/// The finalizer of `SplitMix64` (Steele et al. 2014).
fn mixed(state: u64) -> u64 {
    let z = state.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

pub(super) fn add_to_rows(vector: &[f32], x: &mut [f32]) {
    x.par_chunks_mut(ROWS_PER_TASK * vector.len()).for_each(|rows| {
        for row in rows.chunks_exact_mut(vector.len()) {
            add(vector, row);
        }
    });
}

pub(super) fn sum_rows(x: &[f32], vector: &mut [f32]) {
    let width = vector.len();
    let sums = x.par_chunks(ROWS_PER_TASK * width).map(|rows| {
        let mut sum = vec![0.0; width];
        rows.chunks_exact(width).for_each(|row| add(row, &mut sum));
        sum
    });
    for sum in sums.collect::<Vec<_>>() {
        add(&sum, vector);
    }
}

pub(super) fn soft_cap(cap: f32, x: &mut [f32]) {
    x.par_chunks_mut(1 << 14).for_each(|x| {
        vectorized(
            #[inline(always)]
            || {
                for x in x.iter_mut() {
                    *x = cap * tanh(*x / cap);
                }
            },
        );
    });
}

pub(super) fn rotary(fused: &mut [f32], heads: Heads, rotated: usize, table: &[f32], positions: &[u32], inverse: bool) {
    let (dim, half) = (heads.dim, rotated / 2);
    let queries_and_keys = (heads.query + heads.key_value) * dim;
    let sign = if inverse { -1.0 } else { 1.0 };
    let block = ROWS_PER_TASK * heads.fused_width();
    fused.par_chunks_mut(block).zip(positions.par_chunks(ROWS_PER_TASK)).for_each(|(rows, positions)| {
        vectorized(
            #[inline(always)]
            || {
                for (row, position) in rows.chunks_exact_mut(heads.fused_width()).zip(positions) {
                    let (cosines, sines) = table[*position as usize * rotated..][..rotated].split_at(half);
                    for head in row[..queries_and_keys].chunks_exact_mut(dim) {
                        let (first, second) = head[..rotated].split_at_mut(half);
                        for (((a, b), cos), sin) in first.iter_mut().zip(second).zip(cosines).zip(sines) {
                            let (x, y, sin) = (*a, *b, sign * sin);
                            *a = x * cos - y * sin;
                            *b = y * cos + x * sin;
                        }
                    }
                }
            },
        );
    });
}

/// Rows of a fused projection handed out to threads that write different columns.
pub(super) fn shared(buffer: &mut [f32]) -> Shared {
    Shared(buffer.as_mut_ptr())
}
