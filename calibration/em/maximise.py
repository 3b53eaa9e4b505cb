"""Maximisation: quasi-Newton in the metric of EM, finished by Newton with the exact information.

The step that EM takes is, to first order, the gradient divided by the complete data's information. Here
that matrix is the preconditioner of a limited-memory BFGS (Jamshidian & Jennrich, 1997; Lange, 1995), which
learns what the complete data's information leaves out, so that the slow directions of EM are fast. Each
step must raise the log-likelihood; one that does not is shortened.

The remaining gain, half the gradient times the step, is what ``tol`` bounds. Where the likelihood is so
flat that the quasi-Newton matrix may be deceived, the exact observed information has the last word.

References
----------
Jamshidian, M., & Jennrich, R. I. (1997). Acceleration of the EM algorithm by using quasi-Newton methods.
JRSS B, 59, 569-587. Lange, K. (1995). A quasi-Newton acceleration of the EM algorithm. Statistica
Sinica, 5, 1-18. Nocedal, J., & Wright, S. (2006). Numerical optimization, ch. 7.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from calibration.em.likelihood import Likelihood, Point
from calibration.em.quadratic import highest

__all__ = ["Memory", "Trace", "climb", "newton"]

REMEMBERED = 20
LONGEST_STEP = 1.5
"""No free parameter moves by more than this (or half its size) in one step."""


@dataclass
class Memory:
    """Pairs of steps and gradient differences, per person so that they serve other sample sizes too."""

    pairs: deque[tuple[np.ndarray, np.ndarray, float]] = field(
        default_factory=lambda: deque(maxlen=REMEMBERED)
    )

    def learn(self, step: np.ndarray, change: np.ndarray) -> None:
        """Keep a pair if it shows positive curvature."""
        product = float(step @ change)
        if product > 1e-10 * np.linalg.norm(step) * np.linalg.norm(change):
            self.pairs.append((step, change, product))

    def direction(
        self, gradient: np.ndarray, persons: float, solve: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        """Return the quasi-Newton step for a gradient a person (two-loop recursion).

        `solve` divides by the initial matrix, which is a sum over all `persons`.
        """
        rest = gradient.copy()
        weights = []
        for step, change, product in reversed(self.pairs):
            weight = float(step @ rest) / product
            rest -= weight * change
            weights.append(weight)
        out = solve(persons * rest)
        for (step, change, product), weight in zip(self.pairs, reversed(weights), strict=True):
            out += (weight - float(change @ out) / product) * step
        return out


@dataclass
class Trace:
    """How a climb went.

    Attributes
    ----------
    iterations
        Steps taken.
    gain
        Estimated remaining gain in log-likelihood at the end.
    converged
        Whether that is within the tolerance.
    damping
        Damping with which the next Newton step begins.
    promised
        Gain that the last information matrix saw where it was computed.
    ahead
        Where the next step would lead; None unless a climb in single precision ended well.
    """

    iterations: int = 0
    gain: float = np.inf
    converged: bool = False
    damping: float = 0.0
    promised: float = 0.0
    ahead: np.ndarray | None = None


CLOSE = 0.5
"""Remaining gain from which Newton steps go on with the matrix at hand."""

FARTHEST = 5.0
"""Longest move of a parameter in one Newton step."""

Watch = Callable[[int, float, float], None]


def climb(
    problem: Likelihood,
    point: Point,
    memory: Memory,
    *,
    tol: float,
    limit: int,
    double: bool = True,
    watch: Watch | None = None,
    trace: Trace | None = None,
) -> tuple[Point, Trace]:
    """Raise the log-likelihood from `point` until the estimated remaining gain is below `tol`.

    Parameters
    ----------
    problem
        What is maximised.
    point
        Where to start.
    memory
        What is known of the curvature; it grows.
    tol
        Bound on the remaining gain.
    limit
        Most steps.
    double
        Whether E-steps run in double precision. In single the climb ends where the next step should arrive,
        if gains go on to shrink as they last did, and leaves that step to be judged in double.
    watch
        Called with step number, log-likelihood and remaining gain.
    """
    trace = trace or Trace()
    persons = problem.persons.weight
    noise = (1e-12 if double else 3e-8) * abs(point.loglik)
    before = 0.0
    for _ in range(limit):
        if problem.follow(point.free, slack=0.1):
            point = problem.evaluate(problem.inside(point.free), double) or point
        solve = problem.preconditioner(point).solve
        held = problem.held(point)
        gradient = np.where(held, 0.0, point.gradient)
        step = np.where(held, 0.0, memory.direction(gradient / persons, persons, solve))
        gain = 0.5 * float(gradient @ step)
        if not gain > 0.0 or not np.isfinite(gain):
            memory.pairs.clear()
            step = np.where(held, 0.0, solve(gradient))
            gain = 0.5 * float(gradient @ step)
        trace.gain = gain
        if watch:
            watch(trace.iterations, point.value, gain)
        if gain <= tol or (not double and gain < before and gain * gain / before <= tol):
            trace.converged = True
            trace.ahead = problem.inside(point.free + step)
            return point, trace
        before = gain
        found = _advance(problem, point, step, noise, double)
        if found is None and memory.pairs:
            memory.pairs.clear()
            step = np.where(held, 0.0, solve(gradient))
            found = _advance(problem, point, step, noise, double)
        if found is None:
            return point, trace
        memory.learn(found.free - point.free, (point.gradient - found.gradient) / persons)
        point = found
        trace.iterations += 1
    return point, trace


def _advance(problem: Likelihood, point: Point, step: np.ndarray, noise: float, double: bool) -> Point | None:
    """Return the first point along `step` that is high enough, or None.

    A parameter that would run away is held back alone, unless that spoils the ascent.
    """
    most = np.maximum(LONGEST_STEP, 0.5 * np.abs(point.free))
    clipped = np.clip(step, -most, most)
    if point.gradient @ clipped > 0.1 * (point.gradient @ step) * np.min(
        most / np.maximum(np.abs(step), most)
    ):
        step = clipped
    else:
        step = step * np.min(most / np.maximum(np.abs(step), most))
    gain = 0.5 * float(point.gradient @ step)
    length = 1.0
    for _ in range(12):
        free = problem.inside(point.free + length * step)
        found = problem.evaluate(free, double)
        if found is not None and found.value >= point.value + 2e-4 * length * gain - noise:
            return found
        if found is None:
            length *= 0.3
            continue
        # The parabola through value and slope here and value there.
        slope = 2.0 * gain * length
        short = slope - (found.value - point.value)
        length *= min(0.5, max(0.1, 0.5 * slope / short)) if short > 0.0 else 0.5
    return None


def newton(
    problem: Likelihood, point: Point, observed: np.ndarray, trace: Trace, *, tol: float, polish: float
) -> Point | None:
    """Take one Newton step if the exact information says that more than `polish` is left to gain.

    `trace` then says whether `point`, before the step, was within `tol` of a maximum.

    Directions of negative curvature are followed upwards, flat ones carefully: the eigenvalues are taken
    in the scale of each parameter, by absolute value. A step that would cross a bound ends on it, and the
    other parameters go where that is best: cut off alone it would leave the ridge it was to follow.

    Returns
    -------
    Point or None
        The better point; None when nothing is left to gain or the step finds nothing better.
    """
    free = np.flatnonzero(~problem.held(point))
    room = problem.lower[free] - point.free[free], problem.upper[free] - point.free[free]
    damped = _Damped(observed[np.ix_(free, free)], point.gradient[free], room)
    trace.gain = trace.promised = damped.step(0.0)[1]
    trace.converged = trace.gain <= tol and damped.downhill is None
    found = None
    if trace.gain > polish:
        found = _damped_advance(problem, point, free, damped, trace)
        if found is None:
            trace.converged = trace.gain <= 100.0 * tol and damped.downhill is None
    if damped.downhill is not None and (found is None or found.value - point.value <= tol):
        found = _leave_saddle(problem, point, free, damped.downhill, tol)
        trace.converged = found is None and trace.gain <= tol
    if found is not None:
        trace.iterations += 1
        if not trace.converged and damped.definite and trace.gain <= CLOSE:
            found = _chord(problem, found, free, damped, trace, tol, polish)
    return found


def _chord(
    problem: Likelihood,
    point: Point,
    free: np.ndarray,
    damped: _Damped,
    trace: Trace,
    tol: float,
    polish: float,
) -> Point:
    """Go on with a matrix that a short step has hardly changed, while each step shrinks the gain tenfold."""
    for _ in range(6):
        held = problem.held(point)[free]
        gradient = np.where(held, 0.0, point.gradient[free])
        step = np.where(held, 0.0, damped.other(gradient))
        gain = 0.5 * float(gradient @ step)
        shrunk = gain <= 0.1 * trace.gain
        trace.gain = gain
        trace.converged = gain <= tol
        if not shrunk or gain <= polish:
            break
        moved = point.free.copy()
        moved[free] += step
        found = problem.evaluate(problem.inside(moved))
        if found is None or found.value < point.value - 1e-12 * abs(point.loglik):
            break
        point = found
        trace.iterations += 1
    return point


class _Damped:
    """Newton steps from one information matrix, shortened by damping and within the bounds.

    Attributes
    ----------
    downhill
        Direction of the most negative curvature, largest entry 1; None for a matrix that is not indefinite.
    definite
        Whether the matrix is positive definite.
    """

    def __init__(
        self, observed: np.ndarray, gradient: np.ndarray, room: tuple[np.ndarray, np.ndarray]
    ) -> None:
        self._scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(observed)), 1e-12))
        self._matrix = observed * self._scale[:, None] * self._scale
        self._gradient = gradient * self._scale
        self._low, self._high = room[0] / self._scale, room[1] / self._scale
        self.downhill: np.ndarray | None = None
        self.definite = True
        try:
            np.linalg.cholesky(self._matrix)
        except np.linalg.LinAlgError:
            self.definite = False
            values, vectors = np.linalg.eigh(self._matrix)
            if values[0] < -1e-8 * values[-1]:
                direction = self._scale * vectors[:, 0]
                self.downhill = direction / np.abs(direction).max()
            self._matrix = (vectors * np.maximum(np.abs(values), 1e-8 * values[-1])) @ vectors.T
        self._whole = self._solved(0.0)

    def _solved(self, damping: float) -> tuple[np.ndarray, float]:
        matrix = self._matrix
        if damping > 0.0:
            matrix = matrix.copy()
            matrix[np.diag_indices_from(matrix)] += damping
        step = highest(matrix, self._gradient, self._low, self._high)
        return self._scale * step, float(self._gradient @ step - 0.5 * (step @ matrix @ step))

    def other(self, gradient: np.ndarray) -> np.ndarray:
        """Return the whole step for another gradient."""
        return np.asarray(self._scale * np.linalg.solve(self._matrix, gradient * self._scale))

    def step(self, damping: float) -> tuple[np.ndarray, float]:
        """Return the step with `damping` added to every eigenvalue of the scaled matrix, and its gain."""
        return self._whole if damping == 0.0 else self._solved(damping)


def _damped_advance(
    problem: Likelihood, point: Point, free: np.ndarray, damped: _Damped, trace: Trace
) -> Point | None:
    """Return a better point along damped Newton steps (Levenberg, 1944), or None."""

    def at(step: np.ndarray) -> Point | None:
        moved = point.free.copy()
        moved[free] += step
        return problem.evaluate(problem.inside(moved))

    damping = trace.damping
    for _ in range(14):
        step, promised = damped.step(damping)
        if np.abs(step).max() <= FARTHEST:
            found = at(step)
            if found is not None and found.value - point.value >= 0.1 * promised - 1e-12 * abs(point.loglik):
                trace.damping = 0.0 if damping < 1e-3 else 0.2 * damping
                while found.value - point.value >= max(0.9 * promised, 1e-9 * abs(point.loglik)):
                    step, promised = 2.0 * step, 2.0 * promised  # the promise was too modest: go on
                    farther = at(step) if np.abs(step).max() <= FARTHEST else None
                    if farther is None or farther.value <= found.value:
                        break
                    found = farther
                return found
        damping = max(4.0 * damping, 1e-4)
    return None


def _leave_saddle(
    problem: Likelihood, point: Point, free: np.ndarray, direction: np.ndarray, tol: float
) -> Point | None:
    """Return a better point along a direction of negative curvature; None where the likelihood is flat."""
    for length in (1.0, 0.3, 0.1, -1.0, -0.3, -0.1):
        moved = point.free.copy()
        moved[free] += length * direction
        found = problem.evaluate(problem.inside(moved))
        if found is not None and found.value > point.value + tol:
            return found
    return None
