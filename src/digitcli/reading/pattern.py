"""What a row may look like: which digits stand where, and which signs between them."""

from __future__ import annotations

import itertools
import re
from typing import NamedTuple

from digitcli.errors import UsageError

Pattern = tuple[frozenset[int], ...]
"""For each place in a row the digits that may stand there."""


class Form(NamedTuple):
    """One of the forms that a row may have.

    Attributes
    ----------
    places : Pattern
    signs : tuple of str
        What stands before each digit: any of ``-``, ``.`` and a space, or nothing.
    """

    places: Pattern
    signs: tuple[str, ...]

    @property
    def has_signs(self) -> bool:
        """Whether there are any."""
        return any(self.signs)


MOST_FORMS = 64
"""What may be left out makes no more forms than this."""
ANY = frozenset(range(10))
SIGNS = ("-", ".", " ")
_PLACE = re.compile(r"(?:(?P<sign>[-. ])|(?P<place>d|[0-9]|\[(?:[0-9](?:-[0-9])?)+\]))(?P<may>\??)")
_RANGE = re.compile(r"([0-9])(?:-([0-9]))?")


def parse_forms(text: str) -> tuple[Form, ...]:
    """Parse a pattern such as ``20dd``, ``[0-3]d`` or ``-?d?dd.dd``.

    Parameters
    ----------
    text : str
        For each place ``d`` for any digit, a digit for itself, or digits and ranges in brackets;
        for signs ``-``, ``.`` and, between numbers, a space; after each of these ``?`` if it may be
        left out.

    Raises
    ------
    UsageError
        If the text is empty, holds anything else, ends in a sign or means too many forms.

    Examples
    --------
    >>> [(len(form.places), form.signs) for form in parse_forms("-?d.d")]
    [(2, ('-', '.')), (2, ('', '.'))]
    """
    parts: list[tuple[str, bool]] = []
    position = 0
    while match := _PLACE.match(text, position):
        parts.append((match["sign"] or match["place"], bool(match["may"])))
        position = match.end()
    good = position == len(text) and parts and parts[-1][0] not in SIGNS
    optional = sum(may for _, may in parts)
    good = good and all(map(_digits, (part for part, _ in parts if part not in SIGNS)))
    if good and 2**optional <= MOST_FORMS:
        chosen = itertools.product(*([True, False] if may else [True] for _, may in parts))
        forms = [
            _form([part for (part, _), taken in zip(parts, each, strict=True) if taken])
            for each in chosen
        ]
        if kept := [form for form in forms if form is not None]:
            return tuple(dict.fromkeys(kept))
    if good and 2**optional > MOST_FORMS:
        raise UsageError(
            f"--pattern {text!r} means more than {MOST_FORMS} forms of a row; use fewer '?'"
        )
    raise UsageError(
        f"--pattern {text!r} is not a row of digits; write d for any digit, a digit for itself and "
        "brackets for a choice, as in '20dd' or '[0-3]d', and - . and a space for signs, as in "
        "'-?dd.d'"
    )


def _form(parts: list[str]) -> Form | None:
    """Put a form together; None if it ends in a sign."""
    places: list[frozenset[int]] = []
    signs: list[str] = []
    before = ""
    for part in parts:
        if part in SIGNS:
            before += part
            continue
        places.append(_digits(part))
        signs.append(before)
        before = ""
    return None if before or not places else Form(tuple(places), tuple(signs))


def _digits(part: str) -> frozenset[int]:
    """Return the digits that may stand at a place; none if a range runs backwards."""
    if part == "d":
        return ANY
    ranges = [(int(first), int(last or first)) for first, last in _RANGE.findall(part)]
    if any(first > last for first, last in ranges):
        return frozenset()
    return frozenset(digit for first, last in ranges for digit in range(first, last + 1))
