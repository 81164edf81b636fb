"""Digits that a writer writes, as many as are asked for."""

from __future__ import annotations

from collections.abc import Callable

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


def load_written(count: str, *, on_progress: Callable[[int, int], None] | None = None) -> Dataset:
    """Write a dataset: six in seven digits to learn from, the others, by other people, as a test.

    Equal counts give equal digits.

    Parameters
    ----------
    count : str
        How many, FEWEST to MOST.
    on_progress : callable, optional
        Receives the number of digits written so far and in all.

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
    total = int(count)
    for_test = round(total * TEST_SHARE)
    for_training = total - for_test

    def tell(written: int) -> None:
        if on_progress is not None:
            on_progress(written, total)

    parts = [
        write_digits(for_training, seed=SEED, on_progress=tell),
        write_digits(
            for_test,
            seed=TEST_SEED,
            stretch=STRETCH,
            on_progress=lambda written: tell(for_training + written),
        ),
    ]
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    split = np.repeat(["train", "test"], [for_training, for_test])
    return Dataset(f"writer-{count}", images, labels, split)
