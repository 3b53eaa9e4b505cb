"""Whole sittings of simulated people without leaving compiled code, by the kernels of a live step."""

from typing import NamedTuple

import numpy as np

from cat_engine.compile import jit
from cat_engine.kernels import batch, belief, choose, look
from cat_engine.kernels.ending import GO_ON
from cat_engine.kernels.seats import THETA, serve


class People(NamedTuple):
    """Simulated people, one row a seat, and how they answer.

    person
        Shape ``(N,)``, uint64: what a person's chance at each choice is drawn under.
    answer
        Shape ``(N,)``, uint64: what a person's answers are drawn under.
    first, shares
        Shape ``(N,)`` and ``(N, 4)``: where each stands among the nodes of `upper` (`batch.place`).
    upper
        Shape ``(n, K - 1, G)``: how people answer (`batch.respond`).
    given
        Shape ``(N, n)``: answers used instead, or nothing.
    absent
        Shape ``(4,)``: what a missing answer counts as (`batch.scored_as`).
    """

    person: np.ndarray
    answer: np.ndarray
    first: np.ndarray
    shares: np.ndarray
    upper: np.ndarray
    given: np.ndarray
    absent: np.ndarray


@jit(nogil=True)
def react(people, tree, estimator, seats, active, chosen, position, items, categories):
    """Serve each active seat its item, let its person answer, take the answer in, and note both."""
    scored = np.empty(active.size, np.int64)
    if people.given.size > 0:
        for a in range(active.size):
            scored[a] = people.given[active[a], chosen[a]]
    else:
        batch.respond(people.upper, people.answer, active, people.first, people.shares, chosen, scored)
    for a in range(active.size):
        items[active[a], position] = chosen[a]
        categories[active[a], position] = scored[a]
    if people.given.size > 0:
        batch.scored_as(scored, people.absent, scored)
    serve(tree, seats, active, chosen)
    belief.take(
        estimator.method,
        estimator.evidence,
        estimator.logp_points,
        estimator.weights,
        estimator.first,
        estimator.second,
        estimator.nodes,
        estimator.prior,
        seats,
        active,
        chosen,
        scored,
    )


@jit(nogil=True)
def open_now(opened, bounds, seats, active, masks):
    """Write what is open to each active seat: of the set of its interval of theta, and usable."""
    now, usable = seats.now, seats.usable
    for a in range(active.size):
        s = active[a]
        g = look.interval_of(bounds, now[s, THETA])
        for i in range(masks.shape[1]):
            masks[a, i] = usable[s, i] & (opened[g, s, i] if opened.shape[0] > 0 else np.uint8(1))


@jit(nogil=True)
def sit_by_rank(
    people,
    tree,
    ending,
    estimator,
    starts,
    firsts,
    ranked,
    information,
    rule,
    number,
    draws,
    opened,
    bounds,
    seats,
    begin,
    end,
    items,
    categories,
    length,
    reason,
):
    """Let everyone who still sits go from position `begin` to `end`, the items ranked beforehand.

    Parameters
    ----------
    people, tree, ending, estimator, seats
        See their types.
    starts, firsts
        As for `look.ahead`; `firsts` by seat.
    ranked, information
        The criterion; the information that a stopping rule looks at.
    rule, number, draws
        How the item is taken; whether that needs chance.
    opened, bounds
        Shape ``(G, N, n)``: the items open to each seat by interval of theta, or nothing; the intervals.
    items, categories
        Shape ``(N, L)``, written.
    length, reason
        Shape ``(N,)``, written where a sitting ends; who sits still has the reason `GO_ON`.
    """
    sets = tree.parent.size
    masked = opened.shape[0] > 0 or tree.member.size > 0
    sitting = np.flatnonzero(reason == GO_ON)
    size = sitting.size
    numbers = np.arange(size)
    room = np.empty((size if masked else 0, seats.usable.shape[1]), np.uint8)
    fits = np.empty((size, sets), np.uint8)
    aims = np.empty(size)
    remaining = np.empty(size)
    draw = np.zeros(size, np.uint64)
    over = np.empty(size, np.int64)
    verdict = np.empty(size, np.int64)
    picked = np.empty(size, np.int64)
    worth = np.empty(size, np.int64)
    for position in range(begin, end):
        if size == 0:
            break
        active = sitting[:size]
        masks = seats.usable
        rows = active
        if masked:
            open_now(opened, bounds, seats, active, room)
            masks = room
            rows = numbers[:size]
        if draws:
            batch.keys_at(people.person, active, position, draw)
        if ending.information >= 0.0:
            choose.most_information(information, seats, active, remaining)
        look.ahead(
            tree,
            ending,
            estimator.weights,
            estimator.nodes,
            seats,
            active,
            masks,
            masked,
            remaining,
            False,
            starts,
            firsts,
            aims,
            fits,
            over,
            verdict,
        )
        choose.choose_by_rank(
            rule,
            number,
            draw,
            ranked,
            aims,
            masks,
            rows,
            tree.group,
            fits,
            sets > 1,
            verdict,
            picked,
            worth,
        )
        size = 0
        for a in range(active.size):
            s = active[a]
            if verdict[a] == GO_ON:
                sitting[size] = s
                picked[size] = picked[a]
                size += 1
            else:
                reason[s] = verdict[a]
                length[s] = position
        react(people, tree, estimator, seats, sitting[:size], picked[:size], position, items, categories)
