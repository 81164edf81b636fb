"""Render an evaluation as one self-contained HTML file that needs no network."""

from __future__ import annotations

import base64
import hashlib
import io
import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitcli import __version__
from digitcli.errors import ImageError
from digitcli.evaluation.charts import (
    Chart,
    confidence_chart,
    coverage_chart,
    history_chart,
    reliability_chart,
)
from digitcli.evaluation.describe import Description, outline
from digitcli.evaluation.evaluate import (
    Evaluation,
    grouped,
    number,
    p_value,
    percent,
    relative_parts,
)
from digitcli.evaluation.metrics import ClassScore, wilson_interval
from digitcli.files import atomic_write
from digitcli.jsontext import dumps
from digitcli.paths import printable
from digitcli.seeing.decode import decode

CELL_DIGITS = 30
"""At most so many digits are shown for one cell of the confusion matrix."""

GALLERY = 36
"""So many of the worst mistakes are shown large."""

ORIGINAL_SIDE = 224
"""Longer side of the pictures beside them, in pixels: twice what a screen of today shows."""

ATLAS_COLUMNS = 50


@dataclass(frozen=True)
class Digit:
    """One picture as the report shows it; `x` and `y` are its place in the atlas."""

    name: str
    x: int
    y: int
    truth: int
    read: int
    confidence: float
    probabilities: tuple[float, ...]
    original: str


@dataclass(frozen=True)
class Cell:
    """One cell of the confusion matrix: its count, its shade (0 to 1) and some of its digits."""

    truth: int
    read: int
    count: int
    share: float
    heat: float
    digits: tuple[Digit, ...]


def write_report(
    evaluation: Evaluation,
    path: str | os.PathLike[str],
    description: Description,
    *,
    originals: bool = False,
) -> None:
    """Write the report of `evaluation` to `path`; see `render`."""
    page = render(evaluation, description, originals=originals)
    with atomic_write(path) as file:
        file.write(page.encode("utf-8", errors="replace"))


def render(evaluation: Evaluation, description: Description, *, originals: bool = False) -> str:
    """Return the report as HTML.

    Parameters
    ----------
    evaluation : Evaluation
    description : Description
        Of the model that was evaluated.
    originals : bool
        Whether to show the picture files themselves beside the worst mistakes. Say so only of a
        folder that the user named: the paths inside a dataset file may lead anywhere.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def shown(value: Any) -> Any:
        """Escape control characters wherever text that is not ours enters the page."""
        ours = isinstance(value, Markup) or not isinstance(value, str)
        return value if ours else printable(value)

    environment = Environment(
        loader=PackageLoader("digitcli.evaluation"),
        autoescape=True,
        finalize=shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, number=number, p_value=p_value, size=_size)
    environment.filters["grouped"] = lambda count: Markup(grouped(count))

    def text_of(name: str) -> Any:
        source, _, _ = PackageLoader("digitcli.evaluation").get_source(environment, name)
        return Markup(source)  # ours, and in the page as it is

    script = text_of("report.js")
    digits = _Digits(evaluation, originals)
    cells = _cells(evaluation, digits)
    return environment.get_template("report.html").render(
        evaluation=evaluation,
        description=description,
        version=__version__,
        cells=cells,
        confusions=_commonest(cells),
        gallery=[digits.show(i, large=True) for i in evaluation.mistakes()[:GALLERY]],
        only=_disagreements(evaluation, digits),
        classes=_classes(evaluation),
        reliability=reliability_chart(evaluation),
        confidence=confidence_chart(evaluation),
        coverage=coverage_chart(evaluation),
        history=_history(description),
        making=list(outline(description.rows())),
        figures=Markup(_inert(dumps(evaluation.to_dict()))),
        atlas=digits.atlas(),  # last: by now it has met every digit
        atlas_columns=ATLAS_COLUMNS,
        cell_digits=CELL_DIGITS,
        style=text_of("report.css"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


class _Digits:
    """The digits of the report; each is in the atlas once, however often it is shown."""

    def __init__(self, evaluation: Evaluation, originals: bool) -> None:
        self.evaluation = evaluation
        self.originals = originals
        self.names = _names(evaluation)
        self.slots: dict[int, int] = {}

    def show(self, place: int, *, large: bool = False) -> Digit:
        """Return what to show of the picture at `place`; a `large` one brings its original."""
        given = self.evaluation
        slot = self.slots.setdefault(int(place), len(self.slots))
        paths = given.data.paths
        return Digit(
            name=self.names[place],
            x=slot % ATLAS_COLUMNS,
            y=slot // ATLAS_COLUMNS,
            truth=int(given.data.labels[place]),
            read=int(given.predictions[place]),
            confidence=float(given.confidence[place]),
            probabilities=tuple(float(p) for p in given.probabilities[place]),
            original=_original(paths[place]) if large and self.originals and paths else "",
        )

    def atlas(self) -> str:
        """Return all digits shown so far as one PNG picture in a data URL."""
        rows = max(1, -(-len(self.slots) // ATLAS_COLUMNS))
        tiles = np.zeros((rows * ATLAS_COLUMNS, 28, 28), np.uint8)
        tiles[: len(self.slots)] = self.evaluation.data.images[list(self.slots)]
        sheet = tiles.reshape(rows, ATLAS_COLUMNS, 28, 28).swapaxes(1, 2)
        return _data_url(Image.fromarray(sheet.reshape(rows * 28, ATLAS_COLUMNS * 28)), "PNG")


def _cells(evaluation: Evaluation, digits: _Digits) -> list[list[Cell]]:
    matrix = evaluation.confusion_matrix
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    most = max(float(shares[~np.eye(10, dtype=bool)].max()), 1e-9)
    # Mistakes most certain of themselves first; among right answers the least certain ones.
    order = [*evaluation.mistakes(), *_least_sure(evaluation)]
    members: dict[tuple[int, int], list[int]] = {}
    for place in order:
        pair = int(evaluation.data.labels[place]), int(evaluation.predictions[place])
        members.setdefault(pair, []).append(place)

    def cell(truth: int, read: int) -> Cell:
        share = float(shares[truth, read])
        heat = share if truth == read else math.sqrt(share / most)
        shown = members.get((truth, read), [])[:CELL_DIGITS]
        count = int(matrix[truth, read])
        return Cell(truth, read, count, share, heat, tuple(digits.show(i) for i in shown))

    return [[cell(truth, read) for read in range(10)] for truth in range(10)]


def _least_sure(evaluation: Evaluation) -> NDArray[np.intp]:
    hits = np.flatnonzero(evaluation.right)
    return hits[np.argsort(evaluation.confidence[hits], kind="stable")]


def _commonest(cells: list[list[Cell]]) -> list[Cell]:
    mistaken = [cell for row in cells for cell in row if cell.truth != cell.read and cell.count]
    return sorted(mistaken, key=lambda cell: -cell.count)[:8]


def _disagreements(evaluation: Evaluation, digits: _Digits) -> list[tuple[str, int, list[Digit]]]:
    """Return what each of two models gets right that the other does not."""
    if evaluation.against is None:
        return []
    other = evaluation.against.predictions == evaluation.data.labels
    found = []
    for model, places in (
        (evaluation.model, np.flatnonzero(evaluation.right & ~other)),
        (evaluation.against.model, np.flatnonzero(other & ~evaluation.right)),
    ):
        found.append((model, len(places), [digits.show(i) for i in places[:CELL_DIGITS]]))
    return found


def _classes(evaluation: Evaluation) -> list[tuple[ClassScore, tuple[float, float]]]:
    """Return each digit's scores with the 95% interval of its recall."""
    hits = evaluation.confusion_matrix.diagonal()
    return [
        (score, wilson_interval(int(hits[score.label]), score.support))
        for score in evaluation.per_class
    ]


def _history(description: Description) -> list[Chart]:
    """Draw the curves of all networks of the model together."""

    def lines(*names: tuple[str, str, str]) -> list[tuple[str, str, list[float]]]:
        return [
            (label, style, curves[name])
            for name, label, style in names
            for curves in description.histories
            if name in curves
        ]

    losses = lines(
        ("training_loss", "training", "soft"), ("validation_loss", "validation", "accent")
    )
    accuracies = lines(("validation_accuracy", "validation", "accent"))
    charts = []
    if losses:
        charts.append(history_chart("losses", "Loss", losses, share=False))
    if accuracies:
        charts.append(history_chart("accuracies", "Accuracy", accuracies, share=True))
    return charts


def _names(evaluation: Evaluation) -> list[str]:
    paths = evaluation.data.paths
    if paths is None:
        return [f"no. {place}" for place in range(evaluation.count)]
    return ["/".join(parts) for parts in relative_parts(paths)]


def _original(path: str) -> str:
    """Return the picture file small enough for the page, or nothing if it has gone."""
    try:
        picture = Image.fromarray(decode(path))
    except ImageError:
        return ""
    if max(picture.size) <= ORIGINAL_SIDE // 2:
        return _data_url(picture, "PNG")  # JPEG would smear so few pixels
    picture.thumbnail((ORIGINAL_SIDE, ORIGINAL_SIDE))
    return _data_url(picture, "JPEG")


def _data_url(picture: Image.Image, kind: str) -> str:
    packed = io.BytesIO()
    picture.save(packed, kind, optimize=True)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(packed.getvalue()).decode()}"


def _inert(text: str) -> str:
    """Write JSON so that nothing in it can end the script element it stands in."""
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _size(count: int) -> str:
    """Write a number of bytes for a person."""
    for unit, size in (("MB", 1_000_000), ("kB", 1_000)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
