"""The package itself: its command, its types, its size in memory and time."""

import importlib.metadata
import inspect
import subprocess
import sys

import starloop
from test_model import command


def test_the_command_is_the_program_of_this_version():
    version = importlib.metadata.version("starloop")
    assert starloop.__version__ == version
    assert command("--version").stdout == f"starloop {version}\n"
    helped = command("sample", "--help")
    assert helped.returncode == 0 and "Examples:" in helped.stdout
    wrong = command("sample", "--modle", "x")
    assert wrong.returncode == 2 and "--model" in wrong.stderr and not wrong.stdout
    assert command("report", "/none").returncode == 2
    assert "starloop demo" in command().stdout


def test_the_package_is_imported_without_numpy_and_soon():
    code = "import sys, time; began = time.perf_counter(); import starloop; print(time.perf_counter() - began, 'numpy' in sys.modules)"
    seconds, has_numpy = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert has_numpy == "False" and float(seconds) < 2


def test_every_name_is_documented():
    for name in starloop.__all__:
        assert inspect.getdoc(getattr(starloop, name)), name


def test_the_stubs_describe_the_module():
    checked = subprocess.run([sys.executable, "-m", "mypy.stubtest", "starloop"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_exception_is_one_of_starloop():
    for name in starloop.__all__:
        value = getattr(starloop, name)
        if isinstance(value, type) and issubclass(value, Exception):
            assert issubclass(value, starloop.StarloopError)
