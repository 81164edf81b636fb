"""The embedded UCI digits have the form of MNIST and a fixed, stratified split."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from digitcli.data.dataset import Dataset
from digitcli.data.uci import _table, load_digits, to_mnist_form
from digitcli.seeing.form import has_mnist_form


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_digits()


def test_every_image_has_the_form_of_mnist(digits: Dataset) -> None:
    assert digits.images.shape == (1797, 28, 28)
    ink = digits.images > 0
    rows, columns = ink.any(axis=2), ink.any(axis=1)
    height = 28 - rows.argmax(axis=1) - rows[:, ::-1].argmax(axis=1)
    width = 28 - columns.argmax(axis=1) - columns[:, ::-1].argmax(axis=1)
    assert set(np.maximum(height, width).tolist()) <= {19, 20}
    assert np.mean([has_mnist_form(image) for image in digits.images]) > 0.95
    assert digits.images.max(axis=(1, 2)).min() >= 250


def test_the_split_is_a_stratified_fifth_and_never_changes(digits: Dataset) -> None:
    test, train = digits.part("test"), digits.part("train")
    assert len(test) == 355
    assert len(train) == 1442
    share = np.bincount(test.labels) / np.bincount(digits.labels)
    assert share.min() > 0.19
    assert share.max() <= 0.2
    marks = hashlib.sha256((digits.split == "test").tobytes()).hexdigest()
    assert marks == "250a2ebe2ed85f904f20b187622e69c31b085cbdc07288845d326dbe93d85d9c"


def test_the_labels_belong_to_the_images(digits: Dataset) -> None:
    """The mean images of the classes look like the digits: 1 is full where 0 is empty."""
    means = [digits.images[digits.labels == digit].mean(axis=0) for digit in range(10)]
    assert means[1][13:15, 13:15].mean() > 150
    assert means[0][13:15, 13:15].mean() < 40
    assert np.array_equal(digits.labels[:10], np.arange(10))


def test_the_table_is_what_scikit_learn_loads() -> None:
    from sklearn.datasets import load_digits as load_uci

    uci = load_uci()
    np.testing.assert_array_equal(_table(), np.column_stack([uci.data, uci.target]))


def test_a_single_stroke_becomes_twenty_pixels_long() -> None:
    image = np.zeros((8, 8))
    image[2:6, 3] = 16
    large = to_mnist_form(image)
    assert large.dtype == np.uint8
    rows, columns = np.flatnonzero(large.any(axis=1)), np.flatnonzero(large.any(axis=0))
    assert len(rows) == 20
    assert len(columns) == 5
    assert rows[0] == 4
    assert large.max() == 255
