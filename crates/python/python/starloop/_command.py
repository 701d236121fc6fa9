"""The command ``starloop``: the whole program, run in this process."""

import sys

from ._starloop import run_command


def main() -> None:
    """Runs the command line of this process."""
    sys.exit(run_command(["starloop", *sys.argv[1:]]))
