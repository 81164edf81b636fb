"""What the pages in docs/ say of `evaluate` is so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from centroids import centroid_model
from conftest import Run, clean_environment, load_digits
from digitcli.errors import ExitCode
from digitcli.evaluation.evaluate import Evaluation, Unreadable, evaluate

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def result() -> Evaluation:
    digits = load_digits().part("test").take(np.arange(40))
    from_two = replace(digits, paths=tuple(f"{'ab'[i % 2]}/{i}.png" for i in range(40)))
    model = centroid_model(digits.take(np.arange(12)))
    other = centroid_model(digits)
    return evaluate(model, from_two, against=other, unreadable=[Unreadable("a.png", "is empty")])


def documented_fields(page: str) -> dict[str, set[str]]:
    """Return the fields in the table of each section of a page; the first has no name."""
    sections = re.split(r"^`(\w+)`[^\n]*:", page, flags=re.MULTILINE)
    tables = {"": sections[0]} | dict(zip(sections[1::2], sections[2::2], strict=True))
    return {
        section: {
            name
            for row in re.findall(r"^\| (`.+?`) \|", text, re.MULTILINE)
            for name in re.findall(r"`(\w+)`", row)
        }
        for section, text in tables.items()
    }


def test_every_field_of_the_json_is_documented_and_no_other(result):
    page, _, _ = (DOCS / "evaluate-json.md").read_text().partition("## With `--line`")
    fields = documented_fields(page)
    told: dict[str, Any] = result.to_dict()
    assert fields.pop("") == told.keys()
    told |= {"disagreements": told["against"]["disagreements"]}
    nested = {name: value for name, value in told.items() if name in fields}
    assert nested.keys() == fields.keys()
    for name, value in nested.items():
        first = value[0] if isinstance(value, list) else value
        assert first.keys() == fields[name]


def test_every_field_of_the_json_about_rows_is_documented_and_no_other(digitcli: Run, tmp_path):
    (tmp_path / "labels.csv").write_text("path,text\nmissing.png,12\n")
    result = digitcli("evaluate", "--line", "labels.csv", "--format", "json")
    assert result.returncode == ExitCode.PARTIAL
    told = json.loads(result.stdout)
    _, _, page = (DOCS / "evaluate-json.md").read_text().partition("## With `--line`")
    assert documented_fields(page) == {
        "": told.keys(),
        "pictures": told["pictures"][0].keys(),
    }


@pytest.mark.slow("training")
@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_the_gate_for_continuous_integration_trains_and_passes(tmp_path):
    page = (DOCS / "ci.md").read_text()
    block = re.search(r"<!-- gate -->\n```sh\n(.*?)```", page, re.DOTALL)
    assert block is not None
    run = subprocess.run(
        ["sh", "-e", "-c", f'digitcli() {{ "{sys.executable}" -m digitcli "$@"; }}\n{block[1]}'],
        cwd=tmp_path,
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert 'failures="0"' in (tmp_path / "accuracy.xml").read_text()
