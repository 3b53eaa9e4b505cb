"""What holds for every item model of the family."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cat_engine import family
from cat_engine.compile import jit
from cat_engine.family import MODELS
from cat_engine.grid import Grid, tabulate
from cat_engine.information import information
from cat_engine.pool import ItemPool
from tests.laws.examples import ORDINARY, WILD, pool_of

CODES = list(MODELS)
thetas = st.floats(-4.0, 4.0)
few = settings(max_examples=40, deadline=None)


def test_every_registered_model_has_examples() -> None:
    assert set(ORDINARY) == set(MODELS)
    assert set(WILD) == set(MODELS)


def interpreted(pool: ItemPool, theta: float) -> dict[str, np.ndarray]:
    """Everything a model says about the first item of a pool, by its plain Python functions."""
    table = pool.blocks[0].table
    k, p = int(pool.n_cat[0]), len(pool.blocks[0].model.working(int(pool.n_cat[0])))
    lp, s, c, g = np.empty(k), np.empty(k), np.empty(k), np.empty((k, p))
    family.logp(table, 0, theta, lp)
    family.score(table, 0, theta, lp, s)
    family.curvature(table, 0, theta, lp, c)
    family.gradient(table, 0, theta, lp, g)
    return {"lp": lp, "s": s, "c": c, "g": g}


@jit
def _everything(items, i, theta, working, lp, s, c, g):
    family.assign(items, i, working)
    family.logp(items, i, theta, lp)
    family.score(items, i, theta, lp, s)
    family.curvature(items, i, theta, lp, c)
    family.gradient(items, i, theta, lp, g)


def slope(f: Callable[[float], np.ndarray], x: float, h: float = 1e-4) -> np.ndarray:
    """Derivative of `f` at `x`, error of order h**4."""
    return (8.0 * (f(x + h) - f(x - h)) - (f(x + 2.0 * h) - f(x - 2.0 * h))) / (12.0 * h)


@pytest.mark.parametrize("code", CODES)
@given(data=st.data(), theta=thetas)
@few
def test_probabilities_sum_to_one(code: str, data: st.DataObject, theta: float) -> None:
    lp = interpreted(pool_of(data.draw(ORDINARY[code])), theta)["lp"]
    assert np.exp(lp).sum() == pytest.approx(1.0, abs=1e-13)


@pytest.mark.parametrize("code", CODES)
@given(data=st.data(), theta=st.sampled_from([-50.0, -13.7, 0.0, 0.3, 50.0]))
@few
def test_everything_is_finite_for_extreme_items_and_abilities(
    code: str, data: st.DataObject, theta: float
) -> None:
    pool = pool_of(data.draw(WILD[code]))
    with np.errstate(all="raise"):
        said = interpreted(pool, theta)
        info = information(pool, theta)
    for name, values in said.items():
        assert np.isfinite(values).all(), name
    assert np.exp(said["lp"]).sum() == pytest.approx(1.0, abs=1e-9)
    assert (said["lp"] <= 1e-12).all()
    assert np.isfinite(info).all()
    assert info[0] >= 0.0


@pytest.mark.parametrize("code", CODES)
@given(data=st.data(), theta=thetas)
@few
def test_score_and_curvature_are_the_derivatives_of_logp(
    code: str, data: st.DataObject, theta: float
) -> None:
    pool = pool_of(data.draw(ORDINARY[code]))
    said = interpreted(pool, theta)
    numeric = slope(lambda x: interpreted(pool, x)["lp"], theta)
    np.testing.assert_allclose(said["s"], numeric, rtol=1e-7, atol=1e-9)
    numeric = slope(lambda x: interpreted(pool, x)["s"], theta)
    np.testing.assert_allclose(said["c"], numeric, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("code", CODES)
@given(data=st.data(), theta=thetas)
@few
def test_gradient_is_the_derivative_in_the_working_parameters(
    code: str, data: st.DataObject, theta: float
) -> None:
    row = data.draw(ORDINARY[code])
    if "c" in row:  # at c = 0 and d = 1 the working parameter is infinite
        row = {**row, "c": 0.05 + 0.9 * row["c"], **({"d": 0.7 + 0.28 * row["d"]} if "d" in row else {})}
    pool = pool_of(row)
    model, table = pool.blocks[0].model, pool.blocks[0].table
    working = model.pack(table, 0)
    assert len(working) == len(model.working(int(pool.n_cat[0])))
    said = interpreted(pool, theta)["g"]

    def at(p: int, x: float) -> np.ndarray:
        moved = working.copy()
        moved[p] = x
        model.assign(table, 0, moved)
        return interpreted(pool, theta)["lp"]

    for p, x in enumerate(working):
        numeric = slope(lambda x, p=p: at(p, x), x)
        np.testing.assert_allclose(said[:, p], numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("code", CODES)
@given(data=st.data(), theta=thetas)
@few
def test_information_is_the_expected_squared_score_and_minus_the_expected_curvature(
    code: str, data: st.DataObject, theta: float
) -> None:
    pool = pool_of(data.draw(ORDINARY[code]))
    said = interpreted(pool, theta)
    p = np.exp(said["lp"])
    info = information(pool, theta)[0]
    assert info == pytest.approx((p * said["s"] ** 2).sum(), rel=1e-10, abs=1e-15)
    assert info == pytest.approx(-(p * said["c"]).sum(), rel=1e-7, abs=1e-12)
    assert (p * said["s"]).sum() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("code", CODES)
@given(data=st.data(), theta=thetas)
@few
def test_compiled_equals_interpreted(code: str, data: st.DataObject, theta: float) -> None:
    """Bit for bit, parameters written by compiled code included."""
    pool = pool_of(data.draw(ORDINARY[code]))
    model, table = pool.blocks[0].model, pool.blocks[0].table
    working = model.pack(table, 0)
    model.assign(table, 0, working)
    expected = interpreted(pool, theta)
    out = {name: np.full_like(values, np.nan) for name, values in expected.items()}
    _everything(table, 0, theta, working, *out.values())
    for name, values in expected.items():
        assert values.tobytes() == out[name].tobytes(), name
    tables = tabulate(pool, Grid(np.array([theta, theta + 0.5, theta + 1.0]), np.full(3, 1 / 3)))
    assert tables.logp[0, :, 0].tobytes() == expected["lp"].tobytes()


@pytest.mark.parametrize("code", [code for code in CODES if MODELS[code].sums is not None])
@given(data=st.data(), theta=st.one_of(thetas, st.sampled_from([-50.0, 50.0])))
@few
def test_the_fast_sums_over_answers_are_the_derived_ones(
    code: str, data: st.DataObject, theta: float
) -> None:
    pool = pool_of(*data.draw(st.lists(ORDINARY[code], min_size=1, max_size=9)))
    row = np.arange(len(pool), dtype=np.int32)
    category = np.array(data.draw(st.lists(st.integers(0, 1), min_size=9, max_size=9)), dtype=np.int8)
    derived, fast = np.zeros(5), np.zeros(5)
    args = (pool.blocks[0].table, row, category, 0, len(pool), theta)
    family._derived_sums(*args, derived)
    family.sums(*args, fast)
    np.testing.assert_allclose(fast, derived, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("code", [code for code in CODES if MODELS[code].monotone])
@given(data=st.data(), theta=thetas, more=st.floats(0.01, 2.0))
@few
def test_more_ability_means_a_higher_expected_category(
    code: str, data: st.DataObject, theta: float, more: float
) -> None:
    pool = pool_of(data.draw(ORDINARY[code]))

    def expected(x: float) -> float:
        p = np.exp(interpreted(pool, x)["lp"])
        return float(p @ np.arange(len(p)))

    assert expected(theta + more) > expected(theta)


@pytest.mark.parametrize("code", CODES)
@given(data=st.data(), theta=thetas)
@few
def test_fields_and_working_parameters_go_both_ways(code: str, data: st.DataObject, theta: float) -> None:
    pool = pool_of(data.draw(ORDINARY[code]))
    block = pool.blocks[0]
    lp = interpreted(pool, theta)["lp"]
    again = pool_of({"model": code, **block.model.to_fields(block.table, 0)})
    np.testing.assert_allclose(interpreted(again, theta)["lp"], lp, rtol=1e-9, atol=1e-11)
    block.model.assign(block.table, 0, block.model.pack(block.table, 0))
    np.testing.assert_allclose(interpreted(pool, theta)["lp"], lp, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("code", CODES)
@given(data=st.data())
@few
def test_start_values_meet_the_proportions_at_the_middle(code: str, data: st.DataObject) -> None:
    """A start from proportions is a model, and the commonest of very unequal categories is its mode."""
    model = MODELS[code]
    k = 2 if model.dichotomous else data.draw(st.integers(2, 6))
    raw = np.array(data.draw(st.lists(st.floats(0.02, 1.0), min_size=k, max_size=k)))
    proportions = raw / raw.sum()
    table = model.build(np.array([k]), [model.start(k, proportions, 1.0)])
    lp = np.empty(k)
    model.logp(table, 0, 0.0, lp)
    assert np.isfinite(lp).all()
    if proportions.max() > 0.8:
        assert lp.argmax() == proportions.argmax()


def test_the_rating_scale_is_a_linear_constraint_on_partial_credit() -> None:
    rows = [{"model": "rsm", "a": 1.0, "b": b, "tau": [-1.0, 0.2, 0.8], "set": "s"} for b in (-0.7, 0.4)]
    pool = pool_of(*rows)
    model, table = pool.blocks[0].model, pool.blocks[0].table
    assert model.linear is not None
    linear = model.linear(4)
    common = np.array([1.0, 0.8])  # c_k = -(tau_1 + ... + tau_k)
    for i, row in enumerate(rows):
        working = linear.offset + linear.own @ [row["b"]] + linear.common @ common
        np.testing.assert_allclose(working, model.pack(table, i), atol=1e-15)
    assert len(linear.own_names) == linear.own.shape[1]
    assert len(linear.common_names) == linear.common.shape[1]


_COMPILE = """
import json, sys
import numpy as np
from cat_engine.family import MODELS
from cat_engine.grid import Grid, _tabulate, tabulate
from cat_engine.warm import smallest_pool
for _ in range(2):
    for model in MODELS.values():
        tabulate(smallest_pool(model), Grid.normal(n=5))
hits, misses = _tabulate.stats.cache_hits, _tabulate.stats.cache_misses
print(json.dumps([len(_tabulate.signatures), sum(hits.values()), sum(misses.values())]))
"""


def test_one_compilation_a_table_and_none_in_a_second_process(tmp_path: Any) -> None:
    tables = len({model.table for model in MODELS.values()})
    env = {**os.environ, "ACQUIS_CACHE_DIR": str(tmp_path)}
    runs = [
        json.loads(subprocess.run([sys.executable, "-c", _COMPILE], env=env, check=True, stdout=-1).stdout)
        for _ in range(2)
    ]
    assert runs == [[tables, 0, tables], [tables, tables, 0]]
