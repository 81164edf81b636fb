"""Learn to read rows without cutting them: makes src/digitcli/reading/uncut.npz.

    python tools/row_network.py OUTPUT.npz --faces FOLDER

Needs ``pip install torch==2.13.0`` beside digitcli, which itself never imports it, and a folder of
typefaces for printed numbers, such as those of Debian's fonts-liberation, fonts-freefont-ttf and
fonts-urw-base35. The network learns from pictures (tools/row_pictures.py) and texts alone, by
connectionist temporal classification (Graves, Fernández, Gomez, Schmidhuber, ICML 2006). It is
written anew whenever the rows that it does not learn from have been read. About an hour on two
processors.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from itertools import chain, islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from row_pictures import BATCH, TOGETHER, Batch, all_bases, pictures
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from digitcli.data.sources import load_dataset
from digitcli.reading.uncut import APART, BLANK, OUTPUTS, TAPS, code_of

CHANNELS = 16, 32, 64, 96
WIDE = 160
"""Channels of the layers, from the picture on."""
DROPPED = 0.1
SEED, VALIDATION_SEED = 911, 912
VALIDATION_DIGITS, VALIDATION_ROWS = 5000, 2000
"""MNIST's last training digits are kept for validation, and other people write."""
RATE, WARM, DECAY = 2e-3, 0.1, 1e-2
STEEPEST = 2.0
"""Longer gradients are shortened to this."""
EVERY = 250
"""Steps between two validations."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("output", type=Path)
    parser.add_argument("--rows", type=int, default=100_000, help="each seen on many papers")
    parser.add_argument("--steps", type=int, default=30_000, help=f"batches of {BATCH} pictures")
    parser.add_argument(
        "--start", type=Path, help="go on from a state, or from a network, written before"
    )
    parser.add_argument("--faces", type=Path, help="typefaces for printed numbers")
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--seed", type=int, default=SEED, help="of the rows and their papers")
    options = parser.parse_args()
    digits = load_dataset("mnist").part("train")
    kept = len(digits.images) - VALIDATION_DIGITS
    faces = sorted(options.faces.glob("*.[to]tf")) if options.faces else []
    bases = all_bases(digits.images[:kept], digits.labels[:kept], options.rows, options.seed, faces)
    others = all_bases(
        digits.images[kept:], digits.labels[kept:], VALIDATION_ROWS, VALIDATION_SEED, faces
    )
    validation = [
        batch
        for number in range(VALIDATION_ROWS // (BATCH * TOGETHER))
        for batch in pictures(others, VALIDATION_SEED, number)
    ]
    train(options, partial(pictures, bases, options.seed), validation)


class Network(nn.Module):
    """Convolutions over a picture, halved in height by each, then over its columns."""

    def __init__(self) -> None:
        super().__init__()
        before = 1
        self.flat = nn.ModuleList()
        for after in CHANNELS:
            self.flat.append(nn.Conv2d(before, after, 3, padding=1, bias=False))
            before = after
        self.tall = nn.Conv2d(before, WIDE, (2, 3), padding=(0, 1), bias=False)
        self.long = nn.ModuleList(
            nn.Conv1d(WIDE, WIDE, TAPS, padding=TAPS // 2 * far, dilation=far, bias=False)
            for far in APART
        )
        self.norms = nn.ModuleList([nn.BatchNorm2d(size) for size in CHANNELS])
        self.norm_tall = nn.BatchNorm2d(WIDE)
        self.norm_long = nn.ModuleList([nn.BatchNorm1d(WIDE) for _ in APART])
        self.last = nn.Conv1d(WIDE, OUTPUTS, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return log-probabilities, shape (n, OUTPUTS, columns), of (n, 1, HEIGHT, width)."""
        values = images
        for number, (layer, norm) in enumerate(zip(self.flat, self.norms, strict=True)):
            values = functional.relu(norm(layer(values)))
            values = functional.max_pool2d(values, (2, 2) if number == 0 else (2, 1))
        values = functional.relu(self.norm_tall(self.tall(values)))[:, :, 0]
        values = functional.dropout(values, DROPPED, self.training)
        for layer, norm in zip(self.long, self.norm_long, strict=True):
            values = functional.relu(norm(layer(values))) + values
        with torch.autocast("cpu", enabled=False):  # what is learned from must be exact
            return functional.log_softmax(self.last(values.float()), 1)

    def unfold(self, path: Path, batches: list[Batch]) -> None:
        """Take over the layers of a network that was written, normalized by some pictures.

        Outputs that it lacks begin as improbable.
        """
        with np.load(path) as arrays:
            layers = [
                (arrays[f"weight{n}"] * arrays[f"scale{n}"][:, None], arrays[f"bias{n}"])
                for n in range(len(arrays.files) // 3)
            ]
        norms = [*self.norms, self.norm_tall, *self.norm_long]
        convolutions = [*self.flat, self.tall, *self.long]
        images = torch.from_numpy(batches[0][0].astype(np.float32))[:, None]
        with torch.no_grad():
            for layer, norm, (weight, bias) in zip(convolutions, norms, layers, strict=False):
                layer.weight.copy_(
                    torch.from_numpy(weight.astype(np.float32)).view_as(layer.weight)
                )
                norm.bias.copy_(torch.from_numpy(bias))
            for layer, norm in zip(convolutions, norms, strict=True):
                seen: list[Tensor] = []
                hook = layer.register_forward_hook(lambda _, __, out, seen=seen: seen.append(out))
                self.eval()(images)
                hook.remove()
                flat = seen[0].transpose(0, 1).flatten(1)
                norm.running_mean.copy_(flat.mean(1))
                norm.running_var.copy_(flat.var(1))
                norm.weight.copy_(torch.sqrt(norm.running_var + norm.eps))
                norm.bias.add_(norm.running_mean)
            weight, bias = layers[-1]
            self.last.weight[: len(weight), :, 0] = torch.from_numpy(weight.astype(np.float32))
            self.last.bias[: len(bias)] = torch.from_numpy(bias)
            self.last.bias[len(bias) :] = -6.0

    def folded(self) -> dict[str, NDArray[np.generic]]:
        """Return the layers as digitcli.reading.uncut reads them, normalization folded in.

        Weights are whole numbers, shape (outputs, inputs), with a scale for each output.
        """
        pairs = [*zip(self.flat, self.norms, strict=True)]
        pairs += [(self.tall, self.norm_tall), *zip(self.long, self.norm_long, strict=True)]
        layers = []
        for layer, norm in pairs:
            scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            weight = layer.weight * scale.view(-1, *[1] * (layer.weight.dim() - 1))
            layers.append((weight, norm.bias - norm.running_mean * scale))
        layers.append((self.last.weight, self.last.bias))
        arrays = {}
        for number, (weight, bias) in enumerate(layers):
            flat = weight.detach().flatten(1).numpy()
            scale = np.abs(flat).max(1) / 127
            arrays[f"weight{number}"] = np.rint(flat / scale[:, None]).astype(np.int8)
            arrays[f"scale{number}"] = scale.astype(np.float32)
            arrays[f"bias{number}"] = bias.detach().numpy()
        return arrays


class Batches(Dataset):
    """Batches that are drawn when they are asked for."""

    def __init__(self, draw: Callable[[int], list[Batch]], count: int) -> None:
        self.draw, self.count = draw, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> list[Batch]:
        return self.draw(number)


def train(
    options: argparse.Namespace, draw: Callable[[int], list[Batch]], validation: list[Batch]
) -> None:
    torch.manual_seed(0)
    network = Network().to(memory_format=torch.channels_last)
    if options.start:
        if options.start.suffix == ".npz":
            network.unfold(options.start, draw(0))
        else:
            network.load_state_dict(torch.load(options.start))
    optimizer = torch.optim.AdamW(network.parameters(), options.rate, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.rate, total_steps=options.steps + 1, pct_start=WARM
    )
    start, losses = time.time(), []
    drawn = DataLoader(
        Batches(draw, options.steps // TOGETHER + 1),
        batch_size=None,
        num_workers=2,
        collate_fn=lambda group: group,
    )
    batches = islice(chain.from_iterable(drawn), options.steps)
    for step, (images, widths, texts) in enumerate(batches):
        network.train()
        images = torch.from_numpy(images.astype(np.float32))[:, None]
        with torch.autocast("cpu", torch.bfloat16):
            odds = network(images.to(memory_format=torch.channels_last))
        targets = torch.tensor([code_of(sign) for text in texts for sign in text])
        loss = functional.ctc_loss(
            odds.permute(2, 0, 1),
            targets,
            torch.tensor([int(width) // 2 for width in widths]),
            torch.tensor([len(text) for text in texts]),
            BLANK,
            zero_infinity=True,
        )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), STEEPEST)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if (step + 1) % EVERY == 0:
            right = checked(network, validation)
            print(
                f"{step + 1} {np.mean(losses):.4f} {right:.4f} {time.time() - start:.0f}s",
                flush=True,
            )
            losses = []
            torch.save(network.state_dict(), options.output.with_suffix(".pt"))
            np.savez_compressed(options.output, **network.eval().folded())
    print(f"{checked(network, validation):.4f}")
    torch.save(network.state_dict(), options.output.with_suffix(".pt"))
    np.savez_compressed(options.output, **network.eval().folded())


def checked(network: Network, validation: list[Batch]) -> float:
    """Share of the rows whose digits are read right, the likeliest sign of each column taken."""
    network.eval()
    right = count = 0
    with torch.no_grad():
        for images, widths, texts in validation:
            best = network(torch.from_numpy(images.astype(np.float32))[:, None]).argmax(1).numpy()
            for columns, width, text in zip(best, widths, texts, strict=True):
                own = columns[: int(width) // 2]
                starts = np.r_[True, own[1:] != own[:-1]]
                read = "".join(str(sign) for sign in own[starts] if sign < BLANK)
                right += read == "".join(filter(str.isdigit, text))
                count += 1
    return right / count


if __name__ == "__main__":
    main()
