"""Creates a llama with random weights and another checkpoint's vocabulary and tokenizer.

    python random_llama.py --like DIR --out DIR --layers 6 --hidden 256 --heads 8 --intermediate 768
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--like", type=Path, required=True, help="the checkpoint whose tokenizer it has")
    parser.add_argument("--out", type=Path, required=True)
    for shape in ("--layers", "--hidden", "--heads", "--intermediate"):
        parser.add_argument(shape, type=int, required=True)
    arguments = parser.parse_args()

    like = json.loads((arguments.like / "config.json").read_text())
    kept = {key: like[key] for key in ("vocab_size", "eos_token_id", "pad_token_id", "bos_token_id") if key in like}
    torch.manual_seed(0)
    config = LlamaConfig(
        num_hidden_layers=arguments.layers, hidden_size=arguments.hidden, num_attention_heads=arguments.heads,
        intermediate_size=arguments.intermediate, max_position_embeddings=2048, tie_word_embeddings=True, rms_norm_eps=1e-5,
        dtype="float32", **kept,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(arguments.out)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(arguments.like / file, arguments.out / file)


if __name__ == "__main__":
    main()
