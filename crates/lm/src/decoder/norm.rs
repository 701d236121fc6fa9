//! Norms of the residual stream: their tensors in a checkpoint, forward and backward.

use super::Pass;
use crate::kernels::Kernels;
use crate::weights::{Layout, ParameterSpec, Parameters, Role};

/// A norm and its parameters `[hidden]`, as indices of [`super::DecoderSpec::parameters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norm {
    /// Root mean square (Zhang and Sennrich 2019).
    Rms {
        /// Factors.
        weight: usize,
    },
    /// Mean and variance (Ba et al. 2016).
    Layer {
        /// Factors.
        weight: usize,
        /// Summands.
        bias: usize,
    },
}

impl Norm {
    /// Adds a root-mean-square norm, a vector of this name.
    pub fn rms(parameters: &mut Parameters, name: impl Into<String>, width: usize, layout: Layout) -> Self {
        Norm::Rms { weight: parameters.add(ParameterSpec::vector(Role::Norm, name, width).laid_out([layout])) }
    }

    /// Adds a layer norm, `MODULE.weight` and `MODULE.bias`.
    pub fn layer(parameters: &mut Parameters, module: &str, width: usize) -> Self {
        let weight = parameters.add(ParameterSpec::vector(Role::Norm, format!("{module}.weight"), width));
        Norm::Layer { weight, bias: parameters.add(ParameterSpec::vector(Role::Bias, format!("{module}.bias"), width)) }
    }

    /// The index of the weight.
    pub fn weight(self) -> usize {
        match self {
            Norm::Rms { weight } | Norm::Layer { weight, .. } => weight,
        }
    }

    /// Values of one row that the backward pass needs besides the input.
    pub(crate) fn statistics_width(self) -> usize {
        match self {
            Norm::Rms { .. } => 1,
            Norm::Layer { .. } => 2,
        }
    }

    /// Norms the rows `[rows, hidden]`. `statistics` is `[rows, statistics_width]`.
    pub(crate) fn forward<K: Kernels>(self, pass: Pass<'_, K>, x: &K::Buffer, out: &mut K::Buffer, statistics: &mut K::Buffer) {
        let Pass { decoder, rows, .. } = pass;
        let (kernels, epsilon) = (&decoder.kernels, decoder.spec.norm_epsilon);
        match self {
            Norm::Rms { weight } => kernels.rms_norm(x, decoder.full(weight), rows, epsilon, out, statistics),
            Norm::Layer { weight, bias } => {
                kernels.layer_norm(x, decoder.full(weight), decoder.full(bias), rows, epsilon, out, statistics);
            }
        }
    }

    /// The backward pass of [`Norm::forward`]. Adds to `d_x` and to the gradients of the parameters.
    pub(crate) fn backward<K: Kernels>(
        self,
        pass: Pass<'_, K>,
        d_out: &K::Buffer,
        x: &K::Buffer,
        statistics: &K::Buffer,
        d_x: &mut K::Buffer,
        gradients: &mut [K::Buffer],
    ) {
        let Pass { decoder, rows, .. } = pass;
        let kernels = &decoder.kernels;
        match self {
            Norm::Rms { weight } => {
                kernels.rms_norm_backward(d_out, x, decoder.full(weight), statistics, rows, d_x, &mut gradients[weight]);
            }
            Norm::Layer { weight, bias } => {
                kernels.sum_rows(d_out, rows, &mut gradients[bias]);
                kernels.layer_norm_backward(d_out, x, decoder.full(weight), statistics, rows, d_x, &mut gradients[weight]);
            }
        }
    }
}
