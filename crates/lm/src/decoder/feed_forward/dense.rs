//! The dense feed-forward: `down(f(up(x)))`, or with a gate `down(f(gate(x)) * up(x))` (Shazeer 2020).

use crate::decoder::buffers::buffers;
use crate::decoder::{Flops, Linear, LinearTensors, Pass, Write};
use crate::kernels::{Activation, Kernels};
use crate::weights::{ParameterSpec, Parameters, Role};

/// The shape of a dense feed-forward and the indices of its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dense {
    /// Width of the inner activation.
    pub intermediate: usize,
    /// The activation.
    pub activation: Activation,
    /// The input projection: gates, then ups `[2 * intermediate, hidden]`, or ups alone.
    pub up: Linear,
    /// The output projection, `[hidden, intermediate]`.
    pub down: Linear,
}

/// The tensors of a dense feed-forward in a checkpoint.
#[derive(Debug, Clone)]
pub struct DenseTensors {
    /// The input projection: with a gate two modules, gate first, or one module for both.
    pub up: LinearTensors,
    /// The output projection.
    pub down: LinearTensors,
}

buffers! {
    /// The values that a dense feed-forward saves for its backward pass. The inner activation is computed again instead.
    DenseState(dense: &Dense) {
        /// The result of the input projection. The backward pass replaces it by its gradient.
        up: dense.up_width(),
    }
}

buffers! {
    /// Temporary buffers of a dense feed-forward.
    DenseScratch(dense: &Dense) {
        /// The inner activation.
        inner: dense.intermediate,
    }
}

buffers! {
    /// Gradients within a dense feed-forward.
    DenseGradients(dense: &Dense) {
        /// Of the inner activation.
        inner: dense.intermediate,
    }
}

impl Dense {
    /// Adds the parameters of a feed-forward that reads and writes a stream of width `hidden`: up, then down.
    pub fn new(activation: Activation, intermediate: usize, hidden: usize, tensors: &DenseTensors, parameters: &mut Parameters) -> Self {
        let width = if activation.gated { 2 * intermediate } else { intermediate };
        let modules = tensors.up.modules.len();
        let up = tensors.up.add_to(parameters, Role::Linear, &vec![width / modules; modules], hidden);
        let down = tensors.down.add_to(parameters, Role::Residual, &[hidden], intermediate);
        Dense { intermediate, activation, up, down }
    }

    pub(super) fn linears(&self) -> Vec<Linear> {
        vec![self.up, self.down]
    }

    pub(super) fn sizes(&self) -> Vec<(&'static str, usize)> {
        vec![("intermediate_size", self.intermediate)]
    }

    pub(super) fn flops(&self, parameters: &[ParameterSpec]) -> Flops {
        Flops::of_linears(&self.linears(), parameters)
    }

    fn up_width(&self) -> usize {
        if self.activation.gated { 2 * self.intermediate } else { self.intermediate }
    }

    pub(super) fn forward<K: Kernels>(
        &self,
        pass: Pass<'_, K>,
        x: &K::Buffer,
        state: &mut DenseState<K::Buffer>,
        scratch: &mut DenseScratch<K::Buffer>,
        write: Write,
        out: &mut K::Buffer,
    ) {
        self.up.forward(pass, x, Write::Set, &mut state.up);
        self.activate(pass, state, scratch);
        self.down.forward(pass, &scratch.inner, write, out);
    }

    #[expect(clippy::too_many_arguments, reason = "a fused backward reads what its forward read and saved")]
    pub(super) fn backward<K: Kernels>(
        &self,
        pass: Pass<'_, K>,
        x: &K::Buffer,
        state: &mut DenseState<K::Buffer>,
        scratch: &mut DenseScratch<K::Buffer>,
        d_out: &K::Buffer,
        d: &mut DenseGradients<K::Buffer>,
        d_x: &mut K::Buffer,
        gradients: &mut [K::Buffer],
    ) {
        self.activate(pass, state, scratch);
        self.down.backward(pass, &scratch.inner, d_out, &mut d.inner, gradients);
        pass.decoder.kernels.activate_backward(self.activation, &d.inner, pass.rows, self.intermediate, &mut state.up);
        self.up.backward(pass, x, &state.up, d_x, gradients);
    }

    fn activate<K: Kernels>(&self, pass: Pass<'_, K>, state: &DenseState<K::Buffer>, scratch: &mut DenseScratch<K::Buffer>) {
        pass.decoder.kernels.activate(self.activation, &state.up, pass.rows, self.intermediate, &mut scratch.inner);
    }
}
