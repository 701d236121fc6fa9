//! Low-rank adapters of weights, forward and backward: `out += scale · B · A · dropout(x)`.

use super::Decoder;
use crate::kernels::{Columns, Kernels, Product};
use crate::lora::Adapter;
use crate::weights::ParameterSpec;

/// The seed of the dropout of adapter inputs. `None` for no dropout.
pub(super) type Dropout = Option<u64>;

impl<K: Kernels> Decoder<K> {
    /// Adds the results of the adapters of a weight to `out`.
    pub(super) fn add_adapters(&self, weight: usize, rows: usize, x: &K::Buffer, out: &mut K::Buffer, dropout: Dropout) {
        for (adapter, scale) in self.adapters(weight) {
            let dropped = self.dropped(adapter, rows, x, dropout);
            let low = self.low(adapter, scale, rows, dropped.as_ref().unwrap_or(x));
            let up = &self.spec.parameters[adapter.up];
            let product = Product::linear(rows, up.columns, up.rows);
            if let Some(columns) = self.part(weight, adapter) {
                let mut part = self.kernels.zeros(rows * up.rows);
                self.kernels.matmul(product, &low, self.full(adapter.up), &mut part);
                self.kernels.add_columns(columns, up.rows, rows, &part, out);
            } else {
                self.kernels.matmul(Product { accumulate: true, ..product }, &low, self.full(adapter.up), out);
            }
        }
    }

    /// The backward pass of [`Decoder::add_adapters`]. Adds to `d_x` and to `gradients`.
    #[expect(clippy::too_many_arguments, reason = "a layer, its input and output, and where their gradients go")]
    pub(super) fn adapters_backward(
        &self,
        weight: usize,
        rows: usize,
        x: &K::Buffer,
        d_out: &K::Buffer,
        d_x: &mut K::Buffer,
        gradients: &mut [K::Buffer],
        dropout: Dropout,
    ) {
        let kernels = &self.kernels;
        for (adapter, scale) in self.adapters(weight) {
            let (down, up) = (&self.spec.parameters[adapter.down], &self.spec.parameters[adapter.up]);
            let dropped = self.dropped(adapter, rows, x, dropout);
            let input = dropped.as_ref().unwrap_or(x);
            let low = self.low(adapter, scale, rows, input);
            let part = self.part(weight, adapter).map(|columns| {
                let mut part = kernels.zeros(rows * up.rows);
                kernels.take_columns(columns, up.rows, rows, d_out, &mut part);
                part
            });
            let d_part = part.as_ref().unwrap_or(d_out);
            kernels.matmul(Product::weight_gradient(rows, up.columns, up.rows), d_part, &low, &mut gradients[adapter.up]);
            let mut d_low = kernels.zeros(rows * up.columns);
            kernels.matmul(Product::input_gradient(rows, up.columns, up.rows), d_part, self.full(adapter.up), &mut d_low);
            kernels.scale(scale, rows * up.columns, &mut d_low);
            kernels.matmul(Product::weight_gradient(rows, down.columns, down.rows), &d_low, input, &mut gradients[adapter.down]);
            let back = Product::input_gradient(rows, down.columns, down.rows);
            if dropped.is_some() {
                let mut d_input = kernels.zeros(rows * down.columns);
                kernels.matmul(back, &d_low, self.full(adapter.down), &mut d_input);
                if let Some(d_input) = self.dropped(adapter, rows, &d_input, dropout) {
                    kernels.add(&d_input, rows * down.columns, d_x);
                }
            } else {
                kernels.matmul(Product { accumulate: true, ..back }, &d_low, self.full(adapter.down), d_x);
            }
        }
    }

    /// The adapters of a weight, and the factor on their results.
    fn adapters(&self, weight: usize) -> impl Iterator<Item = (Adapter, f32)> + use<K> {
        let found = self.spec.adapters.as_ref().and_then(|all| all.of.get(&weight).cloned());
        found.into_iter().flatten().map(|adapter| (adapter, adapter.scale))
    }

    /// `scale · A · x`, `[rows, rank]`.
    fn low(&self, adapter: Adapter, scale: f32, rows: usize, x: &K::Buffer) -> K::Buffer {
        let ParameterSpec { rows: rank, columns, .. } = self.spec.parameters[adapter.down];
        let mut low = self.kernels.zeros(rows * rank);
        self.kernels.matmul(Product::linear(rows, columns, rank), x, self.full(adapter.down), &mut low);
        self.kernels.scale(scale, rows * rank, &mut low);
        low
    }

    /// The input after dropout. `None` without dropout.
    fn dropped(&self, adapter: Adapter, rows: usize, x: &K::Buffer, dropout: Dropout) -> Option<K::Buffer> {
        let rate = self.spec.adapters.as_ref().map_or(0.0, |adapters| adapters.settings.dropout as f32);
        let seed = dropout.filter(|_| rate > 0.0)?.wrapping_add((adapter.down as u64) << 40);
        let len = rows * self.spec.parameters[adapter.down].columns;
        let mut out = self.kernels.zeros(len);
        self.kernels.dropout(rate, seed, len, x, &mut out);
        Some(out)
    }

    /// The columns of the output that an adapter adds to. `None` if it adds to all of them.
    fn part(&self, weight: usize, adapter: Adapter) -> Option<Columns> {
        let outputs = self.spec.parameters[weight].rows;
        let columns = Columns { row: outputs, start: adapter.start, groups: 1 };
        (self.spec.parameters[adapter.up].rows < outputs).then_some(columns)
    }
}
