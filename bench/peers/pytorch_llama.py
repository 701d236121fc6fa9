"""Trains or decodes a llama in PyTorch, for comparison with `starloop bench`.

    python pytorch_llama.py --size S --mode train --threads 2 --steps 5

It prints one JSON line:

    {"engine": "PyTorch 2.15.0", "size": "S", "mode": "train", "threads": 2, "tokens_per_second": 2680.1, "peak_memory_mb": 2713.5}

Measured in f32 with random weights and random token ids:

train   one step is forward, backward, gradients clipped to a norm of 1, and AdamW, on `batch x length` tokens in full rows. Every
        token except the first of each row is a target. Tokens per second count batch x length.
decode  one step is a complete round: `sequences` prompts of 64 tokens are prefilled, then 192 tokens are chosen greedily for each, without
        an early end. Tokens per second count the chosen tokens. The time includes the prefill.

The figure is the median over the steps after one warm-up step. Memory is the process's peak resident set in units of 10^6 bytes,
including the interpreter and its libraries (about 300 MB).

The model is written for speed in eager PyTorch: one product for queries, keys and values and one for gate and up, PyTorch's
scaled_dot_product_attention, fused AdamW, keys and values in a preallocated cache. The head is tied to the embedding.
"""

import argparse
import json
import resource
import statistics
import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Size:
    layers: int
    hidden: int
    heads: int
    intermediate: int
    vocab: int
    batch: int
    length: int
    sequences: int


SIZES = {
    "S": Size(layers=6, hidden=256, heads=8, intermediate=768, vocab=64, batch=32, length=256, sequences=256),
    "M": Size(layers=12, hidden=768, heads=12, intermediate=2048, vocab=50257, batch=4, length=256, sequences=16),
    "L": Size(layers=24, hidden=1024, heads=16, intermediate=2816, vocab=32000, batch=2, length=512, sequences=8),
}
PROMPT, NEW = 64, 192
NORM_EPS, ROPE_THETA = 1e-5, 1e4


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, required=True)
    parser.add_argument("--mode", choices=["train", "decode"], required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=5, help="measured steps, after one warm-up step")
    parser.add_argument("--compile", action="store_true", help="train the model through torch.compile")
    parser.add_argument("--json", action="store_true", help="accepted for symmetry; the output is always JSON")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    size = SIZES[arguments.size]
    model = Llama(size)
    if arguments.compile:
        model = torch.compile(model)
    step, tokens = (training if arguments.mode == "train" else decoding)(model, size)
    seconds = []
    for _ in range(1 + arguments.steps):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    figures = {
        "engine": f"PyTorch {torch.__version__.split('+')[0]}",
        "size": arguments.size,
        "mode": arguments.mode,
        "threads": arguments.threads,
        "tokens": tokens,
        "seconds": statistics.median(seconds[1:]),
        "tokens_per_second": round(tokens / statistics.median(seconds[1:]), 2),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, 1),
    }
    print(json.dumps(figures))


def training(model, size):
    """Returns a training step and its number of tokens."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    ids = torch.randint(0, size.vocab, (size.batch, size.length))

    def step():
        logits = model(ids)[:, :-1]
        loss = F.cross_entropy(logits.reshape(-1, size.vocab), ids[:, 1:].reshape(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        assert loss.item() > 0

    return step, size.batch * size.length


def decoding(model, size):
    """Returns a round of greedy decoding and its number of chosen tokens."""
    prompts = torch.randint(0, size.vocab, (size.sequences, PROMPT))
    shape = (size.sequences, size.heads, PROMPT + NEW, size.hidden // size.heads)
    caches = [(torch.zeros(shape), torch.zeros(shape)) for _ in range(size.layers)]
    chosen = torch.zeros(size.sequences, NEW, dtype=torch.long)

    @torch.inference_mode()
    def step():
        ids, position = prompts, 0
        for i in range(NEW):
            logits = model(ids, caches, position, last_only=True)
            position += ids.shape[1]
            ids = logits.argmax(-1)
            chosen[:, i] = ids[:, 0]

    return step, size.sequences * NEW


class Llama(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.embedding = nn.Embedding(size.vocab, size.hidden)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.blocks = nn.ModuleList(Block(size) for _ in range(size.layers))
        self.norm = nn.RMSNorm(size.hidden, eps=NORM_EPS)
        width = size.hidden // size.heads
        frequencies = ROPE_THETA ** (-torch.arange(0, width, 2) / width)
        angles = torch.outer(torch.arange(size.length + 1), frequencies).repeat(1, 2)  # [positions, width]
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, ids, caches=None, position=0, last_only=False):
        """Token ids [sequences, tokens] at `position` and on, to logits [sequences, tokens or 1, vocab]."""
        x = self.embedding(ids)
        rotation = (self.cos[position : position + ids.shape[1]], self.sin[position : position + ids.shape[1]])
        for i, block in enumerate(self.blocks):
            x = block(x, rotation, caches[i] if caches else None, position)
        if last_only:
            x = x[:, -1:]
        return F.linear(self.norm(x), self.embedding.weight)


class Block(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.heads = size.heads
        self.attention_norm = nn.RMSNorm(size.hidden, eps=NORM_EPS)
        self.qkv = nn.Linear(size.hidden, 3 * size.hidden, bias=False)
        self.output = nn.Linear(size.hidden, size.hidden, bias=False)
        self.mlp_norm = nn.RMSNorm(size.hidden, eps=NORM_EPS)
        self.gate_up = nn.Linear(size.hidden, 2 * size.intermediate, bias=False)
        self.down = nn.Linear(size.intermediate, size.hidden, bias=False)

    def forward(self, x, rotation, cache, position):
        x = x + self.attend(self.attention_norm(x), rotation, cache, position)
        gate, up = self.gate_up(self.mlp_norm(x)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up)

    def attend(self, x, rotation, cache, position):
        sequences, tokens, hidden = x.shape
        q, k, v = self.qkv(x).view(sequences, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # each [sequences, heads, tokens, width]
        q, k = rotate(q, *rotation), rotate(k, *rotation)
        if cache:
            keys, values = cache
            end = position + tokens
            keys[:, :, position:end], values[:, :, position:end] = k, v
            k, v = keys[:, :, :end], values[:, :, :end]
        y = F.scaled_dot_product_attention(q, k, v, is_causal=tokens > 1)
        return self.output(y.transpose(1, 2).reshape(sequences, tokens, hidden))


def rotate(x, cos, sin):
    left, right = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-right, left], dim=-1) * sin


if __name__ == "__main__":
    main()
