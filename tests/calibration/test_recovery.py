"""Estimates come back: the quick form of ``make recovery``, and proof that it notices when they do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import recovery
from benchmarks.replication import Test, generator, repeat

REPLICATES = 60


def replicates(model: str, n: int) -> list[recovery.Replicate]:
    jobs = [(model, n, k, 1) for k in range(REPLICATES)]
    return [found for _, found in repeat(recovery.measure, jobs, processes=0)]


@pytest.fixture(scope="module", params=["rasch", "2pl", "grm"])
def cell(request: pytest.FixtureRequest) -> tuple[str, list[recovery.Replicate]]:
    return request.param, replicates(request.param, 500)


def test_intervals_hold_the_truth_as_often_as_they_say(cell: tuple[str, list[recovery.Replicate]]) -> None:
    for row in recovery.summarise(cell[0], 500, cell[1]):
        assert row.not_converged == 0 and row.without_se == 0.0
        if row.parameter != "variance":  # one parameter a replicate: too few for a verdict on its intervals
            assert abs(row.coverage - 0.95) < max(4.0 * row.coverage_mcse, 0.01), row
            assert 0.85 < row.se_ratio < 1.15, row
        assert abs(row.bias) < 4.0 * row.bias_mcse + 0.02, row


@pytest.mark.parametrize("factor", [0.7, 1.4])
def test_a_wrong_standard_error_is_caught(cell: tuple[str, list[recovery.Replicate]], factor: float) -> None:
    wrong = [one._replace(se={name: factor * values for name, values in one.se.items()}) for one in cell[1]]
    for row in recovery.summarise(cell[0], 500, wrong):
        if row.parameter != "variance":
            assert abs(row.coverage - 0.95) > 4.0 * row.coverage_mcse, row
            assert abs(row.se_ratio - factor) < 0.15 * factor, row


def test_a_biased_estimate_is_caught(cell: tuple[str, list[recovery.Replicate]]) -> None:
    """A shift in opposite directions leaves the mean alone; the bias of single parameters shows it."""
    shifted = [
        one._replace(
            error={name: v + 0.2 * (-1.0) ** np.arange(len(v)) for name, v in one.error.items()},
        )
        for one in cell[1]
    ]
    for before, after in zip(
        recovery.summarise(cell[0], 500, cell[1]), recovery.summarise(cell[0], 500, shifted), strict=True
    ):
        assert before.bias_single < 0.1 < after.bias_single


def test_what_did_not_converge_is_counted_apart(cell: tuple[str, list[recovery.Replicate]]) -> None:
    model, found = cell
    failed = found[0]._replace(converged=False, error={name: v + 1e6 for name, v in found[0].error.items()})
    for row in recovery.summarise(model, 500, [failed, *found[1:]]):
        assert (row.replicates, row.not_converged) == (REPLICATES, 1)
        assert row.rmse < 1.0


def test_a_replicate_depends_on_its_place_alone() -> None:
    first, again, other = (recovery.measure(("2pl", 250, k, 1)) for k in (3, 3, 4))
    np.testing.assert_array_equal(first.error["a"], again.error["a"])
    assert (first.error["a"] != other.error["a"]).all()


@pytest.mark.parametrize("model", recovery.MODELS)
def test_people_answer_as_the_model_says(model: str) -> None:
    test = Test(recovery.truth(model))
    answers = test.answer(generator(1), np.zeros(4000))
    p = np.exp(test.tables.logp[:, :, 800])
    for k in range(p.shape[1]):
        share = (answers == k).mean(axis=0)
        assert np.abs(share - p[:, k]).max() < 4.5 * np.sqrt(0.25 / 4000)


def test_the_command_prints_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = ["--models", "rasch", "3pl", "--sizes", "300", "--replicates", "2"]
    assert recovery.main([*cells, "--processes", "0", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "rasch    300  b" in printed and "3pl      300  c" in printed
    lines = (tmp_path / "recovery.csv").read_text().splitlines()
    assert lines[0].startswith("model,n,parameter,replicates") and len(lines) == 6
    page = (tmp_path / "recovery.html").read_text()
    assert page.count("<svg role=") == 2 and "<script" not in page
    assert (tmp_path / "coverage.svg").read_text().startswith("<svg")
