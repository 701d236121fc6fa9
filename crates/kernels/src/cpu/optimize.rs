//! The loss and the arithmetic of the optimizer.

use super::super::AdamWStep;
use super::rows::soft_cap;
use super::simd::{dot, exp, max, sum, vectorized};
use rayon::prelude::*;

/// Values of one task. It is a constant, because norms are added task by task.
const VALUES_PER_TASK: usize = 1 << 14;

pub(super) fn cross_entropy(logits: &mut [f32], targets: &[u32], classes: usize, softcap: Option<f32>, scales: &[f32]) -> Vec<f32> {
    if let Some(cap) = softcap {
        return capped_cross_entropy(logits, targets, classes, cap, scales);
    }
    let rows = logits[..targets.len() * classes].par_chunks_exact_mut(classes);
    rows.zip(targets.par_iter().zip(scales))
        .map(|(row, (target, scale))| {
            let target = *target as usize;
            vectorized(
                #[inline(always)]
                || {
                    let (largest, chosen) = (max(row), row[target]);
                    let has_overflowed = row.contains(&f32::NEG_INFINITY);
                    for x in row.iter_mut() {
                        *x = exp(*x - largest);
                    }
                    let total = sum(row);
                    let factor = scale / total;
                    for x in row.iter_mut() {
                        *x *= factor;
                    }
                    row[target] -= scale;
                    if has_overflowed { f32::NAN } else { libm::logf(total) + largest - chosen }
                },
            )
        })
        .collect()
}

/// [`cross_entropy`] of `cap * tanh(logits / cap)`.
fn capped_cross_entropy(logits: &mut [f32], targets: &[u32], classes: usize, cap: f32, scales: &[f32]) -> Vec<f32> {
    let logits = &mut logits[..targets.len() * classes];
    soft_cap(cap, logits);
    let derivatives: Vec<f32> = logits.par_iter().map(|bounded| 1.0 - (bounded / cap) * (bounded / cap)).collect();
    let losses = cross_entropy(logits, targets, classes, None, scales);
    logits.par_iter_mut().zip(derivatives).for_each(|(gradient, derivative)| *gradient *= derivative);
    losses
}

pub(super) fn squared_norm(values: &[f32]) -> f64 {
    let partials: Vec<f64> = values
        .par_chunks(VALUES_PER_TASK)
        .map(|x| {
            f64::from(vectorized(
                #[inline(always)]
                || dot(x, x),
            ))
        })
        .collect();
    partials.iter().sum()
}

pub(super) fn adamw(step: AdamWStep, gradient: &[f32], parameter: &mut [f32], first: &mut [f32], second: &mut [f32]) {
    let moments = first.par_chunks_mut(VALUES_PER_TASK).zip(second.par_chunks_mut(VALUES_PER_TASK));
    let chunks = parameter.par_chunks_mut(VALUES_PER_TASK).zip(gradient.par_chunks(VALUES_PER_TASK)).zip(moments);
    chunks.for_each(|((parameter, gradient), (first, second))| {
        vectorized(
            #[inline(always)]
            || {
                for (((p, g), m), v) in parameter.iter_mut().zip(gradient).zip(first).zip(second) {
                    let g = g * step.gradient_scale;
                    *m = m.mul_add(step.beta1, (1.0 - step.beta1) * g);
                    *v = v.mul_add(step.beta2, (1.0 - step.beta2) * g * g);
                    let denominator = v.sqrt().mul_add(step.second_moment_scale, step.epsilon);
                    *p = p.mul_add(step.decay, -step.step_size * *m / denominator);
                }
            },
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logit_that_is_not_finite_makes_the_loss_not_finite() {
        let loss = |logits: [f32; 3], softcap| cross_entropy(&mut logits.to_vec(), &[2], 3, softcap, &[1.0])[0];
        assert!(loss([0.0, -1e38, 1.0], None).is_finite());
        for lost in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(!loss([0.0, lost, 1.0], None).is_finite(), "{lost}");
        }
        // A bound makes it finite.
        assert!(loss([0.0, f32::NEG_INFINITY, 1.0], Some(30.0)).is_finite());
    }
}
