"""Run a study on this machine's threads or on a Dask cluster: the same chunks, put together in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numba

from calibration.cluster.connection import connected
from calibration.study.plan import CHUNK, Part, Plan
from calibration.study.pools import pools
from calibration.study.price import price

__all__ = ["Study", "study"]

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """A finished study.

    Attributes
    ----------
    plan
        What was simulated, with the exposure counts that it started from.
    part
        All sittings, in the order of persons.
    again
        A second sitting of the first persons, where cut scores ask how consistent decisions are.
    seconds
        Of the sittings of `part`, exposure counts settled before.
    price
        What the design's rules cost (:func:`calibration.study.price.price`).
    pools
        The test for people who cannot use every item (:func:`calibration.study.pools.pools`).
    """

    plan: Plan
    part: Part
    again: Part | None
    seconds: float
    price: dict[str, Any] | None = None
    pools: Sequence[dict[str, Any]] = ()


def study(
    plan: Plan, *, scheduler: str | None = None, progress: Progress | None = None, beside: bool = True
) -> Study:
    """Run a study.

    Parameters
    ----------
    plan
        What to simulate.
    scheduler
        Address of a Dask scheduler; None: this machine's threads.
    progress
        Called with the number of persons who have just ended.
    beside
        Whether the first people sit again where there are cut scores, without the rules whose price is
        asked for, and on the restricted pools.

    Raises
    ------
    InputError
        Where the design does not suit the items, or no scheduler answers.
    """
    plan = replace(plan, snapshot=plan.first_counts())
    tasks = [(k, False) for k in range(plan.chunks)]
    begin = time.perf_counter()
    parts = _run(plan, tasks, scheduler, progress)
    seconds = time.perf_counter() - begin
    part = Part.joined(parts)
    if not beside or plan.responses is not None:
        return Study(plan, part, None, seconds)
    second = _run(plan, [(0, True)], scheduler, None)[0] if plan.design.cuts.values else None
    length = round(float(part.sittings.length.mean()))
    return Study(plan, part, second, seconds, price(plan, length), pools(plan, part))


def _run(
    plan: Plan, tasks: Sequence[tuple[int, bool]], scheduler: str | None, progress: Progress | None
) -> list[Part]:
    if scheduler is not None:
        return _on_cluster(plan, tasks, scheduler, progress)
    workers = min(int(numba.get_num_threads()), len(tasks)) if plan.snapshot is not None else 1
    if workers < 2:  # the engine spreads a chunk over threads itself, unless counts follow the sittings
        return [plan.chunk(k, again, progress) for k, again in tasks]
    pool = ThreadPoolExecutor(workers)
    try:
        return list(pool.map(lambda task: plan.chunk(task[0], task[1], progress), tasks))
    finally:
        pool.shutdown(cancel_futures=True)


def _chunk(plan: Plan, k: int, again: bool) -> Part:
    return plan.chunk(k, again)


def _on_cluster(
    plan: Plan, tasks: Sequence[tuple[int, bool]], scheduler: str, progress: Progress | None
) -> list[Part]:
    with connected(scheduler) as connection:
        import distributed

        dask: Any = distributed  # its functions are not annotated
        client = connection.client
        shared = client.scatter(plan, hash=False, broadcast=True)
        futures = [client.submit(_chunk, shared, k, again, pure=False) for k, again in tasks]
        number = {future.key: at for at, future in enumerate(futures)}
        try:
            for future in dask.as_completed(futures):
                if progress is not None and future.status == "finished":
                    k = tasks[number[future.key]][0]
                    progress(min(CHUNK, plan.n - k * CHUNK))
            return [future.result() for future in futures]
        except BaseException:
            client.cancel(futures)
            raise
