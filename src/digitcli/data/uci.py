"""The UCI digits that scikit-learn contains, in the form of MNIST: data without a network."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitcli.data.dataset import Dataset
from digitcli.seeing.form import place

TEST_EVERY = 5
"""Every fifth image of each class is test data."""

_FACTOR = 10  # more than 20 pixels for any digit, so that what follows is a reduction


def load_digits() -> Dataset:
    """Load the 1,797 UCI digits, 8×8 pixels each, as 28×28 images.

    Every fifth image of each class, in the order of the set, is the test split: 20 %, stratified,
    and the same with every version of every library. The set is ordered by writer, so both splits
    hold digits of all 13 writers, as cross-validation on this set commonly has it.

    References
    ----------
    .. [1] E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
       Learning Repository, 1998. https://doi.org/10.24432/C50P49
    """
    table = _table()
    labels = table[:, -1].astype(np.uint8)
    split = np.full(len(labels), "train", dtype="<U5")
    for digit in range(10):
        split[np.flatnonzero(labels == digit)[TEST_EVERY - 1 :: TEST_EVERY]] = "test"
    images = np.stack([to_mnist_form(image) for image in table[:, :-1].reshape(-1, 8, 8)])
    return Dataset("digits", images, labels, split)


def _table() -> NDArray[np.float64]:
    """Read the 64 pixels and the label of each digit from scikit-learn's file.

    To import scikit-learn for it would take a second.
    """
    found = find_spec("sklearn")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("the digits are a part of scikit-learn", name="sklearn")
    path = Path(found.origin).parent / "datasets" / "data" / "digits.csv.gz"
    if not path.exists():  # it has moved
        from sklearn.datasets import load_digits as load_uci

        uci = load_uci()
        return np.column_stack([uci.data, uci.target])
    return np.loadtxt(path, delimiter=",")


def to_mnist_form(image: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Enlarge one UCI digit to the form of MNIST.

    Its ink is enlarged bicubically and from there takes the way of every picture: antialiased to
    a longer side of 20 pixels, its centre of mass in the middle.

    Parameters
    ----------
    image : float, shape (8, 8), 0 (paper) to 16 (ink)

    Returns
    -------
    uint8, shape (28, 28), ink bright on black
    """
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    ink = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    picture = Image.fromarray((ink / 16).astype(np.float32))
    large = picture.resize(
        (picture.width * _FACTOR, picture.height * _FACTOR), Image.Resampling.BICUBIC
    )
    return place(np.asarray(large).clip(0, 1))
