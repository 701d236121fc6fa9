"""run and Run: experiments, their events, their tables and figures."""

import io
import os
import signal
import threading

import numpy
import pandas
import polars
import pyarrow
import pytest
import starloop
import tqdm
from test_model import command


def test_a_run_is_that_of_the_command(config, small_run, tmp_path):
    path = tmp_path / "small.toml"
    path.write_text((small_run.path / "config.toml").read_text())
    said = command("run", str(path), "--run-dir", str(tmp_path / "other"), "--quiet")
    assert said.returncode == 0, said.stderr
    for name in ["config.toml", "star/iter-001/attempts.jsonl", "star/iter-001/metrics.json", "accuracy.svg"]:
        assert (small_run.path / name).read_bytes() == (tmp_path / "other" / name).read_bytes(), name
    assert small_run.is_finished


def test_tables_open_without_a_copy(small_run):
    attempts = small_run.attempts()
    frame = pandas.DataFrame.from_arrow(attempts)
    assert len(frame) == len(attempts) == len(polars.DataFrame(attempts)) == pyarrow.table(attempts).num_rows > 12
    assert list(frame.columns) == attempts.columns and {"method", "problem", "verdict", "completion"} < set(attempts.columns)
    # The buffers of two readers are the same memory.
    places = [pyarrow.table(attempts)["iteration"].chunk(0).buffers()[1].address for _ in range(2)]
    assert places[0] == places[1]
    assert polars.DataFrame(attempts)["iteration"].to_list() == frame["iteration"].tolist()
    assert pyarrow.schema(attempts) == pyarrow.table(attempts).schema
    assert len(small_run.attempts(method="star", iteration=1)) < len(attempts)


def test_results_and_examples_are_those_of_the_run(small_run):
    results = pyarrow.table(small_run.results()).to_pylist()
    assert [row["iteration"] for row in results] == [0, 1]
    assert results[1]["steps"] == 2 and "accuracy 1 digit" in results[1]
    examples = polars.DataFrame(small_run.examples())
    assert len(examples) == results[1]["kept"]
    learned = polars.DataFrame(small_run.attempts()).filter(polars.col("outcome") == "learned")
    assert sorted(learned["completion"]) == sorted(examples["completion"])


def test_a_notebook_shows_table_and_figure(small_run, tmp_path):
    html = small_run._repr_html_()
    assert "<table>" in html and "<svg" in html and "STaR" in html
    figure = small_run.plot()
    assert figure._repr_svg_().startswith("<svg") and figure.svg == (small_run.path / "accuracy.svg").read_text()
    figure.save(tmp_path / "figure.svg")
    assert (tmp_path / "figure.svg").read_text() == figure.svg
    assert "accuracy" in str(small_run) and str(small_run.path) in repr(small_run)


def test_events_drive_a_bar(config, tmp_path):
    lines, events = [], []
    bar = starloop.ProgressBar(lambda **options: tqdm.tqdm(file=io.StringIO(), **options), lines.append)

    def both(event):
        events.append(event)
        bar(event)

    starloop.run(config, run_dir=tmp_path / "run", on_event=both)
    assert [event["event"] for event in events[:2]] == ["run_started", "stage_started"] and events[-1]["event"] == "run_finished"
    assert [line.split(":")[0] for line in lines] == ["star, iteration 0", "warning", "star, iteration 1"]
    assert lines[0].endswith("% right")


def test_an_exception_of_an_observer_stops_the_run_and_it_can_be_resumed(config, small_run, tmp_path):
    def refuse(event):
        if event["event"] == "iteration_finished":
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        starloop.run(config, run_dir=tmp_path / "run", on_event=refuse)
    assert not starloop.Run(tmp_path / "run").is_finished
    with pytest.raises(starloop.RunError, match="holds a run"):
        starloop.run(config, run_dir=tmp_path / "run")
    run = starloop.run(config, run_dir=tmp_path / "run", resume=True)
    name = "star/iter-001/attempts.jsonl"
    assert (run.path / name).read_bytes() == (small_run.path / name).read_bytes()


def test_ctrl_c_stops_a_run(config, tmp_path, interruptible):
    config["training"]["steps"] = 100_000
    config["training"]["max_steps"] = 100_000

    def interrupt(event):
        if event["event"] == "stage_started" and event["stage"] == "fine_tuning":
            threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        starloop.run(config, run_dir=tmp_path / "run", on_event=interrupt)


def test_a_function_verifies(config, tmp_path):
    sizes = []

    def agree(problems, completions):
        sizes.append(len(problems))
        assert all(isinstance(problem, starloop.Problem) for problem in problems)
        return numpy.array([problem.answer in completion for problem, completion in zip(problems, completions)])

    run = starloop.run(config, run_dir=tmp_path / "run", verify=agree)
    assert max(sizes) == 12
    attempts = pyarrow.table(run.attempts()).to_pylist()
    assert all((attempt["verdict"] == "correct") == (attempt["answer"] in attempt["completion"]) for attempt in attempts)
    recorded = (run.path / "config.toml").read_text()
    assert "[task.verifier]" in recorded and "agree" in recorded
    with pytest.raises(starloop.RunError, match="verifier"):
        starloop.run(config, run_dir=tmp_path / "run", resume=True)


def test_a_verifier_may_return_verdicts_of_this_project(config, tmp_path):
    def judge(problems, completions):
        return starloop.verify("arithmetic", completions, [problem.answer for problem in problems])

    run = starloop.run(config, run_dir=tmp_path / "run", verify=judge)
    plain = starloop.run(config, run_dir=tmp_path / "plain")
    name = "star/iter-001/eval.jsonl"
    assert (run.path / name).read_bytes() == (plain.path / name).read_bytes()


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (lambda problems, completions: [True], "returned 1 verdicts, expected a list with a verdict for each of the"),
        (lambda problems, completions: 3, "returned int, expected a list"),
        (lambda problems, completions: "yes", "returned str, expected a list"),
        (lambda problems, completions: [7] * len(problems), "returned 7 for problem arithmetic/"),
        (lambda problems: [], "takes 1 positional argument"),
    ],
)
def test_a_wrong_verifier_is_named(config, tmp_path, function, problem):
    with pytest.raises(starloop.VerifierError, match=problem) as raised:
        starloop.run(config, run_dir=tmp_path / "run", verify=function)
    assert "lambda" in str(raised.value)


def test_an_exception_of_a_verifier_names_the_problem(config, tmp_path):
    names = []

    def fail(problems, completions):
        names[:] = names or [problems[-2].id]
        if any(problem.id == names[0] for problem in problems):
            raise KeyError("no such unit")
        return [True] * len(problems)

    with pytest.raises(starloop.VerifierError) as raised:
        starloop.run(config, run_dir=tmp_path / "run", verify=fail)
    assert f"raised an exception on problem {names[0]}: KeyError: 'no such unit'" in str(raised.value)
    assert isinstance(raised.value.__cause__, KeyError)


def test_ctrl_c_in_a_verifier_is_not_hidden(config, tmp_path):
    def fail(problems, completions):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        starloop.run(config, run_dir=tmp_path / "run", verify=fail)


@pytest.mark.parametrize(
    ("arguments", "kind", "problem"),
    [
        ({"config": "arithmatic"}, starloop.NotFoundError, "did you mean `arithmetic`"),
        ({"config": 3}, TypeError, "config: expected the name of a preset"),
        ({"config": {}}, starloop.ConfigError, "missing field"),
        ({"config": {"name": None}}, TypeError, "`name`: expected a text"),
        ({"config": {3: 4}}, TypeError, "a key of"),
        ({"config": "smoke", "set": {"training.stepz": 3}}, starloop.ConfigError, "did you mean `training.steps`"),
        ({"config": "smoke", "seed": -1}, starloop.UsageError, "seed = -1"),
        ({"config": "smoke", "verify": "me"}, TypeError, "verify: expected a function"),
        ({"config": "smoke", "on_event": 3}, TypeError, "not callable"),
        ({"config": "smoke", "registry": 3}, TypeError, "Registry"),
        ({"config": "methods"}, starloop.ConfigError, "a run has one seed"),
    ],
)
def test_bad_arguments_of_run(tmp_path, arguments, kind, problem):
    with pytest.raises(kind, match=problem):
        starloop.run(run_dir=tmp_path / "run", **arguments)


def test_a_config_that_contains_itself_is_refused(config, tmp_path):
    config["task"]["more"] = config
    with pytest.raises(starloop.UsageError, match="nested more than"):
        starloop.run(config, run_dir=tmp_path / "run")


def test_bad_arguments_of_runs(small_run, tmp_path):
    with pytest.raises(FileNotFoundError):
        starloop.Run(tmp_path / "none")
    with pytest.raises(starloop.RunError, match="not a run|no run"):
        starloop.Run(tmp_path)
    for read in (small_run.attempts, small_run.examples):
        with pytest.raises(starloop.UsageError, match="has no method sta; it has: star"):
            read(method="sta")
    with pytest.raises(starloop.UsageError, match="iteration = -1"):
        small_run.attempts(iteration=-1)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        small_run.plot().save(tmp_path / "file" / "figure.svg")


def test_an_empty_table_has_its_columns(config, tmp_path):
    with pytest.raises(RuntimeError):
        starloop.run(config, run_dir=tmp_path / "run", on_event=lambda event: (_ for _ in ()).throw(RuntimeError()))
    run = starloop.Run(tmp_path / "run")
    assert len(run.attempts()) == 0 and len(polars.DataFrame(run.attempts()).columns) > 10
    with pytest.raises(starloop.RunError, match="no finished iteration"):
        run.results()
