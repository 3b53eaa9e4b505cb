"""The score of record once more, in plain Python: no numpy, no numba, nothing of ours.

Written from docs/decisions/score-of-record.md. Python's float is an IEEE double and each of its operations
rounds once, so this is what every machine must give, to the bit.
"""

from __future__ import annotations

import hashlib
import struct
from math import sqrt
from typing import Any

from tests.cat_engine.histories import CUTS, GRID, Digest, bank, histories

INF = float("inf")
MASK = (1 << 64) - 1


def bits(x: float) -> int:
    return int(struct.unpack("<q", struct.pack("<d", x))[0])


def double(b: int) -> float:
    return float(struct.unpack("<d", struct.pack("<Q", b & MASK))[0])


EXP = [
    2.51003758422237e-08,
    2.7620075892548164e-07,
    2.7557268480289716e-06,
    2.480152132234228e-05,
    0.00019841269863040559,
    0.0013888888917196736,
    0.008333333333330065,
    0.041666666666624164,
    0.16666666666666669,
    0.5000000000000001,
]
LOG2_E, HIGH, LOW = 1.4426950408889634, 0.693147180369123816490, 1.90821492927058770002e-10
ROUND = 6755399441055744.0


def exp(x: float) -> float:
    if x < -230.0:
        return 0.0
    x = min(x, 709.0)
    k = (x * LOG2_E + ROUND) - ROUND
    r = (x - k * HIGH) - k * LOW
    p = EXP[0]
    for c in EXP[1:]:
        p = p * r + c
    return ((r * r) * p + r + 1.0) * 2.0 ** int(k)


def log(x: float) -> float:
    if x == 0.0:
        return -INF
    b = bits(x)
    k = (b - 0x3FE6A09E667F3BCD) >> 52
    f = double(b - (k << 52)) - 1.0
    s = f / (2.0 + f)
    z = s * s
    p = 2.0 / 21.0
    for n in (19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0):
        p = p * z + 2.0 / n
    e = float(k)
    return e * HIGH + (s * (p * z) + (e * LOW + 2.0 * s))


def log1p(x: float) -> float:
    u = 1.0 + x
    return log(u) + (x - (u - 1.0)) / u


def log_logistic(z: float) -> float:
    return min(z, 0.0) - log1p(exp(-abs(z)))


def log_add(x: float, y: float) -> float:
    high, low = max(x, y), min(x, y)
    return high + log1p(exp(low - high))


def one_minus_exp(x: float) -> float:
    if x >= 0.01:
        return 1.0 - exp(-x)
    p = 1.0 / 40320.0
    for c in (1 / 5040.0, 1 / 720.0, 1 / 120.0, 1 / 24.0, 1 / 6.0, 0.5, 1.0):
        p = p * -x + c
    return p * x


def softmax(z: list[float]) -> list[float]:
    top = max(z)
    total = 0.0
    for x in z:
        total += exp(x - top)
    shift = log(total)
    return [x - top - shift for x in z]


def log_probabilities(row: dict[str, Any], theta: float) -> list[float]:
    """The log-probability of each category, from the fields of the parameter file."""
    model = row["model"]
    if model == "nrm":
        alpha, delta = row["alpha"], row["delta"]
        return softmax([(a - alpha[0]) * theta + (d - delta[0]) for a, d in zip(alpha, delta, strict=True)])
    a = row["a"]
    if model in ("gpcm", "pcm"):
        z, total = [0.0 * (a * theta) + 0.0], 0.0
        for k, b in enumerate(row["b"], start=1):
            total += b
            z.append(k * (a * theta) + -a * total)
        return softmax(z)
    if model == "grm":
        d = [-a * b for b in row["b"]]
        out, below = [], 0.0
        for k, x in enumerate(d):
            gap = log(max(one_minus_exp(d[k - 1] - x), 1e-100)) if k else 0.0
            above = log_logistic(a * theta + x)
            out.append(below + (above - (a * theta + x)) + gap)
            below = above
        return [*out, below]
    z = a * theta + -a * row["b"]
    if model in ("rasch", "2pl"):
        tail = log1p(exp(-abs(z)))
        return [min(-z, 0.0) - tail, min(z, 0.0) - tail]
    right = log_logistic(z)
    if model == "3pl":
        free = log(1.0 - row["c"])
        return [free + (right - z), log_add(log(row["c"]), free + right)]
    free = log(row["d"] - row["c"])
    return [log_add(log(1.0 - row["d"]), free + (right - z)), log_add(log(row["c"]), free + right)]


def prior() -> tuple[list[float], list[float]]:
    """Nodes and log-weights of the standard normal prior."""
    low, high, n = GRID
    nodes = [low + (high - low) * q / (n - 1) for q in range(n)]
    logs = [-0.5 * x * x for x in nodes]
    top, total = max(logs), 0.0
    for x in logs:
        total += exp(x - top)
    shift = top + log(total)
    return nodes, [x - shift for x in logs]


T1, T2 = 0.06943184420297371, 0.33000947820757187
W1, W2 = 0.17392742256872692, 0.32607257743127307


def cell(g: list[float], q: int, share: float) -> float:
    """Mass of the first `share` of the cell after node q; g is the log-posterior less its top."""
    if g[q] < -45.0 and g[q + 1] < -45.0:
        return 0.0
    j = min(max(q - 1, 0), len(g) - 4)
    f = [max(x, -230.0) for x in g[j : j + 4]]
    d1 = f[1] - f[0]
    d2 = (f[2] - f[1]) - d1
    d3 = ((f[3] - f[2]) - (f[2] - f[1])) - d2

    def density(t: float) -> float:
        s = (q - j) + t
        return exp(f[0] + s * (d1 + (s - 1.0) / 2.0 * (d2 + (s - 2.0) / 3.0 * d3)))

    outer = density(share * T1) + density(share * (1.0 - T1))
    inner = density(share * T2) + density(share * (1.0 - T2))
    return share * (W1 * outer + W2 * inner)


def level_probabilities(g: list[float], nodes: list[float]) -> list[float]:
    levels, level, total = [0.0] * (len(CUTS) + 1), 0, 0.0
    for q in range(len(nodes) - 1):
        mass, done = cell(g, q, 1.0), 0.0
        while level < len(CUTS) and CUTS[level] < nodes[q + 1]:
            share = (CUTS[level] - nodes[q]) / (nodes[q + 1] - nodes[q])
            below = min(cell(g, q, share), mass)
            levels[level] += below - done
            done = below
            level += 1
        levels[level] += mass - done
        total += mass
    return [x / total for x in levels]


def score_histories(count: int) -> dict[str, str]:
    """Return the digests of `count` histories."""
    nodes, log_prior = prior()
    rows = bank()
    tables = [[log_probabilities(row, x) for x in nodes] for row in rows]  # item, node, category
    columns = [[list(column) for column in zip(*table, strict=True)] for table in tables]
    width = max(len(item) for item in columns)
    flat = hashlib.sha256()
    for item in columns:
        for k in range(width):
            values = item[k] if k < len(item) else [-INF] * len(nodes)
            flat.update(struct.pack(f"<{len(values)}d", *values))
    digest = Digest()
    for items, answers in histories(count):
        post = list(log_prior)
        for i, k in sorted(zip(items, answers, strict=True)):
            post = [x + y for x, y in zip(post, columns[i][k], strict=True)]
        top = max(post)
        g = [x - top for x in post]
        weight = [exp(x) for x in g]
        total = first = 0.0
        for w, x in zip(weight, nodes, strict=True):
            total += w
            first += w * x
        theta = first / total
        second = 0.0
        for w, x in zip(weight, nodes, strict=True):
            second += w * ((x - theta) * (x - theta))
        se = sqrt(second / total)
        micro = (int((1e6 * theta + ROUND) - ROUND), int((1e6 * se + ROUND) - ROUND))
        digest.add(theta, se, [w / total for w in weight], level_probabilities(g, nodes), micro)
    return {**digest.said(), "tables": flat.hexdigest()}
