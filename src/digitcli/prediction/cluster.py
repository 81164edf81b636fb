"""Share predictions among machines: Dask workers that see the same files, by joblib's backend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from digitcli.errors import DigitcliError
from digitcli.model.network import Model
from digitcli.polarity import Polarity
from digitcli.prediction.paths import Burst
from digitcli.prediction.stream import BATCH, Answers, answer_bursts

CONNECT_SECONDS: Final = 15


def answer_on_cluster(
    model: Model, bursts: Iterable[Burst], *, scheduler: str, polarity: Polarity = Polarity.AUTO
) -> Iterator[Answers]:
    """Do what `answer_bursts` does on the workers of a Dask scheduler such as ``tcp://host:8786``.

    Dask does again what a lost worker was at. The paths must mean the same on every worker, and
    digitcli must be installed there.

    Raises
    ------
    DigitcliError
        When Dask is not installed, the scheduler cannot be reached, has no workers, or gives up.
    """
    try:
        from distributed import Client
        from distributed.scheduler import KilledWorker
        from joblib import Parallel, delayed, parallel_config
    except ImportError:
        raise DigitcliError(
            "the backend dask is not installed; install it with pip install 'digitcli[dask]'"
        ) from None
    try:
        client = Client(  # type: ignore[no-untyped-call,unused-ignore]
            scheduler, timeout=CONNECT_SECONDS, set_as_default=False
        )
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except (OSError, ValueError, TimeoutError) as error:
        raise DigitcliError(
            f"no Dask workers at {scheduler} ({error or type(error).__name__}); "
            "check the address, the scheduler and its workers"
        ) from None
    with client, parallel_config("dask", client=client, scatter=[model]):
        parallel = Parallel(n_jobs=-1, return_as="generator", batch_size=1)
        try:
            for answers in parallel(
                delayed(answer_part)(model, part, polarity) for part in _parts(bursts)
            ):
                yield from answers
        except KilledWorker as error:
            raise DigitcliError(
                f"the workers at {scheduler} kept dying over the same images: {error}"
            ) from None


def answer_part(model: Model, part: Burst, polarity: Polarity) -> list[Answers]:
    """Answer some paths on a worker."""
    return list(answer_bursts(model, [part], polarity=polarity))


def _parts(bursts: Iterable[Burst]) -> Iterator[Burst]:
    for burst in bursts:
        for start in range(0, len(burst), BATCH):
            yield burst[start : start + BATCH]
