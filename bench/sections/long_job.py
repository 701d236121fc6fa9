"""A long sampling job: are its rate and its memory constant?"""

from dataclasses import replace

import material
import page
from alternate import Engine, alternate, starloop


def measure(settings):
    problems = 200 if settings.quick else 10_000
    requests, prefix = material.requests(settings, problems, 1, again=True)
    model = settings.base
    engine = Engine("starloop", starloop(settings, "bench", "--mode", "sample", "--model", model, "--requests", requests, "--temperature", 0.7, "--json"))
    alternate([engine], replace(settings, rounds=1))
    tenths = engine.runs[0].figures["tenths"]
    rows = [[f"{10 * (i + 1)}%", f"{t['tokens_per_second']:,.0f}", f"{t['memory_mb']:,.0f}"] for i, t in enumerate(tenths)]
    rates = [tenth["tokens_per_second"] for tenth in tenths]
    return f"""{problems:,} requests in one job, GSM8K's questions behind one prefix of {prefix:,} tokens (the list of questions repeats if it is too short), temperature 0.7, the words base
(2.6M parameters): {engine.runs[0].rate:,.0f} tokens a second over {engine.runs[0].seconds:,.0f} seconds. The slowest tenth has {min(rates) / max(rates):.0%} of the rate of the fastest.

{page.table(["finished", ">tokens/s in this tenth", ">resident MB"], rows)}{page.warning(engine.runs)}"""
