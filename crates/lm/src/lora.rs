//! Low-rank adapters (`LoRA`, Hu et al. 2022) in PEFT's format: a frozen weight `W` computes with `W + scale · B · A`, and only `A` and `B` learn.
//!
//! Each adapted tensor of the checkpoint has its own pair, also where the decoder computes several tensors as one. The pairs stand after
//! the checkpoint's parameters in [`crate::decoder::DecoderSpec::parameters`], so that sampling, training and saved states treat them like
//! all others.

mod rules;

pub use rules::PeftRules;

use crate::error::{Error, Result};
use crate::weights::{Layout, ParameterSpec, Role, TensorSpec};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which weights are adapted, and how. The names are those of PEFT.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoraConfig {
    /// Rows of `A` and columns of `B`.
    pub rank: usize,
    /// The adapter's output is scaled by `alpha / rank`.
    pub alpha: f64,
    /// The share of an adapter's inputs that is dropped in training, 0 included and 1 excluded.
    pub dropout: f64,
    /// Names of modules, such as `q_proj`; or [`ALL_LINEAR`].
    pub target_modules: Vec<String>,
}

/// The name for all linear maps of the layers.
pub const ALL_LINEAR: &str = "all-linear";

impl Default for LoraConfig {
    fn default() -> Self {
        LoraConfig { rank: 16, alpha: 32.0, dropout: 0.0, target_modules: vec![ALL_LINEAR.to_owned()] }
    }
}

/// The adapters of a decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapters {
    /// The settings that made them.
    pub settings: LoraConfig,
    /// The further keys of PEFT's config.
    pub rules: PeftRules,
    /// For each adapted parameter, by its place, the adapters of its tensors.
    pub of: BTreeMap<usize, Vec<Adapter>>,
    /// The place of the first adapter among the decoder's parameters.
    pub first: usize,
}

/// The adapter of one tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adapter {
    /// `A`, `[rank, inputs]`.
    pub down: usize,
    /// `B`, `[outputs, rank]`.
    pub up: usize,
    /// The first of the parameter's outputs that it adds to.
    pub start: usize,
    /// The factor on `B · A`.
    pub scale: f32,
}

impl Adapters {
    /// The adapters of the weights of some linear maps, by their places in `parameters`, and the parameters that stand behind these.
    ///
    /// # Errors
    /// No module has one of the target's names, or a pattern of the rules cannot be used.
    pub(crate) fn beside(
        weights: &[usize],
        parameters: &[ParameterSpec],
        lora: &LoraConfig,
        rules: &PeftRules,
    ) -> Result<(Self, Vec<ParameterSpec>)> {
        let first = parameters.len();
        let matcher = rules.matcher(lora)?;
        let mut added = Vec::new();
        let mut of: BTreeMap<usize, Vec<Adapter>> = BTreeMap::new();
        for &weight in weights {
            let parameter = &parameters[weight];
            let mut start = 0;
            for tensor in &parameter.tensors {
                let rows = tensor.len() / parameter.columns;
                if let Some((rank, scale)) = matcher.rank_and_scale(module_of(&tensor.name))? {
                    let at = first + added.len();
                    added.extend(pair(tensor, rows, parameter.columns, rank));
                    of.entry(weight).or_default().push(Adapter { down: at, up: at + 1, start, scale });
                }
                start += rows;
            }
        }
        if of.is_empty() {
            let tensors = weights.iter().flat_map(|weight| &parameters[*weight].tensors);
            let names = tensors.filter_map(|tensor| tensor.name.rsplit('.').nth(1));
            let mut modules: Vec<String> = Vec::new();
            for name in names {
                if !modules.iter().any(|known| known == name) {
                    modules.push(name.to_owned());
                }
            }
            let targets = rules.target_pattern.clone().unwrap_or_else(|| lora.target_modules.join(", "));
            return Err(Error::NoSuchModule { targets, modules });
        }
        Ok((Adapters { settings: lora.clone(), rules: rules.clone(), of, first }, added))
    }
}

/// The prefix that PEFT puts before the names of a base's tensors.
pub(crate) const PREFIX: &str = "base_model.model.";

/// The module of a weight's tensor.
pub(crate) fn module_of(tensor: &str) -> &str {
    tensor.strip_suffix(".weight").unwrap_or(tensor)
}

/// `A` and `B` of a tensor with `rows` outputs.
fn pair(tensor: &TensorSpec, rows: usize, inputs: usize, rank: usize) -> [ParameterSpec; 2] {
    let named = |part: &str| format!("{PREFIX}{}.{part}.weight", module_of(&tensor.name));
    let order = match &tensor.layout {
        Layout::Rows(order) => Layout::Rows(order.clone()),
        _ => Layout::Same,
    };
    [
        ParameterSpec::matrix(Role::Adapter, named("lora_A"), rank, inputs),
        ParameterSpec::matrix(Role::Adapter, named("lora_B"), rows, rank).laid_out([order]),
    ]
}
