"""The network that reads a row without cutting it, against slow and simple calculations."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from digitcli.reading import uncut
from digitcli.reading.pattern import parse_forms
from digitcli.reading.uncut import (
    BLANK,
    COLUMN,
    HEIGHT,
    columns_of,
    levelled,
    likelihoods,
    likely_texts,
    row_image,
    signed_columns,
    spans,
)

SIGNS = 3, 7, BLANK


def drawn_columns(seed: int, count: int = 6) -> np.ndarray:
    """Draw columns in which 3, 7 and a blank are possible, and nothing else is."""
    rng = np.random.default_rng(seed)
    columns = np.full((count, 11), -60.0, np.float32)
    chances = rng.dirichlet([1, 1, 1], count)
    columns[:, SIGNS] = np.log(chances)
    return columns


def text_of(signs: tuple[int, ...]) -> str:
    """What a way through the columns spells: repeated signs are one, blanks are none."""
    return "".join(str(sign) for sign, _ in itertools.groupby(signs) if sign != BLANK)


def probabilities(columns: np.ndarray) -> dict[str, float]:
    """Add up all ways through the columns, text by text."""
    found: dict[str, float] = {}
    for signs in itertools.product(SIGNS, repeat=len(columns)):
        way = np.exp(sum(columns[place, sign] for place, sign in enumerate(signs)))
        text = text_of(signs)
        found[text] = found.get(text, 0.0) + float(way)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_the_likelihood_of_a_text_is_the_sum_over_all_its_ways(seed: int) -> None:
    columns = drawn_columns(seed)
    found = probabilities(columns)
    assert sum(found.values()) == pytest.approx(1, abs=1e-4)
    together = np.exp(likelihoods(columns, list(found)))
    assert together == pytest.approx(list(found.values()), rel=1e-4)
    assert np.exp(likelihoods(columns, ["3737373", "3"]))[0] == 0


@pytest.mark.parametrize("seed", range(5))
def test_the_search_finds_the_likeliest_texts(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uncut, "BEAM", 200)
    columns = drawn_columns(seed)
    found = probabilities(columns)
    best = sorted(found, key=lambda text: -found[text])[:5]
    readings = likely_texts(columns, 5)
    assert [reading.text for reading in readings] == best
    for reading in readings:
        assert np.exp(reading.likely) == pytest.approx(found[reading.text], rel=1e-4)
    pattern = parse_forms("[37]7")[0].places
    fitting = {text: found[text] for text in ("37", "77")}
    readings = likely_texts(columns, pattern=pattern)
    assert {reading.text for reading in readings} == set(fitting)
    for reading in readings:
        assert np.exp(reading.likely) == pytest.approx(fitting[reading.text], rel=1e-4)


def test_digits_are_where_the_likeliest_way_has_them() -> None:
    columns = drawn_columns(8, 7)
    text = "373"
    ways = {
        signs: sum(columns[place, sign] for place, sign in enumerate(signs))
        for signs in itertools.product(SIGNS, repeat=len(columns))
        if text_of(signs) == text
    }
    signs = max(ways, key=lambda way: ways[way])
    expected, place = [], 0
    for sign, run in itertools.groupby(signs):
        count = len(list(run))
        if sign != BLANK:
            expected.append((place, place + count))
        place += count
    assert spans(columns, text) == expected


def test_the_network_is_what_its_layers_say() -> None:
    """Against convolutions pixel by pixel."""
    image = np.random.default_rng(0).uniform(0, 1, (HEIGHT, 12)).astype(np.float32)
    layers = uncut._layers()
    values = image[:, :, None].astype(np.float64)
    for number, (weight, bias) in enumerate(layers[:5]):
        tall = 3 if number < 4 else 2
        edge = 1 if number < 4 else 0
        padded = np.pad(values, ((edge, edge), (1, 1), (0, 0)))
        height, width = padded.shape[0] - tall + 1, padded.shape[1] - 2
        after = np.empty((height, width, len(bias)))
        for y, x in itertools.product(range(height), range(width)):
            window = padded[y : y + tall, x : x + 3]
            after[y, x] = np.maximum(window.ravel() @ weight + bias, 0)
        if number < 4:
            after = after.reshape(height // 2, 2, width, -1).max(1)
        if number == 0:
            after = after.reshape(height // 2, width // COLUMN, COLUMN, -1).max(2)
        values = after
    long = values[0]
    for far, (weight, bias) in zip((2, 4), layers[5:7], strict=True):
        reach = 2 * far
        padded = np.pad(long, ((reach, reach), (0, 0)))
        windows = [padded[x : x + 2 * reach + 1 : far] for x in range(len(long))]
        seen = np.stack([window.ravel() @ weight + bias for window in windows])
        long = long + np.maximum(seen, 0)
    odds = long @ layers[7][0] + layers[7][1]
    expected = odds - np.log(np.exp(odds).sum(1, keepdims=True))
    np.testing.assert_allclose(signed_columns(image), expected, atol=1e-3)
    digits = columns_of(image)
    np.testing.assert_allclose(np.exp(digits).sum(1), 1, atol=1e-4)
    np.testing.assert_allclose(digits[:, :BLANK], expected[:, :BLANK], atol=1e-3)


def test_a_row_is_cut_out_where_it_is() -> None:
    dark = np.zeros((200, 400), np.float32)
    dark[90:110, 150:154] = 1  # as high as the row
    dark[90:110, 250:254] = 0.9
    image, left, scale = row_image(dark, (150, 90, 254, 110))
    assert image.shape[0] == HEIGHT
    ink = image > 0.5
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    assert len(rows) == pytest.approx(uncut.SHARE * HEIGHT, abs=1.5)
    assert rows[0] == pytest.approx((1 - uncut.SHARE) / 2 * HEIGHT, abs=1.5)
    assert left + columns[0] / scale == pytest.approx(150, abs=1)
    assert left + (columns[-1] + 1) / scale == pytest.approx(254, abs=1)


def test_a_falling_row_is_cut_out_level() -> None:
    dark = np.zeros((200, 400), np.float32)
    for x in range(100, 300):
        top = int(90 + 0.2 * (x - 200))
        dark[top : top + 4, x] = 1
    image, _, _ = row_image(dark, (100, 80, 300, 104), slope=0.2)
    tops = (image > 0.5).argmax(0)[(image > 0.5).any(0)]
    assert np.ptp(tops) <= 2


def test_a_row_may_reach_beyond_the_picture() -> None:
    dark = np.random.default_rng(0).uniform(0, 1, (10, 40)).astype(np.float32)
    image, left, _ = row_image(dark, (0, 0, 40, 10))
    assert image.shape[0] == HEIGHT
    assert left == 0


def test_paper_is_0_and_ink_is_1() -> None:
    dark = np.full((10, 20), 0.3, np.float32)
    dark[4:6, 5:15] = 0.8
    level = levelled(dark)
    assert level[0, 0] == 0
    assert level[5, 8] == 1
    assert np.isfinite(levelled(np.zeros((8, 8), np.float32))).all()
