"""MNIST: its four files, where they are served, and how they become a dataset."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from digitcli.data.dataset import Dataset
from digitcli.data.download import Mirror, RemoteFile, check, fetch
from digitcli.data.idx import load_idx_pair
from digitcli.errors import DigitcliError, DownloadError
from digitcli.paths import data_dir as resolve_data_dir

FILES = (
    RemoteFile(
        "train-images-idx3-ubyte.gz",
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    RemoteFile(
        "train-labels-idx1-ubyte.gz",
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    RemoteFile(
        "t10k-images-idx3-ubyte.gz",
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    RemoteFile(
        "t10k-labels-idx1-ubyte.gz",
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
)

MIRRORS = tuple(
    map(
        Mirror.parse,
        (
            "https://storage.googleapis.com/cvdf-datasets/mnist/",  # the CVDF's
            "https://ossci-datasets.s3.amazonaws.com/mnist/",  # PyTorch's
            "https://raw.githubusercontent.com/fgnt/mnist/master/",  # Paderborn University's
            "https://azureopendatastorage.blob.core.windows.net/mnist/",  # Azure Open Datasets
        ),
    )
)
"""Public copies of http://yann.lecun.com/exdb/mnist/, which itself no longer serves them."""


def mnist_folder(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder inside the data folder where MNIST's files lie."""
    return resolve_data_dir(data_dir) / "mnist"


def is_fetched(data_dir: str | os.PathLike[str] | None = None) -> bool:
    """Return whether `load_mnist` needs no network: all four files are there and verified."""
    folder = mnist_folder(data_dir)
    try:
        return all(check(folder / file.name, file) == "verified" for file in FILES)
    except DigitcliError:
        return False


def load_mnist(
    data_dir: str | os.PathLike[str] | None = None,
    *,
    files: Sequence[RemoteFile] = FILES,
    mirrors: Sequence[Mirror] = MIRRORS,
    on_step: Callable[[str], None] | None = None,
) -> Dataset:
    """Load MNIST, 60,000 training and 10,000 test digits, fetching what is not there.

    Parameters
    ----------
    data_dir : the data folder; see `digitcli.paths.data_dir`
    files : the images and labels of training and test data, verified before they are read
    mirrors : where missing files are fetched from
    on_step : called with a line about each file fetched and each mirror skipped

    Raises
    ------
    DownloadError
        When a file is not there and no mirror serves it.
    """
    folder = mnist_folder(data_dir)

    def say(line: str) -> None:
        if on_step is not None:
            on_step(line)

    def on_start(file: RemoteFile) -> None:
        say(f"fetching {file.name} ({file.size:,} bytes) to {folder}")

    try:
        fetched = fetch(files, mirrors, folder, on_start=on_start, on_note=say)
    except DownloadError as error:
        raise DownloadError(
            f"MNIST is not in {folder} and could not be fetched: {error}, as in "
            "'digitcli fetch --from FOLDER'; or use '--dataset digits', which needs no network"
        ) from error
    parts = [load_idx_pair(file.path) for file in fetched if "images" in file.path.name]
    return Dataset(
        "mnist",
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.split for part in parts]),
    )
