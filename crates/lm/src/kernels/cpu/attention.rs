//! Causal attention over packed documents, forward and backward.
//!
//! One task is one document and one key head with the queries that share it. Scores live in a tile of [`TILE`] query rows at a time, so
//! memory grows with the longest document and not with its square (the idea of FlashAttention, Dao et al. 2022, at the size of a
//! processor's cache); the backward pass makes them again from the saved log-sum-exp.

use super::super::Heads;
use super::matmul::{Shared, View, product_on_this_thread};
use super::rows::shared;
use super::simd::{dot, exp, max, sum, vectorized};
use rayon::prelude::*;

/// Query rows whose scores are held at once.
const TILE: usize = 64;

/// One document's rows for one key head.
#[derive(Clone, Copy)]
struct Task {
    start: usize,
    length: usize,
    key_head: usize,
}

fn tasks(offsets: &[usize], heads: Heads) -> Vec<Task> {
    let documents = offsets.windows(2).filter(|w| w[1] > w[0]);
    documents.flat_map(|w| (0..heads.key_value).map(move |key_head| Task { start: w[0], length: w[1] - w[0], key_head })).collect()
}

/// Tiles of a document: first row, rows, and the keys that the last row sees.
fn tiles(length: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..length).step_by(TILE).map(move |first| {
        let rows = TILE.min(length - first);
        (first, rows, first + rows)
    })
}

/// Views of one head inside `[tokens, width]` buffers, from a document's first row.
struct Columns {
    start: usize,
    width: usize,
}

impl Columns {
    fn view(&self, buffer: *const f32, row: usize, column: usize) -> View {
        // SAFETY: row and column lie inside the buffer, whose length the callers have checked.
        View::rows(unsafe { buffer.add((self.start + row) * self.width + column) }, self.width)
    }

    fn offset(&self, row: usize, column: usize) -> usize {
        (self.start + row) * self.width + column
    }
}

pub(super) fn attention(fused: &[f32], heads: Heads, offsets: &[usize], out: &mut [f32], log_sum_exp: &mut [f32]) {
    let tokens = offsets.last().copied().unwrap_or(0);
    assert!(
        fused.len() >= tokens * heads.fused_width()
            && out.len() >= tokens * heads.output_width()
            && log_sum_exp.len() >= tokens * heads.query
    );
    let (out, log_sum_exp) = (shared(out), shared(log_sum_exp));
    tasks(offsets, heads)
        .into_par_iter()
        .for_each_init(Vec::new, |scores, task| forward_task(fused, heads, task, out, log_sum_exp, scores));
}

fn forward_task(fused: &[f32], heads: Heads, task: Task, out: Shared, log_sum_exp: Shared, scores: &mut Vec<f32>) {
    let input = Columns { start: task.start, width: heads.fused_width() };
    let output = Columns { start: task.start, width: heads.output_width() };
    let (keys, values) = (heads.key_column(task.key_head), heads.value_column(task.key_head));
    scores.resize(TILE * task.length, 0.0);
    for query in (0..heads.group()).map(|i| task.key_head * heads.group() + i) {
        for (first, rows, seen) in tiles(task.length) {
            let q = input.view(fused.as_ptr(), first, query * heads.dim);
            let k = input.view(fused.as_ptr(), 0, keys).transposed();
            // SAFETY: scores hold TILE rows of at most `length`; the task alone writes them.
            unsafe { product_on_this_thread(rows, seen, heads.dim, q, k, scores.as_mut_ptr(), seen, false) };
            for (row, scores) in scores[..rows * seen].chunks_exact_mut(seen).enumerate() {
                let visible = first + row + 1;
                let log = softmax(scores, visible, heads.scale());
                // SAFETY: this task alone writes its rows of its heads.
                unsafe { *log_sum_exp.add((task.start + first + row) * heads.query + query) = log };
            }
            let p = View::rows(scores.as_ptr(), seen);
            let v = input.view(fused.as_ptr(), 0, values);
            // SAFETY: this task alone writes its rows of its heads' columns.
            unsafe {
                product_on_this_thread(rows, heads.dim, seen, p, v, out.add(output.offset(first, query * heads.dim)), output.width, false);
            };
        }
    }
}

/// Softmax of the first `visible` scores times `scale`; the rest become zero. Returns the log-sum-exp.
pub(super) fn softmax(scores: &mut [f32], visible: usize, scale: f32) -> f32 {
    let (seen, hidden) = scores.split_at_mut(visible);
    hidden.fill(0.0);
    vectorized(
        #[inline(always)]
        || {
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

/// What the backward pass reads.
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
    heads: Heads,
    offsets: &[usize],
    fused_gradient: &mut [f32],
) {
    let tokens = offsets.last().copied().unwrap_or(0);
    assert!(fused.len() >= tokens * heads.fused_width() && fused_gradient.len() >= tokens * heads.fused_width());
    assert!(gradient.len() >= tokens * heads.output_width() && out.len() >= tokens * heads.output_width());
    fused_gradient[..tokens * heads.fused_width()].fill(0.0);
    let target = shared(fused_gradient);
    let saved = Saved { gradient, out, fused, log_sum_exp };
    tasks(offsets, heads)
        .into_par_iter()
        .for_each_init(Default::default, |scratch, task| backward_task(saved, heads, task, target, scratch));
}

fn backward_task(saved: Saved<'_>, heads: Heads, task: Task, target: Shared, scratch: &mut (Vec<f32>, Vec<f32>)) {
    let input = Columns { start: task.start, width: heads.fused_width() };
    let output = Columns { start: task.start, width: heads.output_width() };
    let (keys, values) = (heads.key_column(task.key_head), heads.value_column(task.key_head));
    let (p, dp) = scratch;
    p.resize(TILE * task.length, 0.0);
    dp.resize(TILE * task.length, 0.0);
    for query in (0..heads.group()).map(|i| task.key_head * heads.group() + i) {
        let column = query * heads.dim;
        for (first, rows, seen) in tiles(task.length) {
            let q = input.view(saved.fused.as_ptr(), first, column);
            let k = input.view(saved.fused.as_ptr(), 0, keys);
            let v = input.view(saved.fused.as_ptr(), 0, values);
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
                score_gradient(p, dp, first + row + 1, heads.scale(), saved.log_sum_exp[token * heads.query + query], d_out, out);
            }
            let (p, ds) = (View::rows(p.as_ptr(), seen), View::rows(dp.as_ptr(), seen));
            // SAFETY: this task alone writes these rows of its query heads and of its key head.
            unsafe {
                product_on_this_thread(rows, heads.dim, seen, ds, k, target.add(input.offset(first, column)), input.width, false);
                product_on_this_thread(seen, heads.dim, rows, ds.transposed(), q, target.add(input.offset(0, keys)), input.width, true);
                product_on_this_thread(
                    seen,
                    heads.dim,
                    rows,
                    p.transposed(),
                    d_out,
                    target.add(input.offset(0, values)),
                    input.width,
                    true,
                );
            }
        }
    }
}

/// Turns a row of scores into probabilities and a row of probability gradients into score gradients, zero where nothing is visible.
fn score_gradient(p: &mut [f32], dp: &mut [f32], visible: usize, scale: f32, log_sum_exp: f32, d_out: &[f32], out: &[f32]) {
    p[visible..].fill(0.0);
    dp[visible..].fill(0.0);
    vectorized(
        #[inline(always)]
        || {
            let mean = dot(d_out, out);
            for (p, dp) in p[..visible].iter_mut().zip(&mut dp[..visible]) {
                *p = exp(p.mul_add(scale, -log_sum_exp));
                *dp = *p * (*dp - mean) * scale;
            }
        },
    );
}
