"""Converts a llama checkpoint to GGUF, llama.cpp's format. Its tokenizer must be byte-level byte-pair or word-level.

    python to_gguf.py --model DIR --kind f16 --out model.gguf

Matrices are f32 or f16, norms are f32. llama.cpp has no word-level tokenizer. Send prompts as token ids, or use the checkpoint's
own tokenizer (`python -m llama_cpp.server --hf_pretrained_model_name_or_path DIR`).
"""

import argparse
import json
from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import load_file

KINDS = {"f32": (np.float32, gguf.LlamaFileType.ALL_F32), "f16": (np.float16, gguf.LlamaFileType.MOSTLY_F16)}
# Names of tensors within a layer: Hugging Face's and GGUF's.
LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
OUTSIDE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--kind", choices=KINDS, default="f32")
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    config = json.loads((arguments.model / "config.json").read_text())
    numbers, file_type = KINDS[arguments.kind]
    writer = gguf.GGUFWriter(arguments.out, "llama")
    writer.add_file_type(file_type)
    describe(writer, config)
    add_tokenizer(writer, json.loads((arguments.model / "tokenizer.json").read_text()), config)
    for name, tensor in load_file(arguments.model / "model.safetensors").items():
        heads = {"q_proj": config["num_attention_heads"], "k_proj": key_value_heads(config)}
        part = name.split(".")[-2]
        tensor = tensor.astype(np.float32)
        if part in heads:
            tensor = interleaved(tensor, heads[part])
        writer.add_tensor(gguf_name(name), tensor.astype(numbers) if tensor.ndim > 1 else tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def key_value_heads(config):
    return config.get("num_key_value_heads") or config["num_attention_heads"]


def describe(writer, config):
    width = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    theta = config.get("rope_theta") or config.get("rope_parameters", {}).get("rope_theta", 1e4)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(key_value_heads(config))
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(width)
    writer.add_rope_freq_base(theta)
    writer.add_vocab_size(config["vocab_size"])


def add_tokenizer(writer, tokenizer, config):
    """Writes the tokens and the end token. The caller makes the token ids, so the rules that split text are not written."""
    vocabulary = config["vocab_size"]
    ids = {token: i for token, i in tokenizer["model"]["vocab"].items()}
    special = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    tokens = {i: token for token, i in (ids | special).items()}
    merges = tokenizer["model"].get("merges", [])
    control = set(special.values())
    writer.add_token_list([tokens.get(i, f"<|unused {i}|>") for i in range(vocabulary)])
    writer.add_token_types([gguf.TokenType.CONTROL if i in control else gguf.TokenType.NORMAL for i in range(vocabulary)])
    if merges:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("gpt-2")
        writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    else:
        writer.add_tokenizer_model("llama")
        writer.add_token_scores([0.0] * vocabulary)
    end = config.get("eos_token_id", 0)
    end = end[0] if isinstance(end, list) else end
    writer.add_bos_token_id(end if config.get("bos_token_id") is None else config["bos_token_id"])
    writer.add_eos_token_id(end)
    writer.add_add_bos_token(False)


def gguf_name(name):
    stem = name.removesuffix(".weight")
    if stem in OUTSIDE:
        return f"{OUTSIDE[stem]}.weight"
    layer, part = stem.removeprefix("model.layers.").split(".", 1)
    return f"blk.{layer}.{LAYER[part]}.weight"


def interleaved(weight, heads):
    """Reorders rows: Hugging Face rotates the two halves of each head, llama.cpp rotates neighbours."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


if __name__ == "__main__":
    main()
