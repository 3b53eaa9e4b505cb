"""Models of several dimensions against R mirt 1.45.1 (reference/fits, reference/large)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration.estimation import calibrate
from tests.reference.judged import load

CASES = {
    "VerbalAggression_dich__2dim_want_do": 1e-2,
    "VerbalAggression_dich__bifactor_cursescoldshout": 2e-3,
    "SAT12_scored__bifactor": 1e-2,
}
"""Fits with standard errors, and how far parameters may be off: mirt stopped at TOL 1e-5, a little short."""


def slopes_of(fit: dict[str, Any]) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Return items, slopes ``(n, D)``, their standard errors (NaN: fixed) and intercepts with theirs."""
    blocks = {name: block for name, block in fit["slope_intercept"].items() if name != "GroupPars"}
    some = next(iter(blocks.values()))
    axes = [k for k, name in enumerate(some["cols"]) if name.startswith("a")]
    d = some["cols"].index("d")
    values = [np.array(block["values"], dtype=float) for block in blocks.values()]
    errors = np.array([v[1] if len(v) > 1 else np.full(v.shape[1], np.nan) for v in values])
    slopes = np.array([v[0][axes] for v in values])
    return (
        list(blocks),
        slopes,
        errors[:, axes],
        np.array([[v[0][d], e[d]] for v, e in zip(values, errors, strict=True)]),
    )


def written(path: Path, items: list[str], pattern: np.ndarray, names: list[str]) -> Path:
    """Write the pattern of a reference fit."""
    rows = [",".join([item, *(str(int(x)) for x in row)]) for item, row in zip(items, pattern, strict=True)]
    path.write_text("\n".join([",".join(["item", *names]), *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("case", CASES)
def test_confirmatory_and_bifactor_fits_are_reached(case: str, reference: Path, tmp_path: Path) -> None:
    fit = load(reference / "fits" / f"{case}.json")
    items, slopes, errors, intercepts = slopes_of(fit)
    bifactor = "bifactor" in case
    names = ["general", "s1", "s2", "s3"] if bifactor else ["want", "do"]
    pattern = written(tmp_path / "dimensions.csv", items, slopes != 0.0, names)
    data = reference / "data" / f"{fit['dataset']}.csv"
    result = calibrate(data, "m2pl", dimensions=pattern)
    assert result.converged
    assert result.loglik == pytest.approx(fit["loglik"], abs=1e-2)
    assert result.loglik > fit["loglik"] - 1e-3
    assert result.parameters.fit["aic"] == pytest.approx(fit["AIC"], abs=2e-2)
    found = np.array([row["slopes"] for row in result.parameters.items])
    sign = np.sign((found * slopes).sum(axis=0))  # a dimension may point either way
    assert ((found != 0.0) == (slopes != 0.0)).all()
    np.testing.assert_allclose(found * sign, slopes, atol=CASES[case])
    given = [[np.nan if x is None else x for x in row["se"]["slopes"]] for row in result.parameters.items]
    np.testing.assert_allclose(np.array(given)[slopes != 0.0], errors[slopes != 0.0], rtol=1.5e-2)
    d = np.array([[row["intercept"], row["se"]["intercept"]] for row in result.parameters.items])
    np.testing.assert_allclose(d[:, 0], intercepts[:, 0], atol=CASES[case])
    np.testing.assert_allclose(d[:, 1], intercepts[:, 1], rtol=1.5e-2)
    if not bifactor:
        population = result.parameters.population[0]
        ours = population.cov[1][0], population.se["cov(want,do)"]
        block = fit["slope_intercept"]["GroupPars"]
        at = block["cols"].index("COV_21")
        assert ours[0] == pytest.approx(block["values"][0][at], abs=1e-3)
        assert ours[1] == pytest.approx(block["values"][1][at], rel=1e-2)


def test_an_exploratory_model_is_a_pattern_with_a_zero(reference: Path, tmp_path: Path) -> None:
    """Two uncorrelated dimensions of which the last item measures one: mirt's unrotated solution."""
    fit = load(reference / "fits" / "SAT12_scored__2dim_exploratory_oblimin_unrotated.json")
    items, slopes, _, _ = slopes_of(fit)
    free = np.ones(slopes.shape, bool)
    free[-1, 1] = False
    pattern = written(tmp_path / "dimensions.csv", items, free, ["one", "two"])
    data = reference / "data" / "SAT12_scored.csv"
    result = calibrate(data, "m2pl", dimensions=pattern, correlated=False, errors="none")
    assert result.converged
    assert fit["loglik"] < result.loglik < fit["loglik"] + 0.1  # mirt stopped at TOL 1e-4, 0.05 short
    found = np.array([row["slopes"] for row in result.parameters.items])
    np.testing.assert_allclose(found @ found.T, slopes @ slopes.T, atol=0.1)


def test_two_dimensions_of_five_thousand_persons(reference: Path, tmp_path: Path) -> None:
    true = [line.split(",") for line in (reference / "large/sim2d_5000x40_true.csv").read_text().split()[1:]]
    factor = np.array([int(float(row[1])) for row in true])
    pattern = written(
        tmp_path / "dimensions.csv", [row[0] for row in true], factor[:, None] == [1, 2], ["first", "second"]
    )
    result = calibrate(reference / "large/sim2d_5000x40.csv.gz", "m2pl", dimensions=pattern, errors="none")
    best = max(
        run["loglik"]
        for run in load(reference / "large/mirt_loglik_and_cpu.json")
        if run["case"] == "2d_5000x40"
    )
    assert result.converged
    assert result.loglik == pytest.approx(best, abs=1e-2)
    found = np.array([sum(row["slopes"]) for row in result.parameters.items])
    assert np.abs(found - [float(row[2]) for row in true]).mean() < 0.07
