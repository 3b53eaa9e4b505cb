"""Repeated simulation: people answer a known test, replicate by replicate, on every processor."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

from cat_engine.grid import Grid, GridTables, tabulate
from cat_engine.pool import ItemPool

__all__ = ["Test", "generator", "repeat", "standard_error"]

Job = tuple[Any, ...]
Result = TypeVar("Result")


def generator(seed: int, *place: int) -> np.random.Generator:
    """Return the random numbers of one replicate; its place alone decides them."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *place])))


class Test:
    """Items with known parameters, which people answer.

    Parameters
    ----------
    rows
        As in a parameter file.
    """

    __test__ = False  # not one of pytest's

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self.rows = list(rows)
        self.ids = [str(row["id"]) for row in rows]
        self.pool = ItemPool.from_rows(self.rows)
        self.grid = Grid.uniform(-8.0, 8.0, 1601)
        self.tables: GridTables = tabulate(self.pool, self.grid)
        self._cumulated = np.exp(self.tables.logp).cumsum(axis=1)

    def answer(self, random: np.random.Generator, theta: np.ndarray) -> np.ndarray:
        """Return the categories that persons at `theta` choose, int8, shape ``(N, n)``."""
        place = np.clip(np.rint((theta + 8.0) * 100), 0, 1600).astype(int)
        chance = random.random((len(theta), len(self.rows)))
        last = self.pool.n_cat - 1
        out = np.empty(chance.shape, np.int8)
        for i, size in enumerate(last):
            out[:, i] = (chance[:, i] > self._cumulated[i, :size, place].T).sum(axis=0)
        return out


def _quiet() -> None:
    """Leave an interruption from the keyboard to the process that started this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def repeat(
    work: Callable[[Job], Result], jobs: Sequence[Job], processes: int | None = None
) -> Iterator[tuple[Job, Result]]:
    """Yield every job with its result, in the order of the jobs.

    Ends early, without an error, when the keyboard interrupts: what was yielded stands.

    Parameters
    ----------
    work
        A function of a module; it takes one job and draws from `generator` alone.
    processes
        How many, one thread each; by default the processors there are. 0: in this process.
    """
    if processes is None:
        processes = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not processes:
        yield from ((job, work(job)) for job in jobs)
        return
    for name in ("NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = "1"
    pool = ProcessPoolExecutor(processes, get_context("spawn"), initializer=_quiet)
    try:
        results = pool.map(work, jobs, chunksize=1)
        bar = tqdm(results, total=len(jobs), unit=" replicates", disable=not sys.stderr.isatty(), leave=False)
        yield from zip(jobs, bar, strict=True)
    except KeyboardInterrupt:
        print("interrupted: the table holds what was finished", file=sys.stderr)
    finally:
        pool.shutdown(cancel_futures=True)


def standard_error(values: np.ndarray) -> float:
    """Return the Monte Carlo standard error of a mean of independent replicates; NaN for fewer than two."""
    known = values[np.isfinite(values)]
    return float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else float("nan")
