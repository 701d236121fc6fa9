"""The verdicts as a reward of TRL's GRPOTrainer. Runs with STARLOOP_TRL=1, in an environment with examples/python/requirements.txt."""

import os
import pathlib
import subprocess
import sys

import pytest

EXAMPLE = pathlib.Path(__file__).resolve().parents[3] / "examples" / "python" / "grpo.py"


@pytest.mark.skipif("STARLOOP_TRL" not in os.environ, reason="STARLOOP_TRL is not set: TRL needs PyTorch")
def test_grpo_trains_on_the_verdicts(tmp_path):
    run = subprocess.run([sys.executable, EXAMPLE, "--steps", "3", "--out", tmp_path / "grpo"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    line = next(line for line in run.stdout.splitlines() if line.startswith("mean reward of each step: "))
    rewards = [float(value) for value in line.split(": ")[1].split()]
    # The shipped model knows sums of one digit, so verdicts that are read wrongly would show here.
    assert len(rewards) == 3 and min(rewards) > 0.5, rewards
