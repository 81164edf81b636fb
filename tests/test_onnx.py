"""`digitcli export`: another program gives the probabilities that this one gives at first look."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import Run, load_digits
from digitcli.errors import DigitcliError, ExitCode
from digitcli.model.input import INPUT_FEATURES, as_pixels
from digitcli.model.modelfile import load_model, save_model
from digitcli.model.network import Model, Network
from digitcli.model.second_look import DOUBTFUL
from drawings import save_reader

TOLERANCE = 1e-4


@pytest.fixture(scope="session")
def many() -> NDArray[np.uint8]:
    """10,782 digits, those of UCI as they are and moved, and images that are no digits."""
    images = load_digits().images
    moves = ((0, 0), (2, 1), (-3, 0), (0, 4), (-1, -5), (5, -2))
    moved = np.concatenate([np.roll(images, move, (1, 2)) for move in moves])
    rng = np.random.default_rng(0)
    others = np.stack(
        [
            np.zeros((28, 28), np.uint8),
            np.full((28, 28), 255, np.uint8),
            rng.integers(0, 256, (28, 28), np.uint8),
            np.eye(28, dtype=np.uint8),
        ]
    )
    return np.concatenate([moved, others])


def run(content: bytes | Path, images: NDArray[Any]) -> NDArray[np.float32]:
    """Return what ONNX Runtime makes of images."""
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    source = str(content) if isinstance(content, Path) else content
    session = runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(["probabilities"], {"image": images})
    result: NDArray[np.float32] = probabilities
    return result


def random_network(features: str, seed: int) -> Network:
    """Return a network with one hidden layer whose answers are neither sure nor all alike."""
    rng = np.random.default_rng(seed)
    sizes = (INPUT_FEATURES[features].inputs, 40, 10)
    weights = tuple(
        (rng.standard_normal(shape) * 2 / np.sqrt(shape[0])).astype(np.float32)
        for shape in pairwise(sizes)
    )
    biases = tuple(rng.standard_normal(units).astype(np.float32) for units in sizes[1:])
    return Network(weights, biases, features)


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow("pictures"))])
def test_the_shipped_model_says_the_same(many: NDArray[np.uint8], every: int) -> None:
    pytest.importorskip("onnx")
    many = many[::every]
    model = load_model()
    probabilities = run(model.to_onnx(), many)
    expected = model.first_look(as_pixels(many))
    assert probabilities.shape == (len(many), 10)
    assert len(many) > 10_000 / every
    assert np.abs(probabilities - expected).max() <= TOLERANCE
    sure = expected.max(axis=1) >= DOUBTFUL
    few = np.flatnonzero(sure)[:1000]
    assert np.abs(probabilities[few] - model.predict_proba(many[few])).max() <= TOLERANCE
    assert not np.allclose(probabilities, probabilities[0])


@pytest.mark.parametrize("features", INPUT_FEATURES)
def test_whatever_a_network_sees(many: NDArray[np.uint8], features: str) -> None:
    pytest.importorskip("onnx")
    model = Model((random_network(features, 1),))
    some = many[::7]
    expected = model.first_look(as_pixels(some))
    assert np.abs(run(model.to_onnx(), some) - expected).max() <= TOLERANCE
    assert np.ptp(expected.argmax(axis=1)) > 0


def test_a_committee_is_one_file(many: NDArray[np.uint8]) -> None:
    pytest.importorskip("onnx")
    names = ("pixels", "directions", "width")
    model = Model(tuple(random_network(name, seed) for seed, name in enumerate(names)))
    expected = model.first_look(as_pixels(many[::7]))
    assert np.abs(run(model.to_onnx(), many[::7]) - expected).max() <= TOLERANCE


def test_pixels_as_floats(many: NDArray[np.uint8]) -> None:
    pytest.importorskip("onnx")
    model = Model((random_network("directions", 2),))
    floats = as_pixels(many[:500]).reshape(-1, 28, 28)
    as_bytes, as_floats = model.to_onnx(), model.to_onnx("float32")
    assert np.abs(run(as_floats, floats) - run(as_bytes, many[:500])).max() <= 1e-6


def test_export_writes_the_file_and_says_what_is_left_out(
    digitcli: Run, tmp_path: Path, many: NDArray[np.uint8]
) -> None:
    pytest.importorskip("onnx")
    save_reader(tmp_path / "reader.joblib")
    result = digitcli("export", "reader.onnx", "-m", "reader.joblib")
    assert (result.returncode, result.stdout) == (0, "reader.onnx\n")
    assert "without its second look" in result.stderr
    expected = load_model(tmp_path / "reader.joblib").first_look(as_pixels(many[:50]))
    assert np.abs(run(tmp_path / "reader.onnx", many[:50]) - expected).max() <= TOLERANCE
    assert digitcli("export", "again.onnx", "-m", "reader.joblib", "-q").stderr == ""
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "reader.onnx").read_bytes()


def test_weights_of_half_precision_stay_so(tmp_path: Path, many: NDArray[np.uint8]) -> None:
    """The shipped model is no larger in a browser than in the package."""
    pytest.importorskip("onnx")
    content = Model((random_network("pixels", 3),))
    save_model(content, tmp_path / "half.joblib", dtype="float16")
    half = load_model(tmp_path / "half.joblib")
    assert len(half.to_onnx()) < 0.6 * len(content.to_onnx())
    expected = half.first_look(as_pixels(many[:500]))
    assert np.abs(run(half.to_onnx(), many[:500]) - expected).max() <= TOLERANCE


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["model.bin"], ".onnx"), ([], "FILE.onnx"), (["m.onnx", "--pixels", "int8"], "--pixels")],
)
def test_what_makes_no_sense_is_wrong_usage(
    digitcli: Run, arguments: list[str], named: str
) -> None:
    result = digitcli("export", *arguments)
    assert result.returncode == ExitCode.USAGE
    assert named in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_without_the_extra_the_next_step_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(DigitcliError, match=r"pip install 'digitcli\[onnx\]'"):
        load_model().to_onnx()
