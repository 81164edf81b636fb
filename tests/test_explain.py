"""The explanation shows the picture, what was found on it, and the answer."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from digitcli.reading.digit import see_steps
from digitcli.reading.explain import CHOSEN, FOUND, MARGIN, PANEL, TITLE, explain


def panel(sheet: np.ndarray, number: int) -> np.ndarray:
    left = MARGIN + number * (PANEL + MARGIN)
    return sheet[TITLE : TITLE + PANEL, left : left + PANEL]


def test_explanation_shows_digit_and_probabilities() -> None:
    image = Image.new("RGB", (300, 200), "white")
    ImageDraw.Draw(image).line([(100, 40), (180, 40), (130, 160)], "blue", 9, joint="curve")
    steps = see_steps(np.asarray(image))
    probabilities = np.full(10, 0.02)
    probabilities[7] = 0.82
    sheet = np.asarray(explain(steps, probabilities))

    assert sheet.shape == (TITLE + PANEL + MARGIN, MARGIN + 5 * (PANEL + MARGIN), 3)
    red = (panel(sheet, 2) == FOUND).all(axis=2)
    assert 0.5 < red.sum() / (steps.digit.mean() * PANEL * PANEL * 2 / 3) < 1.5
    grown = panel(sheet, 3)[::7, ::7, 0]  # the 28×28 image, seven times larger
    np.testing.assert_array_equal(grown, steps.image)
    chosen = (panel(sheet, 4) == tuple(bytes.fromhex(CHOSEN[1:]))).all(axis=2)
    rows = np.flatnonzero(chosen.any(axis=1)) / PANEL * 10
    assert 7 < rows.min() < rows.max() < 8
    assert abs(chosen.any(axis=0).sum() / (PANEL - 70) - 0.82) < 0.02


def test_explanation_of_a_ready_image_shows_it_unchanged() -> None:
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 12:16] = 200
    sheet = np.asarray(explain(see_steps(image), np.full(10, 0.1)))
    np.testing.assert_array_equal(panel(sheet, 3)[::7, ::7, 0], image)
