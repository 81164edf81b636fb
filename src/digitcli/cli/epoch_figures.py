"""What `train` tells of an epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from digitcli.training.trainer import EpochRecord


def figures(record: EpochRecord) -> list[str]:
    """Return what is to be told of an epoch, the most telling first."""
    told = [f"loss {record.training_loss:.4f}"]
    if record.validation_loss is not None:
        told.append(f"validation {record.validation_loss:.4f}, {record.validation_accuracy:.2%}")
    return [
        *told,
        f"rate {record.learning_rate:.3g}",
        f"{record.samples_per_second:,.0f} images/s",
    ]
