//! Rotary positions (Su et al. 2021): frequencies and the table of their cosines and sines.
//!
//! Angles are rounded to `f32` as in the reference implementations. `libm` gives the same bits on every platform.

/// The frequencies of one rotary embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct Rotary {
    /// One for each pair of rotated coordinates, in radians per position. The other coordinates of a head are not rotated.
    pub frequencies: Vec<f32>,
    /// Factor on cosines and sines (yarn, longrope). 1 elsewhere.
    pub factor: f32,
}

impl Rotary {
    /// Frequencies `theta^(-2i/dim)`.
    pub fn unscaled(theta: f32, dim: usize) -> Self {
        let frequency = |i: usize| 1.0 / libm::powf(theta, (2 * i) as f32 / dim as f32);
        Rotary { frequencies: (0..dim / 2).map(frequency).collect(), factor: 1.0 }
    }

    /// Rotated coordinates of a head.
    pub fn dim(&self) -> usize {
        2 * self.frequencies.len()
    }

    /// Cosines, then sines, of every position: `[context, dim]`.
    pub(super) fn table(&self, context: usize) -> Vec<f32> {
        let mut table = Vec::with_capacity(context * self.dim());
        for position in 0..context {
            let angle = |f: &f32| f64::from(position as f32 * f);
            table.extend(self.frequencies.iter().map(|f| libm::cos(angle(f)) as f32 * self.factor));
            table.extend(self.frequencies.iter().map(|f| libm::sin(angle(f)) as f32 * self.factor));
        }
        table
    }
}
