"""A contact sheet: some digits of a dataset, on one picture."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitcli.data.dataset import Dataset
from digitcli.files import atomic_write

COLUMNS = 30
_CELL = 30  # a 28×28 image and a line between it and the next
_ENLARGEMENT = 2


def contact_sheet(dataset: Dataset) -> NDArray[np.uint8]:
    """Draw a row of images for each digit, 0 to 9 from the top.

    Each row takes up to `COLUMNS` images, evenly spaced over all of the class. Empty cells stay
    grey.

    Returns
    -------
    uint8, shape (600, 1800), ink bright on black
    """
    sheet = np.full((10 * _CELL, COLUMNS * _CELL), 64, np.uint8)
    for digit in range(10):
        members = np.flatnonzero(dataset.labels == digit)
        count = min(len(members), COLUMNS)
        chosen = members[np.arange(count) * len(members) // max(count, 1)]
        for column, image in enumerate(dataset.images[chosen]):
            top, left = digit * _CELL + 1, column * _CELL + 1
            sheet[top : top + 28, left : left + 28] = image
    return sheet.repeat(_ENLARGEMENT, axis=0).repeat(_ENLARGEMENT, axis=1)


def save_contact_sheet(dataset: Dataset, path: str | os.PathLike[str]) -> None:
    """Write the contact sheet of `dataset` as a PNG file."""
    with atomic_write(Path(path)) as file:
        Image.fromarray(contact_sheet(dataset)).save(file, format="PNG", optimize=True)
