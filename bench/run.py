"""Measures starloop and comparable programs (peers), and writes the figures into docs/benchmarks.md, section by section.

    cargo build --release
    python bench/run.py                                      all sections
    python bench/run.py training-S sampling-greedy           only these
    python bench/run.py fine-tuning --quick --output /tmp/benchmarks.md      small settings, to check that everything runs

Nothing is installed or downloaded. Before the first measurement, the program lists the missing files, which a section cannot do without, and the
missing packages of bench/peers/requirements.txt; the peers run with the same Python, and a peer without its packages is not measured. In every section starloop and its peers alternate
(A B C A B C ...), so that busy phases of the machine affect all of them. A section replaces only the text between its own markers. If a peer
cannot run, its row says so.
"""

import argparse
import importlib
import importlib.metadata
import importlib.util
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import page

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Section:
    """A part of the page, and the options that name the files that it needs."""

    measure: Callable
    needs: tuple = ()


def call(module, function="measure", **keywords):
    """Returns a call of a function of `sections`. The module is imported when it is called, because some need packages."""
    return lambda settings: getattr(importlib.import_module(f"sections.{module}"), function)(settings, **keywords)


# Questions are of GSM8K, and the tokenizer is that of the base.
QUESTIONS = ("data", "base")
SECTIONS = {
    "training-S": Section(call("training_step", size="S", steps=6)),
    "training-M": Section(call("training_step", size="M", steps=2)),
    "training-L": Section(call("training_step", size="L", steps=1)),
    "products": Section(call("products")),
    "decoding": Section(call("decoding")),
    "fine-tuning": Section(call("fine_tuning"), QUESTIONS),
    "sampling-greedy": Section(call("sampling", temperature=0.0, samples=1), QUESTIONS),
    "sampling-temperature": Section(call("sampling", temperature=0.7, samples=4), QUESTIONS),
    "sampling-checkpoint": Section(call("sampling", "measure_checkpoint"), (*QUESTIONS, "checkpoint")),
    "ideas": Section(call("ideas"), QUESTIONS),
    "long-job": Section(call("long_job"), QUESTIONS),
    "star-iteration": Section(call("star_iteration")),
    "growth-parameters": Section(call("growth", "measure_parameters")),
    "growth-context": Section(call("growth", "measure_context")),
    "growth-batch": Section(call("growth", "measure_batch")),
}
MAKERS = {
    "data": "create it with `starloop get data gsm8k`, or name another one with --data",
    "base": "create it with `starloop pretrain words --out bases/words`, or name another one with --base",
    "checkpoint": "name a pretrained checkpoint with --checkpoint",
}


@dataclass(frozen=True)
class Settings:
    """Settings of all sections."""

    starloop: str  # the program
    threads: int
    rounds: int  # runs of each engine; growth has no peer and runs once
    quick: bool  # a small part of the work, only to check that it runs
    data: Path  # GSM8K's train.jsonl
    base: Path  # a small checkpoint with a byte-pair tokenizer
    checkpoint: Path | None  # a pretrained one
    scratch: Path  # temporary files; may be removed
    docs: Path  # directory of the plots
    llama_server: str | None  # llama.cpp's own server
    vllm_python: str | None  # vLLM needs its own torch
    only: list[str]  # names of peers; empty for all


def main():
    names, settings, output = parse_arguments()
    settings.scratch.mkdir(parents=True, exist_ok=True)
    for name in names:
        print(f"== {name}", file=sys.stderr)
        began = time.monotonic()
        text = SECTIONS[name].measure(settings)
        minutes = (time.monotonic() - began) / 60
        command = f"python bench/run.py {name} --rounds {settings.rounds}{' --quick' if settings.quick else ''}"
        text += f"\n\n{page.machine()}, {settings.threads} threads. Made by `{command}` in {minutes:.0f} minutes."
        print(text)
        page.write_section(output, name, text)


def missing_files(names, arguments):
    """Returns a sentence for each file that a section needs and that is not there, and for the program itself."""
    paths = {"data": arguments.data, "base": arguments.base, "checkpoint": arguments.checkpoint}
    sentences = []
    if not Path(arguments.starloop).exists():
        sentences.append(f"{arguments.starloop} does not exist; build it with `cargo build --release`, or name the program with --starloop")
    for option, path in paths.items():
        users = [name for name in names if option in SECTIONS[name].needs]
        if users and (path is None or not path.exists()):
            sentences.append(f"{', '.join(users)}: {path or option} does not exist; {MAKERS[option]}")
    if any("data" in SECTIONS[name].needs for name in names) and importlib.util.find_spec("tokenizers") is None:
        sentences.append("the questions are counted in tokens, which needs the Python package tokenizers")
    return sentences


def missing_packages():
    """Returns the names in bench/peers/requirements.txt that this Python does not have."""
    lines = (ROOT / "bench" / "peers" / "requirements.txt").read_text().splitlines()
    names = [re.match(r"[A-Za-z0-9._-]+", line).group() for line in lines if re.match(r"[A-Za-z0-9]", line)]
    installed = {distribution.metadata["Name"].lower().replace("_", "-") for distribution in importlib.metadata.distributions()}
    return [name for name in names if name.lower().replace("_", "-") not in installed]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"one of {', '.join(SECTIONS)} (default: all)")
    parser.add_argument("--starloop", default=str(ROOT / "target" / "release" / "starloop"), help="the program")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3, help="runs of each engine")
    parser.add_argument("--quick", action="store_true", help="a small part of the work; the figures mean nothing")
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "gsm8k" / "train.jsonl", help="from `starloop get data gsm8k`")
    parser.add_argument("--base", type=Path, default=ROOT / "bases" / "words", help="from `starloop pretrain words --out bases/words`")
    parser.add_argument("--checkpoint", type=Path, help="a pretrained checkpoint for sampling-checkpoint, which is skipped without it")
    parser.add_argument("--scratch", type=Path, default=ROOT / "target" / "bench")
    parser.add_argument("--llama-server", help="llama.cpp's llama-server; without it only llama-cpp-python is measured")
    parser.add_argument("--vllm-python", help="a Python with vLLM's CPU build; without it vLLM is not measured")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="peers whose names contain one of these, besides starloop")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "benchmarks.md", help="the page; plots are written beside it")
    arguments = parser.parse_args()
    if unknown := set(arguments.sections) - SECTIONS.keys():
        parser.error(f"unknown section {', '.join(sorted(unknown))}; expected one of {', '.join(SECTIONS)}")
    names = arguments.sections or [name for name in SECTIONS if name != "sampling-checkpoint" or arguments.checkpoint]
    if missing := missing_files(names, arguments):
        parser.error("; ".join(missing))
    if packages := missing_packages():
        print(f"not installed, and not measured where a peer needs it: {', '.join(packages)} (bench/peers/requirements.txt)", file=sys.stderr)
    shared = {key: value for key, value in vars(arguments).items() if key not in ("sections", "output")}
    settings = Settings(docs=arguments.output.parent, **shared)
    return names, settings, arguments.output


if __name__ == "__main__":
    main()
