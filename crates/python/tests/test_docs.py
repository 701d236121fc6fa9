"""docs/python.md: its blocks run one after the other."""

import pathlib
import re

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]


def test_the_blocks_of_the_page_run(tmp_path, monkeypatch):
    page = (REPOSITORY / "docs" / "python.md").read_text()
    blocks = list(re.finditer(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    assert len(blocks) > 8
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    for block in blocks:
        line = page[: block.start(1)].count("\n")
        exec(compile("\n" * line + block.group(1), "docs/python.md", "exec"), names)


def test_the_notebook_runs(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    notebook = nbformat.read(REPOSITORY / "examples" / "python" / "star.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("<svg" in output.get("data", {}).get("text/html", "") for output in outputs)
    assert not any(output.output_type == "error" for output in outputs)
