"""Running engines in turn, with the peak memory of each process."""

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

# Cores in use by others from which on a run is not worth much. Engines whose threads spin at barriers (llama.cpp) lose a factor of twenty to one
# busy neighbour, others a few percent, so a busy machine does not slow all alike.
BUSY = 0.1


@dataclass
class Run:
    """One process that ended well."""

    tokens: float  # or what else is counted
    seconds: float
    peak_mb: float  # largest resident set, in units of 10^6 bytes
    others: float  # cores that were busy with something else meanwhile
    figures: dict  # all that it printed

    @property
    def rate(self):
        return self.tokens / self.seconds


@dataclass
class Engine:
    """A contender: what it is called, how it is run, and what it did each time."""

    name: str
    command: list[str]
    # Figures of a process, from its seconds of wall-clock time, where it prints no `tokens` and `seconds` of its own.
    read: Callable[[float], dict] | None = None
    # What a process leaves behind and the next one must not find.
    leftover: Path | None = None
    runs: list[Run] = field(default_factory=list)
    failure: str | None = None
    unit: str = "tokens/s"

    def rates(self):
        return [run.rate for run in self.runs]

    def peak_mb(self):
        return max(run.peak_mb for run in self.runs)


def starloop(settings, *arguments):
    """A command line of starloop."""
    return [settings.starloop, "--quiet", "--threads", str(settings.threads), *map(str, arguments)]


def peer(script, *arguments, python=sys.executable):
    """A command line of a script in peers/."""
    return [python, str(PEERS / script), *map(str, arguments)]


def alternate(engines, settings):
    """Runs every engine once, then again, for so many rounds. The first is starloop, which must not fail. Returns those that were wanted."""
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
                said += f"; {engine.runs[-1].others:.1f} cores were busy with something else"
            print(f"round {number + 1}, {engine.name}: {said}", file=sys.stderr)
    return wanted


def run(engine):
    if engine.leftover is not None:
        shutil.rmtree(engine.leftover, ignore_errors=True)
    with tempfile.TemporaryFile("w+") as stdout:
        began, busy = time.monotonic(), busy_seconds()
        process = subprocess.Popen(engine.command, stdout=stdout)
        # Not Popen.wait: only this tells the peak memory.
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
    # A peer that starts a server knows better than we whose memory counts.
    peak_mb = figures.get("peak_memory_mb", usage.ru_maxrss * 1024 / 1e6)
    work = figures["gflop"] if "gflop" in figures else figures["tokens"]
    engine.runs.append(Run(work, figures["seconds"], peak_mb, others, figures))


def busy_seconds():
    """Seconds that all cores together have worked since the start; 0 where the system does not tell."""
    try:
        words = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    except OSError:
        return 0.0
    user, nice, system, _idle, _iowait, irq, softirq = map(int, words[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def median(values):
    return statistics.median(values)
