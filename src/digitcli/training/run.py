"""A whole training: from a dataset and a recipe to a calibrated model that says how it was made."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from digitcli import __version__
from digitcli.blas import one_blas_thread
from digitcli.data.dataset import Dataset
from digitcli.errors import TrainingError
from digitcli.evaluation.metrics import accuracy, expected_calibration_error, log_loss
from digitcli.model.input import INPUT_FEATURES, as_pixels
from digitcli.model.modelfile import MAX_FILE_BYTES, MAX_MEMBERS
from digitcli.model.network import Model, Network
from digitcli.model.plainpickle import MAX_ITEMS
from digitcli.training.calibration import fit_temperature, fold_temperature
from digitcli.training.checkpoint import Checkpoint, checkpoint_path, fingerprint
from digitcli.training.committee import Member, OnEpoch, OnPart, member_seeds, train_members
from digitcli.training.recipe import Recipe
from digitcli.training.trainer import Interrupted, TrainingData, TrainingState, split_validation

MAX_TRIALS = 256
"""Trials that a search may have."""

_ITEMS_PER_EPOCH = 8  # of a history; a few to spare
_ROOM = 4 * 1024 * 1024  # for what is in a file besides weights


@dataclass(frozen=True)
class Plan:
    """Everything that decides the model, but for the data.

    Attributes
    ----------
    recipe : Recipe
    recipe_name : str
    seed : int
    validation : float
        Share of the training images of each digit that is set aside.
    patience : int
        Training ends when the validation loss has not reached a new low for so many epochs.
    members : int
        Networks in the model.
    dtype : {"float32", "float16"}
        Of the weights in the file.
    start : Model, optional
        Whose weights to start from.
    rehearsal : Dataset, optional
        Training images that the network knows and shall not forget while it learns new ones.
    trials : tuple of dict
        Plain builtins about the search that found the recipe, for the metadata.
    """

    recipe: Recipe
    recipe_name: str = "standard"
    seed: int = 0
    validation: float = 0.1
    patience: int = 10**9
    members: int = 1
    dtype: str = "float32"
    start: Model | None = None
    rehearsal: Dataset | None = None
    trials: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Outcome:
    """A trained model and how its training went.

    Attributes
    ----------
    model : Model
    epochs, best_epochs : tuple of int
        For each member.
    interrupted : bool
        Whether Ctrl-C ended it early.
    """

    model: Model
    epochs: tuple[int, ...]
    best_epochs: tuple[int, ...]
    interrupted: bool

    @property
    def metrics(self) -> dict[str, Any]:
        """The figures of the metadata."""
        metrics: dict[str, Any] = self.model.metadata["metrics"]
        return metrics


def train_model(
    dataset: Dataset,
    plan: Plan,
    *,
    output: Path | None = None,
    resume: bool = False,
    checkpoint_interval: float = 30.0,
    jobs: int | None = None,
    scheduler: str | None = None,
    on_epoch: OnEpoch | None = None,
    on_part: OnPart | None = None,
    on_step: Callable[[str], None] | None = None,
) -> Outcome:
    """Train a model on the training split of `dataset`, calibrate it and measure it.

    The test split is looked at once, at the end, for the figures.

    Parameters
    ----------
    dataset : Dataset
    plan : Plan
    output : Path, optional
        Where the model will be saved; checkpoints lie beside it. Without it there are none.
    resume : bool
        Continue from the checkpoints that are there.
    checkpoint_interval : float
        Seconds between two checkpoints of a member at least.
    jobs : int, optional
        Members to train at a time.
    scheduler : str, optional
        Train on the workers of this Dask scheduler, which must see the folder of `output`.
    on_epoch, on_part : callable, optional
        Receive how far each member is; see `digitcli.training.committee`.
    on_step : callable, optional
        Receives a line about each thing that a person should know.

    Raises
    ------
    TrainingError
        When the data or options cannot be trained with, or training diverges.
    KeyboardInterrupt
        On Ctrl-C before there is anything to save.
    InterruptedAtTheEnd
        On Ctrl-C after the last epoch.
    """
    check_size(plan)
    data = training_data(dataset, plan)
    if scheduler is not None and output is not None:
        # Whoever does a lost worker's part again goes on from its checkpoint.
        output = output.absolute()
        if not resume:
            remove_checkpoints(output)
    members = plan_members(dataset, plan, output, resume or bool(scheduler), checkpoint_interval)
    if resume and on_step is not None:
        _say_where_from(members, on_step)
    interrupted = False
    states: Sequence[TrainingState | None]
    old = [None if resume else _written_at(member.checkpoint) for member in members]
    try:
        states = train_members(
            data, members, jobs=jobs, scheduler=scheduler, on_epoch=on_epoch, on_part=on_part
        )
    except Interrupted as stopped:
        interrupted, states = True, [stopped.state]
    except KeyboardInterrupt:
        interrupted, states = True, _states_on_disk(members, old)
    trained = [
        (member, state)
        for member, state in zip(members, states, strict=True)
        if state is not None and state.epoch
    ]
    if not trained:
        raise KeyboardInterrupt
    try:
        with one_blas_thread():
            model = _finish(dataset, data, plan, trained, interrupted)
    except KeyboardInterrupt:
        raise InterruptedAtTheEnd from None
    return Outcome(
        model,
        epochs=tuple(state.epoch for _, state in trained),
        best_epochs=tuple(state.best_epoch for _, state in trained),
        interrupted=interrupted,
    )


class InterruptedAtTheEnd(KeyboardInterrupt):
    """Ctrl-C came when training was over and is in its checkpoints, but there was no model yet."""


def training_data(dataset: Dataset, plan: Plan) -> TrainingData:
    """Set validation images aside, and mix in what is rehearsed, twice as much as of the new."""
    data = split_validation(dataset.part("train"), plan.validation, seed=plan.seed)
    if plan.rehearsal is not None:
        known = split_validation(plan.rehearsal, plan.validation, seed=plan.seed)
        times = max(1, round(len(known.training) / (2 * len(data.training))))
        data = TrainingData(
            _together(data.training, times, known.training),
            _together(data.validation, times, known.validation),
        )
    if missing := sorted(set(range(10)) - set(data.training.labels.tolist())):
        raise TrainingError(
            f"{dataset.name} has no training image of {', '.join(map(str, missing))}; "
            "a network can only learn the digits that it sees"
        )
    if plan.validation and not len(data.validation):
        raise TrainingError(
            f"{dataset.name} has too few images to set any aside for validation; "
            "add images or give --validation 0"
        )
    return data


def _together(new: Dataset, times: int, known: Dataset) -> Dataset:
    """Return `new`, repeated, and `known` as one dataset."""
    return Dataset(
        new.name,
        np.concatenate([new.images] * times + [known.images]),
        np.concatenate([new.labels] * times + [known.labels]),
        np.concatenate([new.split] * times + [known.split]),
    )


def remove_checkpoints(output: Path) -> None:
    """Remove the checkpoints that lie beside a model, those of a search too."""
    for member in (None, *range(1, MAX_MEMBERS + 1)):
        checkpoint_path(output, member).unlink(missing_ok=True)
    for trial in range(1, MAX_TRIALS + 1):
        checkpoint_path(trial_output(output, trial)).unlink(missing_ok=True)


def trial_output(output: Path, trial: int) -> Path:
    """Return beside what the checkpoint lies of a trial of a search, 1 and up."""
    return output.with_name(f"{output.name}.trial{trial}")


def check_size(plan: Plan) -> None:
    """Refuse a training whose files could not be read again, before it takes its time.

    Raises
    ------
    TrainingError
    """
    inputs = max(INPUT_FEATURES[name].inputs for name in plan.recipe.input_features)
    sizes = (inputs, *plan.recipe.hidden_layer_sizes, 10)
    weights = sum((units + 1) * following for units, following in pairwise(sizes))
    in_model = weights * plan.members * (2 if plan.dtype == "float16" else 4)
    in_checkpoint = weights * 2 * 4
    if max(in_model, in_checkpoint) > MAX_FILE_BYTES - _ROOM:
        raise TrainingError(
            f"{plan.members} × {weights:,} weights are more than a model file or a checkpoint "
            "may hold; make --hidden smaller or --members fewer"
        )
    records = plan.members * plan.recipe.epochs
    if records * _ITEMS_PER_EPOCH > MAX_ITEMS:
        raise TrainingError(
            f"{plan.members} × {plan.recipe.epochs:,} epochs make a longer history than a model "
            "file may hold; make --epochs or --members fewer"
        )


def plan_members(
    dataset: Dataset, plan: Plan, output: Path | None, resume: bool, interval: float
) -> list[Member]:
    """Return the networks that a plan asks for, with checkpoints beside `output`."""
    data = fingerprint(dataset)
    members = []
    for index, seed in enumerate(member_seeds(plan.seed, plan.members)):
        features = plan.recipe.input_features[index % len(plan.recipe.input_features)]
        start = None
        if plan.start is not None:
            start = plan.start.members[index % len(plan.start.members)]
        checkpoint = None
        if output is not None:
            number = index + 1 if plan.members > 1 else None
            settings = _hyperparameters(plan.recipe) | {
                "data": data,
                "rehearsal": None if plan.rehearsal is None else fingerprint(plan.rehearsal),
                "seed": seed,
                "split_seed": plan.seed,
                "validation": plan.validation,
                "patience": plan.patience,
                "input_features": features,
                "init_from": None if start is None else _network_fingerprint(start),
                "versions": _versions(),
            }
            checkpoint = Checkpoint(checkpoint_path(output, number), settings, interval=interval)
        members.append(
            Member(plan.recipe, seed, plan.patience, features, start, checkpoint, resume)
        )
    return members


def _say_where_from(members: Sequence[Member], on_step: Callable[[str], None]) -> None:
    """Check every checkpoint before any training starts, and say what is continued."""
    found = [
        (member.checkpoint, state)
        for member in members
        if member.checkpoint is not None and (state := member.checkpoint.load()) is not None
    ]
    for checkpoint, state in found:
        on_step(f"continuing {checkpoint.path} after epoch {state.epoch}")
    if not found:
        on_step("there is no checkpoint to continue; starting from the beginning")


def _written_at(checkpoint: Checkpoint | None) -> int | None:
    """Return when a checkpoint was written, in nanoseconds, if it is there."""
    with contextlib.suppress(OSError):
        return None if checkpoint is None else checkpoint.path.stat().st_mtime_ns
    return None


def _states_on_disk(
    members: Sequence[Member], old: Sequence[int | None]
) -> list[TrainingState | None]:
    """Return the state of each member, unless its checkpoint is still one of an earlier run."""
    states: list[TrainingState | None] = [None] * len(members)
    for index, (member, before) in enumerate(zip(members, old, strict=True)):
        checkpoint = member.checkpoint
        if checkpoint is not None and (before is None or _written_at(checkpoint) != before):
            # A checkpoint of another training is refused, as it should be.
            with contextlib.suppress(TrainingError):
                states[index] = checkpoint.load()
    return states


def _finish(
    dataset: Dataset,
    data: TrainingData,
    plan: Plan,
    trained: Sequence[tuple[Member, TrainingState]],
    interrupted: bool,
) -> Model:
    """Calibrate the networks together, measure them and write down how they were made."""
    networks = [state.best for _, state in trained]
    temperature = fit_temperature(
        [network.predict_proba(as_pixels(data.validation.images)) for network in networks],
        data.validation.labels,
    )
    networks = [fold_temperature(network, temperature) for network in networks]
    if plan.dtype == "float16":
        networks = [_rounded(network) for network in networks]
    model = Model(tuple(networks))
    test = dataset.part("test")
    metadata: dict[str, Any] = {
        "made_by": f"digitcli {__version__}",
        "data": {
            "name": dataset.name,
            "sha256": fingerprint(dataset),
            "training_images": len(data.training),
            "validation_images": len(data.validation),
            "test_images": len(test),
        },
        "split": {"validation": plan.validation, "stratified": True, "seed": plan.seed},
        "preprocessing": "28 by 28 pixels, ink bright on black, 0 to 1",
        "recipe": plan.recipe_name,
        "hyperparameters": _hyperparameters(plan.recipe) | {"patience": plan.patience},
        "seed": plan.seed,
        "temperature": temperature,
        "interrupted": interrupted,
        "versions": _versions(),
        "metrics": _measure(model, data.validation, "validation") | _measure(model, test, "test"),
    }
    if plan.start is not None:
        metadata["init_from"] = {
            "sha256": [_network_fingerprint(member) for member in plan.start.members],
            "data": plan.start.metadata.get("data"),
        }
    if plan.trials:
        metadata["search"] = list(plan.trials)
    if plan.rehearsal is not None:
        metadata["rehearsal"] = {
            "name": plan.rehearsal.name,
            "sha256": fingerprint(plan.rehearsal),
            "images": len(plan.rehearsal),
        }
    each = [
        {
            "seed": member.seed,
            "input_features": state.best.input_features,
            "epochs": state.epoch,
            "best_epoch": state.best_epoch,
            "history": _columns(state.history),
        }
        for member, state in trained
    ]
    metadata |= each[0] if len(each) == 1 else {"members": each}
    return Model(model.members, metadata, model.name)


def _columns(records: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Turn a record per epoch into a list per field, which a file holds and reads in less."""
    return {name: [record[name] for record in records] for name in records[0]}


def _measure(model: Model, data: Dataset, split: str) -> dict[str, float]:
    if not len(data):
        return {}
    probabilities = model.predict_proba(data.images)
    return {
        f"{split}_accuracy": float(accuracy(data.labels, probabilities.argmax(axis=1))),
        f"{split}_loss": float(log_loss(data.labels, probabilities)),
        f"{split}_calibration_error": float(expected_calibration_error(data.labels, probabilities)),
    }


def _rounded(network: Network) -> Network:
    """Return `network` with its weights as a float16 file will hold them."""
    arrays = [
        tuple(array.astype(np.float16).astype(np.float32) for array in layers)
        for layers in (network.weights, network.biases)
    ]
    if not all(np.isfinite(array).all() for layers in arrays for array in layers):
        raise TrainingError("a weight is too large for float16; use --dtype float32")
    return Network(arrays[0], arrays[1], network.input_features)


def _network_fingerprint(network: Network) -> str:
    import hashlib

    digest = hashlib.sha256(repr(network.layer_sizes).encode())
    for array in (*network.weights, *network.biases):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _hyperparameters(recipe: Recipe) -> dict[str, Any]:
    """Return the fields of a recipe as plain builtins."""
    fields = asdict(recipe)
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()
    }


def _versions() -> dict[str, str]:
    import sklearn

    return {
        "digitcli": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
    }
