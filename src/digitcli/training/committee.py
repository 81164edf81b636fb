"""Train the networks of a model: one here, or several side by side, each with its checkpoint."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Manager
from typing import Any

import numpy as np

from digitcli.training.checkpoint import Checkpoint
from digitcli.training.recipe import Recipe
from digitcli.training.trainer import (
    EpochRecord,
    Interrupted,
    TrainingData,
    TrainingState,
    initial_state,
    state_from,
    train,
)

OnEpoch = Callable[[int, EpochRecord], None]
"""Called with the number of a member, from 0, and how its epoch went."""


@dataclass(frozen=True)
class Member:
    """One network that is to be trained.

    Attributes
    ----------
    recipe : Recipe
    seed : int
        Decides its first weights and the order and distortions of its images.
    patience : int
    input_normalization : str
    start : Network, optional
        Its first weights instead of random ones.
    checkpoint : Checkpoint, optional
        Where it leaves its state.
    resume : bool
        Go on from there.
    """

    recipe: Recipe
    seed: int
    patience: int
    input_normalization: str = "none"
    start: Any = None
    checkpoint: Checkpoint | None = None
    resume: bool = False


def member_seeds(seed: int, count: int) -> list[int]:
    """Return a seed for each member; the first is `seed`, so it equals a network on its own."""
    drawn = np.random.SeedSequence(seed, spawn_key=(0x5EED,)).generate_state(count)
    return [seed, *map(int, drawn[1:])]


def cpu_count() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def train_members(
    data: TrainingData,
    members: Sequence[Member],
    *,
    jobs: int | None = None,
    on_epoch: OnEpoch | None = None,
) -> list[TrainingState]:
    """Train every member and return where each ended.

    One member is trained in this process with all its BLAS threads. Several are trained in `jobs`
    processes through joblib (its backend may be chosen with `joblib.parallel_config`), which share
    the processors: no more BLAS threads run than there are processors.

    Parameters
    ----------
    data : TrainingData
    members : sequence of Member
    jobs : int, optional
        Processes at a time; by default as many as there are processors.
    on_epoch : callable, optional

    Raises
    ------
    Interrupted
        On Ctrl-C with one member.
    KeyboardInterrupt
        On Ctrl-C with several; their checkpoints tell where they stood.
    """
    processors = cpu_count()
    if len(members) == 1:
        report = None if on_epoch is None else (lambda record: on_epoch(0, record))
        return [_train_member(data, members[0], processors, report)]

    from joblib import Parallel, delayed

    jobs = min(len(members), jobs or processors)
    threads = max(1, processors // jobs)
    with _reporting(on_epoch) as queue:
        return list(
            Parallel(n_jobs=jobs)(
                delayed(_train_in_worker)(data, member, threads, index, queue)
                for index, member in enumerate(members)
            )
        )


def _train_member(
    data: TrainingData,
    member: Member,
    threads: int,
    on_epoch: Callable[[EpochRecord], None] | None,
) -> TrainingState:
    checkpoint = member.checkpoint
    state = checkpoint.load() if checkpoint is not None and member.resume else None
    if state is None:
        state = (
            state_from(member.start)
            if member.start is not None
            else initial_state(
                member.recipe, seed=member.seed, input_normalization=member.input_normalization
            )
        )
    try:
        state = train(
            data,
            member.recipe,
            seed=member.seed,
            state=state,
            patience=member.patience,
            threads=threads,
            on_epoch=on_epoch,
            on_state=None if checkpoint is None else checkpoint.offer,
        )
    except Interrupted as interrupted:
        if checkpoint is not None and interrupted.state.epoch:
            checkpoint.save(interrupted.state)
        raise
    if checkpoint is not None:
        checkpoint.save(state)
    return state


def _train_in_worker(
    data: TrainingData, member: Member, threads: int, index: int, queue: Any
) -> TrainingState:
    # A terminal sends Ctrl-C to the workers too; the first process ends them.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    from threadpoolctl import threadpool_limits

    with threadpool_limits(threads, user_api="blas"):
        return _train_member(data, member, threads, lambda record: queue.put((index, record)))


@contextmanager
def _reporting(on_epoch: OnEpoch | None) -> Iterator[Any]:
    """Give a queue on which other processes can report; what they put reaches `on_epoch`."""
    with Manager() as manager:
        queue = manager.Queue()

        def listen() -> None:
            while (item := queue.get()) is not None:
                if on_epoch is not None:
                    on_epoch(*item)

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        try:
            yield queue
        finally:
            queue.put(None)
            listener.join(timeout=5)
