//! Models with adapters: reading, writing, adding fresh ones, and merging them into the weights.

use super::LanguageModel;
use crate::decoder::DecoderSpec;
use crate::error::{Error, Result};
use crate::files::checkpoint::{COMPANIONS, CONFIG, Checkpoint};
use crate::files::peft::{self, AdapterConfig, AdapterWeights, is_adapter};
use crate::files::tokenizer::{Tokenizer, files_of};
use crate::kernels::Kernels;
use crate::lora::LoraConfig;
use crate::weights::{HalfKind, ParameterSpec, Values};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use std::path::Path;

impl LanguageModel {
    /// Reads the directory of an adapter and the base that it names. An adapter with `use_dora`, or with whole modules, is merged into its base,
    /// with the changed weights in `f32`. The model then has no adapters.
    ///
    /// # Errors
    /// The base is missing, or has other weights than the adapter was trained on, or the adapter uses a setting of PEFT that is not supported.
    pub fn load_adapter(dir: &Path) -> Result<Self> {
        let config = peft::read_config(dir)?;
        peft::check_base(dir, &config.base)?;
        let model = Self::load(&config.base)?.untied_for(dir, &config)?.with_tokenizer_of(dir)?;
        let adapted = model.spec().clone().adapted_by(&config.settings, &config.rules);
        let spec = adapted.map_err(|error| config.explained(error, dir, model.spec().blocks.len()))?;
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

    /// The same model with the tokenizer and the chat template that were saved with adapters, if there are some.
    fn with_tokenizer_of(mut self, dir: &Path) -> Result<Self> {
        let (place, files) = files_of(dir)?;
        if place == dir {
            self.directory = place;
            self.tokenizer = Tokenizer::load(dir)?;
            self.tokenizer.check_fits(self.spec().vocabulary, &dir.join(CONFIG))?;
            self.companions = files.into_iter().filter(|(name, _)| COMPANIONS.contains(&name.as_str())).collect();
        }
        Ok(self)
    }

    /// The base with an output head of its own, if the adapter changes the embedding or the head and not both.
    fn untied_for(mut self, dir: &Path, adapter: &AdapterConfig) -> Result<Self> {
        if !peft::unties(dir, adapter, self.spec())? {
            return Ok(self);
        }
        let mut config = self.config.clone();
        config["tie_word_embeddings"] = false.into();
        let spec = DecoderSpec::from_config(&config, &adapter.base.join(CONFIG)).map_err(|_| peft::cannot_untie(dir))?;
        let head = spec.head.weight;
        let mut values = self.decoder.download();
        values.insert(head, values[self.spec().embedding].clone());
        self.config = config;
        Ok(self.rebuilt(spec, values))
    }
}

impl Checkpoint {
    /// Reads the directory of a checkpoint, or of an adapter, which is merged into its base. Merged weights of 16 bits are rounded to their
    /// format again. The rounding can remove small updates.
    pub fn load_merged(dir: &Path) -> Result<Self> {
        if is_adapter(dir) { LanguageModel::load_adapter(dir)?.merged().to_checkpoint() } else { Self::load(dir) }
    }

    /// As [`Checkpoint::load_merged`], but merged weights are kept in `f32`, which keeps small updates. Other weights stay as they are stored.
    pub fn load_merged_in_full(dir: &Path) -> Result<Self> {
        if is_adapter(dir) { LanguageModel::load_adapter(dir)?.merged_in_full().to_checkpoint() } else { Self::load(dir) }
    }
}

impl<K: Kernels> LanguageModel<K> {
    /// Freezes the model and adds fresh adapters: `A` is drawn as in PEFT, uniformly within `inputs^-1/2`, and `B` is zero, so the model's
    /// results do not change yet. A [`TrainingSession`](crate::train::TrainingSession) then trains the adapters only.
    ///
    /// # Errors
    /// [`LoraConfig::check`] fails, no module has the name of a target, or the model has adapters already.
    pub fn with_fresh_adapters(self, lora: &LoraConfig, seed: u64) -> Result<Self> {
        lora.check()?;
        // Each target alone, so that a misspelt one among others is an error too.
        for target in &lora.target_modules {
            self.spec().clone().adapted(&LoraConfig { target_modules: vec![target.clone()], ..lora.clone() })?;
        }
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

    /// Adds the adapters to the weights that they adapt, and removes them. Weights of 16 bits are rounded to their format again. A model
    /// without adapters stays as it is.
    #[must_use]
    pub fn merged(self) -> Self {
        self.merge(Values::into_half, &[])
    }

    /// As [`LanguageModel::merged`], but the adapted weights are kept in `f32`, which keeps small updates.
    #[must_use]
    pub fn merged_in_full(self) -> Self {
        self.merge(|sum, _| sum, &[])
    }

    /// Writes the adapters to the new directory `dir`, for the base checkpoint at `base`. Returns the SHA-256 of the adapters' weights. The
    /// directory appears complete or not at all.
    ///
    /// # Errors
    /// The model has no adapters, `dir` exists, or a file cannot be written.
    pub fn save_adapter(&self, dir: &Path, base: &Path) -> Result<String> {
        let first = self.spec().adapters.as_ref().ok_or(Error::NoAdapters)?.first;
        peft::write(dir, base, self.spec(), &self.decoder.download().split_off(first))
    }

    /// `stored` converts the sum for a weight that was stored in this 16-bit format. `lengths` are the lengths that the rows of a sum get, by
    /// parameter and first row.
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
