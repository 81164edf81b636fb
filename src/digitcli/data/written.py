"""Digits that a writer writes, as many as are asked for."""

from __future__ import annotations

import numpy as np

from digitcli.data.dataset import MAX_BYTES, Dataset
from digitcli.errors import DataError
from digitcli.writing.writer import write_digits

SEED, TEST_SEED = 7, 8
"""Other people write the test digits,"""
STRETCH = 1.2
"""and their habits go this much further."""
TEST_SHARE = 1 / 7
"""As in MNIST."""
FEWEST, MOST = 100, MAX_BYTES // 28**2


def load_written(count: str) -> Dataset:
    """Write a dataset: six in seven digits to learn from, the others, by other people, as a test.

    Equal counts give equal digits.

    Parameters
    ----------
    count : str
        How many, FEWEST to MOST.

    Raises
    ------
    DataError
        When that is no such number.
    """
    if not (count.isascii() and count.isdigit() and FEWEST <= int(count[:9]) <= MOST):
        raise DataError(
            f"writer:{count} says no number of digits; give {FEWEST} to {MOST:,}, "
            "as in 'writer:60000'"
        )
    for_test = round(int(count) * TEST_SHARE)
    parts = [
        write_digits(int(count) - for_test, seed=SEED),
        write_digits(for_test, seed=TEST_SEED, stretch=STRETCH),
    ]
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    split = np.repeat(["train", "test"], [int(count) - for_test, for_test])
    return Dataset(f"writer-{count}", images, labels, split)
