"""Tasks, methods and verifiers that are classes of Python."""

import polars
import pyarrow
import pytest
import starloop


class Doubling(starloop.Task):
    """Twice a number, in the format that the shipped model knows."""

    kind = "doubling"
    label = "twice a number"
    separator = "\n"
    stop = ["\nInput:"]

    def __init__(self, training_problems: int = 8):
        self.training_problems = training_problems

    def problems(self, split, seed):
        places = {"train": range(self.training_problems), "dev": range(80, 86), "test": []}[split]
        for place in places:
            number = 10 + place * 37 % 90
            question = f"{' '.join(str(number))} + {' '.join(str(number))}"
            yield starloop.Problem(number, question, " ".join(str(2 * number)), class_="all")

    def prompt(self, problem, hinted):
        hint = f" {problem.answer}" if hinted else ""
        return f"Input:\n{problem.question}\nTarget:{hint}\n"

    def verify(self, problems, completions):
        for problem, completion in zip(problems, completions):
            lines = completion.split("</scratch>")[-1].strip().splitlines()
            yield (lines[0].strip() == problem.answer) if lines else None


class Shortest(starloop.Method):
    """Learn the shortest right rationale of each problem."""

    kind = "shortest"
    label = "shortest rationale"
    max_per_problem = 1

    def __init__(self, iterations: int = 1):
        self.iterations = iterations

    def problems(self, iteration, problems):
        return problems[: 6 * iteration]

    def rank(self, attempts):
        return [-len(attempt.completion) for attempt in attempts]


class Strict(starloop.Verifier):
    """Counts an answer as right if the completion has at most so many characters too."""

    kind = "strict"

    def __init__(self, most: int):
        self.most = most

    def verify(self, problems, completions):
        right = starloop.verify("arithmetic", completions, [problem.answer for problem in problems])
        return [verdict if len(completion) <= self.most else "wrong" for verdict, completion in zip(right, completions)]


class Unbuilt(Doubling):
    """Cannot be constructed."""

    def __init__(self):
        raise OSError("disk")


CONFIG = {
    "name": "doubling",
    "run": ["shortest"],
    "model": {"base": "builtin:arithmetic"},
    "task": {"kind": "doubling"},
    "sampling": {"max_new_tokens": 64, "samples_per_problem": 2, "temperature": 1.0},
    "training": {"steps": 2, "batch_size": 2, "sequence_length": 256},
    "methods": {"shortest": {"kind": "shortest"}},
}


def test_a_task_and_a_method_of_python_run(tmp_path):
    registry = starloop.Registry(tasks=[Doubling], methods=[Shortest])
    assert "doubling" in repr(registry) and "shortest" in repr(registry)
    run = starloop.run(CONFIG, run_dir=tmp_path / "run", registry=registry)
    attempts = polars.DataFrame(run.attempts(iteration=1))
    tried = attempts.filter(polars.col("purpose") == "unhinted")
    assert len(tried) == 12 and tried["problem"].n_unique() == 6
    assert tried["outcome"].null_count() == 0
    learned = tried.filter(polars.col("outcome") == "learned")
    assert len(learned) == learned["problem"].n_unique() > 0
    for problem, completion in zip(learned["problem"], learned["completion"]):
        others = tried.filter((polars.col("problem") == problem) & (polars.col("verdict") == "correct"))["completion"]
        assert len(completion) == min(len(other) for other in others)
    html = run._repr_html_()
    assert "shortest rationale" in html
    assert "training_problems = 8" in (run.path / "config.toml").read_text()
    settings = dict(CONFIG, task={"kind": "doubling", "training_problems": 4})
    with pytest.raises(starloop.RunError, match="task.training_problems"):
        starloop.run(settings, run_dir=tmp_path / "run", registry=registry, resume=True)
    assert starloop.run(CONFIG, run_dir=tmp_path / "run", registry=registry, resume=True).is_finished


def test_a_verifier_of_python_grades_a_task_of_rust(config, tmp_path):
    config["task"]["verifier"] = {"kind": "strict", "most": 0}
    registry = starloop.Registry(verifiers=[Strict])
    with pytest.raises(starloop.StarloopError, match="none of 12 attempts can be learned"):
        config["methods"]["star"]["rationalize"] = False
        starloop.run(config, run_dir=tmp_path / "run", registry=registry)
    attempts = pyarrow.table(starloop.Run(tmp_path / "run").attempts()).to_pylist()
    assert attempts and all(attempt["verdict"] == "wrong" for attempt in attempts)
    assert "most = 0" in (tmp_path / "run" / "config.toml").read_text()


def changed(section, **keys):
    """The config with other keys in `[task]` or in `[methods.shortest]`."""
    config = dict(CONFIG)
    if section == "task":
        config["task"] = dict(CONFIG["task"], **keys)
    else:
        config["methods"] = {"shortest": dict(CONFIG["methods"]["shortest"], **keys)}
    return config


@pytest.mark.parametrize(
    ("config", "kind", "problem"),
    [
        (changed("task", training_problem=3), starloop.ConfigError, "did you mean `task.training_problems`"),
        (changed("task", training_problems="many"), starloop.ConfigError, "TypeError"),
        (changed("task", verifier={"kind": "strict"}), starloop.ConfigError, "`task.verifier.most`: is missing"),
        (changed("task", verifier={"kind": "strickt", "most": 1}), starloop.ConfigError, 'did you mean "strict"'),
        (changed("task", verifier="strict"), starloop.ConfigError, "expected a table with the key kind"),
        (changed("methods", iterations=0), starloop.ConfigError, "iterations.*must be in 1..=10000"),
        (changed("methods", iterations=-1), starloop.StarloopError, "iterations"),
        (changed("methods", iteration=1), starloop.ConfigError, "did you mean `methods.shortest.iterations`"),
    ],
)
def test_wrong_settings_are_named(tmp_path, config, kind, problem):
    registry = starloop.Registry(tasks=[Doubling], methods=[Shortest], verifiers=[Strict])
    with pytest.raises(kind, match=problem):
        starloop.run(config, run_dir=tmp_path / "run", registry=registry)


def failing(base, name, result):
    """A class whose method `name` raises `result`, or returns it."""

    def method(self, *arguments):
        if isinstance(result, Exception):
            raise result
        return result

    return type("Failing", (base,), {name: method})


@pytest.mark.parametrize(
    ("classes", "problem"),
    [
        ({"tasks": [failing(Doubling, "problems", ValueError("no file"))]}, "ValueError: no file"),
        ({"tasks": [failing(Doubling, "prompt", 3)]}, 'prompt of problem "10": expected a text'),
        ({"tasks": [failing(Doubling, "problems", [3])]}, "Problem"),
        ({"tasks": [failing(Doubling, "problems", [starloop.Problem(1, "a", "b")] * 2)]}, 'two problems have the id "1"'),
        ({"tasks": [failing(Doubling, "verify", ValueError("bad"))]}, "problem doubling/dev/.*: ValueError: bad"),
        ({"tasks": [Unbuilt]}, "raised an exception in its constructor: OSError: disk"),
        ({"methods": [failing(Shortest, "rank", ValueError("bad"))]}, "rank, iteration 1: ValueError: bad"),
        ({"methods": [failing(Shortest, "rank", [1.0])]}, "returned 1 numbers, expected one for each of the 12 attempts"),
        ({"methods": [failing(Shortest, "rank", [float("nan")] * 12)]}, "no NaN"),
        ({"methods": [failing(Shortest, "problems", 3)]}, "problems, iteration 1: TypeError"),
        ({"methods": [failing(Shortest, "problems", [])]}, "none of 0 attempts"),
    ],
)
def test_a_failing_class_is_named(tmp_path, classes, problem):
    registry = starloop.Registry(**{"tasks": [Doubling], "methods": [Shortest], **classes})
    with pytest.raises(starloop.StarloopError, match=problem):
        starloop.run(CONFIG, run_dir=tmp_path / "run", registry=registry)


@pytest.mark.parametrize(
    ("classes", "kind", "problem"),
    [
        ({"tasks": Doubling}, TypeError, "tasks: expected a list of classes"),
        ({"tasks": [Doubling()]}, TypeError, r"tasks\[0\]: expected a class"),
        ({"methods": [type("Nameless", (), {})]}, starloop.UsageError, r"methods\[0\]: the class Nameless lacks the attribute kind"),
        ({"verifiers": [type("Open", (Strict,), {"__init__": lambda self, **settings: None})]}, starloop.UsageError, "has no fixed name"),
        ({"verifiers": [type("Odd", (Strict,), {"__init__": lambda self, most=object(): None})]}, TypeError, "expected a text, a number"),
    ],
)
def test_a_wrong_class_is_refused_when_it_is_registered(classes, kind, problem):
    with pytest.raises(kind, match=problem):
        starloop.Registry(**classes)


def test_bad_problems_are_refused():
    with pytest.raises(starloop.UsageError, match="id: the text is empty"):
        starloop.Problem("", "q", "a")
    with pytest.raises(TypeError, match="answer: expected a text or a number"):
        starloop.Problem("1", "q", None)
    problem = starloop.Problem(7, "q", 3.5, choices=["x"])
    assert (problem.id, problem.answer, problem.choices) == ("7", "3.5", ["x"])
    assert problem == starloop.Problem("7", "q", "3.5", choices=["x"]) and len({problem, problem}) == 1
