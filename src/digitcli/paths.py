"""Where data lives, and how a path is shown to a person."""

from __future__ import annotations

import os
from pathlib import Path

DATA_DIR_VARIABLE = "DIGITCLI_DATA_DIR"


def data_dir(option: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder for fetched data: the option, else the environment, else the platform's."""
    if option is not None:
        return Path(option)
    if chosen := os.environ.get(DATA_DIR_VARIABLE):
        return Path(chosen)
    from platformdirs import user_cache_path

    return user_cache_path("digitcli", appauthor=False)


def printable(text: str | os.PathLike[str]) -> str:
    r"""Return `text` with every character that could act on a terminal or break a line escaped.

    Control characters become ``\t``, ``\n``, ``\xNN`` or ``\uNNNN``; bytes that could not be
    decoded (surrogates) become ``\xNN``.

    Examples
    --------
    >>> printable("a\tb.png")
    'a\\tb.png'
    """
    text = os.fspath(text)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    if 0xDC80 <= ord(char) <= 0xDCFF:
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")
