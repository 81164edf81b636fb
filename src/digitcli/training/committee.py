"""Train the networks of a model: one here, or several side by side, each with its checkpoint."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, wait
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from digitcli.errors import TrainingError
from digitcli.processes import BrokenProcessPool, Processes
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

OnPart = Callable[[int, float], None]
"""Called with the number of a member and how many epochs it has done, several times in each."""


@dataclass(frozen=True)
class Member:
    """One network that is to be trained.

    Attributes
    ----------
    recipe : Recipe
    seed : int
        Decides its first weights and the order and distortions of its images.
    patience : int
    input_features : str
    start : Network, optional
        Its first weights instead of random ones.
    checkpoint : Checkpoint, optional
        Where it leaves its state.
    resume : bool
        Go on from there.
    may_diverge : bool
        End with a state of no epochs, instead of raising, when training diverges.
    """

    recipe: Recipe
    seed: int
    patience: int
    input_features: str = "pixels"
    start: Any = None
    checkpoint: Checkpoint | None = None
    resume: bool = False
    may_diverge: bool = False


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
    scheduler: str | None = None,
    on_epoch: OnEpoch | None = None,
    on_part: OnPart | None = None,
) -> list[TrainingState]:
    """Train every member and return where each ended.

    One member is trained in this process. Several are trained in `jobs` processes. Each learns with
    one BLAS thread, so that equal inputs give equal weights on any number of processors; those that
    are free distort images.

    Parameters
    ----------
    data : TrainingData
    members : sequence of Member
    jobs : int, optional
        Processes at a time; by default as many as there are processors.
    scheduler : str, optional
        Train on the workers of this Dask scheduler instead, one member for each of their threads.
        Their checkpoints must lie where every worker sees them.
    on_epoch, on_part : callable, optional

    Raises
    ------
    Interrupted
        On Ctrl-C with one member that is trained here.
    KeyboardInterrupt
        On Ctrl-C with others; their checkpoints tell where they stood.
    TrainingError
        When training diverges, ends every worker that tries, or the system ends its process.
    """
    processors = cpu_count()
    if scheduler is not None:
        return _train_on_cluster(data, members, scheduler, on_epoch, on_part)
    jobs = min(len(members), jobs or processors)
    if jobs > 1:
        hear = partial(_hear, on_epoch, on_part)
        return _train_in_processes(data, members, jobs, max(1, processors // jobs), hear)
    try:
        return [
            _train_member(
                data,
                member,
                processors,
                on_epoch and partial(on_epoch, index),
                on_part and partial(on_part, index),
            )
            for index, member in enumerate(members)
        ]
    except Interrupted:
        if len(members) == 1:
            raise
        raise KeyboardInterrupt from None


def _train_in_processes(
    data: TrainingData,
    members: Sequence[Member],
    jobs: int,
    threads: int,
    hear: Callable[[Any], None],
) -> list[TrainingState]:
    with Processes(jobs, data, on_message=hear) as processes:
        try:
            futures = [
                processes.submit(_train_in_worker, index, member, threads)
                for index, member in enumerate(members)
            ]
            ended, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in ended:
                future.result()
            return [future.result() for future in futures]
        except BrokenProcessPool:
            raise TrainingError(
                "the system ended a process that trained a network, most likely for want of "
                "memory; the same command with --resume goes on, and needs less with --jobs 1"
            ) from None


def _train_on_cluster(
    data: TrainingData,
    members: Sequence[Member],
    scheduler: str,
    on_epoch: OnEpoch | None,
    on_part: OnPart | None,
) -> list[TrainingState]:
    from digitcli.cluster import run_on_cluster

    def given_up(call: tuple[Any, ...]) -> TrainingState:
        raise TrainingError(
            f"network {call[0] + 1} ended every worker that trained it; "
            "see the workers' logs, and whether they have memory enough"
        )

    calls = [(index, member, 1) for index, member in enumerate(members)]
    return list(
        run_on_cluster(
            scheduler,
            _train_in_worker,
            (data,),
            calls,
            given_up=given_up,
            on_message=partial(_hear, on_epoch, on_part),
        )
    )


def _train_member(
    data: TrainingData,
    member: Member,
    threads: int,
    on_epoch: Callable[[EpochRecord], None] | None,
    on_part: Callable[[float], None] | None,
) -> TrainingState:
    checkpoint = member.checkpoint
    first = (
        state_from(member.start)
        if member.start is not None
        else initial_state(member.recipe, seed=member.seed, input_features=member.input_features)
    )
    state = (checkpoint.load() if checkpoint is not None and member.resume else None) or first
    try:
        state = train(
            data,
            member.recipe,
            seed=member.seed,
            state=state,
            patience=member.patience,
            threads=threads,
            on_epoch=on_epoch,
            on_part=on_part,
            on_state=None if checkpoint is None else checkpoint.offer,
        )
    except Interrupted as interrupted:
        if checkpoint is not None and interrupted.state.epoch:
            checkpoint.save(interrupted.state)
        raise
    except TrainingError:
        if not member.may_diverge:
            raise
        return first
    if checkpoint is not None:
        checkpoint.save(state)
    return state


def _train_in_worker(
    data: TrainingData, index: int, member: Member, threads: int, tell: Callable[[Any], None]
) -> TrainingState:
    return _train_member(
        data,
        member,
        threads,
        lambda record: tell([index, asdict(record)]),
        lambda epochs: tell([index, epochs]),
    )


def _hear(on_epoch: OnEpoch | None, on_part: OnPart | None, message: Any) -> None:
    """Pass on what `_train_in_worker` tells."""
    index, told = message
    if not isinstance(told, dict):
        if on_part is not None:
            on_part(index, told)
    elif on_epoch is not None:
        on_epoch(index, EpochRecord(**told))
