"""Pictures that show a person what was seen: one PNG for each picture that was read."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path, PurePath, PureWindowsPath
from typing import TYPE_CHECKING

from digitcli.errors import ImageError
from digitcli.files import atomic_write
from digitcli.paths import printable
from digitcli.prediction.paths import source_of
from digitcli.prediction.readings import A, Reading

if TYPE_CHECKING:
    from PIL import Image

    from digitcli.cli.environment import Environment

_LONGEST = 200
_EXPLAINS = "digitcli explains"
"""Keyword of the text in an explanation that says which picture it is about."""


def name_for(path: PurePath) -> str:
    """Return a file name, on any system, that holds the whole of a path."""
    name = "_".join(part for part in path.relative_to(path.anchor).parts if part != "..")
    name = name.encode("utf-8", "backslashreplace").decode().replace("\\", "_")
    if isinstance(path, PureWindowsPath):
        name = re.sub(r'[<>:"|?*]', "_", name)
    return name or "stdin"


class Explanations:
    """The folder with the explanations of one run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths: dict[str, str] = {}

    def save(self, image: Image.Image, path: str) -> None:
        """Write the explanation of the picture at `path`.

        It is named after the whole path, so that pictures of the same name do not meet; nor do
        ``a/b.png`` and ``a_b.png``. It replaces an earlier explanation of the same picture, and
        never another file.
        """
        name = printable(name_for(Path(path))).replace("\\", "_")
        picture = ascii(str(Path(path).absolute()))
        if path == "-" or path.startswith("-["):  # a page of it
            name = picture = f"stdin{path[1:]}"
        file_path = self._folder / f"{name}.png"
        long = len(name.encode()) > _LONGEST
        taken = long or self._paths.setdefault(name, path) != path
        number = 0
        while taken or not _may_be_replaced(file_path, picture):
            digest = hashlib.sha256(os.fsencode(path) + b"\0" * number).hexdigest()[:16]
            file_path = self._folder / f"{digest}_{name[-40:]}.png"
            taken, number = False, number + 1
        from PIL.PngImagePlugin import PngInfo

        text = PngInfo()
        text.add_text(_EXPLAINS, picture)
        with atomic_write(file_path) as file:
            image.save(file, format="PNG", pnginfo=text)


def _may_be_replaced(path: Path, picture: str) -> bool:
    """Whether there is no such file, or it is an earlier explanation of the same picture."""
    from PIL import Image

    if not os.path.lexists(path):
        return True
    try:
        with Image.open(path, formats=["PNG"]) as before:
            return bool(before.info.get(_EXPLAINS) == picture)
    except Exception:  # whatever it is, it is not ours
        return False


def explain_answers(
    env: Environment,
    reading: Reading[A],
    answers: A,
    explanations: Explanations,
) -> int:
    """Draw how each picture that could be read was read.

    Each is seen anew. Returns how many of the files had changed since they were answered for, so
    that they cannot be explained.
    """
    failed = 0
    for place, path in enumerate(answers.paths):
        if place in answers.errors:
            continue
        source = answers.sources.get(place) or source_of(path)
        try:
            drawn = reading.explain(source, answers, place)
        except ImageError as error:
            failed += 1
            env.warn(str(error))
        else:
            explanations.save(drawn, path)
    return failed
