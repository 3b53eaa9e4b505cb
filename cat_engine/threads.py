"""Run a kernel over chunks of persons on several threads.

Kernels release the interpreter's lock (``nogil=True``) and write one person's results from that person's
answers alone, so the number of threads never changes a bit. Plain threads, not ``parallel=True``: that
compiles ten times slower, and one of numba's threading layers ends the process when two requests meet.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cat_engine.compile import config

__all__ = ["over_chunks"]


def over_chunks(kernel: Callable[..., Any], n: int, *args: Any, chunk: int = 2048) -> None:
    """Call ``kernel(low, high, *args)`` for consecutive ranges that cover ``0 .. n``.

    As many threads run as ``NUMBA_NUM_THREADS`` says (default: the processors there are).
    """
    starts = range(0, n, chunk)
    workers = min(int(config.NUMBA_NUM_THREADS), len(starts))
    if workers < 2:
        kernel(0, n, *args)
        return
    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(kernel, low, min(low + chunk, n), *args) for low in starts]:
            done.result()
