"""A number as people write it into tables: digits, perhaps a minus and a decimal point."""

from __future__ import annotations

import numpy as np

from digitcli.reading.uncut import likelihoods, spans, without_signs
from digitcli.seeing.morphology import Float32Array

UNSIGNED = 2.0
"""Numbers with neither sign are so much more frequent than those with one of the two."""


def with_signs(columns: Float32Array, digits: str) -> tuple[str, float]:
    """Put the minus and the decimal point of a number where they are seen.

    Parameters
    ----------
    columns : ndarray of float32, shape (columns, OUTPUTS)
        As `signed_columns` returns them.
    digits : str
        What was read.

    Returns
    -------
    number : str
        The digits, with ``-`` before them and ``.`` between them if they are there.
    probability : float
        Of the signs, given the digits.
    """
    plain = without_signs(columns)
    if plain.shape == columns.shape:
        return digits, 1.0
    # what comes after the last digit is no part of the number
    last = spans(plain, digits)[-1][1]
    ended = np.full((len(columns) - last, columns.shape[1]), -np.inf, np.float32)
    ended[:, : plain.shape[1]] = plain[last:]
    columns = np.concatenate([columns[:last], ended])
    pointed = [digits, *(f"{digits[:n]}.{digits[n:]}" for n in range(1, len(digits)))]
    texts = [minus + text for minus in ("", "-") for text in pointed]
    odds = likelihoods(columns, texts)
    odds[0] += np.log(UNSIGNED)
    shares = np.exp(odds - odds.max())
    shares /= shares.sum()
    best = int(shares.argmax())
    return texts[best], float(shares[best])
