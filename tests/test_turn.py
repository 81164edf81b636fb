"""A digit that lies on its side is read when it is surely a digit that way, and this is said."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from conftest import Run, load_digits
from digitcli import load_model
from digitcli.errors import ImageError
from digitcli.reading.digit import see_picture
from digitcli.reading.turn import CLAIMED, SIDEWAYS, UPRIGHT, recognised, turned
from digitcli.seeing.ready import in_mnist_form

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def photos() -> list[tuple[Pixels, int]]:
    """Digits, dark on grey paper, upright."""
    digits = load_digits().part("test")
    found = []
    for image, label in zip(digits.images[:24], digits.labels[:24].tolist(), strict=True):
        large = np.asarray(Image.fromarray(image).resize((140, 140), Image.Resampling.BICUBIC))
        found.append((np.pad(215 - large // 2, 60, constant_values=215).astype(np.uint8), label))
    return found


@pytest.mark.slow("pictures")
def test_much_of_what_lies_on_its_side_is_read_and_nothing_upright_is_turned(
    photos: list[tuple[Pixels, int]],
) -> None:
    model = load_model()
    right = {0: 0, 1: 0, 3: 0}
    as_it_is = 0
    for picture, label in photos:
        for turns in right:
            with suppress(ImageError):
                seen = see_picture(np.ascontiguousarray(np.rot90(picture, turns)))
                right[turns] += int(recognised(seen, model).argmax()) == label
                as_it_is += int(model.predict(seen.image[None])[0]) == label
    assert right[0] >= len(photos) - 1
    assert sum(right.values()) >= as_it_is + len(photos) / 6


def test_predict_says_that_it_turned_a_picture(
    photos: list[tuple[Pixels, int]], digitcli: Run, tmp_path: Path
) -> None:
    model = load_model()
    upright = None
    for picture, _ in photos:
        sideways = np.ascontiguousarray(np.rot90(picture))
        try:
            seen = see_picture(sideways)
        except ImageError:
            continue
        doubtful = model.predict_proba(seen.image[None]).max() < SIDEWAYS
        if doubtful and (upright := turned(seen.image, model)):
            break
    assert upright is not None
    label = int(upright.probabilities.argmax())
    assert CLAIMED * UPRIGHT <= upright.probabilities.max() < CLAIMED + 0.07
    Image.fromarray(sideways).save(tmp_path / "photo.png")
    result = digitcli("predict", "photo.png", "--explain", "why")
    assert result.stdout.startswith(f"photo.png\t{label}\t")
    assert "photo.png was read turned by 90° to the right" in result.stderr
    assert list((tmp_path / "why").iterdir())


def test_a_picture_in_the_form_of_mnist_is_never_turned(digitcli: Run, tmp_path: Path) -> None:
    digits = load_digits().part("test")
    sideways = np.ascontiguousarray(np.rot90(digits.images, axes=(1, 2)))
    for shift in range(-1, 2):
        moved = np.roll(sideways, shift, axis=1)
        for number in np.flatnonzero(in_mnist_form(moved)):
            Image.fromarray(moved[number]).save(tmp_path / f"{number}_{shift}.png")
    result = digitcli("predict", *sorted(path.name for path in tmp_path.glob("*.png")))
    assert len(result.stdout.splitlines()) > 20
    assert "turned" not in result.stderr
