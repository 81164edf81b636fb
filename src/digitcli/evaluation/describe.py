"""Say what a model is and how it was made; its metadata is shown, never trusted."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from digitcli.model.network import Model

CURVES = ("training_loss", "validation_loss", "validation_accuracy", "learning_rate")
"""The columns of a training history that are shown, where they are there."""

MOST_ROWS = 300
LONGEST_VALUE = 300


@dataclass(frozen=True)
class Description:
    """What a model is made of.

    Attributes
    ----------
    model : str
        Its name: a path, or "shipped".
    layers : tuple of tuple of int
        Units per layer, inputs to outputs, of each network.
    input_features : tuple of str
        What each network sees of an image.
    parameters : int
        Number of weights and biases of all networks.
    size : int, optional
        Bytes of its file.
    sha256 : str, optional
        Of its file.
    metadata : dict
        How it was made, as its file says.
    """

    model: str
    layers: tuple[tuple[int, ...], ...]
    input_features: tuple[str, ...]
    parameters: int
    size: int | None
    sha256: str | None
    metadata: dict[str, Any]

    @property
    def architecture(self) -> str:
        """The layers of all networks in one line, equal ones counted."""
        kinds = [
            "-".join(map(str, layers)) + (f" ({name})" if name != "pixels" else "")
            for layers, name in zip(self.layers, self.input_features, strict=True)
        ]
        counts = {kind: kinds.count(kind) for kind in kinds}
        return " + ".join(f"{n} × {kind}" if n > 1 else kind for kind, n in counts.items())

    @property
    def histories(self) -> list[dict[str, list[float]]]:
        """The training curves of each network: one number per epoch under each of `CURVES`."""
        members = self.metadata.get("members")
        records = members if isinstance(members, list) else [self.metadata]
        found = [curves(each.get("history")) for each in records if isinstance(each, dict)]
        return [each for each in found if each]

    def curves(self) -> list[tuple[str, list[float]]]:
        """Return all training curves, each with a dotted name."""
        found = self.histories
        return [
            (f"history.{name}" if len(found) == 1 else f"members.{member}.history.{name}", values)
            for member, curves in enumerate(found, 1)
            for name, values in curves.items()
        ]

    def rows(self) -> list[tuple[str, str]]:
        """Return how the model was made as pairs of a dotted name and a short text."""
        found: list[tuple[str, str]] = []
        for name, value in _flat(self.metadata):
            if "history" not in name.split(".") and len(found) < MOST_ROWS:
                clipped = value if len(value) <= LONGEST_VALUE else value[:LONGEST_VALUE] + "…"
                found.append((name, clipped))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain builtins, ready for JSON."""
        return asdict(self)


def describe(model: Model, file: Path | None = None) -> Description:
    """Describe `model`, which was read from `file`."""
    content = file.read_bytes() if file is not None else None
    return Description(
        model=model.name,
        layers=tuple(member.layer_sizes for member in model.members),
        input_features=tuple(member.input_features for member in model.members),
        parameters=model.parameter_count,
        size=None if content is None else len(content),
        sha256=None if content is None else hashlib.sha256(content).hexdigest(),
        metadata=model.metadata,
    )


def curves(history: object) -> dict[str, list[float]]:
    """Return the curves of a history that holds a list under each name.

    What is not a number becomes NaN; a curve without a number, or a history of another form, is
    left out.
    """
    if not isinstance(history, Mapping):
        return {}
    columns = {
        name: [_number(value) for value in history[name]]
        for name in CURVES
        if isinstance(history.get(name), list)
    }
    return {name: column for name, column in columns.items() if any(map(math.isfinite, column))}


def outline(rows: Sequence[tuple[str, str]]) -> Iterator[tuple[int, str, str]]:
    """Put dotted names under the names of their groups: yield depth, name and text of each line."""
    above: list[str] = []
    for name, value in rows:
        *groups, leaf = name.split(".")
        pairs = enumerate(zip(above, groups, strict=False))
        same = next((i for i, (a, b) in pairs if a != b), min(len(above), len(groups)))
        for depth in range(same, len(groups)):
            yield depth, groups[depth], ""
        yield len(groups), leaf, value
        above = groups


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e300 else math.nan


def _flat(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Walk nested metadata; lists of plain values stay together."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(v, Mapping | list) for v in value):
        for place, item in enumerate(value, 1):
            yield from _flat(item, f"{name}.{place}")
    elif isinstance(value, list | tuple):
        yield name, ", ".join(map(_text, value))
    else:
        yield name, _text(value)


def _text(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)
