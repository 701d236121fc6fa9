//! The one decoder: a specification and parameters; forward and backward written out once, on the kernels of one device.
//!
//! `training` runs packed documents and returns losses and gradients; `sampling` runs the rows of a sampling step over a paged
//! key-value cache. Both call the same kernels in the same order.

mod sampling;
mod training;

pub use sampling::{KeyValueCache, StepRows};
pub use training::{Packed, TrainingMemory};

use crate::arch::{DecoderSpec, index};
use crate::kernels::{Kernels, Product};

/// A decoder on a device.
#[derive(Debug)]
pub struct Decoder<K: Kernels> {
    kernels: K,
    spec: DecoderSpec,
    parameters: Vec<K::Buffer>,
    /// Cosines and sines, `[context, dim]`.
    rotary: K::Buffer,
}

impl<K: Kernels> Decoder<K> {
    /// Puts parameters, one `[rows, columns]` matrix per [`DecoderSpec::parameters`], on a device.
    pub fn new(kernels: K, spec: DecoderSpec, parameters: Vec<Vec<f32>>) -> Self {
        let parameters = parameters.into_iter().map(|values| kernels.buffer(values)).collect();
        let rotary = kernels.buffer(rotary_table(&spec));
        Decoder { kernels, spec, parameters, rotary }
    }

    /// What it computes.
    pub fn spec(&self) -> &DecoderSpec {
        &self.spec
    }

    /// The device.
    pub fn kernels(&self) -> &K {
        &self.kernels
    }

    /// The parameters on the device.
    pub fn parameters(&self) -> &[K::Buffer] {
        &self.parameters
    }

    /// The parameters on the device, to be updated.
    pub fn parameters_mut(&mut self) -> &mut [K::Buffer] {
        &mut self.parameters
    }

    /// The parameters, copied back.
    pub fn download(&self) -> Vec<Vec<f32>> {
        self.parameters.iter().map(|buffer| downloaded(&self.kernels, buffer)).collect()
    }

    fn parameter(&self, layer: usize, part: usize) -> &K::Buffer {
        &self.parameters[index::layer(layer, part)]
    }

    /// `out = x · Wᵀ` with weight `part` of `layer`.
    fn linear(&self, layer: usize, part: usize, rows: usize, x: &K::Buffer, out: &mut K::Buffer, accumulate: bool) {
        let spec = &self.spec.parameters[index::layer(layer, part)];
        let product = Product { accumulate, ..Product::linear(rows, spec.columns, spec.rows) };
        self.kernels.matmul(product, x, self.parameter(layer, part), out);
    }

    /// `logits[rows, vocabulary]` of normed rows.
    fn logits(&self, rows: usize, normed: &K::Buffer, out: &mut K::Buffer) {
        let product = Product::linear(rows, self.spec.hidden, self.spec.vocabulary);
        self.kernels.matmul(product, normed, &self.parameters[self.spec.head()], out);
    }
}

/// A buffer's values.
pub(crate) fn downloaded<K: Kernels>(kernels: &K, buffer: &K::Buffer) -> Vec<f32> {
    let mut values = vec![0.0; kernels.len(buffer)];
    kernels.download(buffer, &mut values);
    values
}

/// Makes a buffer hold at least `len` values. It never shrinks, so that steps of one size allocate once.
fn ensure<K: Kernels>(kernels: &K, buffer: &mut K::Buffer, len: usize) {
    if kernels.len(buffer) < len {
        *buffer = kernels.zeros(len);
    }
}

/// Cosines and sines of every position, `[context, dim]` (Su et al. 2021). Angles are rounded to f32 as the reference implementations do;
/// `libm` gives the same bits on every platform.
fn rotary_table(spec: &DecoderSpec) -> Vec<f32> {
    let half = spec.heads.dim / 2;
    let frequency = |i: usize| 1.0 / libm::powf(spec.rope_theta, (2 * i) as f32 / spec.heads.dim as f32);
    let frequencies: Vec<f32> = (0..half).map(frequency).collect();
    let mut table = Vec::with_capacity(spec.context * spec.heads.dim);
    for position in 0..spec.context {
        let angle = |f: &f32| f64::from(position as f32 * f);
        table.extend(frequencies.iter().map(|f| libm::cos(angle(f)) as f32));
        table.extend(frequencies.iter().map(|f| libm::sin(angle(f)) as f32));
    }
    table
}
