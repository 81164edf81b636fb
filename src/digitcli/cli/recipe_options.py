"""What the options that change a recipe mean, and what is wrong with them."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from digitcli.errors import UsageError

if TYPE_CHECKING:
    from digitcli.training.augment import Augmentation
    from digitcli.training.recipe import Recipe


def hidden_layers(text: str | None) -> tuple[int, ...] | None:
    """Return the units of each layer that --hidden names."""
    if text is None:
        return None
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = ()
    if not 1 <= len(sizes) <= 15 or not all(1 <= size <= 16_384 for size in sizes):
        raise UsageError(f"--hidden {text} is not a list of layer sizes; write one like 512,256")
    return sizes


def positive(value: float | None, option: str) -> float | None:
    """Return a value that must be above 0, if there is one."""
    if value is not None and not 0 < value < float("inf"):
        raise UsageError(f"{option} {value} must be above 0")
    return value


def features_in(text: str | None) -> tuple[str, ...] | None:
    """Return the names that --features lists, for the members to take in turn."""
    if text is None:
        return None
    from digitcli.model.input import INPUT_FEATURES

    names = tuple(text.split(","))
    for name in names:
        if name not in INPUT_FEATURES:
            raise UsageError(f"--features {name} is not one of {', '.join(sorted(INPUT_FEATURES))}")
    return names


def augmentation_of(recipe: Recipe, augment: bool | None, text: str | None) -> Augmentation | None:
    """Return the distortions of a recipe, changed as the options say."""
    from digitcli.training.recipe import HANDWRITING

    if augment is False:
        return None
    base = recipe.augmentation
    if base is None and (augment or text is not None):
        base = HANDWRITING
    if base is None or text is None:
        return base
    known = {field.name for field in fields(base)}
    changes: dict[str, Any] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        try:
            changes[name] = float(value)
        except ValueError:
            raise UsageError(f"--augmentation {part} is not of the form NAME=NUMBER") from None
        if name not in known:
            raise UsageError(f"--augmentation {name} is not one of {', '.join(sorted(known))}")
        if not 0 <= changes[name] < 1000:
            raise UsageError(f"--augmentation {part} must be from 0 to 1000")
    return replace(base, **changes)
