"""What the engines work on, made once: GSM8K as pairs to learn and as requests to answer, and checkpoints."""

import json
import math
import shutil
import subprocess

from alternate import peer
from tokenizers import Tokenizer

# Rows of the data: the worked examples are chosen among the first, the questions follow.
CANDIDATES, QUESTIONS = 200, 256
WORKED_EXAMPLES = 10
# About 1,000 tokens in all.
WORKED_EXAMPLE_TOKENS = 100
MAX_NEW_TOKENS = 128


def rows(settings, count, first=0, again=False):
    """Rows of the data; with `again` from the first on once more where they do not suffice."""
    lines = settings.data.read_text().splitlines()[first:]
    lines = (lines * (count // len(lines) + 1 if again else 1))[:count]
    if len(lines) < count:
        raise SystemExit(f"{settings.data} has fewer than {first + count} rows")
    return [json.loads(line) for line in lines]


def pairs(settings, count):
    """A file of prompts and completions from the first `count` rows."""
    path = settings.scratch / f"pairs-{count}.jsonl"
    with path.open("w") as file:
        for row in rows(settings, count):
            json.dump({"prompt": f"Q: {row['question']}\nA:", "completion": f" {row['answer']}"}, file)
            file.write("\n")
    return path


def requests(settings, count, samples, again=False):
    """A file of `count` questions behind one prefix of ten worked examples, each asked `samples` times with seeds of its own. Each
    request may generate as many tokens as its reference solution has, at most 128: ragged, and the same work for every engine."""
    tokenizer = Tokenizer.from_file(str(settings.base / "tokenizer.json"))
    length = lambda text: len(tokenizer.encode(text).ids)
    solved = [f"Q: {row['question']}\nA: {row['answer']}\n\n" for row in rows(settings, CANDIDATES)]
    prefix = "".join(sorted(solved, key=lambda text: abs(length(text) - WORKED_EXAMPLE_TOKENS))[:WORKED_EXAMPLES])
    path = settings.scratch / f"requests-{count}x{samples}.jsonl"
    with path.open("w") as file:
        for number, row in enumerate(rows(settings, count, CANDIDATES, again)):
            prompt = tokenizer.encode(f"{prefix}Q: {row['question']}\nA:").ids
            new = min(length(f" {row['answer']}") + 1, MAX_NEW_TOKENS)
            for sample in range(samples):
                json.dump({"prompt_token_ids": prompt, "max_new_tokens": new, "seed": number * samples + sample}, file)
                file.write("\n")
    return path, length(prefix)


def endless(settings, checkpoint):
    """A copy of a checkpoint without an end token, so that requests end where they are told to."""
    copy = settings.scratch / f"{checkpoint.name}-endless"
    if copy.exists():
        shutil.rmtree(copy)
    copy.mkdir(parents=True)
    for name in ("model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(checkpoint / name, copy / name)
    config = json.loads((checkpoint / "config.json").read_text())
    config["eos_token_id"] = 2**32 - 1  # none of the vocabulary; the peers are told to ignore it
    (copy / "config.json").write_text(json.dumps(config, indent=2))
    return copy


def parameters(checkpoint):
    """How many numbers a checkpoint's file holds."""
    with (checkpoint / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def random_llama(settings, name, layers, hidden, heads, intermediate):
    """A llama with random weights and the tokenizer of the base. A process of its own makes it: what this one holds would count as the peak
    memory of every process that it starts afterwards."""
    path = settings.scratch / f"random-{name}"
    if not (path / "model.safetensors").exists():
        shape = ["--layers", layers, "--hidden", hidden, "--heads", heads, "--intermediate", intermediate]
        subprocess.run(peer("random_llama.py", "--like", settings.base, "--out", path, *shape), check=True)
    return path
