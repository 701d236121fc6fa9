//! The one decoder: a specification and parameters; forward and backward written out once, on the kernels of one device.
//!
//! `layer` is the forward pass of one layer, which training, recomputation and sampling share; `training` runs packed documents and returns
//! losses and gradients, its way back is in `backward`; `sampling` runs the rows of a sampling step over a paged key-value cache.

mod backward;
mod layer;
mod sampling;
mod training;

pub use sampling::{KeyValueCache, StepRows};
pub use training::{Packed, TrainingMemory};

use crate::arch::{DecoderSpec, Linear, Norm, NormKind};
use crate::kernels::{Kernels, Product};

/// A decoder on a device.
#[derive(Debug)]
pub struct Decoder<K: Kernels> {
    kernels: K,
    spec: DecoderSpec,
    parameters: Vec<K::Buffer>,
    /// Cosines and sines of each rotary embedding, `[context, turned]`.
    rotary: Vec<K::Buffer>,
}

impl<K: Kernels> Decoder<K> {
    /// Puts parameters, one `[rows, columns]` matrix per [`DecoderSpec::parameters`], on a device.
    pub fn new(kernels: K, spec: DecoderSpec, parameters: Vec<Vec<f32>>) -> Self {
        let parameters = parameters.into_iter().map(|values| kernels.buffer(values)).collect();
        let rotary = spec.rotary.iter().map(|rotary| kernels.buffer(rotary.table(spec.context))).collect();
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

    /// The residual stream before the first layer, `[tokens, hidden]`.
    fn embed(&self, tokens: &[u32], positions: &[u32], stream: &mut K::Buffer) {
        let (kernels, spec) = (&self.kernels, &self.spec);
        kernels.embed(&self.parameters[spec.embedding], tokens, spec.hidden, stream);
        if spec.embedding_scale.to_bits() != 1.0f32.to_bits() {
            kernels.scale(spec.embedding_scale, tokens.len() * spec.hidden, stream);
        }
        if let Some(table) = spec.positions {
            kernels.embed_add(&self.parameters[table], positions, spec.hidden, stream);
        }
    }

    /// `out = x · Wᵀ + b`, or with `accumulate` added to what `out` holds.
    fn linear(&self, linear: Linear, rows: usize, x: &K::Buffer, out: &mut K::Buffer, accumulate: bool) {
        let spec = &self.spec.parameters[linear.weight];
        let product = Product { accumulate, ..Product::linear(rows, spec.columns, spec.rows) };
        self.kernels.matmul(product, x, &self.parameters[linear.weight], out);
        if let Some(bias) = linear.bias {
            self.kernels.add_to_rows(&self.parameters[bias], rows, out);
        }
    }

    /// The norm of `rows` rows of the stream; `statistics` holds what its backward pass needs.
    fn norm(&self, norm: Norm, rows: usize, x: &K::Buffer, out: &mut K::Buffer, statistics: &mut K::Buffer) {
        let (weight, epsilon) = (&self.parameters[norm.weight], self.spec.norm_epsilon);
        match norm.bias {
            Some(bias) => self.kernels.layer_norm(x, weight, &self.parameters[bias], rows, epsilon, out, statistics),
            None => self.kernels.rms_norm(x, weight, rows, epsilon, out, statistics),
        }
    }

    /// Values that a norm's statistics have for each row.
    fn statistics_width(&self) -> usize {
        match self.spec.norm {
            NormKind::Rms => 1,
            NormKind::Layer => 2,
        }
    }

    /// `logits[rows, vocabulary]` of normed rows, not yet bounded by the soft cap.
    fn logits(&self, rows: usize, normed: &K::Buffer, out: &mut K::Buffer) {
        self.linear(self.spec.head, rows, normed, out, false);
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
