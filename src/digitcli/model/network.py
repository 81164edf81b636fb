"""The neural network: a multilayer perceptron, and a model of one or several of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from digitcli.errors import ModelError
from digitcli.model.halves import widen
from digitcli.model.input import INPUT_FEATURES, as_pixels
from digitcli.model.second_look import look_twice

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin
    from sklearn.neural_network import MLPClassifier

_ROWS = 2048
"""Images that pass through the layers together: enough for BLAS, little memory."""

_FEW: Final = 8
"""Images for which weights in half precision are widened only in part, and each time anew."""


class Network:
    """A trained multilayer perceptron: ReLU hidden layers, softmax over the ten digits.

    Attributes
    ----------
    stored : tuple of ndarray of float32 or float16, shapes (inputs, h1), (h1, h2), …, (hk, 10)
        The weights as they were trained, or as their file holds them until all are needed.
    biases : tuple of ndarray of float32, shapes (h1,), …, (10,)
    input_features : str
        A key of `digitcli.model.input.INPUT_FEATURES`.
    of_digits : ndarray of float32, shape (hk + 1,), or None
        Weights and bias of an output beside the ten, which does not touch their probabilities: the
        log-odds that an image shows a digit at all. None if that was not learned.
    """

    def __init__(
        self,
        stored: tuple[NDArray[np.floating], ...],
        biases: tuple[NDArray[np.float32], ...],
        input_features: str = "pixels",
        of_digits: NDArray[np.float32] | None = None,
    ) -> None:
        self.stored = stored
        self.biases = biases
        self.input_features = input_features
        self.of_digits = of_digits

    @cached_property
    def weights(self) -> tuple[NDArray[np.float32], ...]:
        """The weights in single precision, which are from then on the ones that are stored."""
        self.stored = wide = tuple(map(widen, self.stored))
        return wide

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """Units per layer from the inputs to the 10 outputs."""
        return (len(self.stored[0]), *(weight.shape[1] for weight in self.stored))

    @property
    def parameter_count(self) -> int:
        """Number of weights and biases."""
        return sum(array.size for array in (*self.stored, *self.biases))

    def predict_proba(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of each digit, shape (n, 10), for rows of shape (n, 784)."""
        return self.predict_proba_of(INPUT_FEATURES[self.input_features].of(images))

    def predict_proba_of(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the same for the images' input features, shape (n, inputs)."""
        return _softmax(self._outputs(features, len(self.biases)))

    def is_digit(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how probable it is that each image shows a digit, shape (n,); 1 if not known."""
        if self.of_digits is None:
            return np.ones(len(images), np.float32)
        return self._is_digit(self.hidden(images))

    def answers(
        self, images: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what `predict_proba` and `is_digit` do, in the time of one."""
        hidden = self.hidden(images)
        last = len(self.biases) - 1
        probabilities = _softmax(self._times_weights(hidden, last) + self.biases[last])
        return probabilities, self._is_digit(hidden)

    def _is_digit(self, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.of_digits is None:
            return np.ones(len(hidden), np.float32)
        odds = hidden @ self.of_digits[:-1] + self.of_digits[-1]
        return np.asarray(1 / (1 + np.exp(-np.clip(odds, -30, 30))), np.float32)

    def hidden(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the last hidden layer, shape (n, hk), for rows of shape (n, 784)."""
        features = INPUT_FEATURES[self.input_features].of(images)
        return np.maximum(self._outputs(features, len(self.biases) - 1), 0)

    def _outputs(self, features: NDArray[np.float32], layers: int) -> NDArray[np.float32]:
        activation = features
        for layer, bias in enumerate(self.biases[:layers]):
            if layer:
                # A row of zeros: with a scalar it takes three times as long.
                np.maximum(activation, np.zeros(activation.shape[1], np.float32), out=activation)
            activation = self._times_weights(activation, layer)
            activation += bias
        return activation

    def _times_weights(self, rows: NDArray[np.float32], layer: int) -> NDArray[np.float32]:
        if len(rows) > _FEW or "weights" in vars(self) or self.stored[layer].dtype == np.float32:
            return rows @ self.weights[layer]
        # To widen all weights takes longer than to read a digit, for which most units are zero.
        used = np.flatnonzero(rows.any(axis=0))
        return rows[:, used] @ widen(self.stored[layer][used])

    def to_sklearn(self) -> MLPClassifier:
        """Return a fitted `MLPClassifier` that takes the input features, shape (n, inputs)."""
        from sklearn.neural_network import MLPClassifier

        sizes = self.layer_sizes
        classifier = MLPClassifier(hidden_layer_sizes=sizes[1:-1], solver="sgd")
        digits = np.arange(10)
        classifier.partial_fit(np.zeros((10, sizes[0]), np.float32), digits, classes=digits)
        classifier.coefs_ = [weight.copy() for weight in self.weights]
        classifier.intercepts_ = [bias.copy() for bias in self.biases]
        return classifier


class Model:
    """Networks whose probabilities are averaged (usually one), and how they were made.

    It looks twice at pictures that it doubts; see `digitcli.model.second_look`.

    Attributes
    ----------
    members : tuple of Network
    metadata : dict
        Plain builtins: data, split, preprocessing, hyperparameters, seed, versions, metrics,
        history.
    name : str
        What to call the model in a table: its path, or "shipped".
    """

    def __init__(
        self,
        members: tuple[Network, ...],
        metadata: dict[str, Any] | None = None,
        name: str = "model",
    ) -> None:
        self.members = members
        self.metadata = metadata or {}
        self.name = name

    @property
    def parameter_count(self) -> int:
        """Number of weights and biases in all members."""
        return sum(member.parameter_count for member in self.members)

    def predict_proba(self, images: NDArray[np.generic]) -> NDArray[np.float32]:
        """Return the probability of each digit.

        Parameters
        ----------
        images : ndarray, shape (n, 28, 28) or (n, 784)
            Either uint8, 0 to 255, or floating point, 0 to 1; ink bright on black.

        Returns
        -------
        ndarray of float32, shape (n, 10)
            Each row sums to 1.

        Raises
        ------
        ModelError
            When the weights are such that the result is not a number.
        """
        probabilities = np.empty((len(images), 10), np.float32)
        with np.errstate(over="ignore", invalid="ignore"):  # an overflow is an error below
            for rows in _chunks(len(images)):
                probabilities[rows] = look_twice(self.first_look, as_pixels(images[rows]))
        if not np.isfinite(probabilities).all():
            raise ModelError(f"{self.name} overflows on this picture; train the model again")
        return probabilities

    def first_look(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean probabilities, shape (n, 10), of the networks for rows (n, 784)."""
        mean = self.members[0].predict_proba(features)
        for member in self.members[1:]:
            mean += member.predict_proba(features)
        mean /= np.float32(len(self.members))
        return mean

    def is_digit(self, images: NDArray[np.generic]) -> NDArray[np.float32]:
        """Return how probable it is that images show digits at all, shape (n,).

        What the networks learned of it, on average; 1 where they did not. Images as in
        `predict_proba`, whose probabilities do not depend on it.
        """
        pixels = as_pixels(images)
        mean = np.mean([member.is_digit(pixels) for member in self.members], axis=0)
        return np.asarray(mean, np.float32)

    def predict(self, images: NDArray[np.generic]) -> NDArray[np.uint8]:
        """Return the most probable digit, shape (n,), for images as in `predict_proba`."""
        digits: NDArray[np.uint8] = self.predict_proba(images).argmax(axis=1).astype(np.uint8)
        return digits

    def to_sklearn(self) -> ClassifierMixin:
        """Return a fitted scikit-learn classifier with the same probabilities to 1e-5.

        One network is an `MLPClassifier`, several are a soft `VotingClassifier` of them. Both take
        pixels of shape (n, 784) from 0 to 1.
        """
        from digitcli.model.estimators import estimator_of

        return estimator_of(
            [member.to_sklearn() for member in self.members],
            [member.input_features for member in self.members],
        )

    def to_onnx(self, pixels: Literal["uint8", "float32"] = "uint8") -> bytes:
        """Return the content of an ONNX file, which reads digits without digitcli.

        Its input ``image``, shape (n, 28, 28), holds ink bright on black in the form of MNIST; its
        output ``probabilities``, shape (n, 10), is that of the networks' first look. The second
        look at doubtful digits is left out, so those have other probabilities here.

        Parameters
        ----------
        pixels : {"uint8", "float32"}
            The type of the input: 0 to 255, or 0 to 1.

        Raises
        ------
        DigitcliError
            When the package ``onnx`` is not installed.
        """
        from digitcli.model.onnxfile import to_onnx

        return to_onnx(self.members, pixels)


def _chunks(count: int) -> Iterator[slice]:
    return (slice(start, start + _ROWS) for start in range(0, count, _ROWS))


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits
