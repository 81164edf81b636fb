"""What the shell completes besides options and choices; where nothing fits, it offers files."""

from __future__ import annotations

from typing import Final

DATASETS: Final = ("mnist", "digits", "writer:")
"""Datasets that are called by name."""

FEATURES: Final = (
    "deslant",
    "deslant-directions",
    "directions",
    "pixels",
    "width",
    "width-directions",
)
"""The keys of `digitcli.model.input.INPUT_FEATURES`, which completion has no time to import."""


def complete_dataset(incomplete: str) -> list[str]:
    """Return the names of datasets that begin so."""
    return [name for name in DATASETS if name.startswith(incomplete)]


def complete_features(incomplete: str) -> list[str]:
    """Return the lists of features that go on so."""
    begun, comma, last = incomplete.rpartition(",")
    return [f"{begun}{comma}{name}" for name in FEATURES if name.startswith(last)]


def complete_model(incomplete: str) -> list[str]:
    """Return the name of the model inside the package, once it is begun: before, files are."""
    return ["shipped"] if incomplete and "shipped".startswith(incomplete) else []
