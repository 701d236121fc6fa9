//! The decoder of every model family: blocks as data, with one forward and one backward pass, on the kernels of one device.
//!
//! A `block` is a mixer and a feed-forward with norms around them. Each kind of `mixer` and of `feed_forward` is one file. `training` runs
//! packed documents forward and backward, and `loss` computes their loss. `sampling` runs the rows of a sampling step with the cache of each
//! sequence. `adapters` can be added to any linear map.
//!
//! Token ids, positions and row indices must be in range: this module computes and does not check. [`crate::LanguageModel`],
//! [`crate::engine`] and [`crate::train`] check them.

mod adapters;
mod block;
mod buffers;
mod cost;
mod feed_forward;
mod linear;
mod loss;
mod mixer;
mod norm;
mod rotary;
mod sampling;
mod spec;
mod training;

pub use block::{Block, Norms};
pub use cost::Flops;
pub use feed_forward::{Dense, DenseTensors, FeedForward};
pub use linear::{Linear, LinearTensors};
pub use mixer::{AttentionTensors, Mixer, NormedHeads, QueryKeyNorm, QueryKeyTensors, SelfAttention};
pub use norm::Norm;
pub use rotary::Rotary;
pub(crate) use rotary::table_positions;
pub use sampling::{CacheDtype, KeyValueCache, StepRows};
pub use spec::DecoderSpec;
pub use training::{Packed, TrainingMemory};

use crate::kernels::{Kernels, Product};
use crate::weights::{ParameterSpec, Values};
use adapters::Dropout;
use linear::Write;
use mixer::MixerCache;
use rotary::RotaryTables;

/// A parameter on a device.
#[derive(Debug)]
pub enum Weight<K: Kernels> {
    /// In `f32`.
    Full(K::Buffer),
    /// A frozen matrix of 16 bits.
    Half(K::Half16),
}

/// A decoder on a device.
#[derive(Debug)]
pub struct Decoder<K: Kernels> {
    kernels: K,
    spec: DecoderSpec,
    parameters: Vec<Weight<K>>,
    /// Cosines and sines of each rotary embedding, `[positions, rotated]`, for the positions that have been used.
    rotary: RotaryTables<K>,
}

impl<K: Kernels> Decoder<K> {
    /// The same decoder with more parameters, which `spec` describes.
    #[must_use]
    pub fn extended(mut self, spec: DecoderSpec, further: Vec<Values>) -> Self {
        self.parameters.extend(further.into_iter().map(|values| Weight::Full(self.kernels.buffer(values.into_full()))));
        self.spec = spec;
        self
    }

    /// Puts parameters, one `[rows, columns]` matrix per [`DecoderSpec::parameters`], on a device. Vectors are widened.
    pub fn new(kernels: K, spec: DecoderSpec, parameters: Vec<Values>) -> Self {
        let on_device = |(spec, values): (&ParameterSpec, Values)| match values {
            Values::Half(halves) if spec.is_matrix() => Weight::Half(kernels.half16(halves)),
            values => Weight::Full(kernels.buffer(values.into_full())),
        };
        let parameters = spec.parameters.iter().zip(parameters).map(on_device).collect();
        Decoder { kernels, rotary: RotaryTables::default(), spec, parameters }
    }

    /// The specification.
    pub fn spec(&self) -> &DecoderSpec {
        &self.spec
    }

    /// Bytes of an element of a matrix: 2 if any matrix is stored in 16 bits, 4 otherwise.
    pub fn matrix_width(&self) -> usize {
        let is_half = self.parameters.iter().any(|weight| matches!(weight, Weight::Half(_)));
        if is_half { size_of::<u16>() } else { size_of::<f32>() }
    }

    /// The device.
    pub fn kernels(&self) -> &K {
        &self.kernels
    }

    /// The parameters that training changes, with their indices.
    pub fn trained(&self) -> impl Iterator<Item = (usize, &K::Buffer)> {
        self.parameters.iter().enumerate().filter_map(|(at, weight)| match weight {
            Weight::Full(buffer) if self.spec.is_trained(at) => Some((at, buffer)),
            _ => None,
        })
    }

    /// As [`Decoder::trained`], for updates.
    pub fn trained_mut(&mut self) -> impl Iterator<Item = (usize, &mut K::Buffer)> {
        let spec = &self.spec;
        self.parameters.iter_mut().enumerate().filter_map(|(at, weight)| match weight {
            Weight::Full(buffer) if spec.is_trained(at) => Some((at, buffer)),
            _ => None,
        })
    }

    /// Of the parameters that training changes, how many are stored in 16 bits and so cannot be trained; and how many there are.
    pub(crate) fn frozen_of_trained(&self) -> (usize, usize) {
        let trained = || (0..self.parameters.len()).filter(|at| self.spec.is_trained(*at));
        (trained().filter(|at| matches!(self.parameters[*at], Weight::Half(_))).count(), trained().count())
    }

    /// Copies the parameters from the device.
    pub fn download(&self) -> Vec<Values> {
        let values = |weight: &Weight<K>| match weight {
            Weight::Full(buffer) => Values::Full(downloaded(&self.kernels, buffer)),
            Weight::Half(halves) => Values::Half(self.kernels.download_half16(halves)),
        };
        self.parameters.iter().map(values).collect()
    }

    /// A parameter that is kept in `f32`.
    fn full(&self, at: usize) -> &K::Buffer {
        match &self.parameters[at] {
            Weight::Full(buffer) => buffer,
            Weight::Half(_) => unreachable!("vectors are kept in f32"),
        }
    }

    /// `out (+)= a · b` where `b` is parameter `at`.
    fn multiply(&self, product: Product, a: &K::Buffer, at: usize, out: &mut K::Buffer) {
        match &self.parameters[at] {
            Weight::Full(b) => self.kernels.matmul(product, a, b, out),
            Weight::Half(b) => self.kernels.matmul_half16(product, a, b, out),
        }
    }

    /// The residual stream before the first layer, `[tokens, hidden]`.
    fn embed(&self, tokens: &[u32], positions: &[u32], stream: &mut K::Buffer) {
        let (kernels, spec) = (&self.kernels, &self.spec);
        self.rotary.reach(kernels, spec, positions);
        match &self.parameters[spec.embedding] {
            Weight::Full(table) => kernels.embed(table, tokens, spec.hidden, stream),
            Weight::Half(table) => kernels.embed_half16(table, tokens, spec.hidden, stream),
        }
        if spec.scales_the_embedding() {
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
                kernels.embed_half16(table, positions, hidden, &mut rows);
                kernels.add(&rows, positions.len() * hidden, stream);
            }
        }
    }

    /// `logits[rows, vocabulary]` of normed rows, not yet bounded by the soft cap.
    fn logits(&self, rows: usize, normed: &K::Buffer, out: &mut K::Buffer) {
        self.spec.head.forward(Pass::plain(self, rows), normed, Write::Set, out);
    }

    /// Bounds the logits of `rows` rows by the soft cap, if there is one.
    fn bound_logits(&self, rows: usize, logits: &mut K::Buffer) {
        if let Some(cap) = self.spec.logit_softcap {
            self.kernels.soft_cap(cap, rows * self.spec.vocabulary, logits);
        }
    }
}

/// The rows that go through a part of a decoder together.
#[derive(Debug)]
pub(crate) struct Pass<'a, K: Kernels> {
    decoder: &'a Decoder<K>,
    rows: usize,
    dropout: Dropout,
}

#[expect(clippy::expl_impl_clone_on_copy, reason = "the derived one would need a device that can be copied")]
impl<K: Kernels> Clone for Pass<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: Kernels> Copy for Pass<'_, K> {}

impl<'a, K: Kernels> Pass<'a, K> {
    /// Rows without dropout.
    fn plain(decoder: &'a Decoder<K>, rows: usize) -> Self {
        Pass { decoder, rows, dropout: None }
    }
}

/// The values of a buffer.
pub(crate) fn downloaded<K: Kernels>(kernels: &K, buffer: &K::Buffer) -> Vec<f32> {
    let mut values = vec![0.0; kernels.len(buffer)];
    kernels.download(buffer, &mut values);
    values
}
