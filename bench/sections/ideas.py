"""The gain of each idea in the sampler: the same requests without it."""

import material
import page
from alternate import Engine, alternate, run, starloop
from sections.sampling import nothing

WITHOUT = {
    "prefix-sharing": "without shared prefixes: every prompt is computed completely",
    "continuous-batching": "without continuous batching: a batch waits for its longest sequence",
    "chunked-prefill": "without chunked prefill: every prompt is computed in one piece",
}


def measure(settings):
    questions = 8 if settings.quick else material.QUESTIONS
    requests, prefix = material.requests(settings, questions, 1)
    model = material.random_llama(settings, "S", layers=6, hidden=256, heads=8, intermediate=768)
    halves = settings.scratch / "random-S-f16"
    convert = starloop(settings, "model", "convert", model, halves, "--dtype", "f16")
    conversion = Engine("conversion", convert, read=nothing, leftover=halves)
    run(conversion)
    ours = lambda name, model, *more: Engine(
        name, starloop(settings, "bench", "--mode", "sample", "--model", model, "--requests", requests, "--json", *more)
    )
    half_weights = ours("with weights of 16 bits", halves)
    half_weights.failure = conversion.failure
    engines = [
        ours("starloop unchanged, f32", model),
        *(ours(text, model, "--without", idea) for idea, text in WITHOUT.items()),
        ours("with keys and values of 16 bits", model, "--kv-cache", "f16"),
        half_weights,
    ]
    return f"""{questions} questions of GSM8K behind one prefix of {prefix:,} tokens, greedy, a random llama of 6 layers and width 256. Each row answers the same requests with one change.

{page.comparison(alternate(engines, settings))}

Two ideas have no row. starloop does not pack weights once: copying them takes only 5% of a decoding step ([experiments](experiments.md#the-engine)).
Attention over the cache has only one form, which computes scores, softmax and sum of a row together, so there is nothing to compare it with."""
