"""Measures starloop and comparable programs (peers), and writes the figures into docs/benchmarks.md, section by section.

    cargo build --release
    python bench/run.py                                      all sections
    python bench/run.py training-S sampling-greedy           only these
    python bench/run.py fine-tuning --quick --output /tmp/benchmarks.md      small settings, to check that everything runs

The Python needs bench/peers/requirements.txt; the peers run with the same Python. In every section starloop and its peers alternate
(A B C A B C ...), so that busy phases of the machine affect all of them. A section replaces only the text between its own markers. If a peer
cannot run, its row says so.
"""

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import page
from sections import decoding, fine_tuning, growth, ideas, long_job, products, sampling, star_iteration, training_step

ROOT = Path(__file__).resolve().parent.parent
SECTIONS = {
    "training-S": lambda settings: training_step.measure(settings, "S", steps=6),
    "training-M": lambda settings: training_step.measure(settings, "M", steps=2),
    "training-L": lambda settings: training_step.measure(settings, "L", steps=1),
    "products": products.measure,
    "decoding": decoding.measure,
    "fine-tuning": fine_tuning.measure,
    "sampling-greedy": lambda settings: sampling.measure(settings, temperature=0.0, samples=1),
    "sampling-temperature": lambda settings: sampling.measure(settings, temperature=0.7, samples=4),
    "sampling-checkpoint": sampling.measure_checkpoint,
    "ideas": ideas.measure,
    "long-job": long_job.measure,
    "star-iteration": star_iteration.measure,
    "growth-parameters": growth.measure_parameters,
    "growth-context": growth.measure_context,
    "growth-batch": growth.measure_batch,
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
        text = SECTIONS[name](settings)
        minutes = (time.monotonic() - began) / 60
        command = f"python bench/run.py {name} --rounds {settings.rounds}{' --quick' if settings.quick else ''}"
        text += f"\n\n{page.machine()}, {settings.threads} threads. Made by `{command}` in {minutes:.0f} minutes."
        print(text)
        page.write_section(output, name, text)


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
    for path, maker in ((arguments.data, "starloop get data gsm8k"), (arguments.base, "starloop pretrain words --out bases/words")):
        if not path.exists():
            parser.error(f"{path} does not exist; create it with `{maker}`, or name another one (--data, --base)")
    names = arguments.sections or [name for name in SECTIONS if name != "sampling-checkpoint" or arguments.checkpoint]
    if "sampling-checkpoint" in names and not arguments.checkpoint:
        parser.error("sampling-checkpoint needs --checkpoint")
    shared = {key: value for key, value in vars(arguments).items() if key not in ("sections", "output")}
    settings = Settings(docs=arguments.output.parent, **shared)
    return names, settings, arguments.output


if __name__ == "__main__":
    main()
