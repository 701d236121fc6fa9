//! Vectorised arithmetic that gives the same bits at every vector width.
//!
//! Loops run inside [`vectorized`], which compiles them for AVX-512, AVX2 with FMA, NEON and plain code and picks at run time. Sums run over
//! a fixed number of lanes that are added in a fixed order, and `exp` is a polynomial in this file, so no result depends on the processor.

/// Lanes of every sum, whatever the vector width.
pub(super) const LANES: usize = 16;

/// The vector units that the kernels use on this processor.
///
/// ```
/// assert!(!starloop_kernels::vector_units().is_empty());
/// ```
pub fn vector_units() -> &'static str {
    match pulp::Arch::new() {
        pulp::Arch::Scalar => "none",
        #[cfg(target_arch = "x86_64")]
        pulp::Arch::V3(_) => "AVX2 and FMA",
        #[cfg(target_arch = "x86_64")]
        pulp::Arch::V4(_) => "AVX-512",
        #[cfg(target_arch = "aarch64")]
        pulp::Arch::Neon(_) => "NEON",
        // Newer versions of the library may know more.
        _ => "other",
    }
}

/// Runs `work` compiled for the best instruction set of this processor. Functions that it calls must be `#[inline(always)]`.
#[inline(always)]
pub(super) fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// The sum of the lanes, pairwise.
#[inline(always)]
fn fold(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// `sum(map(a[i], b[i]))` in a fixed order.
#[inline(always)]
fn reduce(a: &[f32], b: &[f32], map: impl Fn(f32, f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (a_rest, b_rest) = (a_chunks.remainder(), b_chunks.remainder());
    for (x, y) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] = map(x[lane], y[lane], lanes[lane]);
        }
    }
    for (lane, (x, y)) in a_rest.iter().zip(b_rest).enumerate() {
        lanes[lane] = map(*x, *y, lanes[lane]);
    }
    fold(lanes)
}

/// `sum(a[i] * b[i])`.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    reduce(a, b, f32::mul_add)
}

/// `sum(a[i])`.
#[inline(always)]
pub(super) fn sum(a: &[f32]) -> f32 {
    reduce(a, a, |x, _, sum| x + sum)
}

/// `sum((a[i] - mean)^2)`.
#[inline(always)]
pub(super) fn centred_squares(a: &[f32], mean: f32) -> f32 {
    reduce(a, a, |x, _, sum| (x - mean).mul_add(x - mean, sum))
}

/// The largest value. Negative infinity if there is no value.
#[inline(always)]
pub(super) fn max(a: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = a.chunks_exact(LANES);
    let rest = chunks.remainder();
    for x in chunks {
        for lane in 0..LANES {
            lanes[lane] = if x[lane] > lanes[lane] { x[lane] } else { lanes[lane] };
        }
    }
    let mut largest = lanes[0];
    for x in lanes.iter().chain(rest) {
        largest = if *x > largest { *x } else { largest };
    }
    largest
}

/// `e^x` within 2 units in the last place (the Cephes polynomial); beyond ±87 it saturates near the smallest and largest normal values.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, x));
    let mut p = 1.987_569_1e-4_f32;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = p.mul_add(r, c);
    }
    let y = p.mul_add(r * r, r + 1.0);
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127);
    y * f32::from_bits(exponent << 23)
}

/// Fills `out` with `e^(factor * (x - shift))` and returns their sum, over 16 lanes in a fixed order.
pub fn exponentials(values: &[f32], shift: f32, factor: f32, out: &mut Vec<f32>) -> f64 {
    out.resize(values.len(), 0.0);
    vectorized(
        #[inline(always)]
        || {
            for (out, x) in out.iter_mut().zip(values) {
                *out = exp((x - shift) * factor);
            }
            let (chunks, rest) = out.as_chunks::<LANES>();
            let mut lanes = [0.0f64; LANES];
            for chunk in chunks {
                for lane in 0..LANES {
                    lanes[lane] += f64::from(chunk[lane]);
                }
            }
            lanes.iter().sum::<f64>() + rest.iter().map(|x| f64::from(*x)).sum::<f64>()
        },
    )
}

/// The hyperbolic tangent, with a relative error of at most 5e-7.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    // Near zero the quotient would cancel; the Taylor series does not.
    let square = x * x;
    let mut series = -8.863_235e-3_f32;
    for c in [2.186_948_8e-2, -5.396_825_4e-2, 0.133_333_34, -0.333_333_34, 1.0] {
        series = series.mul_add(square, c);
    }
    if x.abs() < 0.3 { series * x } else { 1.0 - 2.0 / (exp(2.0 * x) + 1.0) }
}

/// The error function within 2e-7 (Abramowitz and Stegun 1964, 7.1.26).
#[inline(always)]
pub(super) fn erf(x: f32) -> f32 {
    let t = 1.0 / 0.327_591_1f32.mul_add(x.abs(), 1.0);
    let mut p = 1.061_405_4_f32;
    for c in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6, 0.0] {
        p = p.mul_add(t, c);
    }
    (1.0 - p * exp(-x * x)).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        for step in -8_600..8_700 {
            let x = step as f32 / 100.0;
            let (got, exact) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((got - exact).abs() <= exact * 2.4e-7, "exp({x}) = {got}, not {exact}");
        }
    }

    #[test]
    fn tanh_and_erf_are_near_the_exact_values() {
        for step in -1_000..1_000 {
            let x = step as f32 / 100.0;
            let (got, exact) = (f64::from(tanh(x)), f64::from(x).tanh());
            assert!((got - exact).abs() <= exact.abs() * 5e-7, "tanh({x}) = {got}, not {exact}");
            let (got, exact) = (f64::from(erf(x)), libm::erf(f64::from(x)));
            assert!((got - exact).abs() <= 3e-7, "erf({x}) = {got}, not {exact}");
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_processor_with_avx2_is_not_served_by_plain_code() {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        assert!(!avx2 || !matches!(pulp::Arch::new(), pulp::Arch::Scalar));
    }

    #[test]
    fn sums_do_not_depend_on_the_instruction_set() {
        let a: Vec<f32> = (0..1003).map(|i| (i as f32 * 0.37).sin()).collect();
        let b: Vec<f32> = (0..1003).map(|i| (i as f32 * 0.11).cos()).collect();
        assert_eq!(vectorized(|| dot(&a, &b)).to_bits(), dot(&a, &b).to_bits());
        assert_eq!(vectorized(|| sum(&a)).to_bits(), sum(&a).to_bits());
        let exps = vectorized(|| a.iter().map(|x| exp(*x)).collect::<Vec<_>>());
        assert!(exps.iter().zip(&a).all(|(got, x)| got.to_bits() == exp(*x).to_bits()));
    }
}
