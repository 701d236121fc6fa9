//! `quantization_config` in a config.json: how the weights are quantised. A key that changes their values is read or refused.

use super::{Block, KEYS, QuantisationMethod};
use crate::arch::ConfigReader;
use crate::error::{Error, Result};
use crate::files::checkpoint::CONFIG;
use crate::files::read_json;
use serde_json::{Map, Value, json};
use std::path::Path;

/// The largest block or group.
const MOST_IN_BLOCK: usize = 1 << 22;
/// The block of `fp8` and the group of GPTQ and AWQ that `transformers` takes if the config gives none.
const USUAL: usize = 128;
/// Keys that change no weight: how the weights were found, the type of activations and of the cache, how fast code is chosen, and the modules
/// that are not quantised, which their tensors show.
const IRRELEVANT: [&str; 40] = [
    "activation_scale_ub",
    "activation_scheme",
    "backend",
    "batch_size",
    "bnb_4bit_compute_dtype",
    "bnb_4bit_quant_storage",
    "bnb_4bit_quant_type",
    "bnb_4bit_use_double_quant",
    "damp_percent",
    "dataset",
    "desc_act",
    "dequantize",
    "do_fuse",
    "exclude_modules",
    "exllama_config",
    "fmt",
    "fuse_max_seq_len",
    "global_compression_ratio",
    "ignore",
    "ignored_layers",
    "kv_cache_quant_algo",
    "kv_cache_scheme",
    "llm_int8_enable_fp32_cpu_offload",
    "llm_int8_has_fp16_weight",
    "llm_int8_skip_modules",
    "llm_int8_threshold",
    "lm_head",
    "load_in_4bit",
    "load_in_8bit",
    "meta",
    "modules_to_convert",
    "modules_to_fuse",
    "modules_to_not_convert",
    "producer",
    "quantization_status",
    "scale_fmt",
    "static_groups",
    "sym",
    "true_sequential",
    "zero_point",
];

impl QuantisationMethod {
    /// Reads the config of a directory. `None` if its weights are not quantised.
    ///
    /// # Errors
    /// The method, or a variant of it, is not read.
    pub(in crate::files::checkpoint) fn of(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(CONFIG);
        if !path.exists() {
            return Ok(None);
        }
        let mut config = ConfigReader::new(&read_json(&crate::files::read_file(&path)?, &path)?, &path)?;
        let Some((key, value)) = KEYS.into_iter().find_map(|key| Some((key, config.get(key)?))) else { return Ok(None) };
        let mut given = config.part(key, value)?;
        let method = Self::read(&mut given)?;
        given.ignore(&IRRELEVANT);
        given.warn_of_unread();
        Ok(Some(method))
    }

    fn read(given: &mut ConfigReader) -> Result<Self> {
        let method = given.optional_text("quant_method")?.unwrap_or_default();
        match method.as_str() {
            "fp8" => Ok(QuantisationMethod::Scaled { block: Some(fp8_block(given)?) }),
            "fbgemm_fp8" => Ok(QuantisationMethod::Scaled { block: None }),
            "modelopt" if given.optional_text("quant_algo")?.as_deref() == Some("FP8") => Ok(QuantisationMethod::Scaled { block: None }),
            "compressed-tensors" => compressed(given),
            "gptq" => gptq(given),
            "awq" => awq(given),
            "bitsandbytes" => Ok(QuantisationMethod::Bitsandbytes),
            "" => mlx(given),
            other => Err(not_read(given, &format!("the quantisation method \"{other}\""))),
        }
    }
}

fn not_read(given: &ConfigReader, what: &str) -> Error {
    given.whole_error(format!(
        "{what} is not read; load the model with transformers, call model.dequantize() or load it without quantisation, and save it \
         with save_pretrained(); read are fp8, compressed-tensors (pack-quantized, int-quantized, float-quantized, mxfp4-pack-quantized), \
         gptq, awq, bitsandbytes and MLX's affine and mxfp4"
    ))
}

/// `weight_block_size`. `null` means that a matrix is one block.
fn fp8_block(given: &mut ConfigReader) -> Result<Block> {
    const KEY: &str = "weight_block_size";
    match given.get(KEY) {
        Some(sizes) => block(given, KEY, &sizes),
        None if given.has(KEY) => Ok([MOST_IN_BLOCK; 2]),
        None => Ok([USUAL; 2]),
    }
}

/// Rows and columns of a block.
fn block(given: &ConfigReader, key: &str, sizes: &Value) -> Result<Block> {
    let size = |size: &Value| size.as_u64().map(|size| size as usize).filter(|size| (1..=MOST_IN_BLOCK).contains(size));
    let block = sizes.as_array().and_then(|sizes| match sizes.as_slice() {
        [rows, columns] => Some([size(rows)?, size(columns)?]),
        _ => None,
    });
    block.ok_or_else(|| given.error(key, format!("expected a list of two positive whole numbers, found {sizes}")))
}

fn bits(given: &mut ConfigReader, method: &str, known: &[u64]) -> Result<u64> {
    let bits = given.get("bits").unwrap_or_default();
    let number = bits.as_u64().filter(|bits| known.contains(bits));
    number.ok_or_else(|| not_read(given, &format!("the method \"{method}\" with {bits} bits")))
}

/// Inputs that share a scale: `None`, in the config -1, for all.
fn group(given: &mut ConfigReader) -> Result<Option<usize>> {
    const KEY: &str = "group_size";
    match given.get(KEY) {
        None => Ok(Some(USUAL)),
        Some(all) if all.as_i64() == Some(-1) => Ok(None),
        Some(_) => given.optional_size_within(KEY, MOST_IN_BLOCK),
    }
}

fn gptq(given: &mut ConfigReader) -> Result<QuantisationMethod> {
    // GPTQModel's own values for some modules.
    given.only("dynamic", &[json!({})])?;
    given.only("pack_dtype", &[json!("int32")])?;
    given.only("is_marlin_format", &[json!(false)])?;
    match given.optional_text("checkpoint_format")?.as_deref() {
        None | Some("" | "gptq") => Ok(QuantisationMethod::Gptq { bits: bits(given, "gptq", &[4, 8])? as u8, group: group(given)? }),
        Some(other) => Err(not_read(given, &format!("the method \"gptq\" with the format \"{other}\""))),
    }
}

fn awq(given: &mut ConfigReader) -> Result<QuantisationMethod> {
    let version = given.optional_text("version")?.unwrap_or_default().to_lowercase();
    if !matches!(version.as_str(), "" | "gemm") {
        return Err(not_read(given, &format!("the method \"awq\" with the version \"{version}\"")));
    }
    bits(given, "awq", &[4])?;
    Ok(QuantisationMethod::Awq { group: group(given)? })
}

/// MLX names no method. Its scales show the groups.
fn mlx(given: &mut ConfigReader) -> Result<QuantisationMethod> {
    given.ignore(&["group_size"]);
    let mode = given.optional_text("mode")?;
    let method = match mode.as_deref() {
        None | Some("affine") if given.has("bits") => QuantisationMethod::Affine { bits: bits(given, "affine", &[2, 4, 8])? as usize },
        Some("mxfp4") => QuantisationMethod::Mxfp4,
        other => return Err(not_read(given, &format!("the quantisation method \"{}\"", other.unwrap_or_default()))),
    };
    refuse_other_modules(given)?;
    Ok(method)
}

/// Refuses an MLX module whose own config differs from the common one. `false` means that the module is not quantised.
fn refuse_other_modules(given: &mut ConfigReader) -> Result<()> {
    let (bits, mode) = (given.get("bits"), given.get("mode"));
    let modules: Vec<(String, Value)> = given.unread().filter(|(_, value)| value.is_object() || value.is_boolean()).collect();
    for (module, own) in &modules {
        let differs = |key: &str, all: &Option<Value>| own.get(key).is_some_and(|own| Some(own) != all.as_ref());
        if differs("bits", &bits) || differs("mode", &mode) {
            return Err(given.error(module, "has other bits or another mode than the other modules, which is not read"));
        }
        given.ignore(&[module]);
    }
    Ok(())
}

fn compressed(given: &mut ConfigReader) -> Result<QuantisationMethod> {
    given.ignore(&["version"]);
    refuse_transforms(given)?;
    let format = given.optional_text("format")?.unwrap_or_else(|| "dense".into());
    let groups = groups(given, &format)?;
    match (format.as_str(), groups.as_slice()) {
        ("int-quantized" | "float-quantized" | "naive-quantized", [(8, block)]) => Ok(QuantisationMethod::Scaled { block: *block }),
        ("mxfp4-pack-quantized", [(4, None)]) => Ok(QuantisationMethod::Mxfp4),
        ("pack-quantized", [(bits @ (2 | 4 | 8), None)]) => Ok(QuantisationMethod::Packed { bits: *bits as usize }),
        (_, groups) => {
            let widths: Vec<u64> = groups.iter().map(|(bits, _)| *bits).collect();
            Err(not_read(given, &format!("the method \"compressed-tensors\" with the format \"{format}\" and {widths:?} bits")))
        }
    }
}

/// The different pairs of bits and block of the groups of modules.
fn groups(given: &mut ConfigReader, format: &str) -> Result<Vec<(u64, Option<Block>)>> {
    let groups = match given.get("config_groups") {
        Some(Value::Object(groups)) => groups,
        None => Map::new(),
        Some(other) => return Err(given.error("config_groups", format!("expected an object, found {other}"))),
    };
    let mut found = Vec::new();
    for (name, group) in groups.iter().filter(|(_, group)| !group["weights"].is_null()) {
        let key = format!("config_groups.{name}");
        if group["format"].as_str().is_some_and(|own| own != format) {
            return Err(given.error(&key, format!("has another format than \"{format}\", which is not read")));
        }
        let weights = &group["weights"];
        let bits = weights["num_bits"].as_u64();
        let bits = bits.ok_or_else(|| given.error(&key, "expected a whole number \"num_bits\" in \"weights\""))?;
        let structure = Some(&weights["block_structure"]).filter(|structure| !structure.is_null());
        let block = structure.map(|structure| block(given, &format!("{key}.weights.block_structure"), structure)).transpose()?;
        found.push((bits, block));
    }
    found.dedup();
    Ok(found)
}

/// Refuses rotations of the weights and sparse storage.
fn refuse_transforms(given: &mut ConfigReader) -> Result<()> {
    given.only("transform_config", &[json!({}), json!({"config_groups": {}})])?;
    match given.get("sparsity_config") {
        Some(sparsity) if sparsity["format"] != "dense" && sparsity != json!({}) => {
            Err(given.error("sparsity_config", format!("the format {} is not read; only \"dense\" is", sparsity["format"])))
        }
        _ => Ok(()),
    }
}
