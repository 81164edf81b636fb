"""What an evaluation says, through the Python API: one set of numbers, right ones."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as reference

from centroids import centroid_model
from conftest import load_digits
from digitcli import Dataset
from digitcli.errors import DataError
from digitcli.evaluation.evaluate import (
    Evaluation,
    checks,
    evaluate,
    p_value,
    percent,
    relative_parts,
    source_folders,
)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_digits()


@pytest.fixture(scope="module")
def result(digits: Dataset) -> Evaluation:
    train = digits.part("train")
    half = train.take(np.arange(0, len(train), 40))
    return evaluate(centroid_model(train), digits, against=centroid_model(half, name="half"))


def perfect(labels: np.ndarray, certainty: float = 1.0) -> np.ndarray:
    rest = (1 - certainty) / 9
    return np.where(np.eye(10)[labels] == 1, certainty, rest)


def small(labels: list[int], paths: tuple[str, ...] | None = None) -> Dataset:
    n = len(labels)
    return Dataset(
        "small",
        np.zeros((n, 28, 28), np.uint8),
        np.array(labels, np.uint8),
        np.full(n, "test"),
        paths,
    )


class Says:
    """A model with its answers ready."""

    name = "says"

    def __init__(self, probabilities: np.ndarray) -> None:
        self.probabilities = probabilities

    def predict_proba(self, images: np.ndarray) -> np.ndarray:
        return self.probabilities[: len(images)]


def test_json_is_what_scikit_learn_measures(result, digits):
    told = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    test = digits.part("test")
    labels, probabilities = test.labels, result.probabilities
    answers = probabilities.argmax(axis=1)
    assert told["count"] == len(test)
    assert told["accuracy"] == reference.accuracy_score(labels, answers)
    assert told["correct"] == reference.accuracy_score(labels, answers, normalize=False)
    assert told["log_loss"] == pytest.approx(reference.log_loss(labels, probabilities))
    assert told["confusion_matrix"] == reference.confusion_matrix(labels, answers).tolist()
    scores = reference.precision_recall_fscore_support(labels, answers)
    for name, values in zip(("precision", "recall", "f1", "support"), scores, strict=True):
        assert [one[name] for one in told["per_class"]] == pytest.approx(values)
    confidence = probabilities.max(axis=1)
    assert told["confidence_auroc"] == pytest.approx(
        reference.roc_auc_score(answers == labels, confidence)
    )
    gaps = [bar["count"] * abs(bar["accuracy"] - bar["confidence"]) for bar in full(told)]
    assert told["expected_calibration_error"] == pytest.approx(sum(gaps) / told["count"])
    low, high = told["accuracy_interval"]
    assert low < told["accuracy"] < high


def full(told: dict) -> list[dict]:
    return [bar for bar in told["reliability"] if bar["count"]]


def test_probabilities_are_the_models_own(result, digits):
    model = centroid_model(digits.part("train"))
    given = model.predict_proba(digits.part("test").images)
    np.testing.assert_allclose(result.probabilities, given, atol=1e-6)
    np.testing.assert_array_equal(result.predictions, model.predict(digits.part("test").images))


def test_two_models_are_compared_on_the_same_digits(result):
    told = result.to_dict()["against"]
    assert told["model"] == "half"
    groups = [told[k] for k in ("both_right", "only_first", "only_second", "both_wrong")]
    assert sum(groups) == result.count
    assert told["both_right"] + told["only_first"] == result.correct
    assert told["accuracy"] * result.count == pytest.approx(groups[0] + groups[2])
    assert 0 < told["p_value"] < 1
    assert len(told["disagreements"]) == told["only_first"] + told["only_second"] > 0
    first_alone = 0
    for picture in told["disagreements"]:
        label, reads = picture["label"], (picture["predicted_first"], picture["predicted_second"])
        assert label == result.data.labels[picture["index"]]
        assert reads.count(label) == 1
        first_alone += reads[0] == label
    assert first_alone == told["only_first"]


def test_a_model_against_itself_does_not_differ(digits):
    model = centroid_model(digits.part("train"))
    same = evaluate(model, digits, against=model).against
    assert same is not None
    assert (same.only_first, same.only_second, same.p_value) == (0, 0, 1.0)


def test_what_is_not_a_number_is_null_in_json():
    labels = [3, 3, 5]
    told = evaluate(Says(perfect(np.array(labels))), small(labels)).to_dict()
    assert told["accuracy"] == 1
    assert told["confidence_auroc"] is None
    assert told["reliability"][0]["accuracy"] is None
    json.dumps(told, allow_nan=False)


def test_split_chooses_the_part(digits):
    model = centroid_model(digits)
    counts = {s: evaluate(model, digits, split=s).count for s in ("train", "test", "all")}
    assert counts["train"] + counts["test"] == counts["all"] == 1797


def test_an_empty_part_is_an_error_that_names_the_other(digits):
    train_only = digits.part("train")
    with pytest.raises(DataError, match="digits has no test pictures; try --split train"):
        evaluate(centroid_model(digits), train_only)


def test_mistakes_come_surest_first(result):
    places = result.mistakes()
    assert len(places) == result.count - result.correct > 10
    truth = result.data.labels[places]
    assert (np.diff(result.probabilities[places, truth]) >= 0).all()
    assert not result.right[places].any()
    told = result.to_dict()["mistakes"]
    assert [picture["index"] for picture in told] == places.tolist()
    assert [picture["predicted"] for picture in told] == result.predictions[places].tolist()


def test_bars_say_what_fell_short():
    labels = np.array([0] * 50 + [1] * 50)
    answers = perfect(labels)
    answers[0] = perfect(np.array([1]))[0]
    result = evaluate(Says(answers), small(labels.tolist()))
    (missed,) = checks(result, accuracy=0.995)
    assert not missed.passed
    assert missed.told == "accuracy 0.9900 is below 0.995 (1 of 100 wrong)"
    assert [check.passed for check in checks(result, 0.99, 0.99)] == [True, False, True]
    assert checks(result, recall=0.99)[0].told == "recall of 0 0.9800 is below 0.99 (1 of 50 wrong)"
    assert checks(result) == []


def test_a_near_miss_is_told_with_places_that_show_it():
    result = evaluate(Says(perfect(np.zeros(3, int))), small([0, 0, 1]))
    (missed,) = checks(result, accuracy=0.6666667)
    assert missed.told.startswith("accuracy 0.66666667 is below 0.666667")


def test_percentages_never_round_to_a_lie():
    assert percent(1) == "100.00%"
    assert percent(0.99999) == "99.99%"
    assert percent(0) == "0.00%"
    assert percent(0.00001) == "<0.01%"
    assert percent(0.98765) == "98.77%"
    assert percent(math.nan) == "–"


def test_a_tiny_p_value_is_not_written_as_none():
    assert p_value(0.0) == "<0.0001"
    assert p_value(0.00235123) == "0.00235"
    assert p_value(1.0) == "1"


def test_slices_are_the_folders_that_class_and_split_do_not_say():
    paths = ("x/test/1/ada/a.png", "x/test/1/bob/b.png", "x/test/2/bob/b.png", "x/test/2/c.png")
    data = small([1, 1, 2, 2], paths)
    assert source_folders(data) == ["ada", "bob", "bob", ""]
    answers = perfect(np.array([1, 1, 3, 2]))
    slices = evaluate(Says(answers), data).slices
    assert [(s.name, s.count, s.correct) for s in slices] == [
        ("", 1, 1),
        ("ada", 1, 1),
        ("bob", 2, 1),
    ]


def test_one_source_makes_no_slices():
    data = small([1, 2], ("x/1/a.png", "x/2/b.png"))
    assert evaluate(Says(perfect(data.labels)), data).slices == ()
    assert evaluate(Says(perfect(data.labels)), replace(data, paths=None)).slices == ()


def test_paths_are_told_from_their_common_folder():
    assert relative_parts(["/a/b/1/x.png", "/a/b/2/y.png"]) == [("1", "x.png"), ("2", "y.png")]
    assert relative_parts(["only.png"]) == [("only.png",)]
