"""How the C library deals with memory that is free again."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Final

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3

_LARGE: Final = 8 << 20
"""Arrays of more bytes are always given back."""

_KEPT: Final = 64 << 20
"""Free bytes that are kept at most."""


@cache
def keep_freed_memory() -> None:
    """Let the C library reuse freed array memory instead of giving it back to the system.

    Every batch of images needs the same temporary arrays as the last one. Returned to the system
    and asked for again, each of their pages is zeroed by the kernel anew, which takes longer than
    much of the arithmetic. Only glibc has the switch; elsewhere this does nothing.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, _LARGE)
        mallopt(M_TRIM_THRESHOLD, _KEPT)
