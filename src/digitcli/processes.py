"""What processes that work for another one do, whatever starts them."""

from __future__ import annotations

import os
import threading
import time
from functools import cache


@cache
def end_with_parent() -> None:
    """End this process when its parent has ended, however that came about.

    A killed parent cannot tell its children, and forked ones hold each other's pipes open, which
    then say nothing either.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
