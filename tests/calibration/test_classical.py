"""Classical statistics against definitions, and published coefficients of LSAT6 and LSAT7."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibration.classical import alpha, classical, distractors, omega
from cat_engine.errors import InputError
from item_bank.responses import MISSING, Responses, read_responses
from item_bank.tabular import read_table
from tests.calibration.test_fit import EIGHT, draw


@pytest.mark.parametrize(("name", "published"), [("LSAT6", 0.295), ("LSAT7", 0.453)])
def test_alpha_of_the_law_school_tests(reference: Path, name: str, published: float) -> None:
    """Coefficients as printed by R's ltm 1.2-0 (cronbach.alpha)."""
    found = classical(read_responses(reference / "data" / f"{name}.csv"))
    assert found.total is not None
    assert found.total["alpha"] == pytest.approx(published, abs=5e-4)


def test_items_and_total_are_what_their_names_say() -> None:
    responses = draw(EIGHT, 400)
    matrix = responses.dense().astype(float)
    found = classical(responses)
    total = matrix.sum(axis=1)
    np.testing.assert_allclose(found.items["p"], matrix.mean(axis=0) / (responses.n_cat - 1))
    np.testing.assert_allclose(found.items["sd"], matrix.std(axis=0))
    for j in range(8):
        assert found.items["item_total"][j] == pytest.approx(np.corrcoef(matrix[:, j], total)[0, 1])
        assert found.items["item_rest"][j] == pytest.approx(
            np.corrcoef(matrix[:, j], total - matrix[:, j])[0, 1]
        )
        rest = np.delete(matrix, j, axis=1)
        assert found.items["alpha_without"][j] == pytest.approx(alpha(np.cov(rest.T)))
    assert found.total is not None
    assert found.total["mean"] == pytest.approx(total.mean())
    assert found.scores.sum() == 400 and found.scores @ np.arange(len(found.scores)) == total.sum()


def test_omega_of_a_one_factor_matrix_is_exact() -> None:
    loading, scale = np.array([0.4, 0.5, 0.6, 0.7, 0.8]), np.array([1.0, 2.0, 0.5, 1.5, 1.0])
    correlation = np.outer(loading, loading)
    np.fill_diagonal(correlation, 1.0)
    covariance = correlation * np.outer(scale, scale)
    common = (loading * scale).sum() ** 2
    unique = (scale**2 * (1 - loading**2)).sum()
    assert omega(covariance) == pytest.approx(common / (common + unique), abs=1e-6)
    assert omega(np.full((4, 4), 0.3) + 0.7 * np.eye(4)) == pytest.approx(
        alpha(np.full((4, 4), 0.3) + 0.7 * np.eye(4)), abs=1e-6
    )


def test_an_adaptive_test_has_no_total() -> None:
    matrix = draw(EIGHT, 200).dense().copy()
    matrix[:, 0][::2] = MISSING
    matrix[:, 1][1::2] = MISSING
    found = classical(Responses([r["id"] for r in EIGHT], draw(EIGHT, 2).n_cat, matrix=matrix))
    assert found.total is None and np.isnan(found.items["item_rest"]).all()
    assert found.items["missing"][0] == pytest.approx(0.5)
    assert np.isfinite(found.items["p"]).all()


def test_distractors_of_a_real_test(reference: Path) -> None:
    folder = reference / "data"
    scored = read_responses(folder / "SAT12_scored.csv")
    table = read_table(folder / "SAT12_raw.csv")
    key = dict(zip(scored.items, (folder / "SAT12_key.txt").read_text().strip().split(","), strict=True))
    columns = [table.texts(name) for name in table.names]
    options = [["" if cell == "8" else cell for cell in row] for row in zip(*columns, strict=True)]
    found = distractors(options, table.names, scored, key)
    assert len(found) == 32
    first = {o.option: o for o in found["Item.1"]}
    assert [o.option for o in found["Item.1"] if o.key] == ["1"]
    assert first["1"].rest > 0.2 and sum(o.rest < 0 for o in found["Item.1"]) >= 3
    assert first["1"].by_group[-1] > first["1"].by_group[0]
    for item in found.values():
        assert sum(o.share for o in item) == pytest.approx(1.0)


def test_options_of_other_persons_are_refused() -> None:
    with pytest.raises(InputError, match="options of 20 persons, got 1"):
        distractors([["A"]], ["q1"], draw(EIGHT, 20), {})
