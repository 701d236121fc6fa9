//! Models with adapters: read, written, fresh, and merged into the weights beside which they stand.

use super::LanguageModel;
use crate::error::Result;
use crate::files::checkpoint::Checkpoint;
use crate::files::peft::{self, AdapterConfig, AdapterWeights, is_adapter};
use crate::kernels::Kernels;
use crate::lora::LoraConfig;
use crate::weights::{HalfKind, ParameterSpec, Values};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::Path;

impl LanguageModel {
    /// Reads an adapter's directory and the base that it names. An adapter with `use_dora`, or with whole modules, is merged into its base,
    /// in `f32` where it changes something; the model then has no adapters.
    ///
    /// # Errors
    /// The base is missing or is another one than the adapter was trained on; a switch of PEFT that is not supported, named.
    pub fn load_adapter(dir: &Path) -> Result<Self> {
        let AdapterConfig { settings, rules, base } = peft::read_config(dir)?;
        peft::check_base(dir, &base)?;
        let model = Self::load(&base)?;
        let spec = model.spec().clone().adapted_by(&settings, &rules)?;
        let AdapterWeights { pairs, replaced, lengths } = peft::read_all(dir, &spec)?;
        if replaced.is_empty() && lengths.is_empty() {
            return Ok(model.extended(spec, pairs));
        }
        let mut values = model.decoder.download();
        for (at, value) in replaced {
            values[at] = value;
        }
        let plain = model.spec().clone();
        Ok(model.rebuilt(plain, values).extended(spec, pairs).merge(|sum, _| sum, &lengths))
    }
}

impl Checkpoint {
    /// Reads a directory, of a checkpoint or of an adapter, whose adapters are then merged. Weights of 16 bits are rounded to their format
    /// again, which a small update may not survive.
    pub fn load_merged(dir: &Path) -> Result<Self> {
        if is_adapter(dir) { Ok(LanguageModel::load_adapter(dir)?.merged().to_checkpoint()) } else { Self::load(dir) }
    }

    /// The same with what is adapted in `f32`, where nothing of the update is lost, and the rest as it is stored.
    pub fn load_merged_in_full(dir: &Path) -> Result<Self> {
        if is_adapter(dir) { Ok(LanguageModel::load_adapter(dir)?.merged_in_full().to_checkpoint()) } else { Self::load(dir) }
    }
}

impl<K: Kernels> LanguageModel<K> {
    /// Freezes the model and puts fresh adapters beside it: `A` drawn as PEFT draws it, uniformly within `inputs^-1/2`, and `B` zero, so that
    /// nothing changes yet.
    ///
    /// # Errors
    /// No module has one of the target's names.
    pub fn with_fresh_adapters(self, lora: &LoraConfig, seed: u64) -> Result<Self> {
        let spec = self.spec().clone().adapted(lora)?;
        let first = self.spec().parameters.len();
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        let draw = |parameter: &ParameterSpec| {
            let is_up = parameter.columns == lora.rank && parameter.tensors[0].name.contains(".lora_B.");
            let bound = 1.0 / (parameter.columns as f32).sqrt();
            let value = |_| if is_up { 0.0 } else { bound * (2.0 * generator.random::<f32>() - 1.0) };
            Values::Full((0..parameter.len()).map(value).collect())
        };
        let adapters = spec.parameters[first..].iter().map(draw).collect();
        Ok(self.extended(spec, adapters))
    }

    /// Adds the adapters to the weights that they adapt and drops them. Weights of 16 bits are rounded to their format again.
    #[must_use]
    pub fn merged(self) -> Self {
        self.merge(Values::into_half, &[])
    }

    /// The same with what is adapted in `f32`, where small updates are not rounded away.
    #[must_use]
    pub fn merged_in_full(self) -> Self {
        self.merge(|sum, _| sum, &[])
    }

    /// Writes the adapters as a directory that was not there before, whole or not at all, for the base checkpoint at `base`, and returns the
    /// SHA-256 of their weights.
    ///
    /// # Panics
    /// The model has no adapters.
    pub fn save_adapter(&self, dir: &Path, base: &Path) -> Result<String> {
        let first = self.spec().adapters.as_ref().expect("only a model with adapters is saved as one").first;
        peft::write(dir, base, self.spec(), &self.decoder.download().split_off(first))
    }

    /// `stored` makes of a sum what stands for a weight of 16 bits of this kind. `lengths` are those that the rows of a sum get, by parameter
    /// and first row.
    fn merge(self, stored: impl Fn(Values, HalfKind) -> Values, lengths: &[(usize, usize, Vec<f32>)]) -> Self {
        let Some(adapters) = self.spec().adapters.clone() else { return self };
        let spec = self.spec().clone().without_adapters();
        let mut values = self.decoder.download();
        let pairs = values.split_off(adapters.first);
        let pair = |at: usize| pairs[at - adapters.first].clone().into_full();
        for (weight, of) in &adapters.of {
            let kind = match &values[*weight] {
                Values::Half(halves) => Some(halves.kind),
                Values::Full(_) => None,
            };
            let columns = spec.parameters[*weight].columns;
            let mut sum = std::mem::replace(&mut values[*weight], Values::Full(Vec::new())).into_full();
            for adapter in of {
                add_product(&pair(adapter.up), &pair(adapter.down), adapter.scale, columns, &mut sum[adapter.start * columns..]);
            }
            for (_, start, lengths) in lengths.iter().filter(|(at, ..)| at == weight) {
                set_lengths(lengths, columns, &mut sum[start * columns..]);
            }
            let sum = Values::Full(sum);
            values[*weight] = match kind {
                Some(kind) => stored(sum, kind),
                None => sum,
            };
        }
        self.rebuilt(spec, values)
    }
}

/// Gives each row a length (`DoRA`).
fn set_lengths(lengths: &[f32], columns: usize, weight: &mut [f32]) {
    for (length, row) in lengths.iter().zip(weight.chunks_exact_mut(columns)) {
        let norm = row.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
        for x in row {
            *x *= (f64::from(*length) / norm) as f32;
        }
    }
}

/// `weight += scale · up · down`.
fn add_product(up: &[f32], down: &[f32], scale: f32, columns: usize, weight: &mut [f32]) {
    let rank = down.len() / columns;
    for (up, weight) in up.chunks_exact(rank).zip(weight.chunks_exact_mut(columns)) {
        for (factor, down) in up.iter().zip(down.chunks_exact(columns)) {
            for (weight, x) in weight.iter_mut().zip(down) {
                *weight = (scale * factor).mul_add(*x, *weight);
            }
        }
    }
}
