//! One matrix product of the decoder.

use super::Timing;
use anyhow::{Context, Result, bail};
use starloop_lm::kernels::{Cpu, Kernels, Product};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// The least time of the repetitions. There are at least three.
const AT_LEAST: Duration = Duration::from_millis(600);

/// A product's storage and sizes: `NT:8192x768x256` is `m x n x k`, `N` or `T` telling how each operand is stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape(Product);

impl FromStr for Shape {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (layout, sizes) = text.split_once(':').context("expected LAYOUT:MxNxK, such as NT:8192x768x256")?;
        let (transpose_a, transpose_b) = match layout {
            "NT" => (false, true),
            "NN" => (false, false),
            "TN" => (true, false),
            _ => bail!("expected NT (forward), NN (gradient of the input) or TN (gradient of the weight), not {layout}"),
        };
        let sizes: Vec<usize> = sizes.split('x').map(str::parse).collect::<Result<_, _>>().context("expected MxNxK")?;
        let [m, n, k] = sizes[..] else { bail!("expected three sizes, MxNxK") };
        Ok(Shape(Product { m, n, k, transpose_a, transpose_b, accumulate: false }))
    }
}

impl Shape {
    /// Its time, the work counted in units of 10^9 floating-point operations.
    pub(super) fn measure(self) -> Timing {
        let Product { m, n, k, .. } = self.0;
        let values = |count: usize| (0..count).map(|i| (i % 251) as f32 / 251.0 - 0.5).collect::<Vec<f32>>();
        let (a, b, mut out) = (values(m * k), values(k * n), vec![0.0; m * n]);
        let mut seconds = Vec::new();
        let began = Instant::now();
        // The first warms up.
        while seconds.len() < 4 || began.elapsed() < AT_LEAST {
            let began = Instant::now();
            Cpu.matmul(self.0, &a, &b, &mut out);
            seconds.push(began.elapsed().as_secs_f64());
        }
        Timing { work: 2.0 * (m * n * k) as f64 / 1e9, seconds: seconds.split_off(1) }
    }
}
