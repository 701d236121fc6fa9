"""The part of the package that is written in Rust."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, final, overload

import numpy
from numpy.typing import NDArray

from ._kinds import Judgement, Method, Task, Verifier

__all__ = [
    "Attempt",
    "Completion",
    "Figure",
    "Model",
    "Problem",
    "Registry",
    "Run",
    "Score",
    "Table",
    "Verdict",
    "__version__",
    "run",
    "run_command",
    "verify",
]

__version__: str

def run_command(arguments: Sequence[str]) -> int:
    """Runs the command line. Returns its exit code."""

@final
class Completion:
    """A completion of a prompt."""

    @property
    def text(self) -> str:
        """The text, without end token and without stop string."""

    @property
    def token_ids(self) -> NDArray[numpy.uint32]:
        """The generated tokens, the end token included."""

    @property
    def logprobs(self) -> NDArray[numpy.float32] | None:
        """The log-probability of each token (natural logarithm, temperature 1), or ``None`` without ``logprobs=True``."""

    @property
    def logprob(self) -> float:
        """The sum of the log-probabilities."""

    @property
    def stop_reason(self) -> str:
        """``end_token``, ``stop_string`` or ``length``."""

    @property
    def stop_string(self) -> str | None:
        """The stop string, if one ended the completion."""

    @property
    def seed(self) -> int:
        """The seed of its random generator."""

@final
class Score:
    """The log-probabilities of the tokens of a text."""

    @property
    def token_ids(self) -> NDArray[numpy.uint32]:
        """The tokens."""

    @property
    def logprobs(self) -> NDArray[numpy.float32]:
        """The log-probability of each token (natural logarithm). The first token has no context, so its value is NaN."""

    @property
    def total(self) -> float:
        """The sum over all tokens but the first."""

@final
class Model:
    """A language model with its tokenizer."""

    @staticmethod
    def load(path_or_name: str | PathLike[str]) -> Model:
        """Reads a checkpoint directory, a GGUF file, or a model that comes with starloop, such as ``builtin:arithmetic``."""

    @overload
    def generate(  # type: ignore[overload-overlap]
        self,
        prompts: str,
        *,
        chat: bool = False,
        n: int = 1,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 1,
        max_new_tokens: int = 128,
        stop: str | Iterable[str] = (),
        logprobs: bool = False,
    ) -> list[Completion]: ...
    @overload
    def generate(
        self,
        prompts: Iterable[str],
        *,
        chat: bool = False,
        n: int = 1,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 1,
        max_new_tokens: int = 128,
        stop: str | Iterable[str] = (),
        logprobs: bool = False,
    ) -> list[list[Completion]]:
        """Completes each prompt ``n`` times. Completion ``i`` of each prompt has the seed ``seed + i``."""

    def chat(
        self,
        messages: Iterable[Mapping[str, str]],
        *,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 1,
        max_new_tokens: int = 128,
        stop: str | Iterable[str] = (),
        logprobs: bool = False,
    ) -> Completion:
        """The assistant's answer to a conversation."""

    @overload
    def score(self, texts: str) -> Score: ...  # type: ignore[overload-overlap]
    @overload
    def score(self, texts: Iterable[str]) -> list[Score]:
        """The log-probability of each token of each text, given the tokens before it."""

    @property
    def context(self) -> int:
        """The most tokens of a prompt and its completion together."""

@final
class Verdict:
    """The verdict on a completion."""

    @property
    def verdict(self) -> str:
        """``correct``, ``wrong``, ``contradiction``, ``unparsed``, ``truncated`` or ``failed``."""

    @property
    def is_correct(self) -> bool:
        """True if the answer is the known one."""

    @property
    def predicted(self) -> str | None:
        """The answer that was read; ``None`` if there is none."""

    @property
    def reading(self) -> str | None:
        """The rule that found the answer; ``None`` if there is no answer, or if the task has one rule only."""

    @property
    def span(self) -> tuple[int, int] | None:
        """The characters of the completion that were read as the answer: ``completion[start:end]``."""

    @property
    def reason(self) -> str | None:
        """For ``failed``: how the verifier failed."""

def verify(
    task: str,
    completions: Iterable[str],
    answers: Iterable[str | float],
    *,
    choices: Iterable[Sequence[str]] | None = None,
    stop_reasons: Iterable[str] | None = None,
    **settings: Any,
) -> list[Verdict]:
    """Grades completions against known answers as a task does. ``settings`` are keys of ``[task]``, such as ``answer_type="number"``."""

@final
class Problem:
    """A question with its known answer."""

    def __new__(
        cls,
        id: str | int,
        question: str,
        answer: str | float,
        *,
        class_: str = "all",
        choices: Iterable[str] | None = None,
        rationale: str | None = None,
    ) -> Problem: ...
    @property
    def id(self) -> str:
        """A name that never changes."""

    @property
    def question(self) -> str:
        """The question."""

    @property
    def answer(self) -> str:
        """The known answer."""

    @property
    def class_(self) -> str:
        """The group in which accuracy is reported."""

    @property
    def choices(self) -> list[str]:
        """The texts of the choices, in the order of their letters; empty for other questions."""

    @property
    def rationale(self) -> str | None:
        """The known rationale with the answer, if there is one."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...

@final
class Attempt:
    """An attempt at a problem, with its verdict."""

    @property
    def problem(self) -> str:
        """The name of the problem."""

    @property
    def completion(self) -> str:
        """The generated text."""

    @property
    def verdict(self) -> str:
        """``correct``, ``wrong``, ``contradiction``, ``unparsed``, ``truncated`` or ``failed``."""

    @property
    def is_correct(self) -> bool:
        """True if the answer is the known one."""

    @property
    def sample(self) -> int:
        """The index of the sample for this problem, from 0."""

    @property
    def tokens(self) -> int:
        """Tokens of the completion."""

    @property
    def logprob(self) -> float | None:
        """The sum of the log-probabilities of its tokens (natural logarithm); ``None`` where the policy gives none."""

@final
class Registry:
    """The kinds that configs can name: those of starloop, and classes of Python."""

    def __new__(
        cls,
        *,
        tasks: Iterable[type[Task]] | None = None,
        methods: Iterable[type[Method]] | None = None,
        verifiers: Iterable[type[Verifier]] | None = None,
    ) -> Registry: ...

@final
class Table:
    """A table in memory. ``pandas.DataFrame.from_arrow``, ``polars.DataFrame`` and ``pyarrow.table`` open it without a copy."""

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""

    def __len__(self) -> int: ...
    def __arrow_c_schema__(self) -> object:
        """The schema as a capsule of the Arrow C data interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The rows as a capsule of the Arrow C data interface."""

@final
class Figure:
    """A figure. A notebook shows it."""

    @property
    def svg(self) -> str:
        """The SVG document."""

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the figure to a file: PNG if its name ends in ``.png``, and SVG otherwise."""

    def _repr_svg_(self) -> str: ...

@final
class Run:
    """A run directory, finished or not."""

    def __new__(cls, path: str | PathLike[str], *, trust: bool = False) -> Run: ...
    @property
    def path(self) -> Any:
        """The directory: a ``pathlib.Path``."""

    @property
    def is_finished(self) -> bool:
        """True if all methods of the run are done."""

    def attempts(self, *, method: str | None = None, iteration: int | None = None) -> Table:
        """The attempts and answers, a row for each."""

    def results(self) -> Table:
        """The figures of each iteration, a row for each iteration of each method."""

    def examples(self, *, method: str | None = None) -> Table:
        """The examples that were learned, a row for each."""

    def plot(self) -> Figure:
        """Accuracy over iterations."""

    def _repr_html_(self) -> str: ...

def run(
    config: str | PathLike[str] | dict[str, Any],
    *,
    run_dir: str | PathLike[str] | None = None,
    resume: bool = False,
    seed: int | None = None,
    set: dict[str, Any] | None = None,
    verify: Callable[[list[Problem], list[str]], Iterable[Judgement]] | None = None,
    on_event: Callable[[dict[str, Any]], object] | None = None,
    registry: Registry | None = None,
    trust: bool = False,
) -> Run:
    """Runs an experiment: the name of a preset, the path of a TOML file, or a dict. Returns the run."""
