"""From packed responses to the maximum: quasi-Newton in single precision, in double, Newton, information."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from calibration.em.information import Information, observed_information
from calibration.em.latent import Histogram, Normal
from calibration.em.likelihood import Likelihood, Point
from calibration.em.maximise import Memory, Trace, climb, newton

__all__ = ["Estimate", "Progress", "estimate"]

SINGLE = 30_000
"""From this many table rows in the data on, the climb starts in single precision."""

PATIENCE = (25, 400)
"""Fewest and most quasi-Newton steps before the exact information is asked."""

NEWTONS = 60
"""Most Newton steps: what has not converged by then has no maximum worth the name."""

PLATEAU = (10, 1000.0)
"""So many Newton steps that together gain less than so many tolerances, and do not halve the gain that is
still promised, are on a plateau: more of them would not help."""

STALE = 2e-5
"""Gain of the last Newton steps from which the matrix that led them is too old for standard errors."""

SETTLED = 1e-3
"""Gain below which free weights of the latent distribution are no longer renewed: they never quite settle."""

SHIFTED = 1e-3
"""By how many standard deviations the final grid may be off its groups."""

POLISH = 1e-5
"""The last Newton step is taken as long as it gains this share of the tolerance."""


@dataclass(frozen=True)
class Progress:
    """How far estimation is.

    Attributes
    ----------
    stage
        What is being done.
    iteration, loglik, gain
        Steps so far, log-likelihood (prior included), estimated remaining gain.
    seconds
        Time since the beginning.
    left
        Estimated time left, from how fast the remaining gain has been shrinking; None when unknown.
    """

    stage: str
    iteration: int
    loglik: float
    gain: float
    seconds: float
    left: float | None = None


@dataclass(eq=False)
class Estimate:
    """The maximum.

    Attributes
    ----------
    problem, point
        What was maximised, and where its maximum is.
    trace
        How it was reached.
    information
        Observed information and cross-product; None when not asked for.
    tol
        Bound on the remaining gain that was asked for.
    seconds, seconds_se
        Time for the maximum, and for the standard errors.
    """

    problem: Likelihood
    point: Point
    trace: Trace
    information: Information | None
    tol: float
    seconds: float
    seconds_se: float


def estimate(
    problem: Likelihood,
    free: np.ndarray,
    *,
    tol: float,
    limit: int,
    errors: bool,
    exact: bool = True,
    cross: bool = False,
    histogram: bool = False,
    began: float | None = None,
    watch: Callable[[Progress], None] | None = None,
    informed: Callable[..., Information] = observed_information,
) -> Estimate:
    """Maximise from `free` on and compute the information at the maximum.

    Parameters
    ----------
    problem, free
        What is maximised, and from where.
    tol, limit
        Bound on the remaining gain, most steps.
    errors
        Whether the information at the maximum is wanted. Without it a climb that was short is believed; one
        that took more steps than a look at the exact information costs is checked by it all the same.
    exact
        Whether there is memory for the information.
    cross
        Whether the cross-product is wanted, too.
    histogram
        Whether the latent distributions are free weights.
    began
        When all began, on the clock of `time.perf_counter`.
    watch
        Called with a :class:`Progress` at every step.
    informed
        What computes the information of such a problem.
    """
    began = time.perf_counter() if began is None else began

    def tell(stage: str) -> Callable[[int, float, float], None] | None:
        if watch is None:
            return None
        first: list[tuple[float, float]] = []

        def report(k: int, value: float, gain: float) -> None:
            now = time.perf_counter() - began
            first.append((now, gain))
            watch(Progress(stage, k, value, gain, now, _time_left(first, tol)))

        return report

    memory, trace = Memory(), Trace()
    if problem.persons.n_rows >= SINGLE:
        point = problem.evaluate(free, double=False)
        if point is not None:
            coarse = max(tol, 1e-13 * abs(point.loglik))
            point, trace = climb(
                problem, point, memory, tol=coarse, limit=limit, double=False, watch=tell("climbing")
            )
            free = point.free if trace.ahead is None else trace.ahead
            trace.iterations += trace.ahead is not None
    problem.follow(free, slack=SHIFTED)
    point = problem.evaluate(problem.inside(free))
    if point is None:
        raise ArithmeticError("the likelihood cannot be evaluated at the starting values")
    information = None
    path: list[tuple[float, float]] = []
    if histogram:
        problem, point = _histograms(problem, point, limit, trace, tell("weighing"))
        memory = Memory()
    seconds, patience = 0.0, _patience(problem) if exact else limit
    believed = 0 if errors else patience
    while True:
        patience = min(patience, limit - trace.iterations)
        point, trace = climb(
            problem, point, memory, tol=tol, limit=patience, watch=tell("climbing"), trace=trace
        )
        if trace.converged and problem.follow(point.free, slack=SHIFTED):
            point = problem.evaluate(problem.inside(point.free)) or point
            continue
        seconds = time.perf_counter() - began
        if not exact or (trace.converged and trace.iterations < believed and not path):
            break
        information = informed(problem, point, cross=cross)
        asked = time.perf_counter()
        better = newton(problem, point, information.observed, trace, tol=tol, polish=POLISH * tol)
        point = better or point
        patience = 0  # where the quasi-Newton matrix was deceived once, the exact one takes over
        path.append((point.value, trace.promised))
        last = better is None or trace.iterations >= limit or len(path) >= NEWTONS
        if trace.converged or last or _on_plateau(path, tol):
            # The last step is a polish with the matrix at hand: the path leaves no trace in the digits.
            seconds += time.perf_counter() - asked
            if errors and trace.promised > STALE:
                information = informed(problem, point, cross=cross)
            break
        if watch:
            watch(Progress("finishing", trace.iterations, point.value, trace.gain, seconds))
    ended = time.perf_counter() - began
    if not errors:
        return Estimate(problem, point, trace, None, tol, ended, 0.0)
    return Estimate(problem, point, trace, information, tol, seconds, ended - seconds)


def _histograms(
    problem: Likelihood,
    point: Point,
    limit: int,
    trace: Trace,
    watch: Callable[[int, float, float], None] | None,
) -> tuple[Likelihood, Point]:
    """Fit normal distributions, then free their weights: renew them between short climbs."""
    point, trace = climb(problem, point, Memory(), tol=SETTLED, limit=limit, watch=watch, trace=trace)
    items, parts = problem.split(point.free)
    latents = [
        Histogram.like(normal, free, problem.nodes)
        for normal, free in zip(problem.latents, parts, strict=True)
        if isinstance(normal, Normal)
    ]
    freed = Likelihood(problem.structure, problem.persons, latents, problem.priors, problem.quadrature)
    freed.nodes, freed.still = problem.nodes, True
    memory = Memory()
    best = freed.evaluate(items)
    while best is not None and trace.iterations < limit:
        before, start = list(freed.latents), best
        freed.latents[:] = [h.renewed(mass) for h, mass in zip(latents, best.masses, strict=True)]
        best = freed.evaluate(best.free)
        if best is not None:
            best, trace = climb(freed, best, memory, tol=SETTLED, limit=2, watch=watch, trace=trace)
            trace.iterations += 1
        if best is None or best.value < start.value + SETTLED:
            if best is None or best.value < start.value:
                freed.latents[:], best = before, start
            break
    trace.converged = False
    return freed, best or point


def _patience(problem: Likelihood) -> int:
    """Return how many quasi-Newton steps one look at the exact information is worth."""
    rows, persons = problem.persons.n_rows, problem.persons.n_persons
    answers = rows / max(persons, 1)
    exact = persons * 25.0 * problem.n_free * min(problem.n_free, 20.0 * answers)
    return int(np.clip(0.05 * exact / (rows * 256.0), *PATIENCE))


def _on_plateau(path: list[tuple[float, float]], tol: float) -> bool:
    """Say whether the last Newton steps, each with the value it led to and its promise, lead nowhere."""
    steps, gain = PLATEAU
    if len(path) <= steps:
        return False
    (before, hoped), (now, promised) = path[-1 - steps], path[-1]
    return now - before < gain * tol and promised > 0.5 * hoped


def _time_left(history: list[tuple[float, float]], tol: float) -> float | None:
    """Extrapolate the logarithm of the remaining gain over the last half of the steps."""
    if len(history) < 4:
        return None
    (then, before), (now, gain) = history[len(history) // 2], history[-1]
    if not 0.0 < gain < before or now <= then:
        return None
    pace = (np.log(before) - np.log(gain)) / (now - then)
    return float(max(np.log(gain / tol), 0.0) / pace)
