"""Inputs of the engines, created once: GSM8K as training pairs and as requests, and checkpoints."""

import json
import math
import subprocess

from alternate import peer
from tokenizers import Tokenizer

# Rows of the data: worked examples come from the first rows, questions from the next rows.
CANDIDATES, QUESTIONS = 200, 256
WORKED_EXAMPLES = 10
# About 1,000 tokens in all.
WORKED_EXAMPLE_TOKENS = 100
MAX_NEW_TOKENS = 128


def rows(settings, count, first=0, again=False):
    """Returns rows of the data. With `again`, the rows repeat if there are too few."""
    lines = settings.data.read_text().splitlines()[first:]
    lines = (lines * (count // len(lines) + 1 if again else 1))[:count]
    if len(lines) < count:
        raise SystemExit(f"{settings.data} has fewer than {first + count} rows")
    return [json.loads(line) for line in lines]


def pairs(settings, count):
    """Writes prompts and completions of the first `count` rows to a file."""
    path = settings.scratch / f"pairs-{count}.jsonl"
    with path.open("w") as file:
        for row in rows(settings, count):
            json.dump({"prompt": f"Q: {row['question']}\nA:", "completion": f" {row['answer']}"}, file)
            file.write("\n")
    return path


def requests(settings, count, samples, again=False):
    """Writes `count` questions after one prefix of ten worked examples to a file. Each question has `samples` requests with different
    seeds. A request generates as many tokens as its reference solution has, at most 128, so lengths differ and all engines do the same work."""
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


def parameters(checkpoint):
    """Returns the number of parameters in a checkpoint's file."""
    with (checkpoint / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def random_llama(settings, name, layers, hidden, heads, intermediate):
    """Creates a llama with random weights and the tokenizer of the base. A separate process does this, because this process's memory would
    count as the peak memory of every process that it starts later."""
    path = settings.scratch / f"random-{name}"
    if not (path / "model.safetensors").exists():
        shape = ["--layers", layers, "--hidden", hidden, "--heads", heads, "--intermediate", intermediate]
        subprocess.run(peer("random_llama.py", "--like", settings.base, "--out", path, *shape), check=True)
    return path
