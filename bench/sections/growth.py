"""Growth of starloop's cost with parameters, context and batch, in tables and plots. There is no peer; each point is one run."""

from dataclasses import replace

import page
import plot
from alternate import Engine, alternate, starloop

# Layers, hidden, heads, intermediate; 64 columns in a head, the gated layer 8/3 as wide as the hidden size.
MODELS = [
    (4, 128, 2, 384),
    (4, 256, 4, 768),
    (8, 384, 6, 1152),
    (12, 640, 10, 1728),
    (12, 896, 14, 2432),
    (18, 1088, 17, 2880),
    (25, 1280, 20, 3456),
]
VOCABULARY = 1024
CONTEXTS = [128, 256, 512, 1024, 2048, 4096]
BATCHES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]


def measure_parameters(settings):
    def cells(model):
        layers, hidden, heads, intermediate = model
        shape = ["--layers", layers, "--hidden", hidden, "--heads", heads, "--intermediate", intermediate, "--vocabulary", VOCABULARY]
        return {
            "training": [*shape, "--mode", "train", "--batch", 4, "--length", 256],
            "sampling": [*shape, "--mode", "decode", "--sequences", 16, "--prompt", 16, "--new-tokens", 48],
        }

    points = measure(settings, MODELS[:2] if settings.quick else MODELS, cells)
    points = [(runs["training"].figures["parameters"] / 1e6, runs) for _, runs in points]
    text = "Training steps of 4x256 tokens; sampling 48 tokens for each of 16 prompts of 16 tokens, greedy."
    return show(settings, "parameters", "parameters, millions", points, text)


def measure_context(settings):
    def cells(context):
        prompt = ["--mode", "decode", "--sequences", 16, "--prompt", context - 64]
        return {
            "training": ["--mode", "train", "--batch", 8192 // context, "--length", context],
            "prompts": [*prompt, "--new-tokens", 1],
            "sampling": [*prompt, "--new-tokens", 64],
        }

    points = measure(settings, CONTEXTS[:2] if settings.quick else CONTEXTS, cells)
    for context, runs in points:
        prompts, sampling = runs["prompts"], runs["sampling"]
        # The time of the prompts was measured, so the rest is decoding.
        runs["sampling"] = replace(sampling, tokens=16 * 63, seconds=max(sampling.seconds - prompts.seconds, 1e-9))
        runs["prompts"] = replace(prompts, tokens=16 * (context - 64))
    text = "At S: training steps of 8,192 tokens; 16 different prompts that fill the context except for 64 tokens, then 64 sampled tokens, greedy."
    return show(settings, "context", "context, tokens", points, text)


def measure_batch(settings):
    def cells(batch):
        return {
            "training": ["--mode", "train", "--batch", batch, "--length", 128, "--micro-batch-tokens", 4096],
            "sampling": ["--mode", "decode", "--sequences", batch, "--prompt", 64, "--new-tokens", 64],
        }

    points = measure(settings, BATCHES[:3] if settings.quick else BATCHES, cells)
    text = "At S: training rows of 128 tokens, 4,096 tokens at once; sampling 64 tokens for each prompt of 64 tokens, greedy."
    return show(settings, "batch", "rows or sequences", points, text)


def measure(settings, values, cells):
    """Returns, for each value, the run of each of its cells."""
    points = []
    for value in values:
        runs = {}
        for name, cell in cells(value).items():
            engine = Engine(f"{name} at {value}", starloop(settings, "bench", *cell, "--steps", 1, "--json"))
            alternate([engine], replace(settings, rounds=1))
            runs[name] = engine.runs[0]
        points.append((value, runs))
    return points


def show(settings, name, axis, points, text):
    plot.draw(settings.docs / f"growth-{name}.svg", axis, points)
    kinds = list(points[0][1])
    head = [f">{axis}", *(f">{kind}, tokens/s" for kind in kinds), *(f">{kind}, peak MB" for kind in kinds)]
    rows = []
    for value, runs in points:
        rates = [f"{runs[kind].rate:,.0f}" for kind in kinds]
        rows.append([f"{value:,.1f}" if isinstance(value, float) else f"{value:,}", *rates, *(f"{runs[kind].peak_mb:,.0f}" for kind in kinds)])
    busy = page.warning([run for _, runs in points for run in runs.values()])
    return f"{text}\n\n{page.table(head, rows)}{busy}\n\n![Rate and memory against {axis}](growth-{name}.svg)"
