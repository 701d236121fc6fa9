//! Attention of single rows over a paged key-value cache.
//!
//! Keys of a page lie as `[dim, PAGE]`, so that the scores of [`PAGE`] positions grow together without a sum across lanes; values as
//! `[PAGE, dim]`, for the same reason on the way out. Each row walks its positions in order, so its result is the same however prompts
//! were cut into steps, whoever else is in the batch and whether its pages are shared.

use super::super::{Heads, PAGE, PagedRows};
use super::attention::softmax;
use super::simd::vectorized;
use rayon::prelude::*;

pub(super) fn store_pages(fused: &[f32], heads: Heads, rows: &PagedRows, keys: &mut [f32], values: &mut [f32]) {
    let page_size = heads.key_value * heads.dim * PAGE;
    for (row, fused) in fused.chunks_exact(heads.fused_width()).take(rows.positions.len()).enumerate() {
        let position = rows.positions[row] as usize;
        let page = rows.pages[rows.tables[row] as usize][position / PAGE] as usize * page_size;
        let slot = position % PAGE;
        for head in 0..heads.key_value {
            let base = page + head * heads.dim * PAGE;
            for (d, key) in fused[heads.key_column(head)..][..heads.dim].iter().enumerate() {
                keys[base + d * PAGE + slot] = *key;
            }
            values[base + slot * heads.dim..][..heads.dim].copy_from_slice(&fused[heads.value_column(head)..][..heads.dim]);
        }
    }
}

pub(super) fn paged_attention(fused: &[f32], heads: Heads, rows: &PagedRows, keys: &[f32], values: &[f32], out: &mut [f32]) {
    let out = &mut out[..rows.positions.len() * heads.output_width()];
    out.par_chunks_mut(heads.output_width()).enumerate().for_each_init(Vec::new, |scores, (row, out)| {
        let query = &fused[row * heads.fused_width()..][..heads.output_width()];
        let pages = &rows.pages[rows.tables[row] as usize];
        let visible = rows.positions[row] as usize + 1;
        scores.resize(visible.next_multiple_of(PAGE), 0.0);
        for (head, (query, out)) in query.chunks_exact(heads.dim).zip(out.chunks_exact_mut(heads.dim)).enumerate() {
            let cache = HeadCache { heads, head: head / heads.group(), pages };
            cache.scores(query, keys, scores);
            softmax(scores, visible, heads.scale());
            cache.weighted_values(&scores[..visible], values, out);
        }
    });
}

/// The cache of one key head of one sequence.
struct HeadCache<'a> {
    heads: Heads,
    head: usize,
    pages: &'a [u32],
}

impl HeadCache<'_> {
    fn page<'b>(&self, index: usize, cache: &'b [f32]) -> &'b [f32] {
        let size = self.heads.dim * PAGE;
        &cache[(self.pages[index] as usize * self.heads.key_value + self.head) * size..][..size]
    }

    /// Query-key products for every position of the pages that `scores` covers.
    fn scores(&self, query: &[f32], keys: &[f32], scores: &mut [f32]) {
        vectorized(
            #[inline(always)]
            || {
                for (index, scores) in scores.chunks_exact_mut(PAGE).enumerate() {
                    let mut lanes = [0.0f32; PAGE];
                    for (q, keys) in query.iter().zip(self.page(index, keys).chunks_exact(PAGE)) {
                        for lane in 0..PAGE {
                            lanes[lane] = q.mul_add(keys[lane], lanes[lane]);
                        }
                    }
                    scores.copy_from_slice(&lanes);
                }
            },
        );
    }

    /// `out = sum(weights[i] * value[i])`, in order of position.
    fn weighted_values(&self, weights: &[f32], values: &[f32], out: &mut [f32]) {
        out.fill(0.0);
        vectorized(
            #[inline(always)]
            || {
                for (index, weights) in weights.chunks(PAGE).enumerate() {
                    let page = self.page(index, values);
                    for (weight, value) in weights.iter().zip(page.chunks_exact(self.heads.dim)) {
                        for (out, v) in out.iter_mut().zip(value) {
                            *out = weight.mul_add(*v, *out);
                        }
                    }
                }
            },
        );
    }
}
