//! Low-rank adapters (`LoRA`, Hu et al. 2022) in PEFT's format: a frozen weight `W` computes with `W + scale · B · A`, and only `A` and `B` learn.
//!
//! Each adapted tensor of the checkpoint has its own pair, also where the decoder computes several tensors as one. The pairs stand behind
//! the checkpoint's parameters in [`DecoderSpec::parameters`], so that sampling, training and saved states know them as they know all others.

mod peft;

pub use peft::{ADAPTER_CONFIG, base_of, is_adapter};
pub(crate) use peft::{ADAPTER_WEIGHTS, read_config};

use crate::arch::{DecoderSpec, Layout, ParameterSpec, Role, TensorSpec};
use crate::error::{Error, Result};
use crate::kernels::Kernels;
use crate::model::LanguageModel;
use crate::weights::{HalfKind, Values};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
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

impl DecoderSpec {
    /// The same decoder with adapters. They are named as PEFT names them.
    ///
    /// # Errors
    /// No module has one of the target's names.
    pub fn adapted(mut self, lora: &LoraConfig) -> Result<Self> {
        let first = self.parameters.len();
        let mut of: BTreeMap<usize, Vec<Adapter>> = BTreeMap::new();
        for layer in self.layers.clone() {
            for linear in [layer.qkv, layer.output, layer.up, layer.down] {
                let parameter = self.parameters[linear.weight].clone();
                let mut start = 0;
                for tensor in &parameter.tensors {
                    let rows = tensor.len() / parameter.columns;
                    if lora.targets(&tensor.name) {
                        let [down, up] = pair(tensor, rows, parameter.columns, lora.rank);
                        let at = self.parameters.len();
                        self.parameters.extend([down, up]);
                        of.entry(linear.weight).or_default().push(Adapter { down: at, up: at + 1, start });
                    }
                    start += rows;
                }
            }
        }
        if of.is_empty() {
            let linears = self.layers.iter().take(1).flat_map(|layer| [layer.qkv, layer.output, layer.up, layer.down]);
            let tensors = linears.flat_map(|linear| &self.parameters[linear.weight].tensors);
            let modules = tensors.filter_map(|tensor| tensor.name.rsplit('.').nth(1).map(str::to_owned)).collect();
            return Err(Error::NoSuchModule { targets: lora.target_modules.join(", "), modules });
        }
        self.adapters = Some(Adapters { settings: lora.clone(), scale: lora.alpha as f32 / lora.rank as f32, of, first });
        Ok(self)
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
        self.merge(Values::into_half)
    }

    /// The same with what is adapted in `f32`, where small updates are not rounded away.
    #[must_use]
    pub fn merged_in_full(self) -> Self {
        self.merge(|sum, _| sum)
    }

    /// `stored` makes of a sum what stands for a weight of 16 bits of this kind.
    fn merge(self, stored: impl Fn(Values, HalfKind) -> Values) -> Self {
        let Some(adapters) = self.spec().adapters.clone() else { return self };
        let spec = DecoderSpec { adapters: None, parameters: self.spec().parameters[..adapters.first].to_vec(), ..self.spec().clone() };
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
                add_product(&pair(adapter.up), &pair(adapter.down), adapters.scale, columns, &mut sum[adapter.start * columns..]);
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
