"""Model: the same results as the command line, and errors with its words."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy
import pytest
import starloop

PROMPT = "Input:\n6 2 4 + 2 5 9\nTarget:\n"


def command(*arguments, **options):
    """The command of the package, as a user starts it."""
    program = os.path.join(os.path.dirname(sys.executable), "starloop")
    return subprocess.run([program, *arguments], capture_output=True, text=True, **options)


def test_completions_are_those_of_the_command(model):
    said = command("sample", "--model", "builtin:arithmetic", "--prompt", PROMPT, "-n", "3", "--temperature", "0.9", "--seed", "5", "--json")
    expected = json.loads(said.stdout)["completions"]
    found = model.generate(PROMPT, n=3, temperature=0.9, seed=5, logprobs=True)
    assert [one.text for one in found] == [one["text"] for one in expected]
    assert [one.seed for one in found] == [5, 6, 7]
    for one, other in zip(found, expected):
        assert one.token_ids.dtype == numpy.uint32 and one.token_ids.tolist() == other["token_ids"]
        assert one.logprobs.dtype == numpy.float32
        assert numpy.array_equal(one.logprobs, numpy.array(other["logprobs"], dtype=numpy.float32))
        assert one.logprob == pytest.approx(float(one.logprobs.astype(float).sum()))


def test_a_completion_does_not_depend_on_the_other_prompts(model):
    alone = model.generate(PROMPT, n=2, temperature=1.0)
    among = model.generate(["Input:\n1 + 2\nTarget:\n", PROMPT], n=2, temperature=1.0)
    assert [one.text for one in among[1]] == [one.text for one in alone]
    assert alone[0].logprobs is None


def test_stop_strings_and_limits_end_a_completion(model):
    (whole,) = model.generate(PROMPT)
    (cut,) = model.generate(PROMPT, max_new_tokens=3)
    (stopped,) = model.generate(PROMPT, stop="</scratch>")
    assert (cut.stop_reason, len(cut.token_ids)) == ("length", 3)
    assert (stopped.stop_reason, stopped.stop_string) == ("stop_string", "</scratch>")
    assert stopped.text == whole.text.split("</scratch>")[0] and str(stopped) == stopped.text


def test_scores_are_those_of_the_command(model):
    said = json.loads(command("score", "--model", "builtin:arithmetic", "--text", PROMPT, "--json").stdout)
    score = model.score(PROMPT)
    assert score.token_ids.tolist() == said["token_ids"]
    assert numpy.isnan(score.logprobs[0])
    assert numpy.array_equal(score.logprobs[1:], numpy.array(said["logprobs"][1:], dtype=numpy.float32))
    assert score.total == pytest.approx(sum(said["logprobs"][1:]))
    assert [one.total for one in model.score([PROMPT, PROMPT])] == [score.total] * 2
    assert model.score([]) == [] and model.generate([]) == []


def test_chat_uses_the_template_of_the_checkpoint(tmp_path, model):
    with pytest.raises(starloop.ModelError, match="no chat_template"):
        model.chat([{"role": "user", "content": "1 + 2"}])
    with_template = checkpoint(tmp_path)
    settings = json.loads((with_template / "tokenizer_config.json").read_text())
    settings["chat_template"] = "{% for m in messages %}Input:\n{{ m.content }}\n{% endfor %}Target:\n"
    (with_template / "tokenizer_config.json").write_text(json.dumps(settings))
    chatting = starloop.Model.load(with_template)
    answer = chatting.chat([{"role": "user", "content": "6 2 4 + 2 5 9"}])
    assert answer.text == chatting.generate("6 2 4 + 2 5 9", chat=True)[0].text
    for messages, problem in [
        ([{"role": "user"}], r"messages\[0\]: the key \"content\" is missing"),
        ("hello", "messages: expected a list of messages"),
        ([{"role": "user", "content": 3}], r"content.*expected a text, found int"),
        (["hello"], r"messages\[0\]: expected a dict"),
    ]:
        with pytest.raises((starloop.UsageError, TypeError), match=problem):
            chatting.chat(messages)


def test_a_file_on_which_a_library_panics_is_an_error_without_more_words(tmp_path, capfd):
    broken = checkpoint(tmp_path)
    tokenizer = json.loads((broken / "tokenizer.json").read_text())
    absent = {"SpecialToken": {"id": "absent", "type_id": 0}}
    parts = [absent, {"Sequence": {"id": "A", "type_id": 0}}]
    tokenizer["post_processor"] = {"type": "TemplateProcessing", "single": parts, "pair": [], "special_tokens": {}}
    (broken / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(starloop.StarloopError, match="tokenizer.json.*the program that reads it failed"):
        starloop.Model.load(broken).score("1 + 2")
    assert "panicked" not in capfd.readouterr().err


def checkpoint(directory):
    """The shipped model as a directory."""
    config = {"kind": "few_shot", "sampling": {"few_shot": 0}}
    run = starloop.run(
        {
            "name": "base",
            "run": ["few_shot"],
            "model": {"base": "builtin:arithmetic"},
            "task": {"kind": "arithmetic", "digits": [1, 1], "evaluation_per_class": 1},
            "sampling": {"max_new_tokens": 8},
            "methods": {"few_shot": config},
        },
        run_dir=directory / "run",
    )
    return run.path / "base"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"n": 0}, "n = 0: expected a whole number of at least 1"),
        ({"n": -3}, "n = -3: expected a whole number of at least 1"),
        ({"n": 10**30}, "expected a whole number of at least 1"),
        ({"n": 2**40}, "at most 1000000 completions"),
        ({"n": True}, "n = True: expected a whole number"),
        ({"seed": -1}, "seed = -1: expected a whole number of at least 0"),
        ({"seed": 1.5}, "seed = 1.5"),
        ({"temperature": float("nan")}, "temperature must be 0 or a finite number"),
        ({"temperature": -1}, "temperature must be 0 or a finite number"),
        ({"temperature": "hot"}, "temperature: expected a number, found str"),
        ({"top_p": 0}, "top_p must be in 0..1, 0 excluded"),
        ({"top_k": None}, "top_k = None: expected a whole number"),
        ({"max_new_tokens": 0}, "max_new_tokens = 0"),
        ({"max_new_tokens": 10**9}, "the model's context"),
        ({"stop": ""}, "stop must be a list of strings that are not empty"),
        ({"stop": [1]}, r"stop\[0\]: expected a text, found int"),
        ({"temprature": 1.0}, 'there is no argument "temprature"; there are: n, temperature'),
        ({"logprobs": "yes"}, "logprobs: expected True or False, found str"),
    ],
)
def test_a_bad_argument_is_named(model, arguments, problem):
    with pytest.raises((starloop.UsageError, TypeError), match=problem):
        model.generate(PROMPT, **arguments)


@pytest.mark.parametrize("prompts", [None, 3, [None], [["a"]], b"bytes", "\ud800", ""])
def test_a_bad_prompt_is_an_exception(model, prompts):
    for call in (model.generate, model.score):
        if prompts == "" and call == model.score:
            continue
        with pytest.raises((starloop.StarloopError, TypeError)):
            call(prompts)


def test_a_missing_model_is_the_error_of_the_command(tmp_path):
    for name in [str(tmp_path / "none"), "builtin:arithmatic", str(tmp_path)]:
        with pytest.raises(starloop.StarloopError) as raised:
            starloop.Model.load(name)
        said = command("sample", "--model", name, "--prompt", "x").stderr
        assert said.splitlines()[0] == f"error: {raised.value}"
    with pytest.raises(FileNotFoundError):
        starloop.Model.load(tmp_path / "none")


def test_other_threads_run_while_the_model_samples(model):
    times = []
    sampling = threading.Thread(target=lambda: model.generate([PROMPT] * 64, n=4, temperature=1.0))
    sampling.start()
    while sampling.is_alive():
        times.append(time.monotonic())
        time.sleep(0.001)
    sampling.join()
    assert len(times) > 3


def test_ctrl_c_stops_a_call(model, interruptible):
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    began = time.monotonic()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model.generate([PROMPT] * 512, n=64, temperature=1.0)
    assert time.monotonic() - began < 30
    assert model.generate(PROMPT, max_new_tokens=2)
