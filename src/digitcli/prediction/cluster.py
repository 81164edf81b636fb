"""Share pictures among machines: Dask workers that see the same files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitcli.cluster import run_on_cluster
from digitcli.errors import ImageError
from digitcli.paths import printable
from digitcli.polarity import Polarity
from digitcli.prediction.digits import BATCH
from digitcli.prediction.paths import Burst, Source, path_of
from digitcli.prediction.readings import A, Reading
from digitcli.prediction.stream import answer_bursts
from digitcli.reading.digit import read_digit

Image = NDArray[np.uint8]


def answer_on_cluster(
    reading: Reading[A], bursts: Iterable[Burst], *, scheduler: str
) -> Iterator[A]:
    """Do what `answer_bursts` does on the workers of a Dask scheduler such as ``tcp://host:8786``.

    What a lost worker was at is done again; an input that ends every worker which reads it becomes
    an error. Every worker must see the files at the paths where they are here.

    Raises
    ------
    DigitcliError
        When Dask is not installed, the scheduler cannot be reached, has no workers, or loses them.
    """

    def hopeless(item: Any) -> A:
        path = path_of(item)
        return reading.failed(path, _deadly(path))

    size = reading.batch
    parts = (
        burst[start : start + size] for burst in bursts for start in range(0, len(burst), size)
    )
    return _spread(scheduler, answer_part, (reading, Path.cwd()), parts, hopeless)


def read_on_cluster(
    paths: Sequence[Path], *, scheduler: str, polarity: Polarity = Polarity.AUTO
) -> Iterator[Image | ImageError]:
    """Read the digit in each picture on the workers of a Dask scheduler, in order.

    Yields
    ------
    ndarray of uint8, shape (28, 28), or the ImageError for a picture that cannot be read
    """
    parts = ([*paths[start : start + BATCH]] for start in range(0, len(paths), BATCH))
    return _spread(
        scheduler,
        read_part,
        (polarity, Path.cwd()),
        parts,
        lambda path: ImageError(_deadly(str(path))),
    )


def answer_part(reading: Reading[A], folder: Path, part: Burst) -> list[A]:
    """Answer some inputs on a worker; their paths start from `folder`."""
    inputs: Burst = [
        Source(item, str(folder / item), printable(item)) if isinstance(item, str) else item
        for item in part
    ]
    return list(answer_bursts(reading, [inputs], first_batch=len(inputs)))


def read_part(polarity: Polarity, folder: Path, part: list[Path]) -> list[Image | ImageError]:
    """Read some pictures on a worker; their paths start from `folder`."""
    read: list[Image | ImageError] = []
    for path in part:
        try:
            read.append(read_digit(folder / path, polarity=polarity, name=str(path)))
        except ImageError as error:
            read.append(error)
    return read


def _spread(
    scheduler: str,
    function: Callable[..., list[Any]],
    shared: tuple[Any, ...],
    parts: Iterable[list[Any]],
    hopeless: Callable[[Any], Any],
) -> Iterator[Any]:
    """Yield what `function` returns for the items of all parts.

    The items of a part that took several workers with it are tried one by one.
    """

    def one_by_one(call: tuple[Any, ...]) -> list[Any]:
        (part,) = call
        if len(part) == 1:
            return [hopeless(part[0])]
        return list(_spread(scheduler, function, shared, ([item] for item in part), hopeless))

    calls = ((part,) for part in parts)
    for results in run_on_cluster(scheduler, function, shared, calls, given_up=one_by_one):
        yield from results


def _deadly(path: str) -> str:
    return f"{printable(path)} ends every worker that reads it; save the image again"
