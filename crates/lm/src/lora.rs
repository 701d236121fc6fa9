//! Low-rank adapters (`LoRA`, Hu et al. 2022) in PEFT's format: a frozen weight `W` computes with `W + scale · B · A`, and only `A` and `B` learn.
//!
//! Each adapted tensor of the checkpoint has a pair `A`, `B`, also where the decoder computes several tensors as one. The pairs follow the
//! checkpoint's parameters in [`crate::decoder::DecoderSpec::parameters`], so that sampling, training and saved states treat them like all
//! other parameters.

mod rules;

pub use rules::PeftRules;

use crate::error::{Error, InvalidSetting, Result};
use crate::weights::{Layout, ParameterSpec, Role, TensorSpec};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The adapted weights, and the settings of the adapters. The names are those of PEFT. The default adapts all linear layers with rank 16.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct LoraConfig {
    /// Rows of `A` and columns of `B`.
    pub rank: usize,
    /// The adapter's output is scaled by `alpha / rank`.
    pub alpha: f64,
    /// The fraction of an adapter's inputs that training drops: at least 0 and less than 1.
    pub dropout: f64,
    /// Names of modules, such as `q_proj`, or [`ALL_LINEAR`].
    pub target_modules: Vec<String>,
}

/// Selects all linear maps of the layers.
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
    /// The adapters of the tensors of each adapted parameter, by the index of that parameter.
    pub of: BTreeMap<usize, Vec<Adapter>>,
    /// The index of the first adapter among the decoder's parameters.
    pub first: usize,
}

/// The adapter of one tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adapter {
    /// The index of `A`, `[rank, inputs]`.
    pub down: usize,
    /// The index of `B`, `[outputs, rank]`.
    pub up: usize,
    /// The first output of the parameter that the adapter adds to.
    pub start: usize,
    /// The factor on `B · A`.
    pub scale: f32,
}

/// More rows than any layer of a supported model can use.
pub(crate) const LARGEST_RANK: usize = 1 << 16;
/// Far above all that is used. Larger factors overflow.
pub(crate) const LARGEST_ALPHA: f64 = 1e6;

impl LoraConfig {
    /// Checks every value. [`crate::LanguageModel::with_fresh_adapters`] does so first.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        let LoraConfig { rank, alpha, dropout, target_modules } = self;
        // Adapters compute in `f32`.
        let (alpha_single, dropout_single) = (*alpha as f32, *dropout as f32);
        InvalidSetting::unless((1..=LARGEST_RANK).contains(rank), "rank", &format!("at least 1 and at most {LARGEST_RANK}"), rank)?;
        let expected = format!("a number above 0 and at most {LARGEST_ALPHA}");
        InvalidSetting::unless(alpha_single > 0.0 && *alpha <= LARGEST_ALPHA, "alpha", &expected, alpha)?;
        InvalidSetting::unless((0.0..1.0).contains(&dropout_single), "dropout", "in 0..1, 1 excluded", dropout)?;
        InvalidSetting::unless(!target_modules.is_empty(), "target_modules", "a list of at least one module name", target_modules)
    }
}

impl Adapters {
    /// The adapters of the linear maps with these weights (indices of `parameters`), and the parameters to append for them.
    ///
    /// # Errors
    /// No module has the name of a target, or a pattern of the rules cannot be used.
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
