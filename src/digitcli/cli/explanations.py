"""Pictures that show a person what was seen: one PNG for each picture that was read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from digitcli.errors import ImageError
from digitcli.files import atomic_write
from digitcli.prediction.paths import Source, Unreadable, source_of
from digitcli.prediction.readings import A, Reading

if TYPE_CHECKING:
    from PIL import Image

    from digitcli.cli.environment import Environment

_LONGEST = 200


class Explanations:
    """The folder with the explanations of one run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths: dict[str, str] = {}

    def save(self, image: Image.Image, path: str) -> None:
        """Write the explanation of the picture at `path`.

        It is named after the whole path, so that pictures of the same name do not meet; nor do
        ``a/b.png`` and ``a_b.png``.
        """
        name = "_".join(part for part in Path(path).parts if part not in ("/", "..")) or "stdin"
        name = name.encode("utf-8", "backslashreplace").decode().replace("\\", "_")
        if path == "-":
            name = "stdin"
        whole = os.fsencode(path)
        if len(name.encode()) > _LONGEST or self._paths.setdefault(name, path) != path:
            name = f"{hashlib.sha256(whole).hexdigest()[:16]}_{name[-40:]}"
        with atomic_write(self._folder / f"{name}.png") as file:
            image.save(file, format="PNG")


def explain_answers(
    env: Environment,
    reading: Reading[A],
    answers: A,
    explanations: Explanations,
    *,
    image: Source | Unreadable | None = None,
) -> int:
    """Draw how each picture that could be read was read.

    Each is seen anew, in the file at its path or in the one `image` that has none. Returns how many
    of the files had changed since they were answered for, so that they cannot be explained.
    """
    failed = 0
    for place, path in enumerate(answers.paths):
        if place in answers.errors:
            continue
        source = image if isinstance(image, Source) else source_of(path)
        try:
            drawn = reading.explain(source, answers, place)
        except ImageError as error:
            failed += 1
            env.warn(str(error))
        else:
            explanations.save(drawn, path)
    return failed
