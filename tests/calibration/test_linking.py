"""Linking: what is moved by known coefficients is moved back, whatever the model and the method."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.command import main
from calibration.linking import METHODS, Anchors, Weighting, coefficients, drift, link, move, move_item
from calibration.linking.drift import robust_z
from cat_engine.errors import InputError
from cat_engine.grid import Grid, tabulate
from cat_engine.pool import ItemPool
from item_bank.parameters import ParameterSet, Population, read_parameters, write_parameters

A, B = 1.25, -0.4
ONE_OF_EACH: list[dict[str, Any]] = [
    {"id": "2pl", "model": "2pl", "a": 1.2, "b": -0.8, "se": {"a": 0.1, "b": 0.05}},
    {"id": "3pl", "model": "3pl", "a": 1.5, "b": 0.2, "c": 0.2},
    {"id": "4pl", "model": "4pl", "a": 1.1, "b": 0.9, "c": 0.1, "d": 0.95},
    {"id": "1pl", "model": "1pl", "a": 0.8, "b": 1.4},
    {"id": "rasch", "model": "rasch", "a": 1.0, "b": -1.3},
    {"id": "grm", "model": "grm", "a": 1.4, "b": [-1.0, 0.1, 1.2], "se": {"a": 0.1, "b": [0.1, 0.1, 0.2]}},
    {"id": "gpcm", "model": "gpcm", "a": 0.8, "b": [-0.5, 0.6]},
    {"id": "pcm", "model": "pcm", "a": 1.0, "b": [-0.3, 0.9]},
    {"id": "rsm", "model": "rsm", "a": 1.0, "b": 0.3, "tau": [-0.7, 0.7], "set": "s"},
    {"id": "nrm", "model": "nrm", "alpha": [-0.8, 0.1, 0.7], "delta": [-0.2, 0.3, -0.1]},
    {"id": "flat", "model": "2pl", "a": 0.0, "intercept": 0.4},
]


def curves(rows: list[dict[str, Any]], nodes: np.ndarray) -> np.ndarray:
    return np.exp(tabulate(ItemPool.from_rows(rows), Grid(nodes, np.full(len(nodes), 1 / len(nodes)))).logp)


def test_a_moved_item_answers_the_same_at_the_moved_ability() -> None:
    nodes = np.linspace(-3.0, 3.0, 13)
    moved = [move_item(row, A, B) for row in ONE_OF_EACH]
    np.testing.assert_allclose(curves(moved, A * nodes + B), curves(ONE_OF_EACH, nodes), atol=1e-12)
    assert moved[0]["se"] == pytest.approx({"a": 0.1 / A, "b": 0.05 * A})
    assert moved[5]["se"]["b"] == pytest.approx([0.1 * A, 0.1 * A, 0.2 * A])
    assert [moved[k]["model"] for k in (4, 7, 8)] == ["1pl", "gpcm", "gpcm"]


def test_a_shift_alone_leaves_rasch_models_what_they_are() -> None:
    moved = [move_item(row, 1.0, B) for row in ONE_OF_EACH]
    assert [row["model"] for row in moved] == [row["model"] for row in ONE_OF_EACH]
    nodes = np.linspace(-3.0, 3.0, 13)
    np.testing.assert_allclose(curves(moved, nodes + B), curves(ONE_OF_EACH, nodes), atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("weighting", [Weighting(), Weighting("uniform", symmetric=True)])
def test_every_method_finds_the_coefficients_of_a_noiseless_link(method: str, weighting: Weighting) -> None:
    moved = [move_item(row, A, B) for row in ONE_OF_EACH]
    assert coefficients(Anchors(ONE_OF_EACH, moved), method, weighting) == pytest.approx((A, B), abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_rasch_anchors_are_linked_by_a_shift(method: str) -> None:
    rows = [
        {"id": f"i{k}", "model": "rasch", "a": 1.0, "b": float(b)} for k, b in enumerate((-1, 0, 2, 0.5, -2))
    ]
    found = link(ParameterSet(rows), ParameterSet([move_item(row, 1.0, B) for row in rows]), method)
    assert (found.a, found.b) == pytest.approx((1.0, B), abs=1e-8)
    assert {row["model"] for row in found.parameters.items} == {"rasch"}


def bank(n: int, seed: int = 1) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    return [
        {"id": f"i{k}", "model": "2pl", "a": float(random.lognormal(0.2, 0.25)), "b": float(random.normal())}
        for k in range(n)
    ]


def noisy(rows: list[dict[str, Any]], size: float = 0.05) -> list[dict[str, Any]]:
    random = np.random.default_rng(9)
    out = [move_item(row, A, B) for row in rows]
    for row in out:
        row["b"] += random.normal(0, size)
        row["a"] *= np.exp(random.normal(0, size))
    return out


def test_a_link_moves_items_and_population_and_knows_its_own_error() -> None:
    rows = bank(24)
    found = link(
        ParameterSet(rows, (Population(mean=(0.5,), cov=((4.0,),)),)), ParameterSet(noisy(rows[:12]))
    )
    assert len(found.anchors) == 12 and len(found.parameters.items) == 24
    assert abs(found.a - A) < 4 * found.a_se and 0.001 < found.a_se < 0.1
    assert abs(found.b - B) < 4 * found.b_se and 0.001 < found.b_se < 0.1
    population = found.parameters.population[0]
    assert population.mean[0] == pytest.approx(found.a * 0.5 + found.b)
    assert population.sd == pytest.approx(2.0 * found.a)
    assert not found.drift.drifted.any()


@pytest.mark.parametrize("method", METHODS)
def test_a_robust_link_is_not_led_astray_by_bad_anchors(method: str) -> None:
    rows = bank(15)
    to = noisy(rows)
    to[2]["b"] += 1.5
    to[7]["b"] += 1.2
    to[11]["a"] *= 3.0
    trusting = link(ParameterSet(rows), ParameterSet(to), method)
    robust = link(ParameterSet(rows), ParameterSet(to), method, robust=True)
    assert robust.dropped == ["i2", "i7", "i11"]
    assert abs(robust.b - B) < 0.05 and abs(robust.a - A) < 0.08
    assert abs(trusting.b - B) > abs(robust.b - B)
    assert "try a robust link" in " ".join(trusting.notes)
    assert robust.drift.displacement[2] == pytest.approx(1.5, abs=0.25)
    assert robust.drift.drifted[[2, 7, 11]].all() and robust.drift.drifted.sum() == 3


def test_a_robust_link_never_drops_more_than_a_third() -> None:
    rows = bank(9)
    to = noisy(rows)
    for k in range(4):
        to[k]["b"] += 1.0 + k
    assert len(link(ParameterSet(rows), ParameterSet(to), robust=True).dropped) <= 3


def test_drift_standard_errors_come_from_both_sides() -> None:
    rows = [{**row, "se": {"a": 0.1, "b": 0.1}} for row in bank(6)]
    to = [{**move_item(row, A, B), "se": {"a": 0.1, "b": 0.2}} for row in rows]
    found = drift(Anchors(rows, to), A, B)
    np.testing.assert_allclose(found.displacement_se, np.hypot(0.1 * A, 0.2))
    np.testing.assert_allclose(found.displacement, 0.0, atol=1e-12)
    np.testing.assert_allclose(found.rmsd, 0.0, atol=1e-12)


def test_robust_z_measures_from_the_median() -> None:
    values = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 5.0, np.nan])
    z = robust_z(values)
    assert z[2] < 0 < z[3] and z[5] > 10 and np.isnan(z[6])


def test_nominal_items_can_carry_a_curve_link_but_no_moments() -> None:
    rows = [{**ONE_OF_EACH[9], "id": f"n{k}", "delta": [k / 10, 0.0, -k / 10]} for k in range(6)]
    moved = [move_item(row, A, B) for row in rows]
    found = link(ParameterSet(rows), ParameterSet(moved), "haebara")
    assert (found.a, found.b) == pytest.approx((A, B), abs=1e-6)
    assert found.drift_rows()[0]["displacement"] is None
    with pytest.raises(InputError, match="slopes and thresholds"):
        link(ParameterSet(rows), ParameterSet(moved), "mean-sigma")


def test_what_cannot_be_linked_is_said() -> None:
    rows = bank(5)
    other = [{**row, "id": f"x{row['id']}"} for row in rows]
    with pytest.raises(InputError, match="items in common, got none"):
        link(ParameterSet(rows), ParameterSet(other))
    with pytest.raises(InputError, match="did you mean 'i1'"):
        link(ParameterSet(rows), ParameterSet(rows), anchors=["i11"])
    with pytest.raises(InputError, match="got 2 and 3 for item 'i0'"):
        link(ParameterSet(rows), ParameterSet([{**ONE_OF_EACH[6], "id": "i0"}]))
    with pytest.raises(InputError, match="one dimension"):
        link(ParameterSet(rows, dimensions=("one", "two")), ParameterSet(rows))
    same = [{**row, "b": 0.0} for row in rows]
    with pytest.raises(InputError, match="different difficulty"):
        link(ParameterSet(same), ParameterSet(same), "mean-sigma")


def test_uncalibrated_items_are_carried_along(tmp_path: Path) -> None:
    rows = [
        *bank(6),
        {"id": "none", "model": "2pl", "a": None, "b": None, "status": "left-out", "flags": ["constant"]},
    ]
    found = link(ParameterSet(rows), ParameterSet(noisy(bank(6))))
    assert found.parameters.items[-1]["status"] == "left-out"
    assert move(ParameterSet(rows), 1.0, 0.0).items[-1]["a"] is None


def test_the_command_writes_the_link_into_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = bank(10)
    write_parameters(tmp_path / "from.json", ParameterSet(rows, fit={"loglik": -1.0}))
    write_parameters(tmp_path / "to.json", ParameterSet([move_item(row, A, B) for row in rows[:8]]))
    words = ["link", str(tmp_path / "from.json"), str(tmp_path / "to.json"), "--method", "stocking-lord"]
    assert main([*words, "--out", str(tmp_path / "linked.json")]) == 0
    assert "theta_TO = 1.250000 theta_FROM -0.400000" in capsys.readouterr().out
    content = json.loads((tmp_path / "linked.json").read_text(encoding="utf-8"))
    assert content["A"] == pytest.approx(A, abs=1e-7) and content["B"] == pytest.approx(B, abs=1e-7)
    assert content["weighting"] == {"shape": "normal", "to": [0.0, 1.0], "nodes": 61, "symmetric": False}
    assert len(read_parameters(tmp_path / "linked.json").pool()) == 10
    assert (
        main(
            [
                *words,
                "--anchors",
                "i0, i1,i2",
                "--weighting",
                "uniform",
                "--out",
                str(tmp_path / "b.json"),
                "--json",
            ]
        )
        == 0
    )
    again = json.loads(capsys.readouterr().out)
    assert again["anchors"] == ["i0", "i1", "i2"] and again["weighting"]["nodes"] == 40
    assert "only 3 anchors" in again["link_notes"][0]
    assert main([*words, "--anchors", "i0,zz", "--out", str(tmp_path / "c.json")]) == 2
    assert "zz" in capsys.readouterr().err
    assert main([*words, "--anchors", "i0,i1", "--out", str(tmp_path / "d.json")]) == 0
    assert "2 anchors; no standard errors with fewer than 3" in capsys.readouterr().out
