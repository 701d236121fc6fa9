//! Rotary positions (Su et al. 2021): frequencies and the table of their cosines and sines.
//!
//! The tables grow with the positions that are used, because a config may announce a context that does not fit into memory.
//!
//! Angles are rounded to `f32` as in the reference implementations. `libm` gives the same bits on every platform.

use super::DecoderSpec;
use crate::kernels::Kernels;
use std::sync::{Arc, PoisonError, RwLock};

/// The least positions of a table.
const LEAST_POSITIONS: usize = 1024;

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

    /// Cosines, then sines, of the first positions: `[positions, dim]`.
    fn table(&self, positions: usize) -> Vec<f32> {
        let mut table = Vec::with_capacity(positions * self.dim());
        for position in 0..positions {
            let angle = |f: &f32| f64::from(position as f32 * f);
            table.extend(self.frequencies.iter().map(|f| libm::cos(angle(f)) as f32 * self.factor));
            table.extend(self.frequencies.iter().map(|f| libm::sin(angle(f)) as f32 * self.factor));
        }
        table
    }
}

/// The positions that tables have once `used` are used: a power of two, so that they seldom grow, within the context.
pub(crate) fn table_positions(used: usize, context: usize) -> usize {
    used.max(LEAST_POSITIONS).next_power_of_two().min(context)
}

/// The tables of a decoder on a device.
#[derive(Debug)]
pub(super) struct RotaryTables<K: Kernels>(RwLock<Arc<Grown<K>>>);

#[derive(Debug)]
struct Grown<K: Kernels> {
    positions: usize,
    tables: Vec<K::Buffer>,
}

/// Tables that stay as they are while they are read.
pub(super) struct Current<K: Kernels>(Arc<Grown<K>>);

impl<K: Kernels> std::ops::Index<usize> for Current<K> {
    type Output = K::Buffer;

    fn index(&self, at: usize) -> &K::Buffer {
        &self.0.tables[at]
    }
}

impl<K: Kernels> Default for RotaryTables<K> {
    fn default() -> Self {
        RotaryTables(RwLock::new(Arc::new(Grown { positions: 0, tables: Vec::new() })))
    }
}

impl<K: Kernels> RotaryTables<K> {
    /// Makes the tables reach all of `positions`.
    pub fn reach(&self, kernels: &K, spec: &DecoderSpec, positions: &[u32]) {
        let used = positions.iter().max().map_or(0, |last| *last as usize + 1);
        if spec.rotary.is_empty() || self.current().0.positions >= used {
            return;
        }
        let mut grown = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if grown.positions < used {
            let positions = table_positions(used, spec.context);
            let tables = spec.rotary.iter().map(|rotary| kernels.buffer(rotary.table(positions))).collect();
            *grown = Arc::new(Grown { positions, tables });
        }
    }

    /// The tables as they are now.
    pub fn current(&self) -> Current<K> {
        Current(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}
