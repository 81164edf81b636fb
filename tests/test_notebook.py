"""The notebook runs from top to bottom and gets the numbers of the command."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Run, clean_environment

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "evaluation.ipynb"


@pytest.fixture(scope="module")
def cells() -> list[dict]:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    return notebook["cells"]


def test_it_runs_and_agrees_with_the_command(cells, digitcli: Run, tmp_path):
    """The code cells are plain Python, so a plain process runs them as a kernel would."""
    source = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert not re.search(r"^\s*[%!]", source, re.MULTILINE)
    run = subprocess.run(
        [sys.executable, "-c", source],
        cwd=tmp_path,
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    told = json.loads(digitcli("evaluate", "--dataset", "digits", "--format", "json").stdout)
    assert f"{told['correct']} of {told['count']} right: {told['accuracy']:.2%}" in run.stdout
    (loss,) = re.findall(r"log loss +([\d.]+)", run.stdout)
    assert float(loss) == pytest.approx(told["log_loss"], rel=1e-5)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")


def test_it_holds_no_stale_results(cells):
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) >= 5
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
