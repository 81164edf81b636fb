"""The PyTorch script that `time_to_accuracy.py` measures digitcli against; needs torch and NumPy.

    python benchmarks/torch_mlp.py MNIST_FOLDER --hidden 1000,500 --epochs 30 …

Written as one usually would for a CPU: a multilayer perceptron, stochastic gradient descent with
Nesterov momentum, a cosine learning rate, and each batch distorted when it is needed by an affine
map and an elastic displacement: with ``--augmentation kornia`` by kornia's RandomAffine and
RandomElasticTransform (``pip install kornia``), with ``--augmentation grid_sample`` by tensor
operations written for the purpose.
"""

from __future__ import annotations

import argparse
import gzip
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


def read(folder: Path, name: str, header: int) -> Tensor:
    content = gzip.decompress((folder / f"{name}-ubyte.gz").read_bytes())
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=header).copy())


def kornia_distortion() -> Callable[[Tensor], Tensor]:
    from kornia.augmentation import AugmentationSequential, RandomAffine, RandomElasticTransform

    shift = 1.5 / 28
    affine = RandomAffine(12, translate=(shift, shift), scale=(0.88, 1.12), shear=11, p=1.0)
    elastic = RandomElasticTransform(
        kernel_size=(31, 31), sigma=(5.0, 5.0), alpha=(2.1, 2.1), p=1.0
    )
    return AugmentationSequential(affine, elastic, data_keys=["input"])


def distort(images: Tensor) -> Tensor:
    """Distort images (n, 1, 28, 28), each in its own way, about as digitcli does."""
    count = len(images)
    axis = torch.arange(-15, 16)
    kernel = torch.exp(-(axis**2) / (2 * 5.0**2))
    kernel /= kernel.sum()

    def draw(limit: float) -> Tensor:
        return (torch.rand(count) * 2 - 1) * limit

    angle, slant = draw(math.radians(12)), draw(0.2)
    across, down = 1 + draw(0.12), 1 + draw(0.12)
    cos, sin = angle.cos(), angle.sin()
    rows = [
        [(cos + slant * sin) / across, (slant * cos - sin) / across, draw(1.5 / 14)],
        [sin / down, cos / down, draw(1.5 / 14)],
    ]
    theta = torch.stack([torch.stack(row, 1) for row in rows], 1)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    noise = torch.rand(count * 2, 1, 28, 28) * 2 - 1
    margin = kernel.numel() // 2
    smooth = functional.conv2d(noise, kernel.view(1, 1, -1, 1), padding=(margin, 0))
    smooth = functional.conv2d(smooth, kernel.view(1, 1, 1, -1), padding=(0, margin))
    grid = grid + smooth.view(count, 2, 28, 28).permute(0, 2, 3, 1) * (30 / 14)
    return functional.grid_sample(images, grid, align_corners=False)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a multilayer perceptron on MNIST.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hidden", default="1000,500")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--learning-rate", type=float, default=0.15)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--augmentation", choices=("kornia", "grid_sample"), default="grid_sample")
    options = parser.parse_args()
    torch.manual_seed(0)

    images = read(options.folder, "train-images-idx3", 16).view(-1, 1, 28, 28)[:54_000]
    labels = read(options.folder, "train-labels-idx1", 8).long()[:54_000]
    test_images = read(options.folder, "t10k-images-idx3", 16).view(-1, 784).float() / 255
    test_labels = read(options.folder, "t10k-labels-idx1", 8).long()

    sizes = [784, *map(int, options.hidden.split(","))]
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(sizes[-1], 10))
    optimizer = torch.optim.SGD(
        model.parameters(), lr=options.learning_rate, momentum=options.momentum, nesterov=True
    )
    steps = options.epochs * math.ceil(len(images) / options.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    augment = kornia_distortion() if options.augmentation == "kornia" else distort

    for epoch in range(options.epochs):
        for batch in torch.randperm(len(images)).split(options.batch_size):
            with torch.no_grad():
                features = augment(images[batch].float() / 255).flatten(1)
            loss = functional.cross_entropy(model(features), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1} loss {loss.item():.4f}", flush=True)
    with torch.no_grad():
        right = (model(test_images).argmax(1) == test_labels).float().mean().item()
    print(f"test accuracy {right:.4f}")


if __name__ == "__main__":
    main()
