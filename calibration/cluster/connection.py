"""Reaching a Dask scheduler, and what can go wrong, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cat_engine.errors import InputError

__all__ = ["Connection", "connected"]

PATIENCE = 10
"""Seconds in which a scheduler answers and a first worker reports."""


class Connection:
    """A Dask client whose failures are errors that say what to do.

    Attributes
    ----------
    client
        The client.
    """

    def __init__(self, client: Any, address: str) -> None:
        self.client, self._address = client, address

    def submit(self, work: Callable[..., Any], *args: Any) -> Any:
        """Return a future of ``work(*args)``, computed anew wherever its worker is lost."""
        return self.client.submit(work, *args, pure=False)

    def gather(self, futures: Sequence[Any]) -> list[Any]:
        """Return the results in order; what a lost worker held is computed again first.

        Raises
        ------
        InputError
            As the work raised it; the scheduler is gone, the workers lack this program, or one task has
            lost several workers.
        """
        import distributed

        dask: Any = distributed
        try:
            return list(self.client.gather(futures, direct=False))
        except dask.KilledWorker as error:
            raise InputError(
                f"expected workers that stay alive at {self._address}, got several that ended in the same "
                f"task ({error.last_worker.address} last); give each more memory, or the cluster more workers"
            ) from None
        except (dask.CancelledError, dask.comm.CommClosedError, OSError) as error:
            raise InputError(
                f"expected the scheduler at {self._address} to stay reachable, got {type(error).__name__}; "
                "start the cluster and the calibration again"
            ) from None
        except ModuleNotFoundError as error:
            raise InputError(
                f"expected workers with the same packages as this program, got '{error}' from one; install "
                "acquis[cluster] in the environment of every worker"
            ) from None


@contextmanager
def connected(address: str) -> Iterator[Connection]:
    """Give a connection to the scheduler at `address`; what it computes is forgotten at the end.

    Raises
    ------
    InputError
        No package for it, no scheduler that answers, or a scheduler without workers.
    """
    try:
        import distributed
    except ImportError:
        raise InputError(
            f"expected the package 'distributed' for --scheduler {address}, got none; install acquis[cluster]"
        ) from None
    dask: Any = distributed  # its functions are not annotated
    try:
        client = dask.Client(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise InputError(
            f"expected a Dask scheduler that answers at {address}, got {type(error).__name__}; start one "
            "with 'dask scheduler', or leave --scheduler out"
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except (TimeoutError, dask.TimeoutError):
            raise InputError(
                f"expected at least one worker at {address}, got none in {PATIENCE} seconds; start some with "
                f"'dask worker {address}'"
            ) from None
        yield Connection(client, address)
