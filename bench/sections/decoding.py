"""Decoding of a random llama with no early end, compared with a hand-written PyTorch loop over a preallocated cache. It measures arithmetic only."""

import page
from alternate import Engine, alternate, peer, starloop


def measure(settings):
    parts = []
    for size in ("S", "M"):
        cell = ["--size", size, "--mode", "decode", "--steps", 1, "--json"]
        engines = [
            Engine("starloop", starloop(settings, "bench", *cell)),
            Engine("PyTorch eager", peer("pytorch_llama.py", "--threads", settings.threads, *cell)),
        ]
        parts.append(f"Decoding at {size}:\n\n{page.comparison(alternate(engines, settings))}")
    return "Prompts of 64 tokens, 192 new ones each, greedy, f32, prefill inside the time.\n\n" + "\n\n".join(parts)
