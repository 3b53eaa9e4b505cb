"""What holds for every compensatory model: one-dimensional along any line, and its own laws besides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cat_engine import family
from cat_engine.compile import jit
from cat_engine.errors import InputError
from cat_engine.family import COMPENSATORY, MODELS
from cat_engine.information import information as information_of_line
from cat_engine.pool import ItemPool
from tests.laws.test_models import slope

CODES = list(COMPENSATORY)
D = 3
few = settings(max_examples=25, deadline=None)
numbers = st.floats(-2.5, 2.5)
thetas = st.lists(st.floats(-3.0, 3.0), min_size=D, max_size=D).map(np.array)
slopes = st.lists(numbers, min_size=D, max_size=D)
falling = st.lists(numbers, min_size=2, max_size=4).map(
    lambda x: [d - 0.05 * k for k, d in enumerate(sorted(x, reverse=True))]
)

EXAMPLES: dict[str, dict[str, Any]] = {
    "m2pl": {"intercept": numbers},
    "m3pl": {"intercept": numbers, "c": st.floats(0.01, 0.35)},
    "mgrm": {"intercept": falling},
    "mgpcm": {"intercept": st.lists(numbers, min_size=1, max_size=4).map(lambda d: [0.0, *d])},
}
COMPILED = ("m2pl",)
"""Those compared with their compiled form: functions are the same for all, and lines have their own laws."""
LINES = {"m2pl": "2pl", "m3pl": "3pl", "mgrm": "grm", "mgpcm": "gpcm"}


def items(code: str, n: int = 1) -> st.SearchStrategy[ItemPool]:
    row = st.fixed_dictionaries({"model": st.just(code), "slopes": slopes, **EXAMPLES[code]})
    return st.lists(row, min_size=n, max_size=n).map(
        lambda rows: ItemPool.from_rows([{"id": f"i{k}", **row} for k, row in enumerate(rows)], D)
    )


def said(pool: ItemPool, theta: np.ndarray) -> dict[str, np.ndarray]:
    """Everything a model says about the first item, by its plain Python functions."""
    table, k = pool.blocks[0].table, int(pool.n_cat[0])
    width = len(pool.blocks[0].model.working(k))
    out = {"lp": (k,), "s": (k, D), "c": (k, D, D), "g": (k, width), "info": (len(pool), D, D)}
    values = {name: np.full(shape, np.nan) for name, shape in out.items()}
    family.logp(table, 0, theta, values["lp"])
    family.score(table, 0, theta, values["lp"], values["s"])
    family.curvature(table, 0, theta, values["lp"], values["c"])
    family.gradient(table, 0, theta, values["lp"], values["g"])
    family.information(table, theta, values["info"])
    return values


@jit
def _everything(items, theta, working, lp, s, c, g):
    family.assign(items, 0, working)
    family.logp(items, 0, theta, lp)
    family.score(items, 0, theta, lp, s)
    family.curvature(items, 0, theta, lp, c)
    family.gradient(items, 0, theta, lp, g)


def test_every_compensatory_model_has_examples_and_a_line() -> None:
    assert set(EXAMPLES) == set(LINES) == set(COMPENSATORY)
    assert not set(COMPENSATORY) & set(MODELS)


@pytest.mark.parametrize("code", CODES)
@given(data=st.data(), theta=thetas)
@few
def test_it_is_the_one_dimensional_model_of_the_composite(
    code: str, data: st.DataObject, theta: np.ndarray
) -> None:
    pool = data.draw(items(code))
    row = pool.rows()[0]
    line = ItemPool.from_rows([{**row, "model": LINES[code], "a": 1.0}])
    z = float(np.dot(row["slopes"], theta))
    expected = np.empty(int(pool.n_cat[0]))
    family.logp(line.blocks[0].table, 0, z, expected)
    found = said(pool, theta)
    np.testing.assert_allclose(found["lp"], expected, atol=1e-12)
    assert np.exp(found["lp"]).sum() == pytest.approx(1.0, abs=1e-12)
    outer = np.outer(row["slopes"], row["slopes"])
    np.testing.assert_allclose(found["info"][0], outer * information_of_line(line, z)[0], atol=1e-12)


@pytest.mark.parametrize("code", CODES)
@given(data=st.data(), theta=thetas)
@few
def test_score_curvature_and_gradient_are_derivatives(
    code: str, data: st.DataObject, theta: np.ndarray
) -> None:
    pool = data.draw(items(code))
    found = said(pool, theta)
    for d in range(D):

        def at(x: float, name: str, d: int = d) -> np.ndarray:
            moved = theta.copy()
            moved[d] = x
            return said(pool, moved)[name]

        by_score = slope(lambda x: at(x, "lp"), theta[d])
        np.testing.assert_allclose(found["s"][:, d], by_score, rtol=1e-7, atol=1e-8)
        by_bend = slope(lambda x: at(x, "s"), theta[d])
        np.testing.assert_allclose(found["c"][:, :, d], by_bend, rtol=1e-7, atol=1e-7)
    p = np.exp(found["lp"])
    squares = np.einsum("k,kd,ke->de", p, found["s"], found["s"])
    np.testing.assert_allclose(found["info"][0], squares, atol=1e-12)
    model, table = pool.blocks[0].model, pool.blocks[0].table
    working = model.pack(table, 0)
    for q, x in enumerate(working):

        def put(x: float, q: int = q) -> np.ndarray:
            moved = working.copy()
            moved[q] = x
            model.assign(table, 0, moved)
            return said(pool, theta)["lp"]

        np.testing.assert_allclose(found["g"][:, q], slope(put, x), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("code", CODES)
@given(data=st.data(), theta=thetas)
@few
def test_compiled_equals_interpreted_and_fields_go_both_ways(
    code: str, data: st.DataObject, theta: np.ndarray
) -> None:
    pool = data.draw(items(code, 2))
    model, table = pool.blocks[0].model, pool.blocks[0].table
    working = model.pack(table, 0)
    assert len(working) == len(model.working(int(pool.n_cat[0])))
    before = said(pool, theta)["lp"]
    model.assign(table, 0, working)
    expected = said(pool, theta)
    np.testing.assert_allclose(expected["lp"], before, atol=1e-11)
    if code in COMPILED:
        out = {name: np.full_like(expected[name], np.nan) for name in ("lp", "s", "c", "g")}
        _everything(table, theta, working, *out.values())
        for name, values in out.items():
            assert values.tobytes() == expected[name].tobytes(), name
    again = ItemPool.from_rows([{"id": "x", "model": code, **model.to_fields(table, 0)}], D)
    np.testing.assert_allclose(said(again, theta)["lp"], before, atol=1e-11)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("far", [-50.0, 50.0])
def test_everything_is_finite_far_out(code: str, far: float) -> None:
    extra: dict[str, Any] = {
        "m2pl": {"intercept": 50.0},
        "m3pl": {"intercept": 50.0, "c": 0.2},
        "mgrm": {"intercept": [50.0, 49.9]},
        "mgpcm": {"intercept": [0.0, 50.0, -50.0]},
    }[code]
    pool = ItemPool.from_rows([{"id": "x", "model": code, "slopes": [9.0, -9.0, 9.0], **extra}], D)
    with np.errstate(all="raise"):
        for name, values in said(pool, np.array([far, -far, far])).items():
            assert np.isfinite(values).all(), name


def row(**fields: Any) -> dict[str, Any]:
    return {"id": "x", "model": "m2pl", "slopes": [1.0, 0.0], "intercept": 0.5, **fields}


@pytest.mark.parametrize(
    ("wrong", "dimensions", "words"),
    [
        (row(), 1, "only calibrate, score and fit work in several dimensions"),
        (row(slopes=[1.0]), 2, "expected 2 slopes, one a dimension, got 1"),
        (row(slopes=[1.0, float("nan")]), 2, r"slopes\[1\]"),
        (row(model="2pl", a=1.0, b=0.0), 2, "write it with 'slopes'"),
        (row(model="m2p"), 2, "did you mean 'm2pl'"),
        (row(model="mgrm", intercept=[0.0, 1.0]), 2, "order 'intercept'"),
        (row(model="mgpcm", intercept=[1.0, 2.0]), 2, "begins with 0"),
        (row(model="m3pl", c=1.5), 2, "lower asymptote"),
        ({"id": "x", "model": "m2pl", "slopes": [1.0, 0.0], "b": 0.5}, 2, "a field 'intercept'"),
    ],
)
def test_rows_that_are_no_model_are_refused(wrong: dict[str, Any], dimensions: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        ItemPool.from_rows([wrong], dimensions)
