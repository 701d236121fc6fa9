"""Teach a language model to reason from its own right answers (STaR, Zelikman et al. 2022).

Everything here computes the same as the command ``starloop``, which this package contains. docs/python.md has examples.
"""

from ._errors import (
    Cancelled,
    ConfigError,
    FileError,
    ModelError,
    NotFoundError,
    RunError,
    StarloopError,
    UsageError,
    VerifierError,
)
from ._kinds import Judgement, Method, Task, Verifier
from ._progress import ProgressBar
from ._starloop import (
    Attempt,
    Completion,
    Figure,
    Model,
    Problem,
    Registry,
    Run,
    Score,
    Table,
    Verdict,
    __version__,
    run,
    verify,
)

__all__ = [
    "Attempt",
    "Cancelled",
    "Completion",
    "ConfigError",
    "Figure",
    "FileError",
    "Judgement",
    "Method",
    "Model",
    "ModelError",
    "NotFoundError",
    "Problem",
    "ProgressBar",
    "Registry",
    "Run",
    "RunError",
    "Score",
    "StarloopError",
    "Table",
    "Task",
    "UsageError",
    "Verdict",
    "Verifier",
    "VerifierError",
    "__version__",
    "run",
    "verify",
]
