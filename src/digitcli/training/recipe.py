"""Named sets of hyperparameters: everything that decides how a network learns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, pi

from digitcli.training.augment import Augmentation


@dataclass(frozen=True, slots=True)
class Recipe:
    """Hyperparameters of a training run, with scikit-learn's names where it has one.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int
        Units of each hidden layer (rectified linear).
    epochs : int
        Passes through the training set; every pass sees freshly distorted images.
    batch_size : int
        Images per step.
    learning_rate_init : float
        Highest learning rate. It rises linearly during `warmup_epochs`, then falls to zero along
        half a cosine.
    warmup_epochs : int
    momentum : float
        Nesterov momentum.
    alpha : float
        L2 penalty (as in MLPClassifier: divided by the batch size in the gradient).
    augmentation : Augmentation or None
        Distortions of the training images; None trains on the images as they are.
    calm_epochs : int
        In the last epochs, this many, the distortions have half their strength.
    input_features : tuple of str
        Keys of `digitcli.model.input.INPUT_FEATURES`, which the networks of a model take in turn.
    """

    hidden_layer_sizes: tuple[int, ...]
    epochs: int
    batch_size: int
    learning_rate_init: float
    warmup_epochs: int
    momentum: float
    alpha: float
    augmentation: Augmentation | None
    calm_epochs: int = 0
    input_features: tuple[str, ...] = ("directions",)

    def shortened(self, epochs: int) -> Recipe:
        """Return a recipe of so many epochs, with as large a share of calm ones if they are fewer.

        A short training that is calm from the start may diverge at the rates of a long one.
        """
        share = min(1.0, epochs / self.epochs)
        return replace(self, epochs=epochs, calm_epochs=round(share * self.calm_epochs))

    def learning_rate(self, epoch: float) -> float:
        """Learning rate at a point of time, in epochs since the start (0 to `epochs`)."""
        if epoch < self.warmup_epochs:
            return self.learning_rate_init * (epoch + 1) / (self.warmup_epochs + 1)
        progress = (epoch - self.warmup_epochs) / max(1, self.epochs - self.warmup_epochs)
        return self.learning_rate_init * (1 + cos(pi * min(1.0, progress))) / 2

    def augmentation_at(self, epoch: int) -> Augmentation:
        """Distortions of the images in an epoch (0 to `epochs` - 1)."""
        settings = self.augmentation or Augmentation()
        return settings.weakened(0.5) if epoch >= self.epochs - self.calm_epochs else settings


HANDWRITING = Augmentation(
    rotation=12,
    scale=0.12,
    shear=0.2,
    translation=1.5,
    elastic_alpha=30,
    elastic_sigma=5,
    thicken=0.4,
    thin=0.4,
)

EVERYDAY = Augmentation(
    rotation=12,
    scale=0.13,
    shear=0.22,
    translation=1.7,
    elastic_alpha=30,
    elastic_sigma=5,
    wild=0.3,
    lean=0.4,
    thicken=0.8,
    thin=0.5,
    degrade=0.3,
    blur=1.0,
    harden=3.0,
    fade=0.2,
    noise=0.06,
    specks=0.6,
    gaps=0.4,
    lines=0.5,
)

RECIPES = {
    "quick": Recipe(
        hidden_layer_sizes=(512, 256),
        epochs=8,
        batch_size=256,
        learning_rate_init=0.15,
        warmup_epochs=1,
        momentum=0.9,
        alpha=1e-5,
        augmentation=HANDWRITING,
        calm_epochs=2,
    ),
    "standard": Recipe(
        hidden_layer_sizes=(1200, 600),
        epochs=40,
        batch_size=512,
        learning_rate_init=0.25,
        warmup_epochs=2,
        momentum=0.9,
        alpha=0.05,
        augmentation=HANDWRITING,
        calm_epochs=8,
    ),
    "best": Recipe(
        hidden_layer_sizes=(1200, 800),
        epochs=240,
        batch_size=512,
        learning_rate_init=0.25,
        warmup_epochs=4,
        momentum=0.9,
        alpha=0.05,
        augmentation=EVERYDAY,
        calm_epochs=30,
    ),
    "shipped": Recipe(
        hidden_layer_sizes=(1200, 800),
        epochs=110,
        batch_size=512,
        learning_rate_init=0.15,
        warmup_epochs=2,
        momentum=0.9,
        alpha=0.05,
        augmentation=EVERYDAY,
        calm_epochs=14,
    ),
    "small": Recipe(
        hidden_layer_sizes=(256, 128),
        epochs=30,
        batch_size=64,
        learning_rate_init=0.1,
        warmup_epochs=1,
        momentum=0.9,
        alpha=1e-4,
        augmentation=HANDWRITING,
    ),
    "fine-tune": Recipe(
        hidden_layer_sizes=(),
        epochs=8,
        batch_size=64,
        learning_rate_init=0.02,
        warmup_epochs=1,
        momentum=0.9,
        alpha=1e-5,
        augmentation=HANDWRITING,
    ),
}
