"""What only the simulator does, for many seats at once: chance, answers, serving and taking in, counting."""

import numpy as np

from cat_engine.arithmetic import exp
from cat_engine.compile import jit
from cat_engine.family import logp as family_logp
from cat_engine.kernels.pick import mix, uniform


@jit(nogil=True)
def keys_of(seed, persons, out):
    """Write one random key a person under ``seed[0]``."""
    for a in range(persons.size):
        out[a] = mix(seed[0], persons[a])


@jit(nogil=True)
def keys_at(keys, active, counter, out):
    """Write the active persons' chance for one `counter`, each under the person's key."""
    for a in range(active.size):
        out[a] = mix(keys[active[a]], counter)


@jit(nogil=True)
def place(low, high, size, thetas, first, shares):
    """Write the first of the four nodes around each theta and the weights of a cubic through them."""
    for a in range(thetas.size):
        at = (thetas[a] - low) / (high - low) * (size - 1)
        first[a] = min(max(np.int64(at) - 1, 0), size - 4)
        t = at - first[a]
        u = t - 1.0
        v = t - 2.0
        w = t - 3.0
        shares[a, 0] = u * v * w / -6.0
        shares[a, 1] = t * v * w / 2.0
        shares[a, 2] = t * u * w / -2.0
        shares[a, 3] = t * u * v / 6.0


@jit(nogil=True)
def respond(upper, keys, active, first, shares, chosen, out):
    """Let simulated persons answer the items that were chosen for them.

    ``upper[i, k - 1, g]`` is the probability of category k or above, over nodes so dense that the cubic
    between them is exact to 1e-8. The chance of an answer belongs to person and item, whatever was
    served before: the same person gives the same answer under every design (common random numbers).
    `keys` holds each person's.
    """
    for a in range(chosen.size):
        s = active[a]
        i = chosen[a]
        u = uniform(keys[s], i)
        k = 0
        g = first[s]
        for c in range(upper.shape[1]):
            p = (
                shares[s, 0] * upper[i, c, g]
                + shares[s, 1] * upper[i, c, g + 1]
                + shares[s, 2] * upper[i, c, g + 2]
                + shares[s, 3] * upper[i, c, g + 3]
            )
            if u >= p:
                break
            k = c + 1
        out[a] = k


@jit(nogil=True)
def upper_of(begin, end, items, index, nodes, out):
    """Write ``out[i, k - 1, g] = P(X_i >= k | nodes[g])`` for rows ``begin .. end`` of a table; 0 above."""
    width = 2
    for r in range(index.size):
        width = max(width, items.n_cat[r])
    lp = np.empty(width)
    for r in range(begin, end):
        for g in range(nodes.size):
            family_logp(items, r, nodes[g], lp)
            reached = 0.0
            for k in range(items.n_cat[r] - 1, 0, -1):
                reached += exp(lp[k])
                out[index[r], k - 1, g] = reached


@jit(nogil=True)
def scored_as(categories, absent, out):
    """Write what answers count as; ``absent[-c]`` is what absent code `c` counts as, or -1."""
    for a in range(categories.size):
        k = categories[a]
        out[a] = absent[-k] if k < 0 else k


@jit
def count_usage(interval, open_, items, lengths, fading, sittings, administered, eligible):
    """Add finished sittings to the exposure counts of the interval of theta that each ended in, in order.

    `open_` holds what was open to each in that interval. What it was served elsewhere counts as served and
    not as open, so that an item passed on the way leaves less room here and none is shown above the target.
    """
    n = administered.shape[1]
    for s in range(interval.size):
        g = interval[s]
        if fading < 1.0:
            sittings[g] *= fading
            for i in range(n):
                administered[g, i] *= fading
                eligible[g, i] *= fading
        sittings[g] += 1.0
        for t in range(lengths[s]):
            administered[g, items[s, t]] += 1.0
        for i in range(n):
            eligible[g, i] += open_[s, i]
