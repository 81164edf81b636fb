"""Keep where training stands in a file beside the model, so that a killed run can be resumed."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from digitcli.data.dataset import Dataset
from digitcli.errors import TrainingError
from digitcli.model.modelfile import pack_network, read_plain, unpack_network, write_plain
from digitcli.training.trainer import TrainingState

FORMAT: Final = "digitcli-checkpoint"
VERSION: Final = 1


def checkpoint_path(output: Path, member: int | None = None) -> Path:
    """Return where the checkpoint lies of the model, or of one of its members, 1 and up."""
    suffix = ".checkpoint" if member is None else f".member{member}.checkpoint"
    return output.with_name(output.name + suffix)


def fingerprint(dataset: Dataset) -> str:
    """Return the SHA-256 of the images, labels and split of a dataset."""
    digest = hashlib.sha256(str(len(dataset)).encode())
    for array in (dataset.images, dataset.labels, (dataset.split == "test")):
        digest.update(array.tobytes())
    return digest.hexdigest()


class Checkpoint:
    """One checkpoint file.

    Parameters
    ----------
    path : Path
    settings : mapping
        Plain builtins that decide the result: a checkpoint is continued by a run with the same.
    interval : float
        Seconds between two writes at least; the first state that is offered is written.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], *, interval: float) -> None:
        self.path = path
        self._settings = dict(settings)
        self._interval = interval
        self._next = 0.0

    def offer(self, state: TrainingState) -> None:
        """Write `state`, unless the last write was a moment ago."""
        if time.monotonic() >= self._next:
            self.save(state)
            self._next = time.monotonic() + self._interval

    def save(self, state: TrainingState) -> None:
        """Write `state` in place of what is there."""
        content = {
            "format": FORMAT,
            "version": VERSION,
            "settings": self._settings,
            "epoch": state.epoch,
            "best_epoch": state.best_epoch,
            "best_loss": state.best_loss,
            "history": state.history,
            "network": pack_network(state.network),
        }
        if state.best is not state.network:
            content["best"] = pack_network(state.best)
        write_plain(content, self.path)

    def load(self) -> TrainingState | None:
        """Return the state that was saved last, or None when there is none.

        Raises
        ------
        TrainingError
            When the file is damaged, or of a run with other data or options.
        """
        try:
            content = read_plain(self.path)
        except FileNotFoundError:
            return None
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise TrainingError(f"{self.path} cannot be read: {reason}") from None
        except ValueError as error:
            raise self._damaged(error) from None
        try:
            settings, state = _unpack(content)
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged(error) from None
        self._check(settings)
        if state.network.layer_sizes[1:-1] != tuple(self._settings["hidden_layer_sizes"]):
            raise self._damaged(ValueError("its layers are not those of its settings"))
        return state

    def _check(self, settings: Mapping[str, Any]) -> None:
        for name in {**self._settings, **settings}:
            was, now = settings.get(name), self._settings.get(name)
            if was != now:
                what = (
                    "other data"
                    if name in ("data", "rehearsal", "init_from")
                    else f"{name.replace('_', ' ')} {_short(was)}, not {_short(now)}"
                )
                raise TrainingError(
                    f"{self.path} is of a training with {what}; "
                    "repeat its options to continue it, or leave out --resume to start anew"
                )

    def _damaged(self, error: Exception) -> TrainingError:
        reason = str(error).strip("'") or type(error).__name__
        return TrainingError(
            f"{self.path} is not a checkpoint ({reason}); leave out --resume to start anew"
        )


def _short(value: object) -> str:
    return f"{value!s:.40}" if value is not None else "none"


def _unpack(content: object) -> tuple[dict[str, Any], TrainingState]:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError("it does not say that it is one")
    if content.get("version") != VERSION:
        raise ValueError(f"its format version is {content.get('version')!r:.20}, not {VERSION}")
    epoch, best_epoch, best_loss = (content[key] for key in ("epoch", "best_epoch", "best_loss"))
    if not (type(epoch) is type(best_epoch) is int and 0 <= best_epoch <= epoch):
        raise ValueError("its epochs are not numbers that can be")
    if type(best_loss) is not float or math.isnan(best_loss):
        raise ValueError("its loss is not a number")
    history, settings = content["history"], content["settings"]
    if not isinstance(settings, dict) or not isinstance(history, list) or len(history) != epoch:
        raise ValueError("its history does not fit its epochs")
    network = unpack_network(content["network"])
    best = unpack_network(content["best"]) if "best" in content else network
    if network.layer_sizes != best.layer_sizes:
        raise ValueError("its networks differ in size")
    return settings, TrainingState(network, best, epoch, best_epoch, best_loss, history)
