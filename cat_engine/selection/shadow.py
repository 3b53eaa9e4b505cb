"""Shadow tests: before every choice, a whole test that meets every requirement and holds what was served.

The next item is the best of the shadow test's items not served yet, so that the test as served can
always be completed (van der Linden, 2005, ch. 9). The program has one variable an item and, where stimuli
have a least or greatest number of items, one a stimulus.

References
----------
van der Linden, W. J. (2005). Linear models for optimal test design. Springer.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csc_array

from cat_engine.errors import InputError
from cat_engine.kernels.pick import LOWEST
from cat_engine.selection.requirements import Requirement, Requirements
from cat_engine.selection.solver import Program, Solution

__all__ = ["GAP", "Shadow", "conflict"]

GAP = 1e-3
"""The share of the greatest value that a shadow test may lack: to prove the last thousandth takes most of the
time of the slowest steps (``python -m benchmarks blueprint`` prints both)."""

_MORE = 25
"""How many times more relaxations may be solved where the first ones found no test at all."""


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """The rows of the program, and what each is called."""

    matrix: csc_array
    low: np.ndarray
    high: np.ndarray
    names: tuple[str, ...]


class Shadow:
    """Assembles shadow tests for one test design.

    Parameters
    ----------
    requirements
        What a test must satisfy.
    nodes
        Branching limit.
    """

    def __init__(self, requirements: Requirements, nodes: int) -> None:
        self.requirements = requirements
        self._rows = _rows(requirements)
        self._nodes = nodes
        self._local = threading.local()  # a solver serves one thread

    @property
    def _program(self) -> Program:
        program: Program | None = getattr(self._local, "program", None)
        if program is None:
            program = Program(self._rows.matrix, self._rows.low, self._rows.high)
            self._local.program = program
        return program

    def assemble(
        self,
        values: np.ndarray,
        usable: np.ndarray,
        held: np.ndarray,
        gap: float = GAP,
        last: Sequence[int] = (),
    ) -> Solution:
        """Return a whole test of greatest value.

        Parameters
        ----------
        values
            Shape ``(n,)``: what each item is worth, in millionths.
        usable
            Shape ``(n,)``: items that may enter.
        held
            Positions of the items that are in the test already.
        gap
            The share of the value that is not worth looking for.
        last
            Positions of a whole test known already, such as the one before the last answer; where it still is
            one, nothing worse is returned.
        """
        n, columns = self.requirements.n, self._rows.matrix.shape[1]
        least, most = np.zeros(columns), np.ones(columns)
        most[:n] = usable != 0
        least[held] = most[held] = 1.0
        worth = np.zeros(columns)
        worth[:n] = np.where(values == LOWEST, 0, values)
        known = self._columns_of(last) if len(last) else None
        solution = self._program.solve(worth, least, most, self._nodes, gap, known)
        if solution.chosen is None and not solution.proven:  # lost among branches: afresh, and with room
            self._local.program = None
            solution = self._program.solve(worth, least, most, _MORE * self._nodes, gap)
        if solution.chosen is None:
            return solution
        return replace(solution, chosen=solution.chosen[:n])

    def _columns_of(self, items: Sequence[int]) -> np.ndarray:
        """The variables of a whole test: its items, and its stimuli where these are variables."""
        n = self.requirements.n
        chosen = np.zeros(self._rows.matrix.shape[1], dtype=bool)
        chosen[list(items)] = True
        if len(chosen) > n:
            stimuli = self.requirements.stimulus[list(items)]
            chosen[n + stimuli[stimuli >= 0]] = True
        return chosen

    def holds(self, items: np.ndarray) -> bool:
        """Whether a whole test of these items satisfies every requirement (sums in millionths)."""
        requirements = self.requirements
        inside = np.zeros(requirements.n, dtype=bool)
        inside[items] = True
        if not requirements.length[0] <= len(items) <= requirements.length[1]:
            return False
        for bound in (*requirements.bounds, *requirements.enemies):
            micro = np.rint(1e6 * bound.amount[inside[bound.items]]).astype(np.int64)
            total = int(micro.sum())
            if total < np.floor(1e6 * bound.low) or total > np.ceil(1e6 * min(bound.high, 1e12)):
                return False
        stimuli = requirements.stimulus[inside]
        counts = np.bincount(stimuli[stimuli >= 0], minlength=1)
        low, high = requirements.stimulus_range
        return bool(((counts == 0) | ((counts >= low) & (counts <= high))).all())


def conflict(requirements: Requirements, usable: np.ndarray, nodes: int = 2_000) -> tuple[str, ...]:
    """Return a smallest set of requirements that no test of the `usable` items meets; empty where one does.

    Requirements are left out one by one as long as what remains cannot be met: what is left then cannot
    lose any member without becoming possible.
    """
    rows = _rows(requirements)
    keep = list(range(len(rows.names)))
    if _possible(rows, keep, usable, nodes):
        return ()
    for r in range(len(rows.names)):
        without = [k for k in keep if k != r]
        if not _possible(rows, without, usable, nodes):
            keep = without
    return tuple(rows.names[k] for k in keep)


def _possible(rows: _Rows, keep: list[int], usable: np.ndarray, nodes: int) -> bool:
    if not keep:
        return True
    program = Program(csc_array(rows.matrix[keep]), rows.low[keep], rows.high[keep])
    columns = rows.matrix.shape[1]
    zeros, most = np.zeros(columns), np.ones(columns)
    most[: len(usable)] = usable
    solution = program.solve(zeros, zeros, most, nodes)
    return solution.chosen is not None or not solution.proven


def _rows(requirements: Requirements) -> _Rows:
    n = requirements.n
    everything = np.arange(n)
    least, most = requirements.length
    bounds = [
        Requirement(f"a length of {least} to {most} items", everything, np.ones(n), least, most),
        *requirements.bounds,
        *requirements.enemies,
    ]
    row, column, amount = [], [], []
    low: list[float] = []
    high: list[float] = []
    names: list[str] = []
    for bound in bounds:
        row.append(np.full(len(bound.items), len(names)))
        column.append(bound.items)
        amount.append(bound.amount)
        low.append(bound.low)
        high.append(bound.high)
        names.append(bound.name)
    stimuli = 0
    fewest, greatest = requirements.stimulus_range
    if requirements.stimuli and (fewest > 1 or greatest < n):
        stimuli = requirements.stimuli
        for s in range(stimuli):
            members = np.flatnonzero(requirements.stimulus == s)
            for bound_low, bound_high, factor, name in (
                (0.0, np.inf, fewest, f"at least {fewest} items of stimulus {s + 1}"),
                (-np.inf, 0.0, greatest, f"at most {greatest} items of stimulus {s + 1}"),
            ):
                row.append(np.full(len(members) + 1, len(names)))
                column.append(np.append(members, n + s))
                amount.append(np.append(np.ones(len(members)), -float(factor)))
                low.append(bound_low)
                high.append(bound_high)
                names.append(name)
    matrix = csc_array(
        (np.concatenate(amount), (np.concatenate(row), np.concatenate(column))),
        shape=(len(names), n + stimuli),
    )
    return _Rows(matrix, np.array(low, dtype=float), np.array(high, dtype=float), tuple(names))


def refuse(names: tuple[str, ...], whose: str = "") -> InputError:
    """Return the error for requirements that cannot be met together, from the items called `whose`."""
    return InputError(
        f"expected requirements that a test can meet{whose}, got {len(names)} that cannot be met together: "
        f"{'; '.join(names)}; relax one of them or add items"
    )
