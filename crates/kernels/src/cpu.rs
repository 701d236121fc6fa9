//! The kernels on a processor: library matrix products and vectorised loops, on rayon's threads.

#![expect(clippy::inline_always, reason = "only code that is inlined into `simd::vectorized` is compiled for its instruction set")]

mod activation;
mod attention;
mod half16;
mod matmul;
mod norms;
mod optimize;
mod pages;
mod rows;
mod simd;
mod thin;

use super::{Activation, AdamWStep, Attention, Columns, Heads, Kernels, PagedRows, Product};
use crate::bits16::Half16;
pub use simd::{exponentials, vector_units};

/// Kernels on this machine's processor. Threads are those of the current rayon pool.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu;

impl Kernels for Cpu {
    type Buffer = Vec<f32>;
    type Half16 = Half16;

    fn zeros(&self, len: usize) -> Vec<f32> {
        vec![0.0; len]
    }

    fn buffer(&self, values: Vec<f32>) -> Vec<f32> {
        values
    }

    fn half16(&self, values: Half16) -> Half16 {
        values
    }

    fn download_half16(&self, from: &Half16) -> Half16 {
        from.clone()
    }

    fn len(&self, buffer: &Vec<f32>) -> usize {
        buffer.len()
    }

    fn upload(&self, host: &[f32], to: &mut Vec<f32>) {
        to[..host.len()].copy_from_slice(host);
    }

    fn download(&self, from: &Vec<f32>, host: &mut [f32]) {
        host.copy_from_slice(&from[..host.len()]);
    }

    fn clear(&self, buffer: &mut Vec<f32>) {
        buffer.fill(0.0);
    }

    fn copy(&self, from: &Vec<f32>, to: &mut Vec<f32>, len: usize) {
        to[..len].copy_from_slice(&from[..len]);
    }

    fn matmul(&self, product: Product, a: &Vec<f32>, b: &Vec<f32>, out: &mut Vec<f32>) {
        matmul::matmul(product, a, b, out);
    }

    fn matmul_half16(&self, product: Product, a: &Vec<f32>, b: &Half16, out: &mut Vec<f32>) {
        half16::matmul(product, a, b, out);
    }

    fn embed_half16(&self, table: &Half16, ids: &[u32], width: usize, out: &mut Vec<f32>) {
        half16::embed(table, ids, width, out);
    }

    fn embed(&self, table: &Vec<f32>, ids: &[u32], width: usize, out: &mut Vec<f32>) {
        rows::embed(table, ids, width, out);
    }

    fn embed_add(&self, table: &Vec<f32>, ids: &[u32], width: usize, out: &mut Vec<f32>) {
        rows::embed_add(table, ids, width, out);
    }

    fn embed_backward(&self, gradient: &Vec<f32>, ids: &[u32], width: usize, table_gradient: &mut Vec<f32>) {
        rows::embed_backward(gradient, ids, width, table_gradient);
    }

    fn gather_rows(&self, x: &Vec<f32>, rows: &[u32], width: usize, out: &mut Vec<f32>) {
        rows::embed(x, rows, width, out);
    }

    fn put_rows(&self, values: &Vec<f32>, first: usize, rows: usize, width: usize, x: &mut Vec<f32>) {
        x[first * width..][..rows * width].copy_from_slice(&values[..rows * width]);
    }

    fn scatter_rows(&self, values: &Vec<f32>, rows: &[u32], width: usize, total: usize, x: &mut Vec<f32>) {
        rows::scatter_rows(values, rows, width, total, x);
    }

    fn scale(&self, factor: f32, len: usize, x: &mut Vec<f32>) {
        rows::scale(factor, &mut x[..len]);
    }

    fn add(&self, values: &Vec<f32>, len: usize, x: &mut Vec<f32>) {
        rows::add(&values[..len], &mut x[..len]);
    }

    fn add_columns(&self, columns: Columns, width: usize, rows: usize, values: &Vec<f32>, x: &mut Vec<f32>) {
        for (x, values) in x.chunks_exact_mut(columns.row).zip(values.chunks_exact(width)).take(rows) {
            rows::add(values, &mut x[columns.start..][..width]);
        }
    }

    fn take_columns(&self, columns: Columns, width: usize, rows: usize, x: &Vec<f32>, values: &mut Vec<f32>) {
        for (x, values) in x.chunks_exact(columns.row).zip(values.chunks_exact_mut(width)).take(rows) {
            values.copy_from_slice(&x[columns.start..][..width]);
        }
    }

    fn dropout(&self, rate: f32, seed: u64, len: usize, x: &Vec<f32>, out: &mut Vec<f32>) {
        rows::dropout(rate, seed, &x[..len], &mut out[..len]);
    }

    fn add_to_rows(&self, vector: &Vec<f32>, rows: usize, x: &mut Vec<f32>) {
        rows::add_to_rows(vector, &mut x[..rows * vector.len()]);
    }

    fn sum_rows(&self, x: &Vec<f32>, rows: usize, vector: &mut Vec<f32>) {
        rows::sum_rows(&x[..rows * vector.len()], vector);
    }

    fn soft_cap(&self, cap: f32, len: usize, x: &mut Vec<f32>) {
        rows::soft_cap(cap, &mut x[..len]);
    }

    fn rms_norm(&self, x: &Vec<f32>, weight: &Vec<f32>, rows: usize, epsilon: f32, out: &mut Vec<f32>, inverse_rms: &mut Vec<f32>) {
        let values = rows * weight.len();
        norms::rms_norm(&x[..values], weight, epsilon, &mut out[..values], &mut inverse_rms[..rows]);
    }

    fn rms_norm_backward(
        &self,
        gradient: &Vec<f32>,
        x: &Vec<f32>,
        weight: &Vec<f32>,
        inverse_rms: &Vec<f32>,
        rows: usize,
        x_gradient: &mut Vec<f32>,
        weight_gradient: &mut Vec<f32>,
    ) {
        let values = rows * weight.len();
        norms::rms_norm_backward(
            &gradient[..values],
            &x[..values],
            weight,
            &inverse_rms[..rows],
            &mut x_gradient[..values],
            weight_gradient,
        );
    }

    fn rms_norm_columns(
        &self,
        columns: Columns,
        weight: &Vec<f32>,
        rows: usize,
        epsilon: f32,
        x: &mut Vec<f32>,
        inverse_rms: &mut Vec<f32>,
    ) {
        norms::rms_norm_columns(columns, weight, epsilon, &mut x[..rows * columns.row], &mut inverse_rms[..rows * columns.groups]);
    }

    fn rms_norm_columns_backward(
        &self,
        columns: Columns,
        x: &Vec<f32>,
        weight: &Vec<f32>,
        inverse_rms: &Vec<f32>,
        rows: usize,
        gradient: &mut Vec<f32>,
        weight_gradient: &mut Vec<f32>,
    ) {
        let values = rows * columns.row;
        let inverse_rms = &inverse_rms[..rows * columns.groups];
        norms::rms_norm_columns_backward(columns, &x[..values], weight, inverse_rms, &mut gradient[..values], weight_gradient);
    }

    fn layer_norm(
        &self,
        x: &Vec<f32>,
        weight: &Vec<f32>,
        bias: &Vec<f32>,
        rows: usize,
        epsilon: f32,
        out: &mut Vec<f32>,
        statistics: &mut Vec<f32>,
    ) {
        let values = rows * weight.len();
        norms::layer_norm(&x[..values], weight, bias, epsilon, &mut out[..values], &mut statistics[..2 * rows]);
    }

    fn layer_norm_backward(
        &self,
        gradient: &Vec<f32>,
        x: &Vec<f32>,
        weight: &Vec<f32>,
        statistics: &Vec<f32>,
        rows: usize,
        x_gradient: &mut Vec<f32>,
        weight_gradient: &mut Vec<f32>,
    ) {
        let values = rows * weight.len();
        let statistics = &statistics[..2 * rows];
        norms::layer_norm_backward(&gradient[..values], &x[..values], weight, statistics, &mut x_gradient[..values], weight_gradient);
    }

    fn rotary(&self, fused: &mut Vec<f32>, heads: Heads, rotated: usize, table: &Vec<f32>, positions: &[u32], inverse: bool) {
        rows::rotary(&mut fused[..positions.len() * heads.fused_width()], heads, rotated, table, positions, inverse);
    }

    fn attention(&self, fused: &Vec<f32>, attention: Attention, offsets: &[usize], out: &mut Vec<f32>, log_sum_exp: &mut Vec<f32>) {
        attention::attention(fused, attention, offsets, out, log_sum_exp);
    }

    fn attention_backward(
        &self,
        gradient: &Vec<f32>,
        out: &Vec<f32>,
        fused: &Vec<f32>,
        log_sum_exp: &Vec<f32>,
        attention: Attention,
        offsets: &[usize],
        fused_gradient: &mut Vec<f32>,
    ) {
        attention::attention_backward(gradient, out, fused, log_sum_exp, attention, offsets, fused_gradient);
    }

    fn store_pages(&self, fused: &Vec<f32>, heads: Heads, rows: &PagedRows, keys: &mut Vec<f32>, values: &mut Vec<f32>) {
        pages::store_pages(fused, heads, rows, keys, values);
    }

    fn paged_attention(
        &self,
        fused: &Vec<f32>,
        attention: Attention,
        rows: &PagedRows,
        keys: &Vec<f32>,
        values: &Vec<f32>,
        out: &mut Vec<f32>,
    ) {
        pages::paged_attention(fused, attention, rows, keys, values, out);
    }

    fn store_pages_half16(&self, fused: &Vec<f32>, heads: Heads, rows: &PagedRows, keys: &mut Half16, values: &mut Half16) {
        pages::store_pages(fused, heads, rows, &mut keys.bits, &mut values.bits);
    }

    fn paged_attention_half16(
        &self,
        fused: &Vec<f32>,
        attention: Attention,
        rows: &PagedRows,
        keys: &Half16,
        values: &Half16,
        out: &mut Vec<f32>,
    ) {
        pages::paged_attention(fused, attention, rows, &keys.bits, &values.bits, out);
    }

    fn activate(&self, activation: Activation, x: &Vec<f32>, rows: usize, width: usize, out: &mut Vec<f32>) {
        let input = if activation.gated { 2 * width } else { width };
        activation::activate(activation, &x[..rows * input], width, &mut out[..rows * width]);
    }

    fn activate_backward(&self, activation: Activation, gradient: &Vec<f32>, rows: usize, width: usize, x: &mut Vec<f32>) {
        let input = if activation.gated { 2 * width } else { width };
        activation::activate_backward(activation, &gradient[..rows * width], width, &mut x[..rows * input]);
    }

    fn cross_entropy(&self, logits: &mut Vec<f32>, targets: &[u32], classes: usize, softcap: Option<f32>, scales: &[f32]) -> Vec<f32> {
        optimize::cross_entropy(logits, targets, classes, softcap, scales)
    }

    fn squared_norm(&self, buffer: &Vec<f32>) -> f64 {
        optimize::squared_norm(buffer)
    }

    fn adamw(&self, step: AdamWStep, gradient: &Vec<f32>, parameter: &mut Vec<f32>, first: &mut Vec<f32>, second: &mut Vec<f32>) {
        optimize::adamw(step, gradient, parameter, first, second);
    }
}
