//! Metadata that must have the right type and range, because a file of another model, or a damaged one, would compute something else.

use super::metadata::Metadata;
use super::names::{NUMBERS, SIZES};
use crate::error::Result;

/// Keys that change what llama.cpp computes, and that the supported families have with these values only.
const UNSUPPORTED: [(&str, &[f64]); 11] = [
    ("attention.clamp_kqv", &[0.0]),
    ("attention.max_alibi_bias", &[0.0]),
    ("attention.scale", &[0.0]),
    ("embedding_scale", &[0.0]),
    ("expert_count", &[0.0]),
    ("expert_shared_count", &[0.0]),
    ("logit_scale", &[0.0]),
    ("residual_scale", &[0.0]),
    ("rope.scale_linear", &[0.0, 1.0]),
    ("rope.scaling.attn_factor", &[1.0]),
    ("rope.scaling.yarn_attn_factor", &[1.0]),
];
/// Keys of a family that say nothing more about its decoder, or that are read elsewhere.
const KNOWN: [&str; 4] = ["expert_used_count", "rope.scaling.finetuned", "rope.scaling.type", "tensor_data_layout"];
/// Named tokens that change prompts and answers. The padding token changes neither.
const NAMED_TOKENS: [&str; 5] = ["bos", "eos", "eot", "eom", "unknown"];

/// Refuses heads that turn in part, experts, and factors that the supported families do not have. Warns of other keys of the family.
pub(super) fn decoder(metadata: &Metadata, architecture: &str, head_dim: u64) -> Result<()> {
    for name in ["rope.dimension_count", "attention.value_length"] {
        let key = format!("{architecture}.{name}");
        if let Some(found) = metadata.optional_whole(&key)?.filter(|found| *found != head_dim) {
            let problem = format!("is {found}, but heads have {head_dim} coordinates; only heads of one size that turn whole are read");
            return Err(metadata.error(&key, &problem));
        }
    }
    for (name, neutral) in UNSUPPORTED {
        let key = format!("{architecture}.{name}");
        if let Some(found) = metadata.optional_number(&key)?.filter(|found| !neutral.contains(found)) {
            return Err(metadata.error(&key, &format!("{found} is not supported; only {} is", neutral[0])));
        }
    }
    let prefix = format!("{architecture}.");
    let known = SIZES.iter().chain(&NUMBERS).map(|(name, _)| *name).chain(UNSUPPORTED.map(|(name, _)| name)).chain(KNOWN);
    let known: Vec<&str> = known.collect();
    for key in metadata.values.keys() {
        if key.strip_prefix(&prefix).is_some_and(|name| !known.contains(&name)) {
            log::warn!("{}: metadata key \"{key}\" is not known for this family and was not used", metadata.path().display());
        }
    }
    Ok(())
}

/// Checks the numbers, switches and lists of the tokenizer. The embedding has `rows` rows.
pub(super) fn tokenizer(metadata: &Metadata, rows: usize) -> Result<()> {
    const TOKENS: &str = "tokenizer.ggml.tokens";
    const TYPES: &str = "tokenizer.ggml.token_type";
    const PADDING: &str = "tokenizer.ggml.padding_token_id";
    let tokens = metadata.texts(TOKENS).map_or(0, <[String]>::len);
    if tokens > rows {
        return Err(metadata.error(TOKENS, &format!("has {tokens} tokens, but the tensor token_embd.weight has {rows} rows")));
    }
    for name in NAMED_TOKENS {
        let key = format!("tokenizer.ggml.{name}_token_id");
        if let Some(id) = metadata.optional_whole(&key)?.filter(|id| *id >= tokens as u64) {
            return Err(metadata.error(&key, &format!("{id} is no token; expected a number below the {tokens} tokens")));
        }
    }
    if let Some(id) = metadata.optional_whole(PADDING)?.filter(|id| *id >= tokens as u64) {
        log::warn!("{}: metadata key \"{PADDING}\": {id} is no token and was not used", metadata.path().display());
    }
    for name in ["add_bos_token", "add_space_prefix"] {
        metadata.optional_flag(&format!("tokenizer.ggml.{name}"))?;
    }
    for key in ["tokenizer.ggml.model", "tokenizer.ggml.pre", "tokenizer.chat_template"] {
        metadata.optional_text(key)?;
    }
    let types = metadata.array(TYPES).and_then(|types| types.as_i32_slice());
    if metadata.values.contains_key(TYPES) && types.is_none_or(|types| types.len() != tokens) {
        return Err(metadata.error(TYPES, &format!("expected a list of {tokens} whole numbers of 32 bits (INT32), one for each token")));
    }
    Ok(())
}
