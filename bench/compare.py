"""Runs starloop and a peer in alternation (A B A B ...) and writes the medians side by side into docs/benchmarks.md.

    cargo build --release
    python compare.py --starloop ../target/release/starloop --sizes S M --modes train decode --threads 1 2 --rounds 3

Every engine is a command that takes `--size S --mode train --threads 2 --steps N --json` and prints one JSON line with `engine`, `size`,
`mode`, `threads`, `tokens_per_second` and `peak_memory_mb`: `starloop bench`, and the scripts in peers/ (whose heads say what is measured).
Alternation spreads a machine's moods over both. The table replaces what stands between the section's markers in the output file, so
running it again never adds a second one; --section names several sections apart.
"""

import argparse
import json
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PEER = f"{shlex.quote(sys.executable)} {shlex.quote(str(HERE / 'peers' / 'pytorch_llama.py'))}"
KEYS = {"engine", "size", "mode", "threads", "tokens_per_second", "peak_memory_mb"}


def main():
    arguments = parse_arguments()
    rows = []
    for size in arguments.sizes:
        for mode in arguments.modes:
            for threads in arguments.threads:
                cell = ["--size", size, "--mode", mode, "--threads", str(threads), "--steps", str(arguments.steps), "--json"]
                rows.append(alternate(shlex.split(arguments.starloop) + ["bench"], shlex.split(arguments.peer), cell, arguments.rounds))
    text = section(arguments, rows)
    print(text)
    write_between_markers(arguments.output, arguments.section, text)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starloop", required=True, help="the starloop command; `bench` is appended")
    parser.add_argument("--peer", default=PEER, help="the peer's command (default: peers/pytorch_llama.py with this Python)")
    parser.add_argument("--sizes", nargs="+", default=["S", "M"])
    parser.add_argument("--modes", nargs="+", default=["train", "decode"])
    parser.add_argument("--threads", nargs="+", type=int, default=[2])
    parser.add_argument("--steps", type=int, default=5, help="measured steps of each run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each engine")
    parser.add_argument("--section", default="pytorch", help="the name in the markers")
    parser.add_argument("--output", type=Path, default=HERE.parent / "docs" / "benchmarks.md")
    return parser.parse_args()


def alternate(ours, peer, cell, rounds):
    """One row: (our runs, the peer's runs), each a list of figures."""
    pairs = []
    for number in range(rounds):
        pairs.append((measure(ours + cell), measure(peer + cell)))
        speeds = " against ".join(f"{run['engine']} {run['tokens_per_second']:.0f} tok/s" for run in pairs[-1])
        print(f"{' '.join(cell)}, round {number + 1}: {speeds}", file=sys.stderr)
    return [list(runs) for runs in zip(*pairs)]


def measure(command):
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if result.returncode != 0:
        sys.exit(f"{shlex.join(command)}: exit code {result.returncode}")
    figures = json.loads(result.stdout.strip().splitlines()[-1])
    if missing := KEYS - figures.keys():
        sys.exit(f"{shlex.join(command)}: no {sorted(missing)} in its output")
    return figures


def section(arguments, rows):
    ours, peer = rows[0][0][0]["engine"], rows[0][1][0]["engine"]
    lines = [
        f"{ours} beside {peer}: medians of {arguments.rounds} runs each, in alternation, of {arguments.steps} measured steps a run; "
        f"the range of the runs in brackets. {processor()}.",
        "",
        f"| size | mode | threads | {ours}, tokens/s | {peer}, tokens/s | ratio | {ours}, peak MB | {peer}, peak MB |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for a, b in rows:
        cell = a[0]
        speeds = [[run["tokens_per_second"] for run in runs] for runs in (a, b)]
        memory = [max(run["peak_memory_mb"] for run in runs) for runs in (a, b)]
        ratio = statistics.median(speeds[0]) / statistics.median(speeds[1])
        lines.append(
            f"| {cell['size']} | {cell['mode']} | {cell['threads']} | {spread(speeds[0])} | {spread(speeds[1])} | {ratio:.2f} "
            f"| {memory[0]:,.0f} | {memory[1]:,.0f} |"
        )
    command = (
        f"python bench/compare.py --starloop target/release/starloop --sizes {' '.join(arguments.sizes)} --modes {' '.join(arguments.modes)} "
        f"--threads {' '.join(map(str, arguments.threads))} --steps {arguments.steps} --rounds {arguments.rounds} --section {arguments.section}"
    )
    return "\n".join([*lines, "", f"Made by `{command}`."])


def spread(values):
    return f"{statistics.median(values):,.0f} ({min(values):,.0f}..{max(values):,.0f})"


def processor():
    """What the figures were measured on, as far as Linux tells."""
    try:
        models = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    except OSError:
        models = []
    return f"{len(models)} logical cores, {models[0]}" if models else "Unknown processor"


def write_between_markers(path, name, text):
    begin, end = f"<!-- begin {name}: written by bench/compare.py -->", f"<!-- end {name} -->"
    block = f"{begin}\n{text}\n{end}\n"
    page = path.read_text() if path.exists() else "# Benchmarks\n"
    if begin in page:
        before, rest = page.split(begin, 1)
        if end not in rest:
            sys.exit(f"{path}: {begin} has no {end}")
        page = before + block + rest.split(end, 1)[1].removeprefix("\n")
    else:
        page = page.rstrip("\n") + "\n\n" + block
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page)


if __name__ == "__main__":
    main()
