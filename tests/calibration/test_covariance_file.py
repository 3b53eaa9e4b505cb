"""The covariance matrix of the estimates survives in a file, to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from api.command import main
from calibration import calibrate
from calibration.covariance_file import read_covariance, write_covariance
from calibration.result import Calibration
from cat_engine.errors import InputError
from tests.calibration.test_calibrate import lsat7, simulated


@pytest.fixture(scope="module")
def result() -> Calibration:
    x = simulated(500, np.full(6, 1.2), np.linspace(-1, 1, 6), 5)
    return calibrate(x, "2pl", groups=["a", "b"] * 250, invariance="slopes")


def test_what_is_written_is_read(result: Calibration, tmp_path: Path) -> None:
    write_covariance(tmp_path / "c.parquet", result)
    found = read_covariance(tmp_path / "c.parquet")
    assert found.names == result.names
    assert found.estimates.tobytes() == result.estimates.tobytes()
    assert np.allclose(found.matrix, result.covariance, rtol=1e-12, atol=0)
    lower = np.tril_indices(len(found.matrix))
    assert np.array_equal(found.matrix[lower], result.covariance[lower])
    item = found.of("I3")
    assert {name for _, name, _ in item.names} == {"a", "d"} and len(item.names) == 3
    error = np.sqrt(np.diag(item.matrix))[0]
    assert error == pytest.approx(result.parameters.items[2]["se"]["a"])


def test_a_large_bank_keeps_what_belongs_to_an_item(result: Calibration, tmp_path: Path) -> None:
    write_covariance(tmp_path / "c.parquet", result, whole=3)
    found = read_covariance(tmp_path / "c.parquet")
    known = ~np.isnan(found.matrix)
    first = [name[0] for name in found.names]
    belongs = np.array([[a == b for b in first] for a in first])
    assert known[belongs].all() and known.sum() < known.size / 2
    assert np.allclose(found.matrix[belongs], result.covariance[belongs])


def test_the_command_keeps_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    responses = lsat7()
    rows = [",".join(responses.items), *(",".join(map(str, row)) for row in responses.dense())]
    (tmp_path / "x.csv").write_text("\n".join(rows))
    words = ["calibrate", f"{tmp_path}/x.csv", "--model", "2pl", "--out", f"{tmp_path}/p.json"]
    assert main([*words, "--covariance", f"{tmp_path}/c.parquet"]) == 0
    found = read_covariance(tmp_path / "c.parquet")
    assert found.matrix.shape == (10, 10) and not np.isnan(found.matrix).any()
    capsys.readouterr()
    assert main([*words, "--covariance", f"{tmp_path}/c.parquet", "--se", "none"]) == 2
    assert "expected standard errors, whose covariance is kept" in capsys.readouterr().err


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.parquet").write_text("no")
    with pytest.raises(InputError, match="expected a covariance file, got something else"):
        read_covariance(tmp_path / "c.parquet")
    with pytest.raises(InputError, match="there is no file"):
        read_covariance(tmp_path / "none.parquet")
