//! Attention of single rows over a paged key-value cache.
//!
//! Keys of a page lie as `[dim, PAGE]`, so that the scores of [`PAGE`] positions grow together without a sum across lanes; values as
//! `[PAGE, dim]`, for the same reason on the way out. Each row adds its positions in an order of their own, so its result is the same however prompts
//! were cut into steps, whoever else is in the batch and whether its pages are shared.

use super::super::{Attention, Heads, PAGE, PagedRows};
use super::attention::softmax;
use super::simd::vectorized;
use rayon::prelude::*;

/// Pages whose scores are computed together.
const BLOCK: usize = 4;
/// Columns of the values that are summed together, and the independent sums of each.
const COLUMNS: usize = 8;
const SUMS: usize = 8;

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

pub(super) fn paged_attention(fused: &[f32], attention: Attention, rows: &PagedRows, keys: &[f32], values: &[f32], out: &mut [f32]) {
    let heads = attention.heads;
    let out = &mut out[..rows.positions.len() * heads.output_width()];
    out.par_chunks_mut(heads.output_width()).enumerate().for_each_init(Vec::new, |scores, (row, out)| {
        let query = &fused[row * heads.fused_width()..][..heads.output_width()];
        let position = rows.positions[row] as usize;
        // Pages that lie before the window are not looked at.
        let first_page = attention.first_seen(position) / PAGE;
        let pages = &rows.pages[rows.tables[row] as usize][first_page..];
        let visible = attention.first_seen(position) - first_page * PAGE..position + 1 - first_page * PAGE;
        scores.resize(visible.end.next_multiple_of(PAGE), 0.0);
        for (head, (query, out)) in query.chunks_exact(heads.dim).zip(out.chunks_exact_mut(heads.dim)).enumerate() {
            let cache = HeadCache { heads, head: head / heads.group(), pages };
            cache.scores(query, keys, scores);
            softmax(scores, visible.clone(), attention);
            cache.weighted_values(&scores[..visible.end], values, out);
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

    /// Query-key products for every position of the pages that `scores` covers, [`BLOCK`] pages at a time: their sums do not wait for each
    /// other, as those of one page do.
    fn scores(&self, query: &[f32], keys: &[f32], scores: &mut [f32]) {
        vectorized(
            #[inline(always)]
            || {
                let (blocks, rest) = scores.as_chunks_mut::<{ BLOCK * PAGE }>();
                let whole = blocks.len() * BLOCK;
                for (block, scores) in blocks.iter_mut().enumerate() {
                    self.page_scores::<BLOCK>(block * BLOCK, query, keys, scores);
                }
                for (index, scores) in rest.chunks_exact_mut(PAGE).enumerate() {
                    self.page_scores::<1>(whole + index, query, keys, scores);
                }
            },
        );
    }

    #[inline(always)]
    fn page_scores<const N: usize>(&self, first: usize, query: &[f32], keys: &[f32], scores: &mut [f32]) {
        let pages: [&[f32]; N] = std::array::from_fn(|i| self.page(first + i, keys));
        let mut sums = [[0.0f32; PAGE]; N];
        for (d, q) in query.iter().enumerate() {
            for (page, sums) in pages.iter().zip(&mut sums) {
                let keys = &page[d * PAGE..][..PAGE];
                for lane in 0..PAGE {
                    sums[lane] = q.mul_add(keys[lane], sums[lane]);
                }
            }
        }
        for (scores, sums) in scores.chunks_exact_mut(PAGE).zip(sums) {
            scores.copy_from_slice(&sums);
        }
    }

    /// `out = sum(weights[i] * value[i])`: position `i` is added to sum `i % SUMS`, and these are added in order.
    fn weighted_values(&self, weights: &[f32], values: &[f32], out: &mut [f32]) {
        vectorized(
            #[inline(always)]
            || {
                for (column, out) in out.chunks_mut(COLUMNS).enumerate() {
                    // The usual width as a constant, so that the sums stay in registers.
                    match out.len() {
                        COLUMNS => self.weighted_columns(weights, values, column * COLUMNS, COLUMNS, out),
                        width => self.weighted_columns(weights, values, column * COLUMNS, width, out),
                    }
                }
            },
        );
    }

    #[inline(always)]
    fn weighted_columns(&self, weights: &[f32], values: &[f32], column: usize, width: usize, out: &mut [f32]) {
        let mut sums = [[0.0f32; COLUMNS]; SUMS];
        let add = |sums: &mut [f32; COLUMNS], weight: f32, value: &[f32]| {
            for lane in 0..width {
                sums[lane] = weight.mul_add(value[lane], sums[lane]);
            }
        };
        for (index, weights) in weights.chunks(PAGE).enumerate() {
            let page = self.page(index, values);
            let value = |slot: usize| &page[slot * self.heads.dim + column..][..width];
            let (groups, rest) = weights.as_chunks::<SUMS>();
            for (group, weights) in groups.iter().enumerate() {
                for i in 0..SUMS {
                    add(&mut sums[i], weights[i], value(group * SUMS + i));
                }
            }
            for (i, weight) in rest.iter().enumerate() {
                add(&mut sums[i], *weight, value(groups.len() * SUMS + i));
            }
        }
        for (lane, out) in out.iter_mut().enumerate() {
            *out = sums.iter().map(|sum| sum[lane]).sum();
        }
    }
}
