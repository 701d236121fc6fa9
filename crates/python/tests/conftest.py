"""What the tests share: a small config, and a run of it."""

import signal

import pytest
import starloop


def small_config(**task):
    """An experiment of seconds with the shipped model."""
    return {
        "name": "small",
        "run": ["star"],
        "model": {"base": "builtin:arithmetic"},
        "task": {"kind": "arithmetic", "digits": [1, 2], "problems_per_iteration": 12, "evaluation_per_class": 3, **task},
        "sampling": {"max_new_tokens": 64, "few_shot": 2},
        "training": {"steps": 2, "batch_size": 2, "sequence_length": 256, "learning_rate": 2e-3},
        "evaluation": {"split": "dev"},
        "methods": {"star": {"kind": "star", "iterations": 1}},
    }


@pytest.fixture
def config():
    return small_config()


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    """A finished run. No test changes it."""
    return starloop.run(small_config(), run_dir=tmp_path_factory.mktemp("runs") / "small")


@pytest.fixture(scope="session")
def model():
    return starloop.Model.load("builtin:arithmetic")


@pytest.fixture
def interruptible():
    """Ctrl-C raises KeyboardInterrupt, also in a background job, which a shell starts with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
