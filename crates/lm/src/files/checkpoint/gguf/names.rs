//! The names and the arrangement of tensors in llama.cpp and in a Hugging Face checkpoint, in both directions.

/// The families that are read and written, by llama.cpp's name and the one of `config.json`. Mistral models have the name `llama`.
pub(super) const FAMILIES: [(&str, &str); 7] = [
    ("llama", "llama"),
    ("llama", "mistral"),
    ("qwen2", "qwen2"),
    ("qwen3", "qwen3"),
    ("smollm3", "smollm3"),
    ("olmo2", "olmo2"),
    ("gemma2", "gemma2"),
];

/// Metadata keys of sizes, without the family's name before them, and the keys of config.json that say the same.
pub(super) const SIZES: [(&str, &str); 10] = [
    ("block_count", "num_hidden_layers"),
    ("context_length", "max_position_embeddings"),
    ("embedding_length", "hidden_size"),
    ("feed_forward_length", "intermediate_size"),
    ("attention.head_count", "num_attention_heads"),
    ("attention.head_count_kv", "num_key_value_heads"),
    ("attention.key_length", "head_dim"),
    ("attention.value_length", "head_dim"),
    ("rope.dimension_count", "head_dim"),
    ("vocab_size", "vocab_size"),
];

/// The same of numbers that are no sizes.
pub(super) const NUMBERS: [(&str, &str); 7] = [
    ("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
    ("rope.freq_base", "rope_theta"),
    ("attention.sliding_window", "sliding_window"),
    ("attn_logit_softcapping", "attn_logit_softcapping"),
    ("final_logit_softcapping", "final_logit_softcapping"),
    ("rope.scaling.factor", "rope_scaling.factor"),
    ("rope.scaling.original_context_length", "rope_scaling.original_max_position_embeddings"),
];

/// The embedding's name in a checkpoint.
pub(super) const EMBEDDING: &str = "model.embed_tokens.weight";

/// The tensors outside layers.
const WHOLE: [(&str, &str); 3] =
    [("token_embd.weight", EMBEDDING), ("output_norm.weight", "model.norm.weight"), ("output.weight", "lm_head.weight")];

/// The modules of a layer that have the same two names in every family.
const LAYER: [(&str, &str); 11] = [
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("attn_norm", "input_layernorm"),
    ("post_ffw_norm", "post_feedforward_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// The norms that have other names where a norm also follows attention.
const NORMS: [(&str, &str); 1] = [("ffn_norm", "post_attention_layernorm")];
const NORMS_AROUND: [(&str, &str); 2] = [("ffn_norm", "pre_feedforward_layernorm"), ("post_attention_norm", "post_attention_layernorm")];

/// The modules of a layer of a family.
fn modules(architecture: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let norms: &[_] = if matches!(architecture, "gemma2" | "olmo2") { &NORMS_AROUND } else { &NORMS };
    LAYER.into_iter().chain(norms.iter().copied())
}

/// The name in a Hugging Face checkpoint of a tensor of llama.cpp.
pub(super) fn in_checkpoint(name: &str, architecture: &str) -> Option<String> {
    if let Some((_, whole)) = WHOLE.iter().find(|(ours, _)| *ours == name) {
        return Some((*whole).to_owned());
    }
    let (layer, module, part) = layer_of(name, "blk.")?;
    let (_, module) = modules(architecture).find(|(ours, _)| *ours == module)?;
    Some(format!("model.layers.{layer}.{module}.{part}"))
}

/// The name in llama.cpp of a tensor of a Hugging Face checkpoint.
pub(super) fn in_llama_cpp(name: &str, architecture: &str) -> Option<String> {
    if let Some((whole, _)) = WHOLE.iter().find(|(_, theirs)| *theirs == name) {
        return Some((*whole).to_owned());
    }
    let (layer, module, part) = layer_of(name, "model.layers.")?;
    let (module, _) = modules(architecture).find(|(_, theirs)| *theirs == module)?;
    Some(format!("blk.{layer}.{module}.{part}"))
}

/// Layer, module and part of a name.
fn layer_of<'a>(name: &'a str, prefix: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let (layer, rest) = name.strip_prefix(prefix)?.split_once('.')?;
    let (module, part) = rest.rsplit_once('.')?;
    (layer.bytes().all(|digit| digit.is_ascii_digit()) && matches!(part, "weight" | "bias")).then_some((layer, module, part))
}

/// How llama.cpp arranges the elements of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrangement {
    /// As they are in the checkpoint.
    Same,
    /// The rows of each head alternate between its halves, for rotary positions. The number is the one of heads.
    AlternatingHalves(usize),
    /// One is added to each element: the weights of Gemma's norms.
    OneMore,
}

impl Arrangement {
    /// The arrangement of a tensor, by llama.cpp's name; `heads` are those of queries and of keys.
    pub(super) fn of(name: &str, architecture: &str, heads: [usize; 2]) -> Self {
        let alternates = matches!(architecture, "llama" | "smollm3");
        match name.split('.').nth(2) {
            Some("attn_q") if alternates => Arrangement::AlternatingHalves(heads[0]),
            Some("attn_k") if alternates => Arrangement::AlternatingHalves(heads[1]),
            _ if architecture == "gemma2" && name.ends_with("norm.weight") => Arrangement::OneMore,
            _ => Arrangement::Same,
        }
    }

    /// Elements of llama.cpp in the checkpoint's order: of each head the first half, then the second half. `None` if the rows cannot be
    /// divided so. `width` counts the bytes or elements of a row.
    pub(super) fn halves_in_order<T: Copy>(elements: &[T], rows: usize, heads: usize) -> Option<Vec<T>> {
        Self::by_rows(elements, rows, heads, |half, row| if row < half { 2 * row } else { 2 * (row - half) + 1 })
    }

    /// The inverse of [`Arrangement::halves_in_order`].
    pub(super) fn halves_alternating<T: Copy>(elements: &[T], rows: usize, heads: usize) -> Option<Vec<T>> {
        Self::by_rows(elements, rows, heads, |half, row| row / 2 + row % 2 * half)
    }

    /// The elements with row `i` of each head taken from row `place(half, i)`.
    fn by_rows<T: Copy>(elements: &[T], rows: usize, heads: usize, place: fn(usize, usize) -> usize) -> Option<Vec<T>> {
        let size = rows.checked_div(heads).filter(|size| size * heads == rows && size.is_multiple_of(2))?;
        let width = elements.len().checked_div(rows)?;
        let mut ordered = Vec::with_capacity(elements.len());
        for head in 0..heads {
            for row in 0..size {
                let start = (head * size + place(size / 2, row)) * width;
                ordered.extend_from_slice(elements.get(start..start + width)?);
            }
        }
        Some(ordered)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_halves_of_heads_come_back_in_order() {
        // Two heads of four rows: in the file, row i of the first half is before row i of the second half.
        let file = [0, 2, 1, 3, 4, 6, 5, 7];
        let ordered = Arrangement::halves_in_order(&file, 8, 2).unwrap();
        assert_eq!(ordered, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(Arrangement::halves_alternating(&ordered, 8, 2).unwrap(), file);
        assert_eq!(Arrangement::halves_in_order(&[0, 1, 2], 3, 2), None);
        assert_eq!(Arrangement::halves_in_order(&[0; 0], 0, 0), None);
    }

    #[test]
    fn names_of_both_formats() {
        for (ours, theirs, architecture) in [
            ("blk.12.attn_q.bias", "model.layers.12.self_attn.q_proj.bias", "llama"),
            ("blk.0.ffn_norm.weight", "model.layers.0.post_attention_layernorm.weight", "llama"),
            ("blk.0.ffn_norm.weight", "model.layers.0.pre_feedforward_layernorm.weight", "gemma2"),
            ("blk.0.post_attention_norm.weight", "model.layers.0.post_attention_layernorm.weight", "olmo2"),
            ("blk.0.ffn_down.weight", "model.layers.0.mlp.down_proj.weight", "qwen2"),
            ("output.weight", "lm_head.weight", "llama"),
        ] {
            assert_eq!(in_checkpoint(ours, architecture).as_deref(), Some(theirs));
            assert_eq!(in_llama_cpp(theirs, architecture).as_deref(), Some(ours));
        }
        for unknown in ["blk.x.attn_q.weight", "blk.0.attn_qkv.weight", "blk.0.attn_q.scale", "other"] {
            assert_eq!(in_checkpoint(unknown, "llama"), None, "{unknown}");
        }
    }
}
