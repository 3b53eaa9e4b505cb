"""What a worker holds: it travels as the recipe that it was made by, and is made again where it arrives."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

__all__ = ["Held"]

T = TypeVar("T")


class Held(Generic[T]):
    """A value with the function and the arguments that make it.

    Dask may move it to another worker, or make it again after a worker was lost. Responses themselves
    never travel: the receiver reads them from the file.

    Parameters
    ----------
    make, args
        ``make(*args)`` is the value; an argument that is held itself stands for its value.
    """

    def __init__(self, make: Callable[..., T], *args: Any) -> None:
        self._make = make
        self._args = tuple(arg.bare() if isinstance(arg, Held) else arg for arg in args)
        self._value: T | None = None
        self._lock = threading.Lock()

    @classmethod
    def now(cls, make: Callable[..., T], *args: Any) -> Held[T]:
        """Return a value made at once, from what is at hand of the arguments."""
        held = cls(make, *args)
        held._value = make(*(arg.value if isinstance(arg, Held) else arg for arg in args))
        return held

    def bare(self) -> Held[T]:
        """Return the recipe alone."""
        return Held(self._make, *self._args)

    @property
    def value(self) -> T:
        """The value, made at first use."""
        with self._lock:
            if self._value is None:
                self._value = self._made()
            return self._value

    def _made(self) -> T:
        return self._make(*(arg._made() if isinstance(arg, Held) else arg for arg in self._args))

    def __reduce__(self) -> tuple[Any, ...]:
        return Held, (self._make, *self._args)

    def __sizeof__(self) -> int:
        return int(getattr(self._value, "nbytes", 0)) + object.__sizeof__(self)
