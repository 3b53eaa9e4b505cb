"""Looking ahead before each choice: is the sitting over, and which sets may the next item come from?"""

import numpy as np

from cat_engine.compile import jit
from cat_engine.kernels.blueprint import allowed, lacking
from cat_engine.kernels.ending import EXHAUSTED, GO_ON, LENGTH, TIME_UP, satisfied, time_is_up
from cat_engine.kernels.pick import uniform
from cat_engine.kernels.seats import SCORED, SERVED, STIMULUS, THETA


@jit
def interval_of(bounds, theta):
    """Return which of the intervals between `bounds` holds theta."""
    g = 0
    while g < bounds.size and theta >= bounds[g]:
        g += 1
    return g


@jit
def aim(seats, active, starts, firsts, out):
    """Write where each active seat's next item is judged: where it starts, then at its estimate."""
    for a in range(active.size):
        s = active[a]
        served = seats.tally[s, SERVED]
        if served < starts.size or seats.tally[s, SCORED] == 0:
            place = starts[min(served, starts.size - 1)]
            out[a] = firsts[a] if np.isnan(place) else place
        else:
            out[a] = seats.now[s, THETA]


@jit
def eligible(seats, active, bounds, chances, keys, out):
    """Write which usable items are eligible for each active seat: one lottery an item and sitting.

    Under a key that stays the same for a sitting an item's number stays the same, so that the set
    changes only when theta moves to another interval.
    """
    for a in range(active.size):
        s = active[a]
        row = chances[interval_of(bounds, seats.now[s, THETA])]
        for i in range(row.size):
            out[a, i] = 1 if seats.usable[s, i] != 0 and uniform(keys[a], i) < row[i] else 0


@jit
def copy_usable(seats, active, out):
    """Write the usable items of each active seat."""
    for a in range(active.size):
        for i in range(out.shape[1]):
            out[a, i] = seats.usable[active[a], i]


@jit
def tally_free(group, mask, free):
    """Count the open items that belong to each set itself."""
    for v in range(free.size):
        free[v] = 0
    for i in range(mask.size):
        free[group[i]] += mask[i]


@jit
def stay_or_leave(tree, stimulus, count, mask, finishing, free, need, cap, fits, inside):
    """Open the items of the present stimulus, and others where leaving it keeps the test completable.

    Leaving closes what is left of it. Writes the answer into `mask` and opens all sets.
    """
    allowed(tree, count, free, finishing, need, cap, inside)
    for m in range(tree.member_start[stimulus], tree.member_start[stimulus + 1]):
        free[tree.group[tree.member[m]]] -= mask[tree.member[m]]
    allowed(tree, count, free, finishing, need, cap, fits)
    opened = 0
    for i in range(mask.size):
        if tree.stimulus[i] == stimulus:
            mask[i] = mask[i] * inside[tree.group[i]]
        else:
            mask[i] = mask[i] * fits[tree.group[i]]
        opened += mask[i]
    for v in range(fits.size):
        fits[v] = 1
    return opened


@jit
def ahead(
    tree, ending, weights, nodes, seats, active, masks, masked, remaining, by_shadow, fits, over, verdict
):
    """Decide for every active seat whether its sitting is over, and which sets are open.

    Parameters
    ----------
    masks
        Shape ``(A, n)``: the eligible items, where `masked`; widened to the usable ones for a seat whose
        eligible items could not complete the test, narrowed where a stimulus is being worked on.
    remaining
        Shape ``(A,)``: greatest information of an item still usable.
    by_shadow
        Whether shadow tests decide what is open and whether the test may stop.
    fits
        Shape ``(A, V)``, written: whether an item may come from each set.
    over
        Shape ``(A,)``, written: the stopping rule that the estimate satisfies, or `GO_ON`.
    verdict
        Shape ``(A,)``, written: `GO_ON` or why the sitting is over.
    """
    sets = tree.parent.size
    root = sets - 1
    need = np.empty(sets, np.int64)
    cap = np.empty(sets, np.int64)
    free = np.empty(sets, np.int64)
    inside = np.empty(sets, np.uint8)
    masses = np.empty(ending.cuts.size + 1)
    for a in range(active.size):
        s = active[a]
        count = seats.counted[s]
        for v in range(sets):
            free[v] = seats.free[s, v]
        wanted = lacking(tree, count, free, need, cap)
        over[a] = satisfied(ending, weights, nodes, seats, s, remaining[a], masses)
        if over[a] != GO_ON and wanted <= 0 and not by_shadow:
            verdict[a] = over[a]
            continue
        if count[root] >= tree.high[root]:
            verdict[a] = LENGTH
            continue
        if time_is_up(ending, seats, s):
            verdict[a] = TIME_UP
            continue
        verdict[a] = GO_ON
        if by_shadow:
            continue
        finishing = over[a] != GO_ON
        opened = 0
        for attempt in range(2):
            if opened == 0 and (masked or attempt == 0):
                if attempt == 1:
                    for i in range(masks.shape[1]):
                        masks[a, i] = seats.usable[s, i]
                if masked:
                    tally_free(tree.group, masks[a], free)
                stimulus = seats.tally[s, STIMULUS]
                if stimulus >= 0:
                    opened = stay_or_leave(
                        tree, stimulus, count, masks[a], finishing, free, need, cap, fits[a], inside
                    )
                else:
                    opened = allowed(tree, count, free, finishing, need, cap, fits[a])
        verdict[a] = GO_ON if opened > 0 else EXHAUSTED
