"""Looking ahead before each choice: is the sitting over, and which sets may the next item come from?"""

import numpy as np

from cat_engine.compile import jit
from cat_engine.kernels.blueprint import allowed, feasible
from cat_engine.kernels.ending import EXHAUSTED, GO_ON, LENGTH, TIME_UP, satisfied
from cat_engine.kernels.pick import uniform
from cat_engine.kernels.seats import SCORED, SERVED, STIMULUS, THETA, TIME

_WIDER, _WIDENINGS = 1.25, 13
"""What chances are multiplied by where a drawn set makes no test, and how often before everything is open."""


@jit
def interval_of(bounds, theta):
    """Return which of the intervals between `bounds` holds theta."""
    g = 0
    while g < bounds.size and theta >= bounds[g]:
        g += 1
    return g


@jit
def aim(theta, served, scored, starts, first):
    """Return where the next item is judged: where the sitting starts, then at the estimate."""
    if served < starts.size or scored == 0:
        place = starts[min(served, starts.size - 1)]
        return first if place != place else place  # nan: the sitting's own start
    return theta


@jit
def systematic(order, chances, key, scale, usable, out):
    """Draw a set in which item i is with probability ``min(1, scale chances[i])``; write the usable ones.

    Systematic sampling (Madow, 1949): along `order` the probabilities add up, and an item is in the set
    where the sum, begun at a random number, passes a whole number. The set's size hardly varies, nor
    does its size in any stretch of the order, where independent lotteries would often leave too few.
    """
    reached = uniform(key, 0)
    for r in range(order.size):
        i = order[r]
        after = reached + min(1.0, scale * chances[i])
        out[i] = usable[i] if np.floor(after) > np.floor(reached) else 0
        reached = after


@jit
def open_set(tree, order, chances, key, usable, count, free, need, cap, out):
    """Write the items open to one sitting: the drawn ones, or more where these make no test of full length.

    The set depends on chance and on what is usable when the sitting begins, never on how it goes.
    """
    root = tree.parent.size - 1
    tally_free(tree.group, usable, free)
    feasible(tree.parent, tree.low, tree.high, count, free, need, cap)
    longest = min(tree.high[root], cap[root])
    scale = 1.0
    for _ in range(_WIDENINGS):
        systematic(order, chances, key, scale, usable, out)
        tally_free(tree.group, out, free)
        broken = feasible(tree.parent, tree.low, tree.high, count, free, need, cap)
        if broken == 0 and cap[root] >= longest:
            return
        scale *= _WIDER
    for i in range(out.size):
        out[i] = usable[i]


@jit(nogil=True)
def open_sets(tree, order, chances, interval, keys, usable, out):
    """Write the open items of several sittings that begin, each for its own interval of theta.

    `usable` has one row a sitting, or one for all.
    """
    sets = tree.parent.size
    count = np.zeros(sets, np.int64)
    need = np.empty(sets, np.int64)
    cap = np.empty(sets, np.int64)
    free = np.empty(sets, np.int64)
    for a in range(out.shape[0]):
        row = usable[min(a, usable.shape[0] - 1)]
        open_set(tree, order, chances[interval[a]], keys[a], row, count, free, need, cap, out[a])


@jit(nogil=True)
def narrow(seats, active, masks):
    """Take out of each active seat's mask what is not usable any more."""
    for a in range(active.size):
        for i in range(masks.shape[1]):
            masks[a, i] = masks[a, i] & seats.usable[active[a], i]


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
    parent, low, high, group = tree.parent, tree.low, tree.high, tree.group
    broken = feasible(parent, low, high, count, free, need, cap)
    allowed(parent, low, high, count, free, finishing, need, cap, broken, inside)
    for m in range(tree.member_start[stimulus], tree.member_start[stimulus + 1]):
        free[group[tree.member[m]]] -= mask[tree.member[m]]
    broken = feasible(parent, low, high, count, free, need, cap)
    allowed(parent, low, high, count, free, finishing, need, cap, broken, fits)
    opened = 0
    for i in range(mask.size):
        mask[i] = mask[i] * (inside[group[i]] if tree.stimulus[i] == stimulus else fits[group[i]])
        opened += mask[i]
    for v in range(fits.size):
        fits[v] = 1
    return opened


@jit
def keep_to_shares(parent, share, count, fits):
    """Leave open, of the sets with a target share, the one that lags most (Kingsbury & Zara, 1989).

    A set lags by what its share of the items served so far is below its target; of equal ones the one of the
    greatest target is taken. Sets that nothing may come from are passed over; where no set with a share is
    open, nothing changes.
    """
    sets = parent.size
    served = count[sets - 1]
    possible = np.zeros(sets, np.uint8)
    for v in range(sets):
        possible[v] |= fits[v]
        if parent[v] >= 0:
            possible[parent[v]] |= possible[v]
    behind = -1
    most = np.int64(0)
    for v in range(sets):
        if share[v] > 0 and possible[v]:
            gap = share[v] * max(served, 1) - 1_000_000 * count[v]
            if behind < 0 or gap > most or (gap == most and share[v] > share[behind]):
                behind = v
                most = gap
    if behind < 0:
        return
    for v in range(sets):
        u = v
        while u >= 0 and u != behind:
            u = parent[u]
        if u < 0:
            fits[v] = 0


@jit(nogil=True)
def ahead(
    tree,
    ending,
    weights,
    nodes,
    seats,
    active,
    masks,
    masked,
    remaining,
    by_shadow,
    starts,
    firsts,
    aims,
    fits,
    over,
    verdict,
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
    starts, firsts, aims
        Where first items are chosen; where each sitting starts; written: where the next item is judged.
    fits
        Shape ``(A, V)``, written: whether an item may come from each set.
    over
        Shape ``(A,)``, written: the stopping rule that the estimate satisfies, or `GO_ON`.
    verdict
        Shape ``(A,)``, written: `GO_ON` or why the sitting is over.
    """
    parent, low, high = tree.parent, tree.low, tree.high
    sets = parent.size
    root = sets - 1
    need = np.empty(sets, np.int64)
    cap = np.empty(sets, np.int64)
    free = np.empty(sets, np.int64)
    inside = np.empty(sets, np.uint8)
    masses = np.empty(ending.cuts.size + 1)
    several = sets > 1
    for a in range(active.size):
        s = active[a]
        aims[a] = aim(seats.now[s, THETA], seats.tally[s, SERVED], seats.tally[s, SCORED], starts, firsts[a])
        count = seats.counted[s]
        broken = 0
        lacking = low[root] - count[root]
        if several:
            for v in range(sets):
                free[v] = seats.free[s, v]
            broken = feasible(parent, low, high, count, free, need, cap)
            lacking = max(need[root], lacking)
        over[a] = GO_ON
        if ending.ruled and seats.tally[s, SCORED] > 0:
            over[a] = satisfied(ending, weights, nodes, seats, s, remaining[a], masses)
        if over[a] != GO_ON and lacking <= 0 and not by_shadow:
            verdict[a] = over[a]
            continue
        if count[root] >= high[root]:
            verdict[a] = LENGTH
            continue
        if seats.now[s, TIME] >= ending.time:
            verdict[a] = TIME_UP
            continue
        verdict[a] = GO_ON
        if by_shadow:
            continue
        finishing = over[a] != GO_ON
        if not several and not masked:  # nothing but the length to look after
            fits[a, 0] = 1
            if seats.free[s, 0] <= 0:
                verdict[a] = EXHAUSTED
            continue
        opened = 0
        if not masked:
            opened = allowed(parent, low, high, count, free, finishing, need, cap, broken, fits[a])
        else:
            for attempt in range(2):
                if opened > 0:
                    break
                if attempt == 1:
                    for i in range(masks.shape[1]):
                        masks[a, i] = seats.usable[s, i]
                tally_free(tree.group, masks[a], free)
                stimulus = seats.tally[s, STIMULUS]
                if stimulus >= 0:
                    opened = stay_or_leave(
                        tree, stimulus, count, masks[a], finishing, free, need, cap, fits[a], inside
                    )
                else:
                    broken = feasible(parent, low, high, count, free, need, cap)
                    opened = allowed(parent, low, high, count, free, finishing, need, cap, broken, fits[a])
        if opened == 0:
            verdict[a] = EXHAUSTED
        elif tree.share.size > 0 and seats.tally[s, STIMULUS] < 0:
            keep_to_shares(parent, tree.share, count, fits[a])
