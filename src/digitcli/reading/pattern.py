"""Which digits may stand where in a row."""

from __future__ import annotations

import re

from digitcli.errors import UsageError

Pattern = tuple[frozenset[int], ...]
"""For each place in a row the digits that may stand there."""

ANY = frozenset(range(10))
_PLACE = re.compile(r"d|[0-9]|\[((?:[0-9](?:-[0-9])?)+)\]")
_RANGE = re.compile(r"([0-9])(?:-([0-9]))?")


def parse_pattern(text: str) -> Pattern:
    """Parse a pattern such as ``20dd`` or ``[0-3]d``.

    Parameters
    ----------
    text : str
        For each place ``d`` for any digit, a digit for itself, or digits and ranges in brackets.

    Raises
    ------
    UsageError
        If the text is empty or holds anything else.

    Examples
    --------
    >>> [sorted(place) for place in parse_pattern("7[0-24]")]
    [[7], [0, 1, 2, 4]]
    """
    places, position = [], 0
    while position < len(text):
        match = _PLACE.match(text, position)
        if match is None:
            break
        places.append(_digits(match))
        position = match.end()
    if position < len(text) or not places or not all(places):
        raise UsageError(
            f"--pattern {text!r} is not a row of digits; write d for any digit, a digit for "
            "itself and brackets for a choice, as in '20dd' or '[0-3]d'"
        )
    return tuple(places)


def _digits(match: re.Match[str]) -> frozenset[int]:
    if match[0] == "d":
        return ANY
    ranges = _RANGE.findall(match[1] or match[0])
    return frozenset(
        digit for first, last in ranges for digit in range(int(first), int(last or first) + 1)
    )
