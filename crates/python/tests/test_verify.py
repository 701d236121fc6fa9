"""verify: the verdicts of the command line."""

import pytest
import starloop


def test_verdicts_say_what_was_read():
    right, wrong, none, cut = starloop.verify(
        "gsm8k",
        ["So 48/2 = 24.\n#### 72", "The answer is 73, é.", "I do not know.", "The answer"],
        [72, "72", "72", 72.0],
        stop_reasons=["end_token", "end_token", "end_token", "length"],
    )
    assert (right.verdict, right.is_correct, right.predicted) == ("correct", True, "72")
    assert (wrong.verdict, wrong.predicted, none.verdict, cut.verdict) == ("wrong", "73", "unparsed", "truncated")
    assert "So 48/2 = 24.\n#### 72"[slice(*right.span)] == "72" and right.reading == "hashes"
    assert repr(wrong) == "<starloop.Verdict wrong, predicted '73'>"
    with pytest.raises(TypeError, match="is_correct"):
        bool(wrong)


def test_settings_are_keys_of_the_task():
    grade = lambda **settings: starloop.verify("jsonl", ["#### 3.14"], [3.1416], answer_type="number", **settings)[0].verdict
    assert (grade(), grade(tolerance=0.01)) == ("wrong", "correct")
    choices = starloop.verify("commonsense_qa", ["The answer is (b)."], ["b"], choices=[["dog", "cat"]])
    assert choices[0].is_correct


def test_a_span_counts_characters():
    text = "ééé «72»\n#### 72"
    (verdict,) = starloop.verify("gsm8k", [text], ["72"])
    assert text[slice(*verdict.span)] == "72" and verdict.span[0] > 9


@pytest.mark.parametrize(
    ("call", "kind", "problem"),
    [
        (lambda: starloop.verify("gsm8", ["1"], ["1"]), starloop.ConfigError, 'did you mean "gsm8k"'),
        (lambda: starloop.verify("gsm8k", ["1", "2"], ["1"]), starloop.UsageError, "answers: expected one for each of the 2 completions, found 1"),
        (lambda: starloop.verify("gsm8k", "1", ["1"]), TypeError, "completions: expected a list of texts, found str"),
        (lambda: starloop.verify("gsm8k", ["1"], "1"), TypeError, "answers: expected a list"),
        (lambda: starloop.verify("gsm8k", [1], ["1"]), TypeError, r"completions\[0\]: expected a text, found int"),
        (lambda: starloop.verify("gsm8k", ["1"], [None]), TypeError, r"answers\[0\]: expected a text or a number"),
        (lambda: starloop.verify("gsm8k", ["1"], ["many"]), starloop.StarloopError, r"completions\[0\]: completion 0: "),
        (lambda: starloop.verify("gsm8k", ["1"], ["1"], stop_reasons=["tired"]), starloop.UsageError, "expected length, end_token"),
        (lambda: starloop.verify("jsonl", ["1"], ["1"], tolerence=1), starloop.ConfigError, "did you mean `task.tolerance`"),
        (lambda: starloop.verify("jsonl", ["1"], ["1"], tolerance=object()), TypeError, "`task.tolerance`: expected a text, a number"),
        (lambda: starloop.verify("jsonl", ["1"], ["1"], tolerance=10**40), starloop.UsageError, "64 bits"),
        (lambda: starloop.verify("jsonl", ["1"], ["1"], answer_type="command", command=["/none"]), starloop.StarloopError, "cannot be started"),
    ],
)
def test_bad_input_is_one_clear_exception(call, kind, problem):
    with pytest.raises(kind, match=problem):
        call()
