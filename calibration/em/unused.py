"""Categories that nobody uses, in some group, where a model orders its intercepts.

The graded model's likelihood then rises until the category has no room: the two intercepts beside it are
equal at the maximum, which lies on the edge of what the model allows. They are made one parameter.
"""

from __future__ import annotations

import numpy as np

from calibration.em.likelihood import Likelihood

__all__ = ["may_be_unused", "without_unused"]


def may_be_unused(problem: Likelihood, n_persons: int) -> bool:
    """Say whether a category of the data may be one that nobody uses where it counts: a group, a weight of 0.

    Parameters
    ----------
    problem
        The likelihood, of the persons who count.
    n_persons
        Number of all persons.
    """
    structure = problem.structure
    apart = len(structure.item_of) > len(structure.items) or problem.persons.n_persons < n_persons
    return apart and any(block.model.ordered and block.n_cat > 2 for block in structure.blocks)


def without_unused(problem: Likelihood, free: np.ndarray) -> dict[tuple[str, str, str | None], str]:
    """Return the ties (`Restrictions.tied`) that leave no room to inner categories without a response.

    Parameters
    ----------
    problem, free
        The likelihood, and any point: expected counts add up to the observed ones everywhere.
    """
    structure, point = problem.structure, problem.evaluate(free)
    tied: dict[tuple[str, str, str | None], str] = {}
    if point is None:
        return tied
    limits, rows_of = structure.restrictions, np.bincount(structure.item_of)
    for block in structure.blocks:
        if not block.model.ordered:
            continue
        used = block.tables(point.counts, len(problem.nodes)).sum(axis=2) > 1e-6
        for r, k in zip(*np.nonzero(~used[:, 1:-1]), strict=True):
            row = int(block.rows[r])
            item = structure.items[structure.item_of[row]]
            beside = block.names[k + 1], block.names[k + 2]  # the intercepts below and above category k + 1
            first = structure.groups[int(np.flatnonzero((structure.row_of == row).any(axis=1))[0])]
            lower, upper = (first if limits.differs(item, name) else None for name in beside)
            alone = lower is not None or rows_of[structure.item_of[row]] == 1
            if alone and lower == upper and not any((item, name) in limits.held for name in beside):
                tied[item, beside[1], lower] = tied.get((item, beside[0], lower), beside[0])
    return tied
