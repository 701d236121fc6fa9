"""Base classes of tasks, methods and verifiers in Python. Pass the classes to :class:`starloop.Registry`.

A class has the attribute ``kind``, the name that configs use. The arguments of its constructor are the keys of its section. Values are those
of TOML: texts, whole numbers, decimal numbers, ``True`` and ``False``, lists and dicts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar, TypeAlias

from ._starloop import Attempt, Problem, Verdict

Judgement: TypeAlias = bool | str | Verdict | None
"""The verdict of a function: ``True``, ``False``, ``None`` (no answer can be read), a :class:`Verdict`, or ``"correct"``, ``"wrong"``,
``"unparsed"`` or ``"truncated"``."""


class Task(ABC):
    """Problems with known answers: ``[task] kind = "KIND"``.

    All methods but ``verify`` are called once, before a run begins.
    """

    kind: ClassVar[str]
    """The name that configs use."""
    label: ClassVar[str | None] = None
    """The words that reports show. By default they are ``kind``."""
    separator: str = "\n\n"
    """The text between a worked example and the next prompt."""
    stop: Sequence[str] = ()
    """The strings that end a completion besides the model's end token."""
    leaks: Sequence[str] = ()
    """Regular expressions. A hinted rationale that matches one mentions the hint, and is not learned."""
    chance: float = 0.0
    """The accuracy of guessing, in 0 to 1."""

    @abstractmethod
    def problems(self, split: str, seed: int) -> Iterable[Problem]:
        """The problems of ``"train"``, ``"dev"`` and ``"test"``. The same seed gives the same problems. A split may be empty."""

    @abstractmethod
    def prompt(self, problem: Problem, hinted: bool) -> str:
        """The problem's part of the prompt. Only a hinted prompt shows the answer."""

    @abstractmethod
    def verify(self, problems: list[Problem], completions: list[str]) -> Iterable[Judgement]:
        """A verdict for each completion. The ids of the problems begin with ``KIND/SPLIT/``."""

    def direct_completion(self, problem: Problem) -> str:
        """The completion that gives the answer alone, for direct fine-tuning."""
        return problem.answer

    def examples(self) -> Iterable[Problem]:
        """Worked examples for the prompt. Each has a rationale. None of them is in a split."""
        return ()


class Method(ABC):
    """A way to choose what is learned: ``[methods.NAME] kind = "KIND"``.

    In each iteration, the model attempts the problems that ``problems`` chooses. The base model then learns right attempts, those with the
    highest rank first, up to ``max_per_problem`` of each problem.
    """

    kind: ClassVar[str]
    """The name that configs use."""
    label: ClassVar[str | None] = None
    """The words that reports show. By default they are ``kind``."""
    iterations: int = 1
    """The number of iterations."""
    max_per_problem: int = 0
    """The most examples of one problem; 0 for no limit."""

    def problems(self, iteration: int, problems: list[Problem]) -> Iterable[Problem]:
        """The problems that iteration ``iteration`` (from 1) attempts. By default all of them."""
        return problems

    @abstractmethod
    def rank(self, attempts: list[Attempt]) -> Iterable[float]:
        """A number for each attempt. Attempts with higher numbers are learned first."""


class Verifier(ABC):
    """Grades completions in place of the task: ``[task.verifier] kind = "KIND"``."""

    kind: ClassVar[str]
    """The name that configs use."""

    @abstractmethod
    def verify(self, problems: list[Problem], completions: list[str]) -> Iterable[Judgement]:
        """A verdict for each completion."""
