"""Ink and paper."""

from __future__ import annotations

from enum import StrEnum


class Polarity(StrEnum):
    """Whether the ink is darker or brighter than the paper."""

    AUTO = "auto"
    DARK_ON_LIGHT = "dark-on-light"
    LIGHT_ON_DARK = "light-on-dark"
