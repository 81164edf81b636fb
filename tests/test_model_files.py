"""A model file is plain data: right ones load exactly, hostile ones end in one clear error."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from digitcli import load_model
from digitcli.errors import ModelError
from digitcli.model import modelfile, plainpickle
from digitcli.model.halves import widen
from digitcli.model.input import INPUT_FEATURES, as_pixels
from digitcli.model.modelfile import save_model
from digitcli.model.network import Model, Network

RNG = np.random.default_rng(7)
SIZES = (784, 16, 12, 10)


def make_network(seed: int = 0, input_features: str = "pixels") -> Network:
    rng = np.random.default_rng(seed)
    sizes = (INPUT_FEATURES[input_features].inputs, *SIZES[1:])
    return Network(
        tuple(rng.normal(0, 0.1, shape).astype(np.float32) for shape in pairwise(sizes)),
        tuple(rng.normal(0, 0.1, units).astype(np.float32) for units in SIZES[1:]),
        input_features,
    )


@pytest.fixture
def images() -> np.ndarray:
    return RNG.integers(0, 256, (50, 28, 28), dtype=np.uint8)


@pytest.fixture
def model_path(tmp_path: Path) -> Path:
    path = tmp_path / "model.joblib"
    save_model(Model((make_network(),), {"seed": 1, "history": [{"loss": 0.5}]}), path)
    return path


def damaged(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    content = joblib.load(path)
    change(content)
    joblib.dump(content, path)
    return path


def test_a_saved_model_loads_with_the_same_weights_and_metadata(
    model_path: Path, images: np.ndarray
) -> None:
    model = load_model(model_path)
    assert model.metadata == {"seed": 1, "history": [{"loss": 0.5}]}
    np.testing.assert_array_equal(
        model.predict_proba(images), Model((make_network(),)).predict_proba(images)
    )


def test_what_is_a_digit_leaves_the_probabilities_as_they_are(
    tmp_path: Path, images: np.ndarray
) -> None:
    plain = make_network()
    head = np.random.default_rng(3).normal(0, 0.1, SIZES[-2] + 1).astype(np.float32)
    knowing = Network(plain.stored, plain.biases, plain.input_features, head)
    save_model(Model((knowing,)), tmp_path / "knowing.joblib")
    loaded = load_model(tmp_path / "knowing.joblib")
    without = Model((plain,))
    np.testing.assert_array_equal(loaded.predict_proba(images), without.predict_proba(images))
    hidden = as_pixels(images)
    for weight, bias in zip(plain.weights[:-1], plain.biases[:-1], strict=True):
        hidden = np.maximum(hidden @ weight + bias, 0)
    expected = 1 / (1 + np.exp(-(hidden @ head[:-1] + head[-1])))
    np.testing.assert_allclose(loaded.is_digit(images), expected, rtol=1e-4)
    np.testing.assert_array_equal(without.is_digit(images), 1)


def test_joblib_opens_the_file_and_finds_only_builtins(model_path: Path) -> None:
    def check(item: object) -> None:
        assert type(item) in (dict, list, str, int, float, bool, bytes, type(None))
        if isinstance(item, dict):
            for value in item.values():
                check(value)
        elif isinstance(item, list):
            for value in item:
                check(value)

    content = joblib.load(model_path)
    check(content)
    first = content["members"][0]["weights"][0]
    array = np.frombuffer(first["data"], first["dtype"]).reshape(first["shape"])
    np.testing.assert_array_equal(array, make_network().weights[0])


def test_equal_models_give_equal_files_whatever_their_texts_are_made_of(tmp_path: Path) -> None:
    one, other = "stan" + "dard", "".join(["standard"])
    save_model(Model((make_network(),), {"a": one, "b": one}), tmp_path / "1")
    save_model(Model((make_network(),), {"a": one, "b": "".join(list(other))}), tmp_path / "2")
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_float16_halves_the_file_and_keeps_the_probabilities(
    tmp_path: Path, images: np.ndarray, model_path: Path
) -> None:
    model = load_model(model_path)
    half = tmp_path / "half.joblib"
    save_model(model, half, dtype="float16")
    assert half.stat().st_size < 0.55 * model_path.stat().st_size
    np.testing.assert_allclose(
        load_model(half).predict_proba(images), model.predict_proba(images), atol=2e-3
    )


@pytest.mark.parametrize("count", [1, 2])
def test_few_images_get_the_same_from_weights_that_are_widened_in_part(
    tmp_path: Path, images: np.ndarray, model_path: Path, count: int
) -> None:
    save_model(load_model(model_path), tmp_path / "half.joblib", dtype="float16")
    model = load_model(tmp_path / "half.joblib")
    images[:2] = 0
    images[1, 8:20, 12:15] = 255
    network, features = model.members[0], as_pixels(images)
    few = [network.predict_proba(features[at : at + count]) for at in range(0, len(images), count)]
    assert "weights" not in vars(network)
    np.testing.assert_allclose(np.concatenate(few), network.predict_proba(features), atol=1e-6)
    assert "weights" in vars(network)


def test_every_half_precision_number_is_widened_exactly() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    np.testing.assert_array_equal(widen(halves), halves.astype(np.float32))


@pytest.mark.parametrize("dtype", ["<f2", "<f4"])
def test_infinities_and_nan_of_either_sign_are_told_from_numbers(dtype: str) -> None:
    largest = np.finfo(dtype).max
    numbers = np.array([0, -0.0, largest, -largest, 1e-7], dtype)
    assert modelfile._all_finite(numbers)
    with np.errstate(invalid="ignore"):
        for wrong in np.array([np.inf, -np.inf, np.nan, -np.nan], dtype):
            assert not modelfile._all_finite(np.append(numbers, wrong))


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("input_features", ["pixels", "directions"])
def test_to_sklearn_gives_the_same_probabilities(
    images: np.ndarray, members: int, input_features: str
) -> None:
    from sklearn.ensemble import VotingClassifier
    from sklearn.neural_network import MLPClassifier

    model = Model(tuple(make_network(seed, input_features) for seed in range(members)))
    features = images.reshape(-1, 784).astype(np.float32) / 255
    classifier = model.to_sklearn()
    np.testing.assert_allclose(
        classifier.predict_proba(features), model.predict_proba(images), atol=1e-5
    )
    np.testing.assert_array_equal(classifier.predict(features), model.predict(images))
    assert isinstance(classifier, MLPClassifier if members == 1 else VotingClassifier)


def test_loading_and_predicting_import_neither_scikit_learn_nor_joblib(
    model_path: Path, digitcli: object
) -> None:
    import subprocess

    code = (
        "import sys, numpy, digitcli\n"
        f"digitcli.load_model({os.fspath(model_path)!r}).predict(numpy.zeros((1, 28, 28), 'u1'))\n"
        "print({'sklearn', 'joblib', 'scipy'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "set()\n", result.stderr


class Executes:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, (os.fspath(self.target), "w"))


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_would_run_code_is_refused_and_does_not(
    tmp_path: Path, protocol: int
) -> None:
    path = tmp_path / "evil.joblib"
    path.write_bytes(pickle.dumps({"format": Executes(tmp_path / "ran")}, protocol))
    with pytest.raises(ModelError, match="is not a digitcli model"):
        load_model(path)
    assert not (tmp_path / "ran").exists()


def nan_weight(content: dict[str, Any]) -> None:
    bias = content["members"][0]["biases"][0]
    values = np.frombuffer(bias["data"], "<f4").copy()
    values[3] = np.nan
    bias["data"] = values.tobytes()


def huge_shape(content: dict[str, Any]) -> None:
    content["members"][0]["weights"][0]["shape"] = [784, 10**12]


def swap_shape(content: dict[str, Any]) -> None:
    content["members"][0]["weights"][0]["shape"].reverse()


def swap_layers(content: dict[str, Any]) -> None:
    content["members"][0]["weights"][:2] = content["members"][0]["weights"][1::-1]


def endless_metadata(content: dict[str, Any]) -> None:
    content["metadata"]["self"] = content["metadata"]


def unfolding() -> list[Any]:
    nested: list[Any] = ["lol"]
    for _ in range(18):
        nested = [nested] * 10
    return nested


def branching_metadata(content: dict[str, Any]) -> None:
    content["metadata"]["laughs"] = unfolding()


DAMAGES = [
    (lambda c: c.update(version=99), "version is 99"),
    (lambda c: c.update(version=[1]), "version"),
    (lambda c: c.pop("format"), "does not say"),
    (lambda c: c.update(members=[]), "1 to 64 networks"),
    (lambda c: c.update(members=[None] * 65), "1 to 64 networks"),
    (lambda c: c["members"][0].update(input_features="os.system"), "not known"),
    (lambda c: c["members"][0].update(input_features=[]), "not known"),
    (lambda c: c["members"][0]["weights"].pop(), "10 digits"),
    (lambda c: c["members"][0]["weights"][0].update(dtype="|O"), "array type"),
    (lambda c: c["members"][0]["weights"][0].update(dtype={}), "array type"),
    (lambda c: c["members"][0]["weights"][0].update(shape=[True, 16]), "not possible"),
    (lambda c: c["members"][0]["weights"][0].update(data=b""), "0 bytes"),
    (lambda c: c["members"][0]["weights"][0].update(data=None), "no bytes"),
    (swap_shape, "do not chain"),
    (swap_layers, "do not chain"),
    (huge_shape, "not possible"),
    (nan_weight, "finite"),
    (lambda c: c["members"][0].update(of_digits=7), "damaged"),
    (lambda c: c["members"][0].update(of_digits=c["members"][0]["biases"][0]), "what is a digit"),
    (
        lambda c: c["members"][0].update(
            of_digits={"dtype": "<f4", "shape": [1, 13], "data": b"0" * 52}
        ),
        "not possible",
    ),
    (lambda c: c.pop("metadata"), "metadata"),
    (endless_metadata, "holds too much"),
    (branching_metadata, "holds too much"),
    (lambda c: c.update(version=unfolding(), format="digitcli-model"), "holds too much"),
    (lambda c: c["metadata"].update(text=["x" * 10**6] * 100), "holds too much"),
    (lambda c: c.update(members=c["members"] * 64), "holds too much"),
]


@pytest.mark.parametrize(("change", "reason"), DAMAGES)
def test_damage_is_named(
    model_path: Path, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    with pytest.raises(ModelError, match=reason):
        load_model(damaged(model_path, change))


def test_files_that_are_no_models_at_all(tmp_path: Path, model_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("dear diary")
    cut = tmp_path / "cut.joblib"
    cut.write_bytes(model_path.read_bytes()[:-200])
    empty = tmp_path / "empty"
    empty.touch()
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(modelfile.MAX_FILE_BYTES + 1)
    for path, reason in [
        (text, "another kind"),
        (cut, "cut short"),
        (empty, "cut short"),
        (large, "larger than"),
        (tmp_path, "directory|regular file"),
        (tmp_path / "absent", "does not exist"),
    ]:
        with pytest.raises(ModelError, match=reason):
            load_model(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_a_fifo_without_a_writer_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ModelError, match="regular file"):
        load_model(tmp_path / "fifo")


def test_weights_that_overflow_are_an_error_not_a_digit(images: np.ndarray) -> None:
    network = make_network()
    huge = Network(tuple(weight * np.float32(1e30) for weight in network.weights), network.biases)
    with pytest.raises(ModelError, match="overflows"):
        Model((huge,), name="huge.joblib").predict(images)


PLAIN: list[Any] = [
    None,
    True,
    0,
    -1,
    255,
    65535,
    2**31,
    -(2**70),
    1.5,
    "Zürich \ud800",
    "x" * 300,
    b"",
    b"x" * 70_000,
    (),
    (1,),
    (1, 2, 3, 4),
    [1, [2, []]],
    {"a": {"b": [None] * 2000}},
]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("value", PLAIN, ids=lambda value: repr(value)[:20])
def test_plain_pickles_read_as_pickle_reads_them(value: Any, protocol: int) -> None:
    if isinstance(value, bytes) and protocol == 2:
        pytest.skip("protocol 2 has no bytes: it calls a function to make them")
    if isinstance(value, tuple) and protocol == 2 and not value:
        protocol = 3
    assert plainpickle.loads(pickle.dumps(value, protocol)) == value


def test_mutated_model_files_end_in_a_model_or_one_error(model_path: Path, tmp_path: Path) -> None:
    original = model_path.read_bytes()
    rng = np.random.default_rng(20261122)
    outcomes = {"loaded": 0, "refused": 0}
    for _ in range(1500):
        data = bytearray(original)
        # Most of the bytes are weights, where a flip is only another number; aim at the rest.
        head = rng.random() < 0.5
        for _ in range(int(rng.integers(1, 4))):
            at = int(rng.integers(0, 400 if head else len(data)))
            data[at if rng.random() < 0.5 else -at - 1] = int(rng.integers(0, 256))
        if rng.random() < 0.3:
            del data[int(rng.integers(0, len(data))) :]
        elif rng.random() < 0.3:
            start, size = int(rng.integers(0, len(data))), int(rng.integers(1, 2000))
            data[start:start] = data[start // 2 : start // 2 + size]
        model_path.write_bytes(data)
        try:
            model = load_model(model_path)
        except ModelError as error:
            outcomes["refused"] += 1
            refusal = str(error)
        else:
            assert model.members[0].layer_sizes[0] == 784
            refusal = ""
            outcomes["loaded"] += 1
        assert "\n" not in refusal
    assert min(outcomes.values()) > 50, outcomes


@pytest.mark.parametrize("begin", [b"\x89PNG\r\n", b"# read me\n", b"PK\3\4", b"cos\nsystem\n"])
def test_a_file_of_another_kind_is_called_so(tmp_path: Path, begin: bytes) -> None:
    (tmp_path / "other").write_bytes(begin + bytes(100))
    with pytest.raises(ModelError, match="other is not a digitcli model: it is a file of another"):
        load_model(tmp_path / "other")
