"""The writer draws every digit in many hands, in the form of MNIST, and marks that are none."""

from __future__ import annotations

import numpy as np
import pytest

from digitcli import load_model
from digitcli.data.dataset import NO_DIGIT, Dataset
from digitcli.data.sources import load_dataset
from digitcli.errors import DataError
from digitcli.evaluation.evaluate import evaluate
from digitcli.seeing.pieces import Regions
from digitcli.seeing.ready import in_mnist_form
from digitcli.training.trainer import any_digit
from digitcli.writing.allographs import DIGITS, MARKS
from digitcli.writing.rows import write_row
from digitcli.writing.writer import (
    PER_PERSON,
    hand,
    has_bar,
    strokes,
    write_digit,
    write_digits,
    write_marks,
)


def test_equal_seeds_write_equal_digits_in_the_form_of_mnist() -> None:
    images, labels = write_digits(60, seed=3)
    again, _ = write_digits(60, seed=3)
    other, _ = write_digits(60, seed=4)
    assert np.array_equal(images, again)
    assert not np.array_equal(images, other)
    assert in_mnist_form(images).all()
    assert set(labels.tolist()) == set(range(10))


def test_a_person_writes_many_digits_in_one_hand() -> None:
    first, later, other = (hand(number, 3, 1.0)[0] for number in (0, PER_PERSON - 1, PER_PERSON))
    assert (first.taste, first.pen, first.slant) == (later.taste, later.pen, later.slant)
    assert first.taste != other.taste


@pytest.mark.parametrize("digit", [1, 7])
def test_a_1_can_be_told_from_a_7(digit: int) -> None:
    checked = 0
    for number in range(0, 3000, 5):
        person, rng = hand(number, 9, 1.2)
        ways, _ = write_digit(digit, person, rng)
        if len(ways) == 1:
            assert has_bar(ways[0]) == (digit == 7)
            checked += 1
    assert checked > 200


@pytest.mark.parametrize("text", [form for forms in DIGITS.values() for _, form in forms.values()])
def test_an_allograph_has_strokes_within_its_square(text: str) -> None:
    for points, corners in strokes(text):
        assert len(points) == len(corners) >= 2
        assert points.min() >= -0.2
        assert points.max() <= 1.2


def test_the_shipped_model_reads_what_other_people_write_and_doubts_marks() -> None:
    images, labels = write_digits(150, seed=1001)
    model = load_model()
    assert (model.predict(images) == labels).mean() > 0.95
    sure = model.predict_proba(write_marks(150, seed=1001)).max(axis=1) > 0.9
    assert sure.mean() < 0.4
    assert len(MARKS) > 80


def test_a_written_dataset_is_called_by_its_size() -> None:
    data = load_dataset("writer:140")
    assert data.name == "writer-140"
    assert len(data.part("train")) == 120
    assert len(data.part("test")) == 20


@pytest.mark.parametrize("name", ["writer:", "writer:ten", "writer:9", "writer:99999999"])
def test_a_number_that_cannot_be_written_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="give 100 to"):
        load_dataset(name)


def test_what_shows_no_digit_counts_as_all_ten_in_turn() -> None:
    labels = np.array([3, *[NO_DIGIT] * 20], np.uint8)
    for epoch in range(2):
        assert np.bincount(any_digit(labels, epoch)[1:], minlength=10).tolist() == [2] * 10
    assert any_digit(labels, 0)[0] == 3
    assert any_digit(labels, 0)[1] != any_digit(labels, 1)[1]


def test_the_shipped_model_knows_digits_from_marks() -> None:
    model = load_model()
    digits, _ = write_digits(120, seed=31)
    marks = write_marks(120, seed=32)
    assert np.median(model.is_digit(digits)) > 0.9
    assert np.median(model.is_digit(marks)) < 0.1


def test_no_digit_is_a_label_to_learn_from_only() -> None:
    images, labels = np.zeros((2, 28, 28), np.uint8), np.array([7, NO_DIGIT], np.uint8)
    data = Dataset("marks", images, labels, np.array(["train", "train"]))
    assert evaluate(load_model(), data, split="train").data.labels.tolist() == [7]
    with pytest.raises(DataError, match="labels must be"):
        Dataset("marks", images, labels, np.array(["train", "test"]))


def test_rows_are_written_with_an_owner_for_each_digit() -> None:
    rows = [write_row(number, seed=5) for number in range(0, 600, 15)]
    for row in rows:
        assert row.ink.shape == row.owner.shape
        assert row.ink.min() >= 0
        assert row.ink.max() <= 1
        digits = set(range(1, len(row.text) + 1))
        assert digits <= set(np.unique(row.owner).tolist()) <= digits | {0, len(row.text) + 1}
        middles = [np.nonzero(row.owner == digit)[1].mean() for digit in sorted(digits)]
        assert middles == sorted(middles)
    assert {len(row.text) for row in rows} == set(range(2, 8))
    again = write_row(45, seed=5)
    np.testing.assert_array_equal(rows[3].ink, again.ink)
    assert rows[3].text == again.text


def test_written_rows_touch_and_stand_apart() -> None:
    pieces = []
    for number in range(0, 900, 15):
        row = write_row(number, seed=6)
        pieces.append(len(Regions.of(row.ink > 0.5).area) - len(row.text))
    assert min(pieces) < -1, "no digits are joined"
    assert max(pieces) > 0, "no marks and no strokes of one digit stand apart"


def test_the_writer_says_how_far_it_is() -> None:
    told: list[tuple[int, int]] = []
    load_dataset("writer:140", on_progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 140) for done in range(1, 141)]
