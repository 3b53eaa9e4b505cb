"""How many threads numpy's linear algebra may use.

OpenBLAS gives a hundred rows to all processors and lets its threads wait busily for what comes next: where
our own threads work between two small calls, or another program does, that costs many times what it saves.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

__all__ = ["blas_threads"]


@cache
def _controls() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """Return what reads and sets the number of threads of the OpenBLAS in numpy's wheel; None without one."""
    package = Path(np.__file__).parent
    for path in [*package.parent.glob("numpy.libs/*openblas*"), *package.glob(".dylibs/*openblas*")]:
        try:
            library = ctypes.CDLL(str(path))  # loaded by numpy already: this is the same one
        except OSError:
            continue
        for name in ("scipy_openblas_{}64_", "scipy_openblas_{}", "openblas_{}64_", "openblas_{}"):
            read = getattr(library, name.format("get_num_threads"), None)
            write = getattr(library, name.format("set_num_threads"), None)
            if read is not None and write is not None:
                return read, write
    return None


@contextmanager
def blas_threads(number: int) -> Iterator[None]:
    """Let numpy's linear algebra use `number` threads for a while (of the whole process).

    Where numpy brings no OpenBLAS (another BLAS, another platform) nothing changes.
    """
    controls = _controls()
    if controls is None:
        yield
        return
    read, write = controls
    before = read()
    write(number)
    try:
        yield
    finally:
        write(before)
