//! Norms, forward and backward.

use super::super::Columns;
use super::rows::{ROWS_PER_TASK, add};
use super::simd::{centred_squares, dot, sum, vectorized};
use rayon::prelude::*;

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
        add(&partial, weight_gradient);
    }
}

/// Adds to the gradient of some rows, and returns their part of the gradient of the weight.
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

pub(super) fn rms_norm_columns(columns: Columns, weight: &[f32], epsilon: f32, x: &mut [f32], inverse_rms: &mut [f32]) {
    let (width, Columns { row, start, groups }) = (weight.len(), columns);
    x.par_chunks_mut(ROWS_PER_TASK * row).zip(inverse_rms.par_chunks_mut(ROWS_PER_TASK * groups)).for_each(|(x, inverse_rms)| {
        vectorized(
            #[inline(always)]
            || {
                for (x, inverse_rms) in x.chunks_exact_mut(row).zip(inverse_rms.chunks_exact_mut(groups)) {
                    for (x, inverse) in x[start..].chunks_exact_mut(width).zip(inverse_rms) {
                        *inverse = 1.0 / (dot(x, x) / width as f32 + epsilon).sqrt();
                        for (x, w) in x.iter_mut().zip(weight) {
                            *x = *x * *inverse * w;
                        }
                    }
                }
            },
        );
    });
}

pub(super) fn rms_norm_columns_backward(
    columns: Columns,
    x: &[f32],
    weight: &[f32],
    inverse_rms: &[f32],
    gradient: &mut [f32],
    weight_gradient: &mut [f32],
) {
    let (width, Columns { row, start, groups }) = (weight.len(), columns);
    let block = ROWS_PER_TASK * row;
    let tasks = gradient.par_chunks_mut(block).zip(x.par_chunks(block)).zip(inverse_rms.par_chunks(ROWS_PER_TASK * groups));
    let partials = tasks.map(|((gradient, x), inverse_rms)| {
        let mut partial = vec![0.0f32; width];
        vectorized(
            #[inline(always)]
            || {
                let rows = gradient.chunks_exact_mut(row).zip(x.chunks_exact(row)).zip(inverse_rms.chunks_exact(groups));
                for ((gradient, x), inverse_rms) in rows {
                    let of_row = gradient[start..].chunks_exact_mut(width).zip(x[start..].chunks_exact(width)).zip(inverse_rms);
                    for ((g, x), inverse) in of_row {
                        for (((g, x), w), sum) in g.iter_mut().zip(x).zip(weight).zip(partial.iter_mut()) {
                            *sum = (*g * *inverse).mul_add(*x, *sum);
                            *g *= w;
                        }
                        let projection = dot(g, x) / width as f32 * inverse * inverse * inverse;
                        for (g, x) in g.iter_mut().zip(x) {
                            *g = g.mul_add(*inverse, -projection * x);
                        }
                    }
                }
            },
        );
        partial
    });
    for partial in partials.collect::<Vec<_>>() {
        add(&partial, weight_gradient);
    }
}

pub(super) fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], epsilon: f32, out: &mut [f32], statistics: &mut [f32]) {
    let width = weight.len();
    let block = ROWS_PER_TASK * width;
    x.par_chunks(block).zip(out.par_chunks_mut(block)).zip(statistics.par_chunks_mut(2 * ROWS_PER_TASK)).for_each(
        |((x, out), statistics)| {
            vectorized(
                #[inline(always)]
                || {
                    for ((x, out), statistics) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)).zip(statistics.as_chunks_mut().0) {
                        let mean = sum(x) / width as f32;
                        let inverse = 1.0 / (centred_squares(x, mean) / width as f32 + epsilon).sqrt();
                        *statistics = [mean, inverse];
                        for (((out, x), w), b) in out.iter_mut().zip(x).zip(weight).zip(bias) {
                            *out = ((x - mean) * inverse).mul_add(*w, *b);
                        }
                    }
                },
            );
        },
    );
}

pub(super) fn layer_norm_backward(
    gradient: &[f32],
    x: &[f32],
    weight: &[f32],
    statistics: &[f32],
    x_gradient: &mut [f32],
    weight_gradient: &mut [f32],
) {
    let block = ROWS_PER_TASK * weight.len();
    let partials: Vec<Vec<f32>> = gradient
        .par_chunks(block)
        .zip(x.par_chunks(block))
        .zip(statistics.par_chunks(2 * ROWS_PER_TASK))
        .zip(x_gradient.par_chunks_mut(block))
        .map(|(((gradient, x), statistics), x_gradient)| layer_norm_backward_part(gradient, x, weight, statistics, x_gradient))
        .collect();
    for partial in partials {
        add(&partial, weight_gradient);
    }
}

/// Adds to the gradient of some rows, and returns their part of the gradient of the weight.
fn layer_norm_backward_part(gradient: &[f32], x: &[f32], weight: &[f32], statistics: &[f32], x_gradient: &mut [f32]) -> Vec<f32> {
    let width = weight.len();
    let mut partial = vec![0.0f32; width];
    let (mut normed, mut weighted) = (vec![0.0f32; width], vec![0.0f32; width]);
    vectorized(
        #[inline(always)]
        || {
            let rows = gradient.chunks_exact(width).zip(x.chunks_exact(width)).zip(statistics.as_chunks().0);
            for (((g, x), [mean, inverse]), dx) in rows.zip(x_gradient.chunks_exact_mut(width)) {
                for ((normed, weighted), (((x, g), w), sum)) in
                    normed.iter_mut().zip(weighted.iter_mut()).zip(x.iter().zip(g).zip(weight).zip(partial.iter_mut()))
                {
                    *normed = (x - mean) * inverse;
                    *weighted = g * w;
                    *sum = g.mul_add(*normed, *sum);
                }
                let (shift, projection) = (sum(&weighted) / width as f32, dot(&weighted, &normed) / width as f32);
                for ((dx, weighted), normed) in dx.iter_mut().zip(&weighted).zip(&normed) {
                    *dx += (weighted - shift - normed * projection) * inverse;
                }
            }
        },
    );
    partial
}
