//! Operations on whole rows: embedding, gathering, norm, rotary embedding, gated activation.

use super::super::Heads;
use super::matmul::Shared;
use super::simd::{dot, exp, vectorized};
use rayon::prelude::*;

/// Rows that one task takes. A constant, because sums over rows are added up task by task.
const ROWS_PER_TASK: usize = 64;

pub(super) fn embed(table: &[f32], ids: &[u32], width: usize, out: &mut [f32]) {
    for (row, id) in out.chunks_exact_mut(width).zip(ids) {
        row.copy_from_slice(&table[*id as usize * width..][..width]);
    }
}

pub(super) fn embed_backward(gradient: &[f32], ids: &[u32], width: usize, table_gradient: &mut [f32]) {
    for (row, id) in gradient.chunks_exact(width).zip(ids) {
        for (sum, x) in table_gradient[*id as usize * width..][..width].iter_mut().zip(row) {
            *sum += x;
        }
    }
}

pub(super) fn scatter_rows(values: &[f32], rows: &[u32], width: usize, total: usize, x: &mut [f32]) {
    x[..total * width].fill(0.0);
    for (row, value) in rows.iter().zip(values.chunks_exact(width)) {
        x[*row as usize * width..][..width].copy_from_slice(value);
    }
}

pub(super) fn rms_norm(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32], inverse_rms: &mut [f32]) {
    let width = weight.len();
    let task = |((x, out), inverse_rms): ((&[f32], &mut [f32]), &mut [f32])| {
        vectorized(
            #[inline(always)]
            || {
                for ((x, out), inverse) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)).zip(inverse_rms) {
                    *inverse = 1.0 / (dot(x, x) / width as f32 + epsilon).sqrt();
                    for ((out, x), w) in out.iter_mut().zip(x).zip(weight) {
                        *out = x * *inverse * w;
                    }
                }
            },
        );
    };
    let block = ROWS_PER_TASK * width;
    x.par_chunks(block).zip(out.par_chunks_mut(block)).zip(inverse_rms.par_chunks_mut(ROWS_PER_TASK)).for_each(task);
}

pub(super) fn rms_norm_backward(
    gradient: &[f32],
    x: &[f32],
    weight: &[f32],
    inverse_rms: &[f32],
    x_gradient: &mut [f32],
    weight_gradient: &mut [f32],
) {
    let width = weight.len();
    let block = ROWS_PER_TASK * width;
    let partials: Vec<Vec<f32>> = gradient
        .par_chunks(block)
        .zip(x.par_chunks(block))
        .zip(inverse_rms.par_chunks(ROWS_PER_TASK))
        .zip(x_gradient.par_chunks_mut(block))
        .map(|(((gradient, x), inverse_rms), x_gradient)| rms_norm_backward_part(gradient, x, weight, inverse_rms, x_gradient))
        .collect();
    for partial in partials {
        for (sum, value) in weight_gradient.iter_mut().zip(partial) {
            *sum += value;
        }
    }
}

/// Adds to the gradient of some rows, and returns their part of the weight's.
fn rms_norm_backward_part(gradient: &[f32], x: &[f32], weight: &[f32], inverse_rms: &[f32], x_gradient: &mut [f32]) -> Vec<f32> {
    let width = weight.len();
    let mut partial = vec![0.0f32; width];
    let mut weighted = vec![0.0f32; width];
    vectorized(
        #[inline(always)]
        || {
            let rows = gradient.chunks_exact(width).zip(x.chunks_exact(width)).zip(inverse_rms).zip(x_gradient.chunks_exact_mut(width));
            for (((g, x), inverse), dx) in rows {
                for (((sum, g), x), (scaled, w)) in partial.iter_mut().zip(g).zip(x).zip(weighted.iter_mut().zip(weight)) {
                    *sum = (g * *inverse).mul_add(*x, *sum);
                    *scaled = g * w;
                }
                let projection = dot(&weighted, x) / width as f32 * inverse * inverse * inverse;
                for ((dx, scaled), x) in dx.iter_mut().zip(&weighted).zip(x) {
                    *dx += scaled.mul_add(*inverse, -projection * x);
                }
            }
        },
    );
    partial
}

pub(super) fn rotary(fused: &mut [f32], heads: Heads, table: &[f32], positions: &[u32], inverse: bool) {
    let (dim, half) = (heads.dim, heads.dim / 2);
    let rotated = (heads.query + heads.key_value) * dim;
    let sign = if inverse { -1.0 } else { 1.0 };
    let block = ROWS_PER_TASK * heads.fused_width();
    fused.par_chunks_mut(block).zip(positions.par_chunks(ROWS_PER_TASK)).for_each(|(rows, positions)| {
        vectorized(
            #[inline(always)]
            || {
                for (row, position) in rows.chunks_exact_mut(heads.fused_width()).zip(positions) {
                    let (cosines, sines) = table[*position as usize * dim..][..dim].split_at(half);
                    for head in row[..rotated].chunks_exact_mut(dim) {
                        let (first, second) = head.split_at_mut(half);
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

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

pub(super) fn gated_silu(gate_up: &[f32], width: usize, out: &mut [f32]) {
    gate_up.par_chunks(ROWS_PER_TASK * 2 * width).zip(out.par_chunks_mut(ROWS_PER_TASK * width)).for_each(|(gate_up, out)| {
        vectorized(
            #[inline(always)]
            || {
                for (row, out) in gate_up.chunks_exact(2 * width).zip(out.chunks_exact_mut(width)) {
                    let (gate, up) = row.split_at(width);
                    for ((out, g), u) in out.iter_mut().zip(gate).zip(up) {
                        *out = g * sigmoid(*g) * u;
                    }
                }
            },
        );
    });
}

pub(super) fn gated_silu_backward(gradient: &[f32], width: usize, gate_up: &mut [f32]) {
    gate_up.par_chunks_mut(ROWS_PER_TASK * 2 * width).zip(gradient.par_chunks(ROWS_PER_TASK * width)).for_each(|(gate_up, gradient)| {
        vectorized(
            #[inline(always)]
            || {
                for (row, gradient) in gate_up.chunks_exact_mut(2 * width).zip(gradient.chunks_exact(width)) {
                    let (gate, up) = row.split_at_mut(width);
                    for ((g, u), d) in gate.iter_mut().zip(up).zip(gradient) {
                        let s = sigmoid(*g);
                        let silu = *g * s;
                        *g = d * *u * (s + silu * (1.0 - s));
                        *u = d * silu;
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
