"""Train one network: scikit-learn's MLPClassifier, epoch by epoch, on fresh distortions."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitcli.blas import one_blas_thread
from digitcli.data.dataset import NO_DIGIT, Dataset
from digitcli.errors import TrainingError
from digitcli.memory import keep_freed_memory
from digitcli.model.input import INPUT_FEATURES, as_pixels
from digitcli.model.network import Network
from digitcli.training.augment import Part, augmented_parts
from digitcli.training.recipe import Recipe

Float32Array = NDArray[np.float32]

PARTS = 4
"""The learning rate changes so often in an epoch."""

_TINY = 1e-37

USUAL_RATE = 0.1
"""A learning rate with which networks of any recipe learn."""


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """How an epoch went; `samples_per_second` is for the eyes only, no file holds it."""

    epoch: int
    epochs: int
    learning_rate: float
    training_loss: float
    validation_loss: float | None
    validation_accuracy: float | None
    samples_per_second: float

    def to_dict(self) -> dict[str, Any]:
        """Return what is the same on every run with equal inputs."""
        record = asdict(self)
        del record["epochs"], record["samples_per_second"]
        return record


@dataclass
class TrainingState:
    """Where training stands at the end of an epoch: all that is needed to go on.

    Attributes
    ----------
    network : Network
        The weights that the next epoch starts from.
    best : Network
        The weights after the epoch with the least validation loss, or after the last one where
        there is no validation data.
    epoch : int
        Epochs that are done.
    best_epoch : int
    best_loss : float
        Its `recent_validation_loss`.
    history : list of dict
        One `EpochRecord.to_dict` for each epoch.
    """

    network: Network
    best: Network
    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = float("inf")
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class TrainingData:
    """Images to learn from and images to judge by, never of the test split."""

    training: Dataset
    validation: Dataset


def split_validation(training: Dataset, fraction: float, *, seed: int) -> TrainingData:
    """Set a share of the training images of each digit aside for validation."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0xDA7A,)))
    aside = np.zeros(len(training), bool)
    for digit in range(10):
        members = np.flatnonzero(training.labels == digit)
        count = min(round(len(members) * fraction), len(members) - 1)
        aside[rng.permutation(members)[: max(count, 0)]] = True
    return TrainingData(training.take(np.flatnonzero(~aside)), training.take(np.flatnonzero(aside)))


def initial_state(recipe: Recipe, *, seed: int, input_features: str | None = None) -> TrainingState:
    """Return a network with random weights, before its first epoch.

    It sees `input_features`, or what the recipe's first network sees.

    References
    ----------
    He, Zhang, Ren, Sun: Delving Deep into Rectifiers. ICCV 2015.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0x1417,)))
    input_features = input_features or recipe.input_features[0]
    sizes = (INPUT_FEATURES[input_features].inputs, *recipe.hidden_layer_sizes, 10)
    weights = [
        rng.standard_normal((inputs, outputs), dtype=np.float32) * np.float32(np.sqrt(2 / inputs))
        for inputs, outputs in pairwise(sizes)
    ]
    weights[-1] *= np.float32(0.5)
    biases = tuple(np.zeros(outputs, np.float32) for outputs in sizes[1:])
    return state_from(Network(tuple(weights), biases, input_features))


def state_from(network: Network) -> TrainingState:
    """Return the state of a training that starts at the weights of `network`."""
    return TrainingState(network=network, best=network)


def train(
    data: TrainingData,
    recipe: Recipe,
    *,
    seed: int,
    state: TrainingState,
    patience: int,
    threads: int = 1,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    on_part: Callable[[float], None] | None = None,
    on_state: Callable[[TrainingState], None] | None = None,
) -> TrainingState:
    """Train from `state` to the end of `recipe`, or until validation loss stops falling.

    Every epoch goes through all training images, shuffled and distorted anew, in mini-batches of
    stochastic gradient descent with Nesterov momentum. Images that show no digit count as another
    digit in each epoch, so the network learns to be sure of none (see Hendrycks et al.).

    Parameters
    ----------
    data : TrainingData
    recipe : Recipe
    seed : int
        Decides order and distortions; equal arguments give equal weights, to the bit.
    state : TrainingState
        Where to start: `initial_state`, `state_from`, or what `on_state` received in an earlier
        run, which this one then continues to the same result.
    patience : int
        Training ends when the validation loss has not reached a new low for so many epochs.
    threads : int
        Threads that distort the images of the next epoch.
    on_epoch : callable, optional
        Receives the record of each epoch.
    on_part : callable, optional
        Receives how many epochs are done, several times in each.
    on_state : callable, optional
        Receives the state after each epoch; it is never changed afterwards.

    Returns
    -------
    TrainingState
        `best` is the result.

    Raises
    ------
    TrainingError
        When the loss is no longer a number.
    Interrupted
        On Ctrl-C; it holds the state after the last whole epoch.

    References
    ----------
    Hendrycks, Mazeika, Dietterich: Deep Anomaly Detection with Outlier Exposure. ICLR 2019.
    """
    keep_freed_memory()
    try:
        with (
            one_blas_thread(),
            contextlib.closing(_parts(data.training, recipe, seed, state, threads)) as parts,
        ):
            learner = _Learner(recipe, state)
            validation = INPUT_FEATURES[state.network.input_features].of(
                as_pixels(data.validation.images)
            )
            for _, epoch in groupby(parts, lambda part: part.epoch):
                if state.epoch - state.best_epoch >= patience:
                    break
                training_loss, speed = learner.run_epoch(epoch, on_part)
                loss, accuracy = _validate(learner.network, validation, data.validation.labels)
                record = EpochRecord(
                    epoch=state.epoch + 1,
                    epochs=recipe.epochs,
                    learning_rate=recipe.learning_rate(state.epoch),
                    training_loss=training_loss,
                    validation_loss=loss,
                    validation_accuracy=accuracy,
                    samples_per_second=speed,
                )
                state = _next_state(state, learner, record)
                if on_state is not None:
                    on_state(state)
                if on_epoch is not None:
                    on_epoch(record)
    except KeyboardInterrupt:
        raise Interrupted(state) from None
    return state


def any_digit(labels: NDArray[np.uint8], epoch: int) -> NDArray[np.uint8]:
    """Give images that show no digit the label of one, all ten as often in an epoch."""
    none = np.flatnonzero(labels == NO_DIGIT)
    if not len(none):
        return labels
    labels = labels.copy()
    labels[none] = (np.arange(len(none)) + epoch) % 10
    return labels


class Interrupted(Exception):  # noqa: N818 - no error
    """Training was ended by Ctrl-C; `state` is where it stood after the last whole epoch."""

    def __init__(self, state: TrainingState) -> None:
        super().__init__(state)
        self.state = state


def _next_state(state: TrainingState, learner: _Learner, record: EpochRecord) -> TrainingState:
    history = [*state.history, record.to_dict()]
    loss = recent_validation_loss(history, record.epochs)
    better = loss is None or loss < state.best_loss
    return TrainingState(
        network=learner.network,
        best=learner.network if better else state.best,
        epoch=record.epoch,
        best_epoch=record.epoch if better else state.best_epoch,
        best_loss=state.best_loss if loss is None or not better else loss,
        history=history,
    )


def recent_validation_loss(history: list[dict[str, Any]], epochs: int) -> float | None:
    """Return the mean validation loss over the latest twentieth of all epochs.

    While the learning rate is high the loss leaps; the lowest of hundreds of leaps is luck, and
    would win against the calmer weights at the end.
    """
    losses = [record["validation_loss"] for record in history[-max(1, epochs // 20) :]]
    return None if None in losses else float(np.mean(losses))


def _parts(
    training: Dataset, recipe: Recipe, seed: int, state: TrainingState, threads: int
) -> Generator[Part, None, None]:
    """Yield the features and labels of the epochs that are still to come, part by part."""
    features = INPUT_FEATURES[state.network.input_features]
    remaining = range(state.epoch, recipe.epochs)
    arrange = partial(_arranged, batch_size=recipe.batch_size)
    if recipe.augmentation is not None:
        with contextlib.closing(
            augmented_parts(
                training.images,
                training.labels,
                recipe.augmentation_at,
                arrange,
                seed=seed,
                epochs=remaining,
                threads=threads,
                features=features,
            )
        ) as parts:
            yield from parts
        return
    rows = features.of(as_pixels(training.images))
    for epoch in remaining:
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(epoch,)))
        order = rng.permutation(len(rows))
        labels, slices = arrange(training.labels[order], epoch)
        for number, part in enumerate(slices):
            yield Part(rows[order[part]], labels[part], epoch, number, len(slices))


class _Learner:
    """An MLPClassifier that takes its epochs one by one."""

    def __init__(self, recipe: Recipe, state: TrainingState) -> None:
        self._recipe = recipe
        self._classifier: Any = state.network.to_sklearn()
        self._classifier.set_params(
            momentum=recipe.momentum,
            nesterovs_momentum=True,
            alpha=recipe.alpha,
            shuffle=False,
            warm_start=True,
            max_iter=1,
        )
        self.network = state.network

    def run_epoch(
        self, parts: Iterable[Part], on_part: Callable[[float], None] | None = None
    ) -> tuple[float, float]:
        """Take one step for each mini-batch, and keep the weights.

        Returns
        -------
        loss : float
            The mean over all images.
        speed : float
            Images a second.
        """
        loss = seconds = 0.0
        images = 0
        for part in parts:
            started = time.perf_counter()
            rate = self._recipe.learning_rate(part.epoch + part.number / part.parts)
            loss += self._fit(part.images, part.labels, rate)
            images += len(part.labels)
            seconds += time.perf_counter() - started
            if on_part is not None:
                on_part(part.epoch + (part.number + 1) / part.parts)
        self.network = Network(
            tuple(weight.copy() for weight in self._classifier.coefs_),
            tuple(bias.copy() for bias in self._classifier.intercepts_),
            self.network.input_features,
        )
        return loss / images, images / seconds

    def _fit(self, images: Float32Array, labels: NDArray[np.uint8], learning_rate: float) -> float:
        """Take one step for each mini-batch and return the sum of the images' losses."""
        self._classifier.set_params(
            # `fit` makes a new optimizer with the present rate, which `partial_fit` would not
            learning_rate_init=max(learning_rate, 1e-9),
            batch_size=min(self._recipe.batch_size, len(labels)),
        )
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")  # that one pass does not converge, and overflow
                # Which is all that `fit` says of Ctrl-C, even after its last step.
                warnings.filterwarnings("error", "Training interrupted by user", UserWarning)
                self._classifier.fit(images, labels)
        except ValueError as error:
            raise _diverged(self._recipe) from error
        except UserWarning:
            raise KeyboardInterrupt from None
        loss = float(self._classifier.loss_)
        if not np.isfinite(loss):
            raise _diverged(self._recipe)
        return loss * len(labels)


def _arranged(
    labels: NDArray[np.uint8], epoch: int, batch_size: int
) -> tuple[NDArray[np.uint8], list[slice]]:
    """Return the labels that an epoch learns, and its parts."""
    labels = any_digit(labels, epoch)
    return labels, _cut(labels, batch_size)


def _cut(labels: NDArray[np.uint8], batch_size: int) -> list[slice]:
    """Cut an epoch at batch borders into parts, unless one would lack a digit.

    `MLPClassifier.fit` insists on the same classes in every call.
    """
    batches = -(-len(labels) // batch_size)
    bounds = [index * batches // PARTS * batch_size for index in range(PARTS)]
    parts = [
        slice(start, stop) for start, stop in zip(bounds, [*bounds[1:], len(labels)], strict=True)
    ]
    if all(len(np.unique(labels[part])) == 10 for part in parts):
        return parts
    return [slice(0, len(labels))]


def _diverged(recipe: Recipe) -> TrainingError:
    rate = recipe.learning_rate_init
    return TrainingError(
        f"training diverged: the loss is no longer a number at learning rate {rate:.3g}; "
        f"try a lower one, such as --learning-rate {min(rate / 4, USUAL_RATE):.2g}"
    )


def _validate(
    network: Network, features: Float32Array, labels: NDArray[np.uint8]
) -> tuple[float | None, float | None]:
    """Return log loss and accuracy on input features, or nothing where there are none."""
    if not len(labels):
        return None, None
    probabilities = np.concatenate([network.predict_proba_of(rows) for rows in _chunks(features)])
    true = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    loss = -float(np.mean(np.log(np.maximum(true, _TINY))))
    return loss, float(np.mean(probabilities.argmax(axis=1) == labels))


def _chunks(features: Float32Array) -> Iterator[Float32Array]:
    return (features[start : start + 2048] for start in range(0, len(features), 2048))
