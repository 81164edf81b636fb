"""JSON that may be shown on a terminal, whatever its strings hold."""

from __future__ import annotations

from typing import Any


def dumps(value: Any, *, compact: bool = False) -> str:
    """Encode in ASCII without a control character; a path of any bytes is kept.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    import json  # a start that writes text need not wait for it

    text = json.dumps(value, separators=(",", ":") if compact else None, allow_nan=False)
    return text.replace("\x7f", "\\u007f")  # which json takes for a letter
