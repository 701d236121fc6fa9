//! Low-rank adapters (`LoRA`, Hu et al. 2022) in PEFT's format: a frozen weight `W` computes with `W + scale · B · A`, and only `A` and `B` learn.
//!
//! Each adapted tensor of the checkpoint has its own pair, also where the decoder computes several tensors as one. The pairs stand after
//! the checkpoint's parameters in [`crate::decoder::DecoderSpec::parameters`], so that sampling, training and saved states treat them like
//! all others.

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

/// Stands for all linear maps of the layers.
pub const ALL_LINEAR: &str = "all-linear";

impl Default for LoraConfig {
    fn default() -> Self {
        LoraConfig { rank: 16, alpha: 32.0, dropout: 0.0, target_modules: vec![ALL_LINEAR.to_owned()] }
    }
}

/// The adapters of a decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapters {
    /// What they were made by.
    pub settings: LoraConfig,
    /// The factor on `B · A`.
    pub scale: f32,
    /// For each adapted parameter, by its place, the adapters of its tensors.
    pub of: BTreeMap<usize, Vec<Adapter>>,
    /// Where the adapters begin among the decoder's parameters.
    pub first: usize,
}

/// The adapter of one tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adapter {
    /// `A`, `[rank, inputs]`.
    pub down: usize,
    /// `B`, `[outputs, rank]`.
    pub up: usize,
    /// The first of the parameter's outputs that it adds to.
    pub start: usize,
}

impl LoraConfig {
    /// Whether a tensor, such as `model.layers.0.self_attn.q_proj.weight`, is adapted.
    fn targets(&self, tensor: &str) -> bool {
        let module = tensor.strip_suffix(".weight").unwrap_or(tensor);
        self.target_modules.iter().any(|target| target == ALL_LINEAR || module == target || module.ends_with(&format!(".{target}")))
    }
}

impl Adapters {
    /// The adapters of the weights of some linear maps, by their places in `parameters`, and the parameters that stand behind these.
    ///
    /// # Errors
    /// No module has one of the target's names.
    pub(crate) fn beside(weights: &[usize], parameters: &[ParameterSpec], lora: &LoraConfig) -> Result<(Self, Vec<ParameterSpec>)> {
        let first = parameters.len();
        let mut added = Vec::new();
        let mut of: BTreeMap<usize, Vec<Adapter>> = BTreeMap::new();
        for &weight in weights {
            let parameter = &parameters[weight];
            let mut start = 0;
            for tensor in &parameter.tensors {
                let rows = tensor.len() / parameter.columns;
                if lora.targets(&tensor.name) {
                    let at = first + added.len();
                    added.extend(pair(tensor, rows, parameter.columns, lora.rank));
                    of.entry(weight).or_default().push(Adapter { down: at, up: at + 1, start });
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
            return Err(Error::NoSuchModule { targets: lora.target_modules.join(", "), modules });
        }
        Ok((Adapters { settings: lora.clone(), scale: lora.alpha as f32 / lora.rank as f32, of, first }, added))
    }
}

/// `A` and `B` of a tensor with `rows` outputs.
fn pair(tensor: &TensorSpec, rows: usize, inputs: usize, rank: usize) -> [ParameterSpec; 2] {
    let module = tensor.name.strip_suffix(".weight").unwrap_or(&tensor.name);
    let named = |part: &str| format!("base_model.model.{module}.{part}.weight");
    let order = match &tensor.layout {
        Layout::Rows(order) => Layout::Rows(order.clone()),
        _ => Layout::Same,
    };
    [
        ParameterSpec::matrix(Role::Adapter, named("lora_A"), rank, inputs),
        ParameterSpec::matrix(Role::Adapter, named("lora_B"), rows, rank).laid_out([order]),
    ]
}
