//! A linear map: its tensors in a checkpoint, forward and backward.

use super::Pass;
use crate::kernels::{Kernels, Product};
use crate::weights::{Layout, ParameterSpec, Parameters, Role};

/// The parameters of a linear map, as indices of [`super::DecoderSpec::parameters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Linear {
    /// `[outputs, inputs]`.
    pub weight: usize,
    /// `[outputs]`.
    pub bias: Option<usize>,
}

/// How a result enters a buffer: it replaces the values, or is added to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    Set,
    Add,
}

/// The tensors of a linear map in a checkpoint: `MODULE.weight` of each module, stacked by rows, and with `bias` also `MODULE.bias`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinearTensors {
    /// The modules, which read the same input.
    pub modules: Vec<String>,
    /// True if the modules have biases.
    pub bias: bool,
    /// How each module's weight and bias are stored. A transposed weight has a plain bias.
    pub layouts: Vec<Layout>,
}

impl LinearTensors {
    /// Modules that are stored row by row.
    pub fn new(modules: impl IntoIterator<Item = String>, bias: bool) -> Self {
        let modules: Vec<String> = modules.into_iter().collect();
        LinearTensors { layouts: vec![Layout::Same; modules.len()], modules, bias }
    }

    /// The same modules with other layouts, one for each.
    #[must_use]
    pub fn stored(self, layouts: impl IntoIterator<Item = Layout>) -> Self {
        LinearTensors { layouts: layouts.into_iter().collect(), ..self }
    }

    /// Adds the weight, then the bias. `outputs` has the number of outputs of each module.
    pub fn add_to(&self, parameters: &mut Parameters, role: Role, outputs: &[usize], inputs: usize) -> Linear {
        let named =
            |suffix: &str| self.modules.iter().map(|name| format!("{name}.{suffix}")).zip(outputs.iter().copied()).collect::<Vec<_>>();
        let of_bias = |layout: &Layout| if *layout == Layout::Transposed { Layout::Same } else { layout.clone() };
        let weight = ParameterSpec::stacked(role, &named("weight"), inputs).laid_out(self.layouts.iter().cloned());
        let bias = || ParameterSpec::joined(Role::Bias, &named("bias")).laid_out(self.layouts.iter().map(of_bias));
        Linear { weight: parameters.add(weight), bias: self.bias.then(|| parameters.add(bias())) }
    }
}

impl Linear {
    /// `out = x · Wᵀ + b`, set or added, with the weight's adapters. `x` is `[rows, inputs]`, `out` `[rows, outputs]`.
    pub(crate) fn forward<K: Kernels>(self, pass: Pass<'_, K>, x: &K::Buffer, write: Write, out: &mut K::Buffer) {
        let Pass { decoder, rows, .. } = pass;
        let weight = &decoder.spec.parameters[self.weight];
        let product = Product { accumulate: write == Write::Add, ..Product::linear(rows, weight.columns, weight.rows) };
        decoder.multiply(product, x, self.weight, out);
        if let Some(bias) = self.bias {
            decoder.kernels.add_to_rows(decoder.full(bias), rows, out);
        }
        decoder.add_adapters(self.weight, rows, x, out, pass.dropout);
    }

    /// The backward pass of [`Linear::forward`]. Sets `d_x` and adds the gradients of the trained parameters.
    pub(crate) fn backward<K: Kernels>(
        self,
        pass: Pass<'_, K>,
        x: &K::Buffer,
        d_out: &K::Buffer,
        d_x: &mut K::Buffer,
        gradients: &mut [K::Buffer],
    ) {
        let Pass { decoder, rows, .. } = pass;
        let (kernels, weight) = (&decoder.kernels, &decoder.spec.parameters[self.weight]);
        let (inputs, outputs) = (weight.columns, weight.rows);
        if decoder.spec.is_trained(self.weight) {
            if let Some(bias) = self.bias {
                kernels.sum_rows(d_out, rows, &mut gradients[bias]);
            }
            kernels.matmul(Product::weight_gradient(rows, inputs, outputs), d_out, x, &mut gradients[self.weight]);
        }
        decoder.multiply(Product::input_gradient(rows, inputs, outputs), d_out, self.weight, d_x);
        decoder.adapters_backward(self.weight, rows, x, d_out, d_x, gradients, pass.dropout);
    }
}
