//! Attention of single rows over a paged key-value cache.
//!
//! The keys of a page are stored as `[dim, PAGE]`, so that the scores of [`PAGE`] positions are computed together, without a sum across lanes.
//! Values are stored as `[PAGE, dim]` for the same reason. Each row adds its positions in a fixed order. So its result does not depend on how
//! prompts are divided into steps, on the other rows of the batch, or on shared pages.
//!
//! Neighbouring rows often see the same pages: those of a shared prefix, or of a prompt. Such pages are read once for all of these rows (as in
//! Juravsky et al. 2024 with matrix products), and once for all query heads of a key head.

use super::super::{Attention, Heads, PAGE, PagedRows};
use super::attention::softmax;
use super::simd::vectorized;
use crate::bits16::{f16_bits, f16_number};
use rayon::prelude::*;
use std::ops::Range;

/// Rows that are computed together.
const TILE: usize = 4;
/// Queries that read a page together.
const QUERIES: usize = 4;
/// Columns of the values that are summed together, and the partial sums of each. Position `i` is added to partial sum `i % SUMS`.
const COLUMNS: usize = 16;
const SUMS: usize = 8;

/// A number of the cache: `f32`, or 16 bits of IEEE half precision.
pub(super) trait Element: Copy + Send + Sync {
    fn widen(self) -> f32;
    fn narrow(x: f32) -> Self;
}

impl Element for f32 {
    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }

    fn narrow(x: f32) -> Self {
        x
    }
}

impl Element for u16 {
    #[inline(always)]
    fn widen(self) -> f32 {
        f16_number(self)
    }

    fn narrow(x: f32) -> Self {
        f16_bits(x)
    }
}

pub(super) fn store_pages<E: Element>(fused: &[f32], heads: Heads, rows: &PagedRows, keys: &mut [E], values: &mut [E]) {
    let page_size = heads.key_value * heads.dim * PAGE;
    for (row, fused) in fused.chunks_exact(heads.fused_width()).take(rows.positions.len()).enumerate() {
        let position = rows.positions[row] as usize;
        let page = rows.pages[rows.tables[row] as usize][position / PAGE] as usize * page_size;
        let slot = position % PAGE;
        for head in 0..heads.key_value {
            let base = page + head * heads.dim * PAGE;
            for (d, key) in fused[heads.key_column(head)..][..heads.dim].iter().enumerate() {
                keys[base + d * PAGE + slot] = E::narrow(*key);
            }
            let values = &mut values[base + slot * heads.dim..][..heads.dim];
            for (to, value) in values.iter_mut().zip(&fused[heads.value_column(head)..]) {
                *to = E::narrow(*value);
            }
        }
    }
}

pub(super) fn paged_attention<E: Element>(
    fused: &[f32],
    attention: Attention,
    rows: &PagedRows,
    keys: &[E],
    values: &[E],
    out: &mut [f32],
) {
    let heads = attention.heads;
    let out = &mut out[..rows.positions.len() * heads.output_width()];
    out.par_chunks_mut(TILE * heads.output_width()).enumerate().for_each_init(Scratch::default, |scratch, (tile, out)| {
        let count = out.len() / heads.output_width();
        let rows: Vec<StepRow<'_>> = (tile * TILE..).take(count).map(|row| StepRow::new(row, fused, attention, rows)).collect();
        let parts = parts(&rows, heads.group());
        for head in 0..heads.key_value {
            scratch.attend(attention, head, &rows, &parts, keys, values);
            for (query, sums) in scratch.sums.chunks_exact(SUMS * heads.dim).enumerate() {
                let (row, member) = (query / heads.group(), query % heads.group());
                let column = row * heads.output_width() + (head * heads.group() + member) * heads.dim;
                for (lane, out) in out[column..][..heads.dim].iter_mut().enumerate() {
                    *out = sums.iter().skip(lane).step_by(heads.dim).sum();
                }
            }
        }
    });
}

/// A row of a step.
struct StepRow<'a> {
    queries: &'a [f32],
    /// The pages of its sequence.
    table: &'a [u32],
    /// The pages that it reads. Pages before its window are left out.
    pages: Range<usize>,
    /// The positions that it sees.
    visible: Range<usize>,
}

impl<'a> StepRow<'a> {
    fn new(row: usize, fused: &'a [f32], attention: Attention, rows: &'a PagedRows) -> Self {
        let (heads, position) = (attention.heads, rows.positions[row] as usize);
        let visible = attention.first_seen(position)..position + 1;
        StepRow {
            queries: &fused[row * heads.fused_width()..][..heads.output_width()],
            table: &rows.pages[rows.tables[row] as usize],
            pages: visible.start / PAGE..visible.end.div_ceil(PAGE),
            visible,
        }
    }

    /// The positions of all pages that it reads, visible or not.
    fn covered(&self) -> usize {
        self.pages.len() * PAGE
    }
}

/// Positions that neighbouring queries of a tile read from the same pages. Queries are numbered row by row, within one key head.
struct Part<'a> {
    queries: Range<usize>,
    table: &'a [u32],
    /// The first position is the first of a page.
    positions: Range<usize>,
}

impl Part<'_> {
    /// The queries, in groups that read a page together.
    fn groups(&self) -> impl Iterator<Item = Range<usize>> {
        self.queries.clone().step_by(QUERIES).map(|first| first..self.queries.end.min(first + QUERIES))
    }
}

/// The parts that each row reads before the pages that all rows have in common, these common pages, and the parts after them.
fn parts<'a>(rows: &[StepRow<'a>], group: usize) -> Vec<Part<'a>> {
    let first = rows.iter().map(|row| row.pages.start).max().unwrap_or(0);
    let full = rows.iter().map(|row| row.visible.end / PAGE).min().unwrap_or(0);
    let is_common = |page: &usize| rows.windows(2).all(|pair| pair[0].table[*page] == pair[1].table[*page]);
    let end = first + (first..full).take_while(is_common).count();
    let common = Part { queries: 0..rows.len() * group, table: rows[0].table, positions: first * PAGE..end * PAGE };
    let own = |part: fn(&StepRow<'a>, Range<usize>) -> Range<usize>| {
        let part = move |(index, row): (usize, &StepRow<'a>)| {
            let positions = part(row, first * PAGE..end * PAGE);
            Part { queries: index * group..(index + 1) * group, table: row.table, positions }
        };
        rows.iter().enumerate().map(part)
    };
    let before = own(|row, common| row.pages.start * PAGE..common.start.min(row.visible.end));
    let after = own(|row, common| common.end.max(row.pages.start * PAGE)..row.visible.end);
    before.chain([common]).chain(after).filter(|part| !part.positions.is_empty()).collect()
}

#[derive(Default)]
struct Scratch {
    /// `[queries, covered]`, with the largest [`StepRow::covered`] of all rows.
    scores: Vec<f32>,
    /// `[queries, SUMS, dim]`.
    sums: Vec<f32>,
}

impl Scratch {
    /// Computes the partial sums of all queries of the tile's rows for one key head.
    fn attend<E: Element>(
        &mut self,
        attention: Attention,
        head: usize,
        rows: &[StepRow<'_>],
        parts: &[Part<'_>],
        keys: &[E],
        values: &[E],
    ) {
        let (heads, group) = (attention.heads, attention.heads.group());
        let width = rows.iter().map(StepRow::covered).max().unwrap_or(0);
        self.scores.resize(rows.len() * group * width, 0.0);
        self.sums.clear();
        self.sums.resize(rows.len() * group * SUMS * heads.dim, 0.0);
        let query = |index: usize| &rows[index / group].queries[(head * group + index % group) * heads.dim..][..heads.dim];
        // The index of the score of a query at a position.
        let place = |index: usize, position: usize| index * width + position - rows[index / group].pages.start * PAGE;
        let Scratch { scores, sums } = self;
        for part in parts {
            let cache = HeadCache { heads, head, table: part.table };
            for queries in part.groups() {
                let at = queries.start;
                match queries.len() {
                    4 => cache.scores::<4, 1, E>([0, 1, 2, 3].map(|i| query(at + i)), part, keys, scores, |i, p| place(at + i, p)),
                    3 => cache.scores::<3, 1, E>([0, 1, 2].map(|i| query(at + i)), part, keys, scores, |i, p| place(at + i, p)),
                    2 => cache.scores::<2, 2, E>([0, 1].map(|i| query(at + i)), part, keys, scores, |i, p| place(at + i, p)),
                    _ => cache.scores::<1, 4, E>([query(at)], part, keys, scores, |i, p| place(at + i, p)),
                }
            }
        }
        for (index, scores) in scores.chunks_exact_mut(width).enumerate() {
            let row = &rows[index / group];
            let begin = row.pages.start * PAGE;
            softmax(&mut scores[..row.covered()], row.visible.start - begin..row.visible.end - begin, attention);
        }
        for part in parts {
            let cache = HeadCache { heads, head, table: part.table };
            for queries in part.groups() {
                let at = queries.start;
                let sums = &mut sums[at * SUMS * heads.dim..][..queries.len() * SUMS * heads.dim];
                let weights = |i: usize| &scores[place(at + i, part.positions.start)..][..part.positions.len()];
                match queries.len() {
                    4 => cache.add_values::<4, 2, E>([0, 1, 2, 3].map(weights), part, values, sums),
                    3 => cache.add_values::<3, 2, E>([0, 1, 2].map(weights), part, values, sums),
                    2 => cache.add_values::<2, 4, E>([0, 1].map(weights), part, values, sums),
                    _ => cache.add_values::<1, 8, E>([weights(0)], part, values, sums),
                }
            }
        }
    }
}

/// The cache of one key head of one sequence.
#[derive(Clone, Copy)]
struct HeadCache<'a> {
    heads: Heads,
    head: usize,
    table: &'a [u32],
}

impl HeadCache<'_> {
    #[inline(always)]
    fn page<'b, E>(&self, index: usize, cache: &'b [E]) -> &'b [E] {
        let size = self.heads.dim * PAGE;
        &cache[(self.table[index] as usize * self.heads.key_value + self.head) * size..][..size]
    }

    /// Query-key products for every position of the part's pages, `P` pages at a time.
    fn scores<const N: usize, const P: usize, E: Element>(
        self,
        queries: [&[f32]; N],
        part: &Part<'_>,
        keys: &[E],
        scores: &mut [f32],
        place: impl Fn(usize, usize) -> usize,
    ) {
        let pages = part.positions.start / PAGE..part.positions.end.div_ceil(PAGE);
        vectorized(
            #[inline(always)]
            || {
                let whole = pages.len() / P * P;
                for page in (pages.start..pages.start + whole).step_by(P) {
                    self.page_scores::<N, P, E>(queries, page, keys, scores, &place);
                }
                for page in pages.start + whole..pages.end {
                    self.page_scores::<N, 1, E>(queries, page, keys, scores, &place);
                }
            },
        );
    }

    #[inline(always)]
    fn page_scores<const N: usize, const P: usize, E: Element>(
        self,
        queries: [&[f32]; N],
        first: usize,
        keys: &[E],
        scores: &mut [f32],
        place: &impl Fn(usize, usize) -> usize,
    ) {
        // Of the same lengths, so that the loop need not look.
        let dim = self.heads.dim;
        let pages: [&[[E; PAGE]]; P] = std::array::from_fn(|i| &self.page(first + i, keys).as_chunks().0[..dim]);
        let queries = queries.map(|query| &query[..dim]);
        let mut sums = [[[0.0f32; PAGE]; P]; N];
        for d in 0..dim {
            for p in 0..P {
                let mut keys = [0.0; PAGE];
                for lane in 0..PAGE {
                    keys[lane] = E::widen(pages[p][d][lane]);
                }
                for n in 0..N {
                    for lane in 0..PAGE {
                        sums[n][p][lane] = queries[n][d].mul_add(keys[lane], sums[n][p][lane]);
                    }
                }
            }
        }
        for n in 0..N {
            for p in 0..P {
                scores[place(n, (first + p) * PAGE)..][..PAGE].copy_from_slice(&sums[n][p]);
            }
        }
    }

    /// `sums[n][i % SUMS] += weights[n][i] * value[i]` over the part's positions, `C` of the sums of each query at a time.
    fn add_values<const N: usize, const C: usize, E: Element>(self, weights: [&[f32]; N], part: &Part<'_>, values: &[E], sums: &mut [f32]) {
        let (dim, page) = (self.heads.dim, part.positions.start / PAGE);
        let full: [&[[f32; PAGE]]; N] = weights.map(|weights| weights.as_chunks().0);
        let rest: [&[f32]; N] = weights.map(|weights| weights.as_chunks::<PAGE>().1);
        vectorized(
            #[inline(always)]
            || {
                for column in (0..dim).step_by(COLUMNS) {
                    for first in (0..SUMS).step_by(C) {
                        // The usual width as a constant, so that the sums stay in registers.
                        match COLUMNS.min(dim - column) {
                            COLUMNS => self.add_pages::<N, C, E>(full, page, values, column, COLUMNS, first, sums),
                            width => self.add_pages::<N, C, E>(full, page, values, column, width, first, sums),
                        }
                    }
                }
                if !rest[0].is_empty() {
                    let page = self.page(page + full[0].len(), values);
                    for (slot, value) in page.chunks_exact(dim).take(rest[0].len()).enumerate() {
                        for n in 0..N {
                            let sums = &mut sums[(n * SUMS + slot % SUMS) * dim..][..dim];
                            for (sum, value) in sums.iter_mut().zip(value) {
                                *sum = rest[n][slot].mul_add(value.widen(), *sum);
                            }
                        }
                    }
                }
            },
        );
    }

    /// The part of [`Self::add_values`] that full pages have, in `C` sums from `first` on and `width` columns.
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "one block of a loop nest")]
    fn add_pages<const N: usize, const C: usize, E: Element>(
        self,
        weights: [&[[f32; PAGE]]; N],
        begin: usize,
        values: &[E],
        column: usize,
        width: usize,
        first: usize,
        all: &mut [f32],
    ) {
        let dim = self.heads.dim;
        let mut sums = [[[0.0f32; COLUMNS]; C]; N];
        for n in 0..N {
            for c in 0..C {
                sums[n][c][..width].copy_from_slice(&all[(n * SUMS + first + c) * dim + column..][..width]);
            }
        }
        for index in 0..weights[0].len() {
            let page = self.page(begin + index, values);
            let weights: [&[f32; PAGE]; N] = std::array::from_fn(|n| &weights[n][index]);
            for slot in [first, first + SUMS] {
                for c in 0..C {
                    let mut value = [0.0f32; COLUMNS];
                    for (value, stored) in value[..width].iter_mut().zip(&page[(slot + c) * dim + column..][..width]) {
                        *value = stored.widen();
                    }
                    for n in 0..N {
                        let weight = weights[n][slot + c];
                        for lane in 0..width {
                            sums[n][c][lane] = weight.mul_add(value[lane], sums[n][c][lane]);
                        }
                    }
                }
            }
        }
        for n in 0..N {
            for c in 0..C {
                all[(n * SUMS + first + c) * dim + column..][..width].copy_from_slice(&sums[n][c][..width]);
            }
        }
    }
}

#[cfg(test)]
mod tests;
