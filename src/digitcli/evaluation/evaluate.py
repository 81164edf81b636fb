"""Hold a model against labelled digits: every figure that the terminal, JSON and report show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import PurePath
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from digitcli import __version__
from digitcli.data.dataset import SPLITS, Dataset
from digitcli.errors import DataError
from digitcli.evaluation import metrics
from digitcli.evaluation.metrics import (
    ClassScore,
    CoveragePoint,
    Floats,
    Integers,
    ReliabilityBin,
)

SCHEMA_VERSION = 1
"""Version of `Evaluation.to_dict`; raised when a field changes its meaning or goes away."""

THRESHOLDS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
"""The minimum confidences at which coverage and accuracy are told."""

BATCH = 5000


class Classifier(Protocol):
    """Anything that gives ten probabilities per 28×28 image, such as `digitcli.Model`."""

    def predict_proba(self, images: NDArray[Any], /) -> NDArray[Any]:
        """Return probabilities of shape (n, 10) for uint8 images of shape (n, 28, 28)."""
        ...


@dataclass(frozen=True)
class Unreadable:
    """A picture of the dataset that could not be read, and why."""

    path: str
    error: str


@dataclass(frozen=True)
class Slice:
    """How the pictures of one source folder fared."""

    name: str
    count: int
    correct: int
    accuracy: float
    accuracy_interval: tuple[float, float]


@dataclass(frozen=True)
class Comparison:
    """A second model on the same pictures.

    Attributes
    ----------
    model : str
        What the second model is called.
    accuracy, accuracy_interval, log_loss, expected_calibration_error
        Its figures, as for the first.
    both_right, only_first, only_second, both_wrong : int
        Number of pictures that both models, only one, or neither read right.
    p_value : float
        Of McNemar's exact test, two-sided.
    predictions : ndarray of shape (n,)
        What the second model reads.
    """

    model: str
    accuracy: float
    accuracy_interval: tuple[float, float]
    log_loss: float
    expected_calibration_error: float
    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    p_value: float
    predictions: NDArray[np.intp]


@dataclass(frozen=True)
class Evaluation:
    """A model's answers on labelled digits, and what they add up to.

    Fractions are 0 to 1 throughout; the measures are those of `digitcli.evaluation.metrics`.

    Attributes
    ----------
    model : str
        What the model is called.
    data : Dataset
        The n pictures that were read.
    split : str
        Which part of the dataset they are: ``"train"``, ``"test"`` or ``"all"``.
    probabilities : ndarray of float64, shape (n, 10)
    unreadable : tuple of Unreadable
        Pictures that count neither as right nor as wrong.
    against : Comparison, optional
    """

    model: str
    data: Dataset
    split: str
    probabilities: Floats
    unreadable: tuple[Unreadable, ...] = ()
    against: Comparison | None = None

    @cached_property
    def predictions(self) -> NDArray[np.intp]:
        """The class with the highest probability for each picture, shape (n,)."""
        places: NDArray[np.intp] = self.probabilities.argmax(axis=1)
        return places

    @cached_property
    def confidence(self) -> Floats:
        """The probability of the predicted class, shape (n,)."""
        top: Floats = self.probabilities.max(axis=1)
        return top

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Whether each picture was read right, shape (n,)."""
        same: NDArray[np.bool_] = self.predictions == self.data.labels
        return same

    @property
    def count(self) -> int:
        """Number of pictures read."""
        return len(self.data)

    @cached_property
    def correct(self) -> int:
        """Number of pictures read right."""
        return int(self.right.sum())

    @cached_property
    def accuracy(self) -> float:
        """Fraction of pictures read right."""
        return metrics.accuracy(self.data.labels, self.predictions)

    @cached_property
    def accuracy_interval(self) -> tuple[float, float]:
        """Wilson's 95% interval of the accuracy."""
        return metrics.wilson_interval(self.correct, self.count)

    @cached_property
    def log_loss(self) -> float:
        """Mean negative log probability of the true class, in nats."""
        return metrics.log_loss(self.data.labels, self.probabilities)

    @cached_property
    def log_loss_interval(self) -> tuple[float, float]:
        """The 95% interval of the log loss."""
        return metrics.log_loss_interval(self.data.labels, self.probabilities)

    @cached_property
    def expected_calibration_error(self) -> float:
        """Mean gap between confidence and accuracy over 15 bins."""
        return metrics.expected_calibration_error(self.data.labels, self.probabilities)

    @cached_property
    def confidence_auroc(self) -> float:
        """How well confidence tells right answers from wrong ones; NaN when all are alike."""
        return metrics.auroc(self.right, self.confidence)

    @cached_property
    def confusion_matrix(self) -> Integers:
        """Counts by true (row) and predicted (column) class, shape (10, 10)."""
        return metrics.confusion_matrix(self.data.labels, self.predictions)

    @cached_property
    def per_class(self) -> tuple[ClassScore, ...]:
        """Precision, recall, F1 and support of each digit."""
        return metrics.per_class(self.confusion_matrix)

    @cached_property
    def reliability(self) -> tuple[ReliabilityBin, ...]:
        """Accuracy by confidence, in 15 bins."""
        return metrics.reliability(self.data.labels, self.probabilities)

    @cached_property
    def coverage(self) -> tuple[CoveragePoint, ...]:
        """What remains when answers below each of `THRESHOLDS` are withheld."""
        return metrics.accuracy_at_coverage(self.data.labels, self.probabilities, THRESHOLDS)

    @cached_property
    def slices(self) -> tuple[Slice, ...]:
        """Figures by source folder, in order of name; empty unless there are two or more."""
        names = source_folders(self.data)
        found = sorted(set(names))
        if len(found) < 2:
            return ()
        places = np.array(names)
        return tuple(_slice(name, self.right[places == name]) for name in found)

    def mistakes(self) -> NDArray[np.intp]:
        """Return the places of all misread pictures, the surest of their error first."""
        wrong = np.flatnonzero(~self.right)
        truth = self.data.labels[wrong]
        return wrong[np.lexsort((wrong, self.probabilities[wrong, truth]))]

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain builtins, ready for JSON; docs/evaluate-json.md explains it.

        What is not a number becomes None.
        """
        answer: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "digitcli_version": __version__,
            "model": self.model,
            "dataset": self.data.name,
            "split": self.split,
            "count": self.count,
            "correct": self.correct,
            "accuracy": self.accuracy,
            "accuracy_interval": self.accuracy_interval,
            "log_loss": self.log_loss,
            "log_loss_interval": self.log_loss_interval,
            "expected_calibration_error": self.expected_calibration_error,
            "confidence_auroc": self.confidence_auroc,
            "confusion_matrix": self.confusion_matrix.tolist(),
            "per_class": [asdict(score) for score in self.per_class],
            "reliability": [asdict(bar) for bar in self.reliability],
            "coverage": [asdict(point) for point in self.coverage],
            "slices": [asdict(part) for part in self.slices],
            "mistakes": [
                self._picture(i)
                | {"predicted": int(self.predictions[i]), "confidence": float(self.confidence[i])}
                for i in self.mistakes()
            ],
            "unreadable": [asdict(picture) for picture in self.unreadable],
        }
        if self.against is not None:
            comparison = dict(vars(self.against))
            second = comparison.pop("predictions")
            differ = np.flatnonzero(self.right != (second == self.data.labels))
            comparison["disagreements"] = [
                self._picture(i)
                | {"predicted_first": int(self.predictions[i]), "predicted_second": int(second[i])}
                for i in differ
            ]
            answer["against"] = comparison
        plain: dict[str, Any] = without_nan(answer)
        return plain

    def _picture(self, place: np.intp) -> dict[str, Any]:
        path = None if self.data.paths is None else self.data.paths[place]
        return {"index": int(place), "path": path, "label": int(self.data.labels[place])}


def evaluate(
    model: Classifier,
    dataset: Dataset,
    *,
    split: str = "test",
    against: Classifier | None = None,
    unreadable: Sequence[Unreadable] = (),
) -> Evaluation:
    """Let `model` read the digits of `dataset` and measure how well it does.

    Parameters
    ----------
    model : Classifier
        For example what `digitcli.load_model` returns. Its ``name``, or else its type's, is what
        it is called in the results.
    dataset : Dataset
        For example what `digitcli.load_dataset` returns.
    split : {"test", "train", "all"}
        Which part of the dataset to read.
    against : Classifier, optional
        A second model to compare with on the same pictures.
    unreadable : sequence of Unreadable
        Pictures that never made it into `dataset`, to be told beside the figures.

    Raises
    ------
    DataError
        When that part of the dataset is empty.
    """
    part = (dataset if split == "all" else dataset.part(split)).digits()
    if len(part) == 0:
        raise DataError(_nothing_there(dataset, split))
    first = Evaluation(_name(model), part, split, _probabilities(model, part), tuple(unreadable))
    if against is None:
        return first
    second = Evaluation(_name(against), part, split, _probabilities(against, part))
    return replace(first, against=_compare(first, second))


@dataclass(frozen=True)
class Check:
    """One bar that an evaluation was held against; `told` says in a clause how it fared."""

    name: str
    passed: bool
    told: str


def checks(
    evaluation: Evaluation, accuracy: float | None = None, recall: float | None = None
) -> list[Check]:
    """Hold an evaluation against the bars that are given.

    Parameters
    ----------
    evaluation : Evaluation
    accuracy : float, optional
        The least accuracy over all pictures, 0 to 1.
    recall : float, optional
        The least recall of each digit that occurs, 0 to 1.
    """
    made = []
    if accuracy is not None:
        made.append(
            check("accuracy", evaluation.correct, evaluation.count, evaluation.accuracy, accuracy)
        )
    if recall is not None:
        hits = evaluation.confusion_matrix.diagonal()
        made.extend(
            check(f"recall of {s.label}", int(hits[s.label]), s.support, s.recall, recall)
            for s in evaluation.per_class
            if s.support
        )
    return made


def check(name: str, correct: int, count: int, value: float, bar: float) -> Check:
    """Compare a share with the bar it must reach; `correct` of `count` is for the message."""
    if value >= bar:
        return Check(name, True, f"{name} {value:.4f} reaches {bar:g}")
    # As many places as it takes to see that one is smaller.
    places = next(p for p in range(4, 18) if round(value, p) < bar)
    told = f"{name} {value:.{places}f} is below {bar:g} ({count - correct} of {count} wrong)"
    return Check(name, False, told)


def percent(share: float, places: int = 2) -> str:
    """Write a fraction as a percentage; short of all never reads 100%, more than none never 0%."""
    if math.isnan(share):
        return "–"
    text = f"{100 * share:.{places}f}"
    least = 10.0**-places
    if share < 1 and float(text) >= 100:
        text = f"{100 - least:.{places}f}"
    elif share > 0 and float(text) == 0:
        return f"<{least:.{places}f}%"
    return f"{text}%"


def number(value: float) -> str:
    """Write a figure that is not a percentage with four places; a dash for none."""
    return "–" if math.isnan(value) else f"{value:.4f}"


def grouped(count: int) -> str:
    """Write a count with thin spaces between thousands, from five figures on."""
    return f"{count:,}".replace(",", "\u202f") if count >= 10_000 else str(count)


def p_value(p: float) -> str:
    """Write a p-value with three figures; of one below 0.0001 only that it is."""
    return "<0.0001" if p < 0.0001 else f"{p:.3g}"


def source_folders(dataset: Dataset) -> list[str]:
    """Return for each picture the folder it came from, without what its class and split say.

    ``photos/test/7/ada/1.png`` under ``photos`` is from ``ada``; a picture straight in its class
    folder is from ``""``. Without paths the list is empty.
    """
    if not dataset.paths:
        return []
    names = []
    for parts, label in zip(relative_parts(dataset.paths), dataset.labels, strict=True):
        names.append("/".join(p for p in parts[:-1] if p != str(label) and p not in SPLITS))
    return names


def relative_parts(paths: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the parts of each path below the folder that all have in common."""
    split = [PurePath(path).parts for path in paths]
    folders = [parts[:-1] for parts in split]
    first, last = min(folders), max(folders)
    pairs = zip(first, last, strict=False)
    shared = next((i for i, (a, b) in enumerate(pairs) if a != b), len(first))
    return [parts[shared:] for parts in split]


def _name(model: Classifier) -> str:
    return str(getattr(model, "name", type(model).__name__))


def _probabilities(model: Classifier, part: Dataset) -> Floats:
    """Return the model's answers in float64 with rows that sum to 1 in that precision too."""
    batches = [
        np.asarray(model.predict_proba(part.images[start : start + BATCH]), dtype=np.float64)
        for start in range(0, len(part), BATCH)
    ]
    given: Floats = np.concatenate(batches)
    given /= given.sum(axis=1, keepdims=True)
    return given


def _slice(name: str, right: NDArray[np.bool_]) -> Slice:
    correct, count = int(right.sum()), len(right)
    interval = metrics.wilson_interval(correct, count)
    return Slice(name, count, correct, correct / count, interval)


def _compare(first: Evaluation, second: Evaluation) -> Comparison:
    only_first = int((first.right & ~second.right).sum())
    only_second = int((second.right & ~first.right).sum())
    return Comparison(
        model=second.model,
        accuracy=second.accuracy,
        accuracy_interval=second.accuracy_interval,
        log_loss=second.log_loss,
        expected_calibration_error=second.expected_calibration_error,
        both_right=int((first.right & second.right).sum()),
        only_first=only_first,
        only_second=only_second,
        both_wrong=int((~first.right & ~second.right).sum()),
        p_value=metrics.mcnemar_exact(only_first, only_second),
        predictions=second.predictions,
    )


def _nothing_there(dataset: Dataset, split: str) -> str:
    others = [name for name in SPLITS if name != split and len(dataset.part(name))]
    advice = f"try --split {others[0]}" if others else "choose a dataset that has some"
    return f"{dataset.name} has no {'' if split == 'all' else split + ' '}pictures; {advice}"


def without_nan(value: Any) -> Any:
    """Replace tuples by lists and numbers that JSON cannot write by None, all the way down."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
