"""`digitcli info`: what a model is and how it was made, whatever its file says."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest

from centroids import HISTORY, centroid_model
from conftest import Run
from digitcli import Dataset
from digitcli.cli.info import sparkline
from digitcli.evaluation.describe import describe
from digitcli.evaluation.evaluate import without_nan
from digitcli.model.modelfile import load_model, save_model
from digitcli.model.network import Model


@pytest.fixture(scope="module")
def model() -> Model:
    images = np.random.default_rng(1).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    labels = np.arange(20, dtype=np.uint8) % 10
    return centroid_model(Dataset("some", images, labels, np.full(20, "train")))


@pytest.fixture
def file(model: Model, tmp_path: Path) -> Path:
    save_model(model, tmp_path / "model.joblib")
    return tmp_path / "model.joblib"


def test_text_tells_structure_making_and_curves(digitcli: Run, file):
    run = digitcli("info", file)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    lines = [" ".join(line.split()) for line in run.stdout.splitlines()]
    for line in ("layers 784-10", "parameters 7,850", "sharpness 0.5", "seed 6", "images 20"):
        assert line in lines
    assert f"size {file.stat().st_size:,} bytes" in lines
    assert "validation_loss 1.4 to 0.8 █▂▁" in lines
    assert "validation_accuracy 0.61 to 0.87 ▁▇█" in lines


def test_json_tells_all_of_it(digitcli: Run, file, model):
    told = json.loads(digitcli("info", file, "--format", "json").stdout)
    assert told["layers"] == [[784, 10]]
    assert told["parameters"] == 7850
    assert told["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert told["size"] == file.stat().st_size
    assert told["metadata"] == model.metadata
    assert told["metadata"]["history"] == HISTORY


def test_the_environment_or_the_package_names_the_model(digitcli: Run, file):
    named = digitcli("info", "--format", "json", env={"DIGITCLI_MODEL": str(file)})
    assert json.loads(named.stdout)["model"] == str(file)
    shipped = json.loads(digitcli("info", "--format", "json").stdout)
    assert shipped["model"] == "shipped"
    assert shipped["layers"] == [list(load_model().members[0].layer_sizes)]


def test_a_committee_counts_equal_members_and_has_a_curve_for_each(digitcli: Run, model, tmp_path):
    shorter = {name: values[:2] for name, values in HISTORY.items()}
    metadata = {"members": [{"seed": 1, "history": HISTORY}, {"seed": 2, "history": shorter}]}
    two = Model(model.members * 2, metadata)
    save_model(two, tmp_path / "two.joblib")
    text = digitcli("info", "two.joblib").stdout
    assert "2 × 784-10" in text
    assert text.count("validation_loss") == 2
    assert len(describe(two).histories) == 2


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"history": "none", "members": 3},
        {"history": [1, None, {"validation_loss": ["low"]}]},
        {"history": {"validation_loss": [1, None, "low", [2]], "training_loss": "low"}},
        {"history": {"validation_loss": [math.inf, 10**400]}},
        {"history": {"validation_loss": [math.nan], "training_loss": True}, "data": [{}, [], None]},
        {"members": [None, {"history": {}}], "a.b..c": {"": {"": 1.5}}},
    ],
)
def test_odd_metadata_is_no_reason_to_fail(digitcli: Run, model, tmp_path, metadata):
    save_model(Model(model.members, metadata), tmp_path / "odd.joblib")
    text = digitcli("info", "odd.joblib")
    assert (text.returncode, text.stderr) == (0, "")
    told = describe(load_model(tmp_path / "odd.joblib")).to_dict()
    json.dumps(without_nan(told), allow_nan=False)


def test_nothing_in_a_model_reaches_the_terminal_raw(digitcli: Run, model, tmp_path):
    metadata = {"note\x1b]0;x\x07": "\x1b[2J[bold]", "long": "x" * 5000}
    save_model(Model(model.members, metadata), tmp_path / "evil.joblib")
    run = digitcli("info", "evil.joblib", env={"COLUMNS": "100"})
    assert "\x1b" not in run.stdout
    assert "[bold]" in run.stdout
    assert len(run.stdout) < 3000


def test_curves_are_left_out_where_they_cannot_be_shown(digitcli: Run, file):
    run = digitcli("info", file, env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert "validation_loss" in run.stdout
    assert "\\u2" not in run.stdout


@pytest.mark.parametrize("columns", [20, 40])
def test_a_narrow_terminal_loses_nothing(digitcli: Run, file, columns):
    run = digitcli("info", file, env={"COLUMNS": str(columns)})
    assert max(len(line) for line in run.stdout.splitlines()) <= columns
    assert "…" not in run.stdout


def test_a_missing_model_is_one_clear_line(digitcli: Run):
    run = digitcli("info", "none.joblib")
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1
    assert "none.joblib" in run.stderr


def test_sparklines():
    assert sparkline([1, 2, 3, 4, 5, 6, 7, 8]) == "▁▂▃▄▅▆▇█"
    assert sparkline([3.0, 3.0]) == "▅▅"
    assert sparkline([0.0, math.nan, 1.0]) == "▁ █"
    assert len(sparkline([float(i) for i in range(1000)])) == 40
