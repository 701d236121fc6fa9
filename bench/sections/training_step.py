"""A training step of a random llama, compared with PyTorch: eager with fused attention and fused AdamW, and compiled."""

import page
from alternate import Engine, alternate, median, peer, starloop

# Layers, hidden, intermediate, vocabulary, tokens of a row; S, M and L of `starloop bench` and peers/pytorch_llama.py.
SHAPES = {"S": (6, 256, 768, 64, 256), "M": (12, 768, 2048, 50257, 256), "L": (24, 1024, 2816, 32000, 512)}


def measure(settings, size, steps):
    steps = 1 if settings.quick else steps
    cell = ["--size", size, "--mode", "train", "--steps", steps, "--json"]
    script = ["--threads", settings.threads, *cell]
    engines = [
        Engine("starloop", starloop(settings, "bench", *cell)),
        Engine("PyTorch eager", peer("pytorch_llama.py", *script)),
        Engine("PyTorch compiled", peer("pytorch_llama.py", *script, "--compile")),
    ]
    engines = alternate(engines, settings)
    work = flops_per_token(*SHAPES[size])
    rate = (">GFLOP/s", lambda engine: f"{median(engine.rates()) * work / 1e9:,.0f}")
    return f"""Training step at {size}, f32: {work / 1e6:,.1f} MFLOP a token, with attention counted at half. Medians of {settings.rounds} runs of
{steps} measured step(s) after one warm-up step; the brackets have the range of the runs.

{page.comparison(engines, [rate])}"""


def flops_per_token(layers, hidden, intermediate, vocabulary, length):
    """Returns the multiplications and additions of a token in the forward and backward pass: 6 for each weight of a matrix, and causal attention."""
    weights = layers * (4 * hidden * hidden + 3 * hidden * intermediate) + vocabulary * hidden
    return 6 * weights + 6 * layers * hidden * length
