"""Pictures that show a person what was seen: one PNG for each picture that was read."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from digitcli.files import atomic_write

if TYPE_CHECKING:
    from PIL import Image

    from digitcli.polarity import Polarity
    from digitcli.prediction.stream import Answers

_LONGEST = 200


def save_explanation(image: Image.Image, folder: Path, path: str) -> None:
    """Write the explanation of the picture at `path` into `folder`.

    It is named after the whole path, so that pictures of the same name do not meet.
    """
    name = "_".join(part for part in Path(path).parts if part not in ("/", "..")) or "stdin"
    name = name.encode("utf-8", "backslashreplace").decode().replace("\\", "_")
    if len(name.encode()) > _LONGEST:
        name = f"{hashlib.sha256(name.encode()).hexdigest()[:16]}_{name[-40:]}"
    with atomic_write(folder / f"{'stdin' if path == '-' else name}.png") as file:
        image.save(file, format="PNG")


def explain_answers(
    answers: Answers, folder: Path, *, polarity: Polarity, stream: BinaryIO | None = None
) -> None:
    """Draw the steps from each picture that could be read to its ten probabilities.

    The picture ``-`` is read from `stream`, anew from its start.
    """
    from digitcli.images.decode import decode
    from digitcli.images.explain import explain
    from digitcli.images.normalize import normalize_steps

    for place, path in enumerate(answers.paths):
        if place not in answers.errors:
            if stream is not None:
                stream.seek(0)
            picture = decode(stream if stream is not None else path, path)
            steps = normalize_steps(picture, polarity=polarity)
            save_explanation(explain(steps, answers.probabilities[place]), folder, path)
