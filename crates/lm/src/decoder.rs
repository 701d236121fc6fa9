//! The one decoder: a specification and parameters; forward and backward written out once, on the kernels of one device.
//!
//! `layer` is the forward pass of one layer, which training, recomputation and sampling share; `training` runs packed documents and returns
//! losses and gradients, its way back is in `backward`; `sampling` runs the rows of a sampling step over a paged key-value cache.

mod adapters;
mod backward;
pub(crate) mod layer;
mod sampling;
pub(crate) mod training;

pub use sampling::{CacheDtype, KeyValueCache, StepRows};
pub use training::{Packed, TrainingMemory};

use crate::arch::{DecoderSpec, Linear, Norm, ParameterSpec};
use crate::kernels::{Kernels, Product};
use crate::weights::Values;
use adapters::Dropout;

/// A parameter on a device.
#[derive(Debug)]
pub enum Weight<K: Kernels> {
    /// In full.
    Full(K::Buffer),
    /// A frozen matrix of 16 bits.
    Half(K::Halves),
}

/// A decoder on a device.
#[derive(Debug)]
pub struct Decoder<K: Kernels> {
    kernels: K,
    spec: DecoderSpec,
    parameters: Vec<Weight<K>>,
    /// Cosines and sines of each rotary embedding, `[context, turned]`.
    rotary: Vec<K::Buffer>,
}

impl<K: Kernels> Decoder<K> {
    /// The same decoder with further parameters, which `spec` describes.
    #[must_use]
    pub fn extended(mut self, spec: DecoderSpec, further: Vec<Values>) -> Self {
        self.parameters.extend(further.into_iter().map(|values| Weight::Full(self.kernels.buffer(values.into_full()))));
        self.spec = spec;
        self
    }

    /// Puts parameters, one `[rows, columns]` matrix per [`DecoderSpec::parameters`], on a device. Vectors are widened.
    pub fn new(kernels: K, spec: DecoderSpec, parameters: Vec<Values>) -> Self {
        let on_device = |(spec, values): (&ParameterSpec, Values)| match values {
            Values::Half(halves) if spec.is_matrix() => Weight::Half(kernels.halves(halves)),
            values => Weight::Full(kernels.buffer(values.into_full())),
        };
        let parameters = spec.parameters.iter().zip(parameters).map(on_device).collect();
        let rotary = spec.rotary.iter().map(|rotary| kernels.buffer(rotary.table(spec.context))).collect();
        Decoder { kernels, spec, parameters, rotary }
    }

    /// What it computes.
    pub fn spec(&self) -> &DecoderSpec {
        &self.spec
    }

    /// Bytes of an element of most matrices.
    pub fn matrix_width(&self) -> usize {
        let is_half = self.parameters.iter().any(|weight| matches!(weight, Weight::Half(_)));
        if is_half { size_of::<u16>() } else { size_of::<f32>() }
    }

    /// The device.
    pub fn kernels(&self) -> &K {
        &self.kernels
    }

    /// The parameters that are trained, with their places.
    pub fn trained(&self) -> impl Iterator<Item = (usize, &K::Buffer)> {
        self.parameters.iter().enumerate().filter_map(|(at, weight)| match weight {
            Weight::Full(buffer) if self.spec.is_trained(at) => Some((at, buffer)),
            _ => None,
        })
    }

    /// The same, to be updated.
    pub fn trained_mut(&mut self) -> impl Iterator<Item = (usize, &mut K::Buffer)> {
        let spec = &self.spec;
        self.parameters.iter_mut().enumerate().filter_map(|(at, weight)| match weight {
            Weight::Full(buffer) if spec.is_trained(at) => Some((at, buffer)),
            _ => None,
        })
    }

    /// The parameters, copied back.
    pub fn download(&self) -> Vec<Values> {
        let values = |weight: &Weight<K>| match weight {
            Weight::Full(buffer) => Values::Full(downloaded(&self.kernels, buffer)),
            Weight::Half(halves) => Values::Half(self.kernels.download_halves(halves)),
        };
        self.parameters.iter().map(values).collect()
    }

    /// A vector, or a table that is kept in full.
    fn full(&self, at: usize) -> &K::Buffer {
        match &self.parameters[at] {
            Weight::Full(buffer) => buffer,
            Weight::Half(_) => unreachable!("vectors are kept in full"),
        }
    }

    /// `out (+)= a · b` where `b` is parameter `at`.
    fn multiply(&self, product: Product, a: &K::Buffer, at: usize, out: &mut K::Buffer) {
        match &self.parameters[at] {
            Weight::Full(b) => self.kernels.matmul(product, a, b, out),
            Weight::Half(b) => self.kernels.matmul_halves(product, a, b, out),
        }
    }

    /// The residual stream before the first layer, `[tokens, hidden]`.
    fn embed(&self, tokens: &[u32], positions: &[u32], stream: &mut K::Buffer) {
        let (kernels, spec) = (&self.kernels, &self.spec);
        match &self.parameters[spec.embedding] {
            Weight::Full(table) => kernels.embed(table, tokens, spec.hidden, stream),
            Weight::Half(table) => kernels.embed_halves(table, tokens, spec.hidden, stream),
        }
        if spec.embedding_scale.to_bits() != 1.0f32.to_bits() {
            kernels.scale(spec.embedding_scale, tokens.len() * spec.hidden, stream);
        }
        if let Some(table) = spec.positions {
            self.add_positions(table, positions, stream);
        }
    }

    /// Adds learned positions to the stream.
    fn add_positions(&self, table: usize, positions: &[u32], stream: &mut K::Buffer) {
        let (kernels, hidden) = (&self.kernels, self.spec.hidden);
        match &self.parameters[table] {
            Weight::Full(table) => kernels.embed_add(table, positions, hidden, stream),
            Weight::Half(table) => {
                let mut rows = kernels.zeros(positions.len() * hidden);
                kernels.embed_halves(table, positions, hidden, &mut rows);
                kernels.add(&rows, positions.len() * hidden, stream);
            }
        }
    }

    /// `out = x · Wᵀ + b`, or with `accumulate` added to what `out` holds; with the weight's adapters, if it has any.
    fn linear(&self, linear: Linear, rows: usize, x: &K::Buffer, out: &mut K::Buffer, accumulate: bool, dropout: Dropout) {
        let spec = &self.spec.parameters[linear.weight];
        let product = Product { accumulate, ..Product::linear(rows, spec.columns, spec.rows) };
        self.multiply(product, x, linear.weight, out);
        if let Some(bias) = linear.bias {
            self.kernels.add_to_rows(self.full(bias), rows, out);
        }
        self.add_adapters(linear.weight, rows, x, out, dropout);
    }

    /// The norm of `rows` rows of the stream; `statistics` holds what its backward pass needs.
    fn norm(&self, norm: Norm, rows: usize, x: &K::Buffer, out: &mut K::Buffer, statistics: &mut K::Buffer) {
        let (weight, epsilon) = (self.full(norm.weight), self.spec.norm_epsilon);
        match norm.bias {
            Some(bias) => self.kernels.layer_norm(x, weight, self.full(bias), rows, epsilon, out, statistics),
            None => self.kernels.rms_norm(x, weight, rows, epsilon, out, statistics),
        }
    }

    /// `logits[rows, vocabulary]` of normed rows, not yet bounded by the soft cap.
    fn logits(&self, rows: usize, normed: &K::Buffer, out: &mut K::Buffer) {
        self.linear(self.spec.head, rows, normed, out, false, None);
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
