"""Memory behaviour of a training process."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3


def keep_freed_memory() -> None:
    """Let the C library reuse freed array memory instead of giving it back to the system.

    Every step of training allocates and frees temporaries of the size of the weights. Returned to
    the system and asked for again, each of their pages is zeroed by the kernel anew, which takes
    longer than the arithmetic. Only glibc has the switch; elsewhere this does nothing.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
