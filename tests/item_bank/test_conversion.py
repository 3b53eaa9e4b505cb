"""Metrics of other programs: each conversion keeps every probability, and comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cat_engine.errors import InputError
from cat_engine.grid import Grid, tabulate
from cat_engine.pool import ItemPool
from item_bank.conversion import (
    from_andrich,
    from_metric,
    from_muraki,
    from_slope_intercept,
    from_tam,
    to_andrich,
    to_metric,
    to_muraki,
    to_slope_intercept,
    to_tam,
)
from item_bank.parameters import ParameterSet
from item_bank.r_tables import (
    from_catr,
    from_mirt,
    read_catr,
    read_mirt,
    to_catr,
    to_mirt,
    write_catr,
    write_mirt,
)
from tests.laws.examples import ORDINARY, random_bank
from tests.reference.test_mirt_scores import FITS

few = settings(max_examples=25, deadline=None)
GRID = Grid.uniform(-4.0, 4.0, 9)


def probabilities(row: dict[str, Any]) -> np.ndarray:
    """Log-probabilities of one item over a grid."""
    return tabulate(ItemPool.from_rows([{"id": "x", **row}]), GRID).logp[0]


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    np.testing.assert_allclose(probabilities(one), probabilities(other), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("code", ORDINARY)
@given(data=st.data())
@few
def test_slope_intercept(code: str, data: st.DataObject) -> None:
    row = {"id": "x", **data.draw(ORDINARY[code])}
    there = to_slope_intercept(row)
    assert "b" not in there
    same(row, there)
    same(row, from_slope_intercept(there))


@pytest.mark.parametrize("code", ORDINARY)
@given(data=st.data())
@few
def test_mirts_table(code: str, data: st.DataObject) -> None:
    row = {"id": "x", **data.draw(ORDINARY[code])}
    if code == "nrm" and abs(row["alpha"][-1] - row["alpha"][0]) < 0.05:
        return
    itemtype = "rsm" if code == "rsm" else "Rasch" if code in ("rasch", "pcm") else None
    back = from_mirt("x", to_mirt(row), itemtype)
    same(row, back)
    if code not in ("1pl", "3pl", "4pl", "nrm"):  # equal steps of nominal slopes are partial credit
        assert back["model"] == code


@pytest.mark.parametrize("code", ORDINARY)
@given(data=st.data())
@few
def test_catrs_table(code: str, data: st.DataObject) -> None:
    row = {"id": "x", **data.draw(ORDINARY[code])}
    same(row, from_catr("x", to_catr(row)))


@pytest.mark.parametrize("code", ["rasch", "1pl", "2pl", "gpcm", "pcm", "rsm", "nrm"])
@given(data=st.data())
@few
def test_tams_table(code: str, data: st.DataObject) -> None:
    row = {"id": "x", **data.draw(ORDINARY[code])}
    same(row, from_tam("x", *to_tam(row)))


@pytest.mark.parametrize("code", ["rasch", "pcm", "rsm"])
@given(data=st.data())
@few
def test_winsteps_table(code: str, data: st.DataObject) -> None:
    row = {"id": "x", **data.draw(ORDINARY[code])}
    measure, thresholds = to_andrich(row, mean=500.0, scale=100.0)
    assert sum(thresholds) == pytest.approx(0.0, abs=1e-9)
    back = from_andrich("x", measure, thresholds, row.get("set"), mean=500.0, scale=100.0)
    same(row, back)
    assert back["model"] == code


def test_andrich_thresholds_are_steps_between_neighbouring_categories() -> None:
    """log P(k) / P(k - 1) = theta - measure - F_k."""
    lp = probabilities(from_andrich("x", 0.4, [-1.2, 0.3, 0.9], "s"))
    for k, step in enumerate((-1.2, 0.3, 0.9)):
        np.testing.assert_allclose(lp[k + 1] - lp[k], GRID.nodes - 0.4 - step, atol=1e-12)


@given(data=st.data())
@few
def test_murakis_modified_graded_model(data: st.DataObject) -> None:
    row = {"id": "x", **data.draw(ORDINARY["grm"])}
    a, b, c = to_muraki(row)
    assert sum(c) == pytest.approx(0.0, abs=1e-9)
    same(row, from_muraki("x", a, b, c))
    shifted = {**row, "b": [x + 1.5 for x in row["b"]]}
    assert to_muraki(shifted, c)[1] == pytest.approx(b + 1.5)
    with pytest.raises(InputError, match="do not share their categories"):
        to_muraki({**row, "b": [x + 0.1 * k for k, x in enumerate(row["b"])]}, c)


@pytest.mark.parametrize("code", [code for code in ORDINARY if code != "nrm"])
@given(data=st.data())
@few
def test_the_normal_metric(code: str, data: st.DataObject) -> None:
    row = {"id": "x", **data.draw(ORDINARY[code])}
    assert from_metric(row)["a"] == pytest.approx(1.7 * row["a"])
    same(row, from_metric(to_metric(row)))


def test_published_3pl_parameters_are_on_the_normal_metric(reference: Path) -> None:
    """Kolen & Brennan's form X: P = c + (1 - c) logistic(1.7 a (theta - b)), as printed."""
    import csv

    with (reference / "data" / "KB36_formX_published_3PL.csv").open() as file:
        rows = [{k.strip().lower(): v for k, v in line.items()} for line in csv.DictReader(file)]
    a, b, c = (np.array([float(row[name]) for row in rows]) for name in "abc")
    pool = ItemPool.from_rows(
        from_metric({"id": f"x{i}", "model": "3pl", "a": a[i], "b": b[i], "c": c[i]}) for i in range(36)
    )
    x = GRID.nodes
    printed = c[:, None] + (1 - c[:, None]) / (1 + np.exp(-1.7 * a[:, None] * (x - b[:, None])))
    np.testing.assert_allclose(np.exp(tabulate(pool, GRID).logp[:, 1]), printed, rtol=1e-12)


def test_tam_and_mirt_agree_on_what_they_fitted_alike(reference: Path) -> None:
    """The partial credit and generalised partial credit fits of two programs to the same data."""
    tam = json.loads((reference / "crosscheck" / "TAM.json").read_text())["res"]
    for theirs, mirts in (
        ("LSAT7_2PL", "LSAT7__2PL"),
        ("LSAT7_1PL", "LSAT7__Rasch"),
        ("VerbalAggression_poly_GPCM", "VerbalAggression_poly__GPCM"),
        ("VerbalAggression_poly_PCM", "VerbalAggression_poly__PCM"),
    ):
        table = tam[theirs]["item"]
        content = json.loads((reference / "fits" / f"{mirts}.json").read_text())
        for item, values in zip(table["rows"], table["values"], strict=True):
            cell = dict(zip(table["cols"], values, strict=True))
            k = sum(name.startswith("AXsi_") for name in cell)
            ours = from_tam(
                item,
                [cell[f"B.Cat{c}.Dim1"] for c in range(1, k + 1)],
                [cell[f"AXsi_.Cat{c}"] for c in range(1, k + 1)],
            )
            entry = content["slope_intercept"][item]
            columns = {n: x for n, x in zip(entry["cols"], entry["values"][0], strict=True) if x is not None}
            one, other = probabilities(ours), probabilities(from_mirt(item, columns, content["itemtype"]))
            np.testing.assert_allclose(np.exp(one), np.exp(other), atol=2e-3)


@pytest.mark.parametrize("name", ["SAT12_scored__4PL_priors", "Science__GRM", "Bock1997__NRM"])
def test_a_mirt_table_as_a_file(reference: Path, tmp_path: Path, name: str) -> None:
    assert name in FITS
    content = json.loads((reference / "fits" / f"{name}.json").read_text())["slope_intercept"]
    rows = []
    for item, entry in content.items():
        columns = {n: x for n, x in zip(entry["cols"], entry["values"][0], strict=True) if x is not None}
        if item != "GroupPars":
            rows.append(from_mirt(item, columns))
    write_mirt(tmp_path / "coef.csv", ParameterSet(rows))
    back = read_mirt(tmp_path / "coef.csv", mean=0.2, variance=1.3)
    assert [row["id"] for row in back.items] == [row["id"] for row in rows]
    for one, other in zip(rows, back.items, strict=True):
        same(one, other)
    assert (back.population[0].mean, back.population[0].cov) == ((0.2,), ((1.3,),))
    assert "unchanged" in back.fit["imported"]["metric"]


def test_a_table_as_r_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "coef.csv"
    path.write_text('"","a1","d","g","u","d1","d2"\n"Q1",1.2,0.5,0,1,NA,NA\n"Q2",0.8,NA,NA,NA,1.5,-0.4\n')
    items = read_mirt(path).items
    assert items[0] == {"id": "Q1", "model": "2pl", "a": 1.2, "b": pytest.approx(-0.5 / 1.2)}
    assert items[1]["model"] == "grm"
    assert items[1]["b"] == pytest.approx([-1.5 / 0.8, 0.4 / 0.8])


def test_a_catr_bank_with_its_groups_and_its_constant(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text('"a","b","c","d","Group"\n1.0,0.5,0.2,1,"alg"\n0.7,-0.5,0,1,"geo"\n')
    parameters = read_catr(path, d=1.7)
    assert parameters.items == [
        {"id": "I1", "model": "3pl", "a": 1.7, "b": 0.5, "c": 0.2},
        {"id": "I2", "model": "2pl", "a": pytest.approx(1.19), "b": -0.5},
    ]
    assert "multiplied by 1.7" in parameters.fit["imported"]["metric"]
    write_catr(path, parameters)
    assert path.read_text().splitlines()[:2] == ["item,a,b,c,d", "I1,1.7,0.5,0.2,1.0"]
    with pytest.raises(InputError, match="one bank a model"):
        write_catr(path, ParameterSet(random_bank(10, 1).rows()))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b,c,d\n", "at least one item"),
        ("a,b,c,d\n1,2,3\n", "expected 4 cells, got 3 in line 2"),
        ("a,b,c,d\n1,zwei,0,1\n", "expected a number, got 'zwei' in column 'b', line 2"),
        ("x,y\n1,2\n", "expected columns of a catR bank, got x, y"),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bank.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_catr(path)


def test_what_cannot_be_told_is_asked_for() -> None:
    with pytest.raises(InputError, match="give itemtype 'graded' or 'gpcm'"):
        from_mirt("x", {"a": 1.0, "b1": 0.0, "b2": 1.0})
    with pytest.raises(InputError, match="give itemtype 'grsm'"):
        from_mirt("x", {"a1": 1.4, "b1": 1.0, "b2": 0.0, "c": 0.2})
    with pytest.raises(InputError, match="slopes on several"):
        from_mirt("x", {"a1": 1.4, "a2": 0.3, "d": 0.2})
    with pytest.raises(InputError, match="coefficient table"):
        from_mirt("x", {"foo": 1.4})
    with pytest.raises(InputError, match="No such file"):
        read_mirt("/nowhere/coef.csv")


def test_what_another_metric_cannot_hold_is_refused() -> None:
    guessed = {"id": "x", "model": "3pl", "a": 1.0, "b": 0.0, "c": 0.2}
    for convert in (to_tam, to_andrich, to_muraki):
        with pytest.raises(InputError, match="model '3pl' in item 'x'"):
            convert(guessed)
    with pytest.raises(InputError, match="a model with a slope"):
        from_metric({"id": "x", "model": "nrm", "alpha": [0, 1], "delta": [0, 1]})
    with pytest.raises(InputError, match="as many B as AXsi"):
        from_tam("x", [1.0, 2.0], [0.5])
