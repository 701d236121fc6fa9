//! Quantised weights of a checkpoint directory, as `quantization_config` in its config.json describes them.
//!
//! A quantised matrix is stored as several tensors, such as integers and their scales. They become one tensor of `f32` with the name that
//! the matrix has without quantisation. The crate `anamnesis` has the formulas of GPTQ, AWQ and bitsandbytes.

mod formulas;
mod method;

use super::source::{StoredTensor, TensorSource};
use crate::error::{Error, Result};
use formulas::{Matrix, Packing};
use safetensors::Dtype;
use serde_json::Value;

/// The keys of config.json that describe quantised weights: of `transformers`, and of MLX.
pub(super) const KEYS: [&str; 2] = ["quantization_config", "quantization"];
/// Elements of a matrix for each stored element, at most: 2 bits in 32.
pub(super) const MOST_PACKED: u128 = 16;

/// Rows and columns of a block that has one scale.
type Block = [usize; 2];

/// How the matrices of a checkpoint are quantised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum QuantisationMethod {
    /// Elements of 8 bits, each times the scale of its block, row or tensor.
    Scaled {
        /// Rows and columns of a block, if the config gives them.
        block: Option<Block>,
    },
    /// Integers in 32-bit words, with a scale for each group of a row (compressed-tensors).
    Packed {
        /// Bits of an integer.
        bits: usize,
    },
    /// Integers in 32-bit words, with a scale and a bias for each group of a row (MLX).
    Affine {
        /// Bits of an integer.
        bits: usize,
    },
    /// Floats of 4 bits, with a power of 2 for each group of a row (Open Compute Project 2023, "Microscaling Formats (MX)"), as compressed-tensors
    /// and MLX store them.
    Mxfp4,
    /// Frantar et al. 2023.
    Gptq {
        /// Bits of an integer.
        bits: u8,
        /// Inputs that share a scale. `None` for all.
        group: Option<usize>,
    },
    /// Lin et al. 2023, in `AutoAWQ`'s layout `gemm`.
    Awq {
        /// Inputs that share a scale. `None` for all.
        group: Option<usize>,
    },
    /// Blocks of 4 bits, or rows of 8 bits (Dettmers et al. 2022, 2023).
    Bitsandbytes,
}

impl QuantisationMethod {
    /// The name of a matrix without quantisation, if a tensor of this name is its main part.
    pub(super) fn matrix_of(&self, name: &str) -> Option<String> {
        let end = match self {
            QuantisationMethod::Packed { .. } | QuantisationMethod::Mxfp4 => ".weight_packed",
            QuantisationMethod::Gptq { .. } | QuantisationMethod::Awq { .. } => ".qweight",
            _ => return None,
        };
        name.strip_suffix(end).map(|module| format!("{module}.weight"))
    }

    /// Returns true if a tensor of this name belongs to a matrix, and is not its main part.
    pub(super) fn is_companion(&self, name: &str) -> bool {
        let ends: &[&str] = match self {
            QuantisationMethod::Scaled { .. } => {
                &[".weight_scale", ".weight_scale_inv", ".input_scale", ".activation_scale", ".k_scale", ".v_scale"]
            }
            QuantisationMethod::Packed { .. } => {
                &[".weight_scale", ".weight_shape", ".weight_zero_point", ".weight_g_idx", ".k_scale", ".v_scale"]
            }
            QuantisationMethod::Mxfp4 => &[".weight_scale", ".weight_shape", ".input_scale", ".k_scale", ".v_scale", ".scales"],
            QuantisationMethod::Affine { .. } => &[".scales", ".biases"],
            QuantisationMethod::Gptq { .. } | QuantisationMethod::Awq { .. } => &[".qzeros", ".scales", ".g_idx"],
            QuantisationMethod::Bitsandbytes => {
                let is_state = name.contains(".weight.quant_state.bitsandbytes__");
                let ends = [".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map", ".SCB", ".weight_format"];
                return is_state || ends.iter().any(|end| name.ends_with(end));
            }
        };
        ends.iter().any(|end| name.ends_with(end))
    }

    /// The matrix `name` of a source, if it is quantised. `None` if it is stored as it is.
    pub(super) fn read_matrix(&self, source: &TensorSource, name: &str) -> Result<Option<StoredTensor>> {
        let Some(module) = name.strip_suffix(".weight") else { return Ok(None) };
        let parts = MatrixTensors { source, name, module };
        let found = match self {
            QuantisationMethod::Scaled { block } => parts.scaled(*block)?,
            QuantisationMethod::Packed { bits } => parts.packed(*bits)?,
            QuantisationMethod::Mxfp4 => parts.mxfp4()?,
            QuantisationMethod::Affine { bits } => parts.affine(*bits)?,
            QuantisationMethod::Gptq { bits, group } => parts.gptq(*bits, *group)?,
            QuantisationMethod::Awq { group } => parts.awq(*group)?,
            QuantisationMethod::Bitsandbytes => parts.bitsandbytes()?,
        };
        found.map(|matrix| parts.finite(matrix)).transpose()
    }
}

/// The tensors of one matrix.
struct MatrixTensors<'a> {
    source: &'a TensorSource,
    name: &'a str,
    module: &'a str,
}

impl MatrixTensors<'_> {
    fn error(&self, problem: impl std::fmt::Display) -> Error {
        Error::Weights { path: self.source.path(self.name).into(), problem: format!("tensor \"{}\": {problem}", self.name) }
    }

    fn find(&self, part: &str) -> Result<Option<StoredTensor>> {
        self.source.read_stored(&format!("{}.{part}", self.module))
    }

    fn need(&self, part: &str) -> Result<StoredTensor> {
        self.find(part)?.ok_or_else(|| self.error(format_args!("is quantised, but \"{}.{part}\" is missing", self.module)))
    }

    fn numbers(&self, part: &str) -> Result<Vec<f32>> {
        let stored = self.need(part)?;
        formulas::numbers(&stored).ok_or_else(|| self.error(format_args!("its {part} has the type {:?}, which is not read", stored.dtype)))
    }

    fn fits(&self, matrix: Option<Matrix>) -> Result<Option<Matrix>> {
        matrix.map(Some).ok_or_else(|| self.error("its parts do not belong together: their shapes do not fit"))
    }

    fn library(&self, rows: usize, columns: usize, bytes: anamnesis::Result<Vec<u8>>) -> Result<Matrix> {
        let bytes = bytes.map_err(|error| self.error(format_args!("its parts do not belong together: {error}")))?;
        Ok(Matrix { rows, columns, values: bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect() })
    }

    fn finite(&self, matrix: Matrix) -> Result<StoredTensor> {
        let Matrix { rows, columns, values } = matrix;
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            let path = self.source.path(self.name).into();
            return Err(Error::NonFiniteWeight { path, name: self.name.into(), index, value: values[index] });
        }
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Ok(StoredTensor { dtype: Dtype::F32, shape: vec![rows, columns], bytes })
    }

    fn scaled(&self, block: Option<Block>) -> Result<Option<Matrix>> {
        let Some(weight) = self.find("weight")?.filter(|weight| weight.dtype.bitsize() == 8) else { return Ok(None) };
        let part = if self.find("weight_scale_inv")?.is_some() { "weight_scale_inv" } else { "weight_scale" };
        let (scale, shape) = (self.numbers(part)?, self.need(part)?.shape);
        let values = formulas::numbers(&weight).ok_or_else(|| self.error(format_args!("its type {:?} is not read", weight.dtype)))?;
        let matrix = formulas::scaled(&weight.shape, values, &scale, &shape, block);
        if matrix.is_none() && block.is_some() {
            return Err(self.error(format_args!(
                "its parts do not belong together: their shapes {:?} and {shape:?} do not fit the blocks; check \"weight_block_size\" in config.json",
                weight.shape
            )));
        }
        self.fits(matrix)
    }

    fn packed(&self, bits: usize) -> Result<Option<Matrix>> {
        let Some(words) = self.find("weight_packed")? else { return Ok(None) };
        for part in ["weight_zero_point", "weight_g_idx"] {
            if self.find(part)?.is_some() {
                return Err(self.error(format_args!("has a {part}; only symmetric groups of neighbours are read")));
            }
        }
        let columns = formulas::whole_numbers(&self.need("weight_shape")?).and_then(|shape| shape.get(1).copied());
        let packing = Packing { bits, columns: columns.and_then(|columns| usize::try_from(columns).ok()) };
        let centre = (1_u32 << (bits - 1)) as f32;
        let values = formulas::unpacked(&words, packing).map(|matrix| matrix.map(|x| x - centre));
        self.fits(values.and_then(|matrix| matrix.grouped(&self.numbers("weight_scale").ok()?, None)))
    }

    fn mxfp4(&self) -> Result<Option<Matrix>> {
        let (packed, scales) = match self.find("weight_packed")? {
            Some(packed) => (packed, self.need("weight_scale")?),
            None => match self.find("scales")? {
                Some(scales) => (self.need("weight")?, scales),
                None => return Ok(None),
            },
        };
        self.fits(formulas::fp4(&packed).and_then(|matrix| matrix.grouped(&formulas::powers(&scales)?, None)))
    }

    fn affine(&self, bits: usize) -> Result<Option<Matrix>> {
        if self.find("scales")?.is_none() {
            return Ok(None);
        }
        let (scales, biases) = (self.numbers("scales")?, self.numbers("biases")?);
        let values = formulas::unpacked(&self.need("weight")?, Packing { bits, columns: None });
        self.fits(values.and_then(|matrix| matrix.grouped(&scales, Some(&biases))))
    }

    fn gptq(&self, bits: u8, group: Option<usize>) -> Result<Option<Matrix>> {
        let Some(words) = self.find("qweight")? else { return Ok(None) };
        let [word_rows, outputs] = words.shape[..] else { return Err(self.error("its qweight is no matrix")) };
        let inputs = word_rows.saturating_mul(32 / usize::from(bits));
        let (scales, zeros, order) = (self.need("scales")?, self.need("qzeros")?, self.find("g_idx")?);
        let kind = self.scale_type(&scales)?;
        let order = order.as_ref().map(|order| order.bytes.as_slice());
        let values = anamnesis::dequantize_gptq::<anamnesis::F32Out>(
            &words.bytes,
            &scales.bytes,
            &zeros.bytes,
            order,
            inputs,
            outputs,
            group.unwrap_or(inputs),
            bits,
            kind,
        );
        Ok(Some(self.library(inputs, outputs, values)?.transposed()))
    }

    fn awq(&self, group: Option<usize>) -> Result<Option<Matrix>> {
        let Some(words) = self.find("qweight")? else { return Ok(None) };
        let [inputs, word_columns] = words.shape[..] else { return Err(self.error("its qweight is no matrix")) };
        let outputs = word_columns.saturating_mul(8);
        let (scales, zeros) = (self.need("scales")?, self.need("qzeros")?);
        let kind = self.scale_type(&scales)?;
        let group = group.unwrap_or(inputs);
        let values =
            anamnesis::dequantize_awq::<anamnesis::F32Out>(&words.bytes, &scales.bytes, &zeros.bytes, inputs, outputs, group, 4, kind);
        Ok(Some(self.library(inputs, outputs, values)?.transposed()))
    }

    fn scale_type(&self, scales: &StoredTensor) -> Result<anamnesis::Dtype> {
        match scales.dtype {
            Dtype::F16 => Ok(anamnesis::Dtype::F16),
            Dtype::BF16 => Ok(anamnesis::Dtype::BF16),
            Dtype::F32 => Ok(anamnesis::Dtype::F32),
            other => Err(self.error(format_args!("its scales have the type {other:?}, which is not read"))),
        }
    }

    fn bitsandbytes(&self) -> Result<Option<Matrix>> {
        if let Some(scale) = self.find("SCB")? {
            let weight = self.need("weight")?;
            let [rows, columns] = weight.shape[..] else { return Err(self.error("is no matrix")) };
            let values = anamnesis::dequantize_bnb_int8::<anamnesis::F32Out>(&weight.bytes, &scale.bytes, rows, columns);
            return self.library(rows, columns, values).map(Some);
        }
        let states = ["nf4", "fp4"].map(|kind| self.find(&format!("weight.quant_state.bitsandbytes__{kind}")));
        let Some(state) = states.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().next() else { return Ok(None) };
        let state: Value = serde_json::from_slice(&state.bytes).map_err(|error| self.error(format_args!("its quant_state: {error}")))?;
        let size = |key: &str| state[key].as_u64().and_then(|size| usize::try_from(size).ok());
        let shape: Option<Vec<usize>> =
            state["shape"].as_array().and_then(|sizes| sizes.iter().map(|size| usize::try_from(size.as_u64()?).ok()).collect());
        let (Some(&[rows, columns]), Some(block)) = (shape.as_deref(), size("blocksize")) else {
            return Err(self.error("its quant_state gives no shape of two sizes, or no blocksize"));
        };
        let count = rows.checked_mul(columns).ok_or_else(|| self.error("its shape is larger than any memory"))?;
        let (weight, scales, map) = (self.need("weight")?, self.need("weight.absmax")?, self.need("weight.quant_map")?);
        let values = if let Some(nested) = self.find("weight.nested_absmax")? {
            let nested_map = self.need("weight.nested_quant_map")?;
            let (Some(offset), Some(nested_block)) = (state["nested_offset"].as_f64(), size("nested_blocksize")) else {
                return Err(self.error("its quant_state gives no nested_offset, or no nested_blocksize"));
            };
            anamnesis::dequantize_bnb4_double_quant::<anamnesis::F32Out>(
                &weight.bytes,
                &scales.bytes,
                &map.bytes,
                &nested.bytes,
                &nested_map.bytes,
                offset as f32,
                count,
                block,
                nested_block,
            )
        } else {
            anamnesis::dequantize_bnb4::<anamnesis::F32Out>(&weight.bytes, &scales.bytes, &map.bytes, count, block)
        };
        self.library(rows, columns, values).map(Some)
    }
}
