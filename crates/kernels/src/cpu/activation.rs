//! The activations of a feed-forward, with or without a gate, forward and backward.

use super::super::{Activation, ActivationFunction};
use super::rows::ROWS_PER_TASK;
use super::simd::{LANES, erf, exp, tanh, vectorized};
use rayon::prelude::*;
use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

/// A function with its derivative, known to the compiler, so that it is inlined into the vectorised loops.
trait Function {
    fn value(x: f32) -> f32;
    /// The value and the derivative at `x`.
    fn value_and_derivative(x: f32) -> (f32, f32);
}

struct Silu;

impl Function for Silu {
    #[inline(always)]
    fn value(x: f32) -> f32 {
        x * sigmoid(x)
    }

    #[inline(always)]
    fn value_and_derivative(x: f32) -> (f32, f32) {
        let s = sigmoid(x);
        let silu = x * s;
        (silu, s + silu * (1.0 - s))
    }
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

struct Gelu;

impl Function for Gelu {
    #[inline(always)]
    fn value(x: f32) -> f32 {
        0.5 * x * (1.0 + erf(x * FRAC_1_SQRT_2))
    }

    #[inline(always)]
    fn value_and_derivative(x: f32) -> (f32, f32) {
        const DENSITY: f32 = 0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
        let below = 0.5 * (1.0 + erf(x * FRAC_1_SQRT_2));
        (x * below, (x * DENSITY).mul_add(exp(-0.5 * x * x), below))
    }
}

struct GeluTanh;

impl GeluTanh {
    const ROOT: f32 = FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
    const CUBE: f32 = 0.044_715;
}

impl Function for GeluTanh {
    #[inline(always)]
    fn value(x: f32) -> f32 {
        0.5 * x * (1.0 + tanh(Self::ROOT * (x + Self::CUBE * x * x * x)))
    }

    #[inline(always)]
    fn value_and_derivative(x: f32) -> (f32, f32) {
        let t = tanh(Self::ROOT * (x + Self::CUBE * x * x * x));
        let derivative = Self::ROOT * (1.0 + 3.0 * Self::CUBE * x * x);
        (0.5 * x * (1.0 + t), 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * derivative)
    }
}

pub(super) fn activate(activation: Activation, x: &[f32], width: usize, out: &mut [f32]) {
    match activation.function {
        ActivationFunction::Silu => forward::<Silu>(activation.gated, x, width, out),
        ActivationFunction::Gelu => forward::<Gelu>(activation.gated, x, width, out),
        ActivationFunction::GeluTanh => forward::<GeluTanh>(activation.gated, x, width, out),
    }
}

pub(super) fn activate_backward(activation: Activation, gradient: &[f32], width: usize, x: &mut [f32]) {
    match activation.function {
        ActivationFunction::Silu => backward::<Silu>(activation.gated, gradient, width, x),
        ActivationFunction::Gelu => backward::<Gelu>(activation.gated, gradient, width, x),
        ActivationFunction::GeluTanh => backward::<GeluTanh>(activation.gated, gradient, width, x),
    }
}

fn forward<F: Function>(gated: bool, x: &[f32], width: usize, out: &mut [f32]) {
    let input = if gated { 2 * width } else { width };
    x.par_chunks(ROWS_PER_TASK * input).zip(out.par_chunks_mut(ROWS_PER_TASK * width)).for_each(|(x, out)| {
        vectorized(
            #[inline(always)]
            || {
                for (row, out) in x.chunks_exact(input).zip(out.chunks_exact_mut(width)) {
                    let (gate, up) = row.split_at(width);
                    if gated {
                        for ((out, g), u) in out.iter_mut().zip(gate).zip(up) {
                            *out = F::value(*g) * u;
                        }
                    } else {
                        for (out, x) in out.iter_mut().zip(gate) {
                            *out = F::value(*x);
                        }
                    }
                }
            },
        );
    });
}

fn backward<F: Function>(gated: bool, gradient: &[f32], width: usize, x: &mut [f32]) {
    let input = if gated { 2 * width } else { width };
    x.par_chunks_mut(ROWS_PER_TASK * input).zip(gradient.par_chunks(ROWS_PER_TASK * width)).for_each(|(x, gradient)| {
        vectorized(
            #[inline(always)]
            || {
                for (row, gradient) in x.chunks_exact_mut(input).zip(gradient.chunks_exact(width)) {
                    let (gate, up) = row.split_at_mut(width);
                    if gated {
                        gated_backward::<F>(gradient, gate, up);
                    } else {
                        for (x, d) in gate.iter_mut().zip(gradient) {
                            *x = d * F::value_and_derivative(*x).1;
                        }
                    }
                }
            },
        );
    });
}

/// Turns gate and up into their gradients, [`LANES`] at a time: a plain loop over the three rows stays scalar, as the compiler asks once for all rows
/// whether gates and ups overlap, and they alternate.
#[inline(always)]
fn gated_backward<F: Function>(gradient: &[f32], gate: &mut [f32], up: &mut [f32]) {
    let ((gates, gates_left), (ups, ups_left)) = (gate.as_chunks_mut::<LANES>(), up.as_chunks_mut::<LANES>());
    let (gradients, gradients_left) = gradient.as_chunks::<LANES>();
    for ((gate, up), gradient) in gates.iter_mut().zip(ups).zip(gradients) {
        let (mut d_gate, mut d_up) = ([0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            (d_gate[lane], d_up[lane]) = gate_gradient::<F>(gradient[lane], gate[lane], up[lane]);
        }
        (*gate, *up) = (d_gate, d_up);
    }
    for ((gate, up), gradient) in gates_left.iter_mut().zip(ups_left).zip(gradients_left) {
        (*gate, *up) = gate_gradient::<F>(*gradient, *gate, *up);
    }
}

/// The gradients of `f(gate) * up` with respect to gate and up.
#[inline(always)]
fn gate_gradient<F: Function>(gradient: f32, gate: f32, up: f32) -> (f32, f32) {
    let (value, derivative) = F::value_and_derivative(gate);
    (gradient * up * derivative, gradient * value)
}
