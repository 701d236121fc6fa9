//! The weights of an adapter: pairs of matrices, and parameters of the base that the adapter holds whole.

use super::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, AdapterConfig, BASE_SHA256, OLDER_WEIGHTS};
use crate::decoder::DecoderSpec;
use crate::error::{Error, Result};
use crate::files::checkpoint::{self, weights_sha256};
use crate::lora::{PREFIX, module_of};
use crate::weights::{ParameterSpec, Role, Values};
use std::path::{Path, PathBuf};

/// The file of an adapter's weights.
pub(in crate::files) fn weights_file(dir: &Path) -> Result<PathBuf> {
    let found = [ADAPTER_WEIGHTS, OLDER_WEIGHTS].map(|name| dir.join(name)).into_iter().find(|path| path.exists());
    let problem = || format!("holds no weights of an adapter; expected {ADAPTER_WEIGHTS} or {OLDER_WEIGHTS}");
    found.ok_or_else(|| Error::Weights { path: dir.into(), problem: problem() })
}

/// Checks that an adapter was trained on the weights at `base`, if it names them.
pub(crate) fn check_base(dir: &Path, base: &Path) -> Result<()> {
    let path = weights_file(dir)?;
    if path.ends_with(OLDER_WEIGHTS) {
        return Ok(());
    }
    let Some(expected) = checkpoint::note(&path, BASE_SHA256)? else { return Ok(()) };
    let found = weights_sha256(base)?;
    if found == expected {
        return Ok(());
    }
    Err(Error::AnotherBase { adapter: dir.into(), base: base.into(), expected, found })
}

/// Reads an adapter's values, one matrix for each of `parameters`. The file holds nothing else.
pub(crate) fn read_weights(dir: &Path, parameters: &[ParameterSpec]) -> Result<Vec<Values>> {
    checkpoint::read_parameters(&weights_file(dir)?, parameters)
}

/// Returns whether the embedding and the output head, one in the base, are two with an adapter. PEFT copies a module that it saves, so that
/// the other one stays as it is, unless `ensure_weight_tying` is set.
pub(crate) fn unties(dir: &Path, config: &AdapterConfig, spec: &DecoderSpec) -> Result<bool> {
    if !spec.tied() {
        return Ok(false);
    }
    let there = checkpoint::tensor_names(&weights_file(dir)?)?;
    let embedding = &spec.parameters[spec.embedding].tensors[0].name;
    let is_copied = there.contains(&format!("{PREFIX}{embedding}")) && config.rules.saves(module_of(embedding)) && !config.keeps_tied;
    Ok(is_copied || there.iter().any(|name| checkpoint::is_head(name)))
}

/// The error for a base whose family has no output head of its own.
pub(crate) fn cannot_untie(dir: &Path) -> Error {
    let problem = "changes one of the embedding and the output head, which are always one in the base's family; if PEFT trained both as one, set \
                   ensure_weight_tying to true";
    Error::ConfigKey { path: dir.join(ADAPTER_CONFIG), key: "modules_to_save".into(), problem: problem.into() }
}

/// An error about a tensor of an adapter. Its shape and its name come from the adapter's config and the base.
fn in_words_of_adapter(error: Error) -> Error {
    let problem = |path, problem| Error::Weights { path, problem };
    match error {
        Error::TensorShape { path, name, expected, got } => problem(
            path,
            format!(
                "tensor \"{name}\" has shape {got:?}, expected {expected:?} by \"r\" and \"rank_pattern\" of adapter_config.json and the \
                 base's sizes; do they belong together?"
            ),
        ),
        Error::ExtraTensor { path, name } => problem(
            path,
            format!(
                "tensor \"{name}\" is not part of this adapter; check \"target_modules\" and \"modules_to_save\" of adapter_config.json, and \
                 its base"
            ),
        ),
        other => other,
    }
}

/// The content of an adapter's weights file.
#[derive(Debug, Default)]
pub(crate) struct AdapterWeights {
    /// One matrix for each of the adapters' parameters.
    pub pairs: Vec<Values>,
    /// Parameters of the base that the adapter holds whole, by their places.
    pub replaced: Vec<(usize, Values)>,
    /// For each tensor that `use_dora` adapts, by parameter and first row, the lengths of its rows.
    pub lengths: Vec<(usize, usize, Vec<f32>)>,
}

/// Reads all of an adapter's file for a decoder with its adapters.
pub(crate) fn read_all(dir: &Path, spec: &DecoderSpec) -> Result<AdapterWeights> {
    let path = weights_file(dir)?;
    let Some(adapters) = &spec.adapters else { return Ok(AdapterWeights::default()) };
    let (base, pairs) = spec.parameters.split_at(adapters.first);
    let there = checkpoint::tensor_names(&path)?;
    let mut wanted = pairs.to_vec();
    let mut replaced = Vec::new();
    for (at, parameter) in base.iter().enumerate() {
        let mut parameter = parameter.clone();
        parameter.tensors.iter_mut().for_each(|tensor| tensor.name = format!("{PREFIX}{}", tensor.name));
        if parameter.tensors.iter().all(|tensor| there.contains(&tensor.name)) {
            replaced.push(at);
            wanted.push(parameter);
        }
    }
    let mut lengths = Vec::new();
    for (weight, of) in adapters.of.iter().filter(|_| adapters.rules.dora) {
        for adapter in of {
            let up = &spec.parameters[adapter.up];
            let name = up.tensors[0].name.replace(".lora_B.weight", ".lora_magnitude_vector");
            wanted.push(ParameterSpec::vector(Role::Adapter, name, up.rows).laid_out([up.tensors[0].layout.clone()]));
            lengths.push((*weight, adapter.start));
        }
    }
    let mut values = checkpoint::read_parameters(&path, &wanted).map_err(in_words_of_adapter)?;
    let of_lengths = values.split_off(pairs.len() + replaced.len());
    let of_replaced = values.split_off(pairs.len());
    let with_place = |((weight, start), values): ((usize, usize), Values)| (weight, start, values.into_full());
    Ok(AdapterWeights {
        pairs: values,
        replaced: replaced.into_iter().zip(of_replaced).collect(),
        lengths: lengths.into_iter().zip(of_lengths).map(with_place).collect(),
    })
}
