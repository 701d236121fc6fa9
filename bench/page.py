"""The page of figures: tables, and sections between markers."""

import platform
import sys
from pathlib import Path

from alternate import BUSY, median


def table(head, rows):
    """Returns a Markdown table. A column whose head begins with `>` is aligned to the right."""
    rule = ["--:" if cell.startswith(">") else "---" for cell in head]
    lines = [[cell.lstrip(">") for cell in head], rule, *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def comparison(engines, more=(), by_seconds=False):
    """Returns a table with a row for each engine: median and range of the rate, starloop's (the first engine's) speed as a multiple, and memory.
    `more` has further columns as pairs of a head and a function of the engine. With `by_seconds`, it compares times."""
    ours = engines[0]
    rows = []
    measured = lambda engine: [run.seconds for run in engine.runs] if by_seconds else engine.rates()
    for engine in engines:
        if engine.failure:
            rows.append([engine.name, engine.failure, *[""] * (2 + len(more))])
            continue
        times = "" if engine is ours else f"{advantage(ours, engine, by_seconds):.2f}"
        rows.append([engine.name, spread(measured(engine)), times, f"{engine.peak_mb():,.0f}", *(cell(engine) for _, cell in more)])
    measured_runs = [run for engine in engines for run in engine.runs]
    compared = table(["engine", ">seconds" if by_seconds else ">tokens/s", ">starloop is N times as fast", ">peak MB", *(head for head, _ in more)], rows)
    return compared + warning(measured_runs)


def advantage(ours, theirs, by_seconds=False):
    """Returns the speed as a multiple of the other engine's: the median over rounds, because a busy phase lasts longer than a round."""
    pairs = zip(ours.runs, theirs.runs, strict=True)
    return median([their.seconds / our.seconds if by_seconds else our.rate / their.rate for our, their in pairs])


def warning(runs):
    """Returns a warning about runs during which other processes used the machine."""
    disturbed = [run.others for run in runs if run.others > BUSY]
    if not disturbed:
        return ""
    return f"\n\n**Unreliable:** in {len(disturbed)} of {len(runs)} runs, other processes used up to {max(disturbed):.1f} cores."


def spread(values):
    """Returns median and range as text."""
    digits = 1 if max(values) < 100 else 0
    middle, low, high = (f"{value:,.{digits}f}" for value in (median(values), min(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({low}..{high})"


def machine():
    """Returns the processor and the number of cores, as Linux reports them."""
    try:
        models = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    except OSError:
        models = []
    return f"{len(models)} logical cores, {models[0]}{vectors()}" if models else platform.processor() or "Unknown processor"


def vectors():
    """Returns the widest vector instructions of the processor, as Linux reports them."""
    words = Path("/proc/cpuinfo").read_text().split()
    return next((f" with {name}" for flag, name in [("avx512f", "AVX-512"), ("avx2", "AVX2 only")] if flag in words), "")


def write_section(path, name, text):
    """Writes `text` between the section's markers, or with new markers at the end of the page."""
    begin, end = f"<!-- begin {name}: written by bench/run.py -->", f"<!-- end {name} -->"
    block = f"{begin}\n{text}\n{end}"
    page = path.read_text() if path.exists() else "# Benchmarks\n"
    if begin in page:
        before, rest = page.split(begin, 1)
        if end not in rest:
            sys.exit(f"{path}: {begin} has no {end}")
        page = before + block + rest.split(end, 1)[1]
    else:
        page = f"{page.rstrip()}\n\n{block}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_name(path.name + ".partial")
    written.write_text(page)
    written.replace(path)
