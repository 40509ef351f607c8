"""Memory of archives that were closed, given back to the system."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

from rag.interfaces.http.app import forget_routes


def give_back() -> None:
    """Frees what is left of closed applications.

    Fifty archives, opened, searched and closed: 381 MB without this, 187 MB with it, and 146 MB before.
    """
    forget_routes()
    gc.collect()  # their parts refer to each other
    with suppress(OSError, AttributeError, TypeError):  # another C library than GNU's does it by itself
        ctypes.CDLL(None).malloc_trim(0)
