"""One way to make items of each model: ordinary ones, and ones at the edge of what a file may hold."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from cat_engine.pool import ItemPool

Row = dict[str, Any]

slopes = st.floats(0.2, 3.5)
places = st.floats(-4.0, 4.0)
wild_slopes = st.one_of(st.floats(1e-4, 60.0), st.floats(-60.0, -1e-4))
wild_places = st.floats(-60.0, 60.0)


def _steps(values: st.SearchStrategy[float], most: int = 5) -> st.SearchStrategy[list[float]]:
    return st.lists(values, min_size=2, max_size=most)


def _apart(values: list[float]) -> list[float]:
    """Thresholds in order, at least a little apart."""
    return [x + 0.05 * k for k, x in enumerate(sorted(values))]


def _dichotomous(code: str, a: st.SearchStrategy[float], b: st.SearchStrategy[float]) -> Any:
    return st.fixed_dictionaries({"model": st.just(code), "a": a, "b": b})


def _polytomous(code: str, a: st.SearchStrategy[float], b: st.SearchStrategy[float]) -> Any:
    return st.fixed_dictionaries({"model": st.just(code), "a": a, "b": _steps(b)})


def _graded(a: st.SearchStrategy[float], b: st.SearchStrategy[float]) -> Any:
    def ordered(row: Row) -> Row:
        b = _apart(row["b"])
        return {**row, "b": b if row["a"] > 0.0 else b[::-1]}

    return _polytomous("grm", a, b).map(ordered)


def _rating(a: st.SearchStrategy[float], b: st.SearchStrategy[float]) -> Any:
    def centred(values: list[float]) -> Row:
        location = sum(values) / len(values)
        tau = [x - location for x in values]
        return {"model": "rsm", "a": 1.0, "b": location, "tau": tau, "set": "all"}

    return _steps(b).map(centred)


def _nominal(a: st.SearchStrategy[float], b: st.SearchStrategy[float]) -> Any:
    def centred(pairs: list[tuple[float, float]]) -> Row:
        alpha, delta = np.array(pairs).T
        alpha, delta = alpha - alpha.mean(), delta - delta.mean()
        return {"model": "nrm", "alpha": alpha.tolist(), "delta": delta.tolist()}

    return st.lists(st.tuples(a, b), min_size=2, max_size=5).map(centred)


def _guessed(a: Any, b: Any, c: Any, u: Any = None) -> Any:
    fields = {"model": st.just("4pl" if u is not None else "3pl"), "a": a, "b": b, "c": c}
    return st.fixed_dictionaries(fields if u is None else {**fields, "d": u})


def _rows(a: Any, b: Any, c: Any, u: Any) -> dict[str, Any]:
    one = st.just(1.0)
    return {
        "rasch": _dichotomous("rasch", one, b),
        "1pl": _dichotomous("1pl", a, b),
        "2pl": _dichotomous("2pl", a, b),
        "3pl": _guessed(a, b, c),
        "4pl": _guessed(a, b, c, u),
        "grm": _graded(a, b),
        "gpcm": _polytomous("gpcm", a, b),
        "pcm": _polytomous("pcm", one, b),
        "rsm": _rating(one, b),
        "nrm": _nominal(a, b),
    }


ORDINARY = _rows(slopes, places, st.floats(0.0, 0.35), st.floats(0.75, 1.0))
"""Items as calibrations give them, by model."""

WILD = _rows(
    wild_slopes,
    wild_places,
    st.sampled_from([0.0, 1e-300, 1e-12, 0.5, 0.999]),
    st.sampled_from([0.9990001, 1.0 - 1e-15, 1.0]),
)
"""Items that no calibration should give and every formula must survive, by model."""


def pool_of(*rows: Row) -> ItemPool:
    """A pool of rows without identifiers."""
    return ItemPool.from_rows({"id": f"i{k}", **row} for k, row in enumerate(rows))


mixed = st.lists(st.one_of(*ORDINARY.values()), min_size=2, max_size=8).map(lambda rows: pool_of(*rows))
"""Banks of mixed models."""


def random_bank(n: int, seed: int, codes: tuple[str, ...] = tuple(ORDINARY)) -> ItemPool:
    """A bank of `n` items, models in turn, from a seed."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        code = codes[i % len(codes)]
        a, b = float(rng.lognormal(0.0, 0.3)), float(rng.normal())
        steps = np.sort(rng.normal(size=3)) + 0.1 * np.arange(3)
        centred = steps - steps.mean()
        alpha = np.arange(4) * a - 1.5 * a
        rows.append(
            {
                "id": f"i{i}",
                "model": code,
                **{
                    "rasch": {"a": 1.0, "b": b},
                    "1pl": {"a": 1.2, "b": b},
                    "2pl": {"a": a, "b": b},
                    "3pl": {"a": a, "b": b, "c": 0.2},
                    "4pl": {"a": a, "b": b, "c": 0.15, "d": 0.95},
                    "grm": {"a": a, "b": steps.tolist()},
                    "gpcm": {"a": a, "b": steps[::-1].tolist()},
                    "pcm": {"a": 1.0, "b": steps.tolist()},
                    "rsm": {"a": 1.0, "b": b, "tau": (centred / 2).tolist(), "set": "s"},
                    "nrm": {"alpha": alpha.tolist(), "delta": [*centred.tolist(), 0.0]},
                }[code],
            }
        )
    return ItemPool.from_rows(rows)


def random_answers(pool: ItemPool, persons: int, seed: int, missing: float = 0.2) -> np.ndarray:
    """Answers of normal people to a bank, shape ``(persons, n)``, -1 where none is given."""
    from cat_engine.grid import Grid, tabulate

    rng = np.random.default_rng(seed)
    theta = np.clip(np.sort(rng.normal(size=persons)), -3.9, 3.9)
    grid = Grid.uniform(-4.0, 4.0, 161)
    node = np.rint((theta + 4.0) / grid.step).astype(int)
    p = np.exp(tabulate(pool, grid).logp)[:, :, node]  # (n, K, persons)
    u = rng.random((len(pool), 1, persons))
    answers = (np.cumsum(p, axis=1)[:, :-1] < u).sum(axis=1).T
    answers = np.minimum(answers, pool.n_cat - 1)
    return np.where(rng.random(answers.shape) < missing, -1, answers).astype(np.int8)
