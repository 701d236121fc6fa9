//! Causal attention over packed documents, forward and backward.
//!
//! One task is one document and one key head with the queries that share it. Only the scores of a tile of [`TILE`] query rows are held at a
//! time. So memory is linear and not quadratic in the length of a document (the idea of FlashAttention, Dao et al. 2022, at the size of a
//! processor's cache). The backward pass computes the scores again from the saved log-sum-exp.

use super::super::{Attention, Heads};
use super::matmul::{Shared, View, product_on_this_thread};
use super::rows::shared;
use super::simd::{dot, exp, max, sum, tanh, vectorized};
use rayon::prelude::*;
use std::ops::Range;

/// Query rows whose scores are held at once.
const TILE: usize = 64;

/// The rows of one document for one key head.
#[derive(Clone, Copy)]
struct HeadTask {
    start: usize,
    length: usize,
    key_head: usize,
}

fn tasks(offsets: &[usize], heads: Heads) -> Vec<HeadTask> {
    let documents = offsets.windows(2).filter(|w| w[1] > w[0]);
    documents.flat_map(|w| (0..heads.key_value).map(move |key_head| HeadTask { start: w[0], length: w[1] - w[0], key_head })).collect()
}

/// Some query rows of a document, and the keys that any of them sees.
struct Tile {
    first: usize,
    rows: usize,
    keys: Range<usize>,
}

impl Tile {
    /// The keys that a row of the tile sees, counted from the tile's first key.
    fn visible(&self, attention: Attention, row: usize) -> Range<usize> {
        let position = self.first + row;
        attention.first_seen(position) - self.keys.start..position + 1 - self.keys.start
    }
}

fn tiles(length: usize, attention: Attention) -> impl Iterator<Item = Tile> {
    (0..length).step_by(TILE).map(move |first| {
        let rows = TILE.min(length - first);
        Tile { first, rows, keys: attention.first_seen(first)..first + rows }
    })
}

/// Views of one head inside `[tokens, width]` buffers, from a document's first row.
struct HeadColumns {
    start: usize,
    width: usize,
}

impl HeadColumns {
    fn view(&self, buffer: *const f32, row: usize, column: usize) -> View {
        // SAFETY: row and column lie inside the buffer, whose length the callers have checked.
        View::rows(unsafe { buffer.add((self.start + row) * self.width + column) }, self.width)
    }

    fn offset(&self, row: usize, column: usize) -> usize {
        (self.start + row) * self.width + column
    }
}

pub(super) fn attention(fused: &[f32], attention: Attention, offsets: &[usize], out: &mut [f32], log_sum_exp: &mut [f32]) {
    let tokens = offsets.last().copied().unwrap_or(0);
    let heads = attention.heads;
    assert!(
        fused.len() >= tokens * heads.fused_width()
            && out.len() >= tokens * heads.output_width()
            && log_sum_exp.len() >= tokens * heads.query
    );
    let (out, log_sum_exp) = (shared(out), shared(log_sum_exp));
    tasks(offsets, heads)
        .into_par_iter()
        .for_each_init(Vec::new, |scores, task| forward_task(fused, attention, task, out, log_sum_exp, scores));
}

fn forward_task(fused: &[f32], attention: Attention, task: HeadTask, out: Shared, log_sum_exp: Shared, scores: &mut Vec<f32>) {
    let heads = attention.heads;
    let input = HeadColumns { start: task.start, width: heads.fused_width() };
    let output = HeadColumns { start: task.start, width: heads.output_width() };
    let (keys, values) = (heads.key_column(task.key_head), heads.value_column(task.key_head));
    scores.resize(TILE * task.length, 0.0);
    for query in (0..heads.group()).map(|i| task.key_head * heads.group() + i) {
        for tile in tiles(task.length, attention) {
            let (first, rows, seen) = (tile.first, tile.rows, tile.keys.len());
            let q = input.view(fused.as_ptr(), first, query * heads.dim);
            let k = input.view(fused.as_ptr(), tile.keys.start, keys).transposed();
            // SAFETY: scores hold TILE rows of at most `length`; the task alone writes them.
            unsafe { product_on_this_thread(rows, seen, heads.dim, q, k, scores.as_mut_ptr(), seen, false) };
            for (row, scores) in scores[..rows * seen].chunks_exact_mut(seen).enumerate() {
                let log = softmax(scores, tile.visible(attention, row), attention);
                // SAFETY: this task alone writes its rows of its heads.
                unsafe { *log_sum_exp.add((task.start + first + row) * heads.query + query) = log };
            }
            let p = View::rows(scores.as_ptr(), seen);
            let v = input.view(fused.as_ptr(), tile.keys.start, values);
            // SAFETY: this task alone writes its rows of its heads' columns.
            unsafe {
                product_on_this_thread(rows, heads.dim, seen, p, v, out.add(output.offset(first, query * heads.dim)), output.width, false);
            };
        }
    }
}

/// Softmax of the visible scores, scaled and bounded. Sets all other scores to zero. Returns the log-sum-exp.
pub(super) fn softmax(scores: &mut [f32], visible: Range<usize>, attention: Attention) -> f32 {
    scores[..visible.start].fill(0.0);
    scores[visible.end..].fill(0.0);
    let seen = &mut scores[visible];
    vectorized(
        #[inline(always)]
        || {
            let scale = bound(seen, attention);
            let largest = max(seen);
            for score in seen.iter_mut() {
                *score = exp((*score - largest) * scale);
            }
            let total = sum(seen);
            let inverse = 1.0 / total;
            for score in seen.iter_mut() {
                *score *= inverse;
            }
            largest * scale + libm::logf(total)
        },
    )
}

/// Bounds the scores, if there is a cap. Returns the factor by which they must still be multiplied.
#[inline(always)]
fn bound(scores: &mut [f32], attention: Attention) -> f32 {
    let Some(cap) = attention.softcap else { return attention.scale };
    let factor = attention.scale / cap;
    for score in scores.iter_mut() {
        *score = cap * tanh(*score * factor);
    }
    1.0
}

/// The inputs of the backward pass.
#[derive(Clone, Copy)]
struct Saved<'a> {
    gradient: &'a [f32],
    out: &'a [f32],
    fused: &'a [f32],
    log_sum_exp: &'a [f32],
}

pub(super) fn attention_backward(
    gradient: &[f32],
    out: &[f32],
    fused: &[f32],
    log_sum_exp: &[f32],
    attention: Attention,
    offsets: &[usize],
    fused_gradient: &mut [f32],
) {
    let heads = attention.heads;
    let tokens = offsets.last().copied().unwrap_or(0);
    assert!(fused.len() >= tokens * heads.fused_width() && fused_gradient.len() >= tokens * heads.fused_width());
    assert!(gradient.len() >= tokens * heads.output_width() && out.len() >= tokens * heads.output_width());
    fused_gradient[..tokens * heads.fused_width()].fill(0.0);
    let target = shared(fused_gradient);
    let saved = Saved { gradient, out, fused, log_sum_exp };
    tasks(offsets, heads)
        .into_par_iter()
        .for_each_init(Default::default, |scratch, task| backward_task(saved, attention, task, target, scratch));
}

fn backward_task(saved: Saved<'_>, attention: Attention, task: HeadTask, target: Shared, scratch: &mut (Vec<f32>, Vec<f32>)) {
    let heads = attention.heads;
    let input = HeadColumns { start: task.start, width: heads.fused_width() };
    let output = HeadColumns { start: task.start, width: heads.output_width() };
    let (keys, values) = (heads.key_column(task.key_head), heads.value_column(task.key_head));
    let (p, dp) = scratch;
    p.resize(TILE * task.length, 0.0);
    dp.resize(TILE * task.length, 0.0);
    for query in (0..heads.group()).map(|i| task.key_head * heads.group() + i) {
        let column = query * heads.dim;
        for tile in tiles(task.length, attention) {
            let (first, rows, seen, low) = (tile.first, tile.rows, tile.keys.len(), tile.keys.start);
            let q = input.view(saved.fused.as_ptr(), first, column);
            let k = input.view(saved.fused.as_ptr(), low, keys);
            let v = input.view(saved.fused.as_ptr(), low, values);
            let d_out = output.view(saved.gradient.as_ptr(), first, column);
            // SAFETY: the scratch holds TILE rows of at most `length`; the views lie in the asserted buffers.
            unsafe {
                product_on_this_thread(rows, seen, heads.dim, q, k.transposed(), p.as_mut_ptr(), seen, false);
                product_on_this_thread(rows, seen, heads.dim, d_out, v.transposed(), dp.as_mut_ptr(), seen, false);
            }
            for (row, (p, dp)) in p[..rows * seen].chunks_exact_mut(seen).zip(dp.chunks_exact_mut(seen)).enumerate() {
                let token = task.start + first + row;
                let at = output.offset(first + row, column);
                let (d_out, out) = (&saved.gradient[at..at + heads.dim], &saved.out[at..at + heads.dim]);
                let log_sum_exp = saved.log_sum_exp[token * heads.query + query];
                let mean = vectorized(
                    #[inline(always)]
                    || dot(d_out, out),
                );
                score_gradient(p, dp, tile.visible(attention, row), attention, log_sum_exp, mean);
            }
            let (p, ds) = (View::rows(p.as_ptr(), seen), View::rows(dp.as_ptr(), seen));
            // SAFETY: this task alone writes these rows of its query heads and of its key head.
            unsafe {
                product_on_this_thread(rows, heads.dim, seen, ds, k, target.add(input.offset(first, column)), input.width, false);
                product_on_this_thread(seen, heads.dim, rows, ds.transposed(), q, target.add(input.offset(low, keys)), input.width, true);
                product_on_this_thread(
                    seen,
                    heads.dim,
                    rows,
                    p.transposed(),
                    d_out,
                    target.add(input.offset(low, values)),
                    input.width,
                    true,
                );
            }
        }
    }
}

/// Replaces a row of scores by probabilities, and a row of probability gradients by score gradients. Both are zero where a key is not visible.
/// `mean` is the gradient's mean under the probabilities.
fn score_gradient(p: &mut [f32], dp: &mut [f32], visible: Range<usize>, attention: Attention, log_sum_exp: f32, mean: f32) {
    for row in [&mut *p, &mut *dp] {
        row[..visible.start].fill(0.0);
        row[visible.end..].fill(0.0);
    }
    let (p, dp) = (&mut p[visible.clone()], &mut dp[visible]);
    let Attention { scale, softcap, .. } = attention;
    vectorized(
        #[inline(always)]
        || {
            if let Some(cap) = softcap {
                for (p, dp) in p.iter_mut().zip(dp) {
                    let t = tanh(*p * (scale / cap));
                    *p = exp(cap.mul_add(t, -log_sum_exp));
                    *dp = *p * (*dp - mean) * scale * (1.0 - t * t);
                }
            } else {
                for (p, dp) in p.iter_mut().zip(dp) {
                    *p = exp(p.mul_add(scale, -log_sum_exp));
                    *dp = *p * (*dp - mean) * scale;
                }
            }
        },
    );
}
