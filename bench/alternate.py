"""Runs engines in alternation and measures the peak memory of each process."""

import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

PEERS = Path(__file__).resolve().parent / "peers"

# If other processes use more cores than this, a run is unreliable. Engines whose threads spin at barriers (llama.cpp) become twenty times slower
# with one busy neighbour, others a few percent. So a busy machine does not slow down all engines equally.
BUSY = 0.1


@dataclass
class Run:
    """One process that succeeded."""

    tokens: float  # or another unit of work
    seconds: float
    peak_mb: float  # largest resident set, in units of 10^6 bytes
    others: float  # cores that other processes used during the run
    figures: dict  # its whole output

    @property
    def rate(self):
        return self.tokens / self.seconds


@dataclass
class Engine:
    """A program in the comparison: its name, its command and its runs."""

    name: str
    command: list[str]
    # Computes the figures from the wall-clock seconds if the process prints no `tokens` and `seconds`.
    read: Callable[[float], dict] | None = None
    # A directory that a process leaves behind. It is removed before the next run.
    leftover: Path | None = None
    runs: list[Run] = field(default_factory=list)
    failure: str | None = None
    unit: str = "tokens/s"

    def rates(self):
        return [run.rate for run in self.runs]

    def peak_mb(self):
        return max(run.peak_mb for run in self.runs)


def starloop(settings, *arguments):
    """Returns a command line of starloop."""
    return [settings.starloop, "--quiet", "--threads", str(settings.threads), *map(str, arguments)]


def peer(script, *arguments, python=sys.executable):
    """Returns a command line of a script in peers/."""
    return [python, str(PEERS / script), *map(str, arguments)]


def alternate(engines, settings):
    """Runs all engines in alternation, `rounds` times. The first engine is starloop, which must not fail. Returns the selected engines."""
    ours, *others = engines
    wanted = [ours, *(engine for engine in others if not settings.only or any(name in engine.name for name in settings.only))]
    for number in range(settings.rounds):
        for engine in wanted:
            if engine.failure is None:
                run(engine)
            if ours.failure is not None:
                sys.exit(f"{shlex.join(ours.command)}: {ours.failure}")
            said = engine.failure or f"{engine.runs[-1].rate:,.0f} {engine.unit}, {engine.runs[-1].peak_mb:,.0f} MB"
            if engine.failure is None and engine.runs[-1].others > BUSY:
                said += f"; {engine.runs[-1].others:.1f} cores were used by other processes"
            print(f"round {number + 1}, {engine.name}: {said}", file=sys.stderr)
    return wanted


def run(engine):
    if engine.leftover is not None:
        shutil.rmtree(engine.leftover, ignore_errors=True)
    with tempfile.TemporaryFile("w+") as stdout:
        began, busy = time.monotonic(), busy_seconds()
        process = subprocess.Popen(engine.command, stdout=stdout)
        # os.wait4 reports the peak memory; Popen.wait does not.
        _, status, usage = os.wait4(process.pid, 0)
        elapsed = time.monotonic() - began
        others = max(0.0, busy_seconds() - busy - usage.ru_utime - usage.ru_stime) / elapsed
        process.returncode = os.waitstatus_to_exitcode(status)
        stdout.seek(0)
        lines = stdout.read().strip().splitlines()
    if process.returncode != 0:
        engine.failure = f"did not run (exit code {process.returncode})"
        engine.runs.clear()
        return
    figures = {}
    if lines and lines[-1].startswith("{"):
        figures = json.loads(lines[-1])
    if engine.read is not None:
        figures |= engine.read(elapsed)
    # A peer that starts a server reports the server's memory.
    peak_mb = figures.get("peak_memory_mb", usage.ru_maxrss * 1024 / 1e6)
    work = figures["gflop"] if "gflop" in figures else figures["tokens"]
    engine.runs.append(Run(work, figures["seconds"], peak_mb, others, figures))


def busy_seconds():
    """Returns the busy seconds of all cores since the system's start, or 0 if the system does not report them."""
    try:
        words = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    except OSError:
        return 0.0
    user, nice, system, _idle, _iowait, irq, softirq = map(int, words[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def median(values):
    return statistics.median(values)
