"""Fine-tuning on real packed data: `starloop train` and TRL's SFTTrainer with the same checkpoint, rows, steps and learning rate."""

import material
import page
from alternate import Engine, alternate, peer, starloop

ROWS, LENGTH, BATCH = 2000, 1024, 8
LEARNING_RATE = 1e-4


def measure(settings):
    steps = 2 if settings.quick else 20
    model = material.random_llama(settings, "S", layers=6, hidden=256, heads=8, intermediate=768)
    data = material.pairs(settings, ROWS)
    out = settings.scratch / "tuned"
    given = ["--model", model, "--data", data, "--steps", steps, "--learning-rate", LEARNING_RATE]
    command = starloop(settings, "train", *given, "--out", out, "--batch-size", BATCH, "--sequence-length", LENGTH)
    command += ["--set", "warmup_steps=0", "--set", "schedule=constant", "--json"]
    trl = ["trl_sft.py", *given, "--length", LENGTH, "--batch-size", BATCH, "--threads", settings.threads]

    engines = [
        Engine("starloop train", command, read=lambda elapsed: {"seconds": elapsed}, leftover=out),
        Engine("TRL, packed", peer(*trl, "--packing")),
        Engine("TRL, packed, compiled", peer(*trl, "--packing", "--compile")),
        Engine("TRL, padding-free", peer(*trl, "--padding-free")),
    ]
    engines = alternate(engines, settings)
    loss = (">last loss", lambda engine: f"{engine.runs[0].figures.get('final_loss', float('nan')):.3f}")
    return f"""{ROWS:,} training rows of GSM8K, packed to {LENGTH:,} tokens, {BATCH} rows a step, {steps} steps, f32, learning rate {LEARNING_RATE}; a llama of 6
layers and width 256 with random weights and a byte-pair tokenizer of 4,096. The time runs from reading the files to the saved checkpoint:
starloop's whole process, and TRL's without the seconds of Python's imports. Tokens are those of examples, without padding. With TRL's bfd packing,
documents are kept apart only with `padding-free` and an attention that respects positions; starloop always keeps them apart. The loss is the mean over the
last tenth of the steps.

{page.comparison(engines, [loss])}"""
