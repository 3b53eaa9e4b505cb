"""Threads that last: a calibration makes hundreds of short calls, and starting threads would cost more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numba

__all__ = ["share", "workers"]

_LOCK = threading.Lock()


def workers() -> int:
    """Return how many threads run: ``NUMBA_NUM_THREADS``, by default the processors there are."""
    return int(numba.get_num_threads())


@cache
def _pool(size: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(size, thread_name_prefix="acquis")


def share(kernel: Callable[..., Any], pieces: int, *args: Any, least: int = 2) -> None:
    """Call ``kernel(low, high, *args)`` on consecutive ranges that cover ``0 .. pieces``.

    Ranges differ with the number of threads, so a kernel must write each piece's results to places of
    its own. Fewer than `least` pieces are not worth a thread.
    """
    size = workers()
    if size < 2 or pieces < max(2, least):
        kernel(0, pieces, *args)
        return
    size = min(size, pieces)
    cuts = [pieces * k // size for k in range(size + 1)]
    with _LOCK:
        pool = _pool(workers())
    others = [pool.submit(kernel, cuts[k], cuts[k + 1], *args) for k in range(1, size)]
    kernel(cuts[0], cuts[1], *args)
    for done in others:
        done.result()
