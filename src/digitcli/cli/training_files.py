"""The files that `digitcli train` writes besides the model: the curve and the preview."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from digitcli.data.dataset import Dataset
    from digitcli.training.run import Outcome, Plan


def draw_preview(dataset: Dataset, plan: Plan, path: Path) -> None:
    """Draw some training images, distorted as in the first epoch."""
    import numpy as np

    from digitcli.data.preview import save_contact_sheet
    from digitcli.training.augment import augment

    sample = dataset.part("train")
    order = np.random.default_rng(plan.seed).permutation(len(sample))
    sample = sample.take(order[:3000])
    if plan.recipe.augmentation is not None:
        distorted = augment(sample.images, plan.recipe.augmentation, seed=plan.seed, epoch=0)
        images = np.rint(distorted * 255).astype(np.uint8).reshape(-1, 28, 28)
        sample = replace(sample, images=images)
    save_contact_sheet(sample, path)


def write_history(outcome: Outcome, path: Path) -> None:
    """Write one row per epoch (and member) as CSV or JSON."""
    import csv
    import io
    import json

    from digitcli.files import atomic_write

    metadata = outcome.model.metadata
    members = metadata.get("members", [metadata])
    rows = [
        ({"member": number} if len(members) > 1 else {}) | dict(zip(history, values, strict=True))
        for number, history in enumerate((member["history"] for member in members), 1)
        for values in zip(*history.values(), strict=True)
    ]
    if path.suffix.lower() == ".json":
        text = json.dumps(rows, indent=1) + "\n"
    else:
        sheet = io.StringIO()
        writer = csv.DictWriter(sheet, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        text = sheet.getvalue()
    with atomic_write(path) as file:
        file.write(text.encode())
