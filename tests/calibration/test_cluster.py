"""Calibration on a Dask cluster: the same bits whatever the workers, and whatever becomes of them."""

from __future__ import annotations

import gzip
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from api.command import main
from calibration import calibrate
from calibration.em import estimate
from calibration.em.estimate import Progress
from calibration.result import Calibration
from cat_engine.errors import InputError
from item_bank import ranges

distributed = pytest.importorskip("distributed")

N = 600
ITEMS = 8


class Cluster(distributed.LocalCluster):  # type: ignore[misc]
    """May lose a worker before it knew of it; once that happened, distributed's own could not be closed."""

    def _update_worker_status(self, op: str, msg: Any) -> None:
        if op != "remove" or msg in self.scheduler_info["workers"]:
            super()._update_worker_status(op, msg)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with Cluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", host="127.0.0.1"
    ) as cluster:
        yield cluster


def running(cluster: Any, patience: float = 200.0) -> list[int]:
    """The process of every worker, once all run: one that was killed is being started again."""
    end = time.monotonic() + patience
    while not all(pids := [worker.pid for worker in cluster.workers.values()]):
        assert time.monotonic() < end, pids
        time.sleep(0.05)
    return pids


@pytest.fixture
def chunked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a small file take every way that a large one takes: many ranges, single precision."""
    monkeypatch.setattr(ranges, "CELLS_A_RANGE", 500)
    monkeypatch.setattr(ranges, "RESPONSES_A_RANGE", 500)
    monkeypatch.setattr(estimate, "SINGLE", 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answers to six right-or-wrong items and two graded ones, some missing; groups and weights."""
    folder = tmp_path_factory.mktemp("cluster")
    rng = np.random.default_rng(4)
    group = rng.integers(0, 2, N)
    theta = rng.normal(0.6 * group, 1.0 + 0.3 * group)
    b = np.linspace(-1.2, 1.2, ITEMS)
    steps = np.stack([b - 0.5, b + 0.5])
    x = (theta[:, None] + rng.logistic(size=(N, ITEMS)) > steps[:, None, :]).sum(axis=0).astype(np.int8)
    x[:, :6] = x[:, :6] > 0
    frame = pl.DataFrame({f"Q{j}": x[:, j] for j in range(ITEMS)})
    missing = rng.random(x.shape) < 0.2
    frame = frame.with_columns(
        pl.when(pl.Series(~missing[:, j])).then(pl.col(f"Q{j}")).alias(f"Q{j}") for j in range(ITEMS)
    ).insert_column(0, pl.Series("person", [f"p{i}" for i in range(N)]))
    frame.write_csv(folder / "wide.csv")
    long = (
        frame.with_row_index("i")
        .unpivot(index=["i", "person"], variable_name="item", value_name="response")
        .filter(pl.col("response").is_not_null() & ((pl.col("item") > "Q4") | (pl.col("i") % 3 == 0)))
        .sort("i", "item")
        .drop("i")
    )
    long.write_parquet(folder / "long.parquet", row_group_size=700)
    long.write_csv(folder / "long.csv")
    weights = 0.5 + rng.random(N)
    weights[::50] = 0.0
    pl.DataFrame({"person": frame["person"], "town": np.where(group, "A", "B"), "weight": weights}).sort(
        "weight"
    ).write_csv(folder / "people.csv")
    return folder


def same(one: Calibration, other: Calibration) -> bool:
    return (
        one.estimates.tobytes() == other.estimates.tobytes()
        and one.covariance.tobytes() == other.covariance.tobytes()
        and one.loglik == other.loglik
        and one.parameters.items == other.parameters.items
        and one.notes == other.notes
    )


GRADED = {"Q6": "grm", "Q7": "gpcm"}


@pytest.mark.usefixtures("chunked")
def test_any_number_of_workers_gives_the_bits_of_one_machine(cluster: Any, folder: Path) -> None:
    people = f"{folder}/people.csv"
    options: dict[str, Any] = {
        "item_models": GRADED,
        "groups": f"{people}:town",
        "weights": f"{people}:weight",
        "errors": "sandwich",
        "reference": "B",
    }
    alone = calibrate(folder / "wide.csv", "2pl", **options)
    assert alone.converged and alone.population["group"].to_list() == ["B", "A"]
    for workers in (1, 2, 3):
        cluster.scale(workers)
        cluster.wait_for_workers(workers)
        together = calibrate(folder / "wide.csv", "2pl", **options, scheduler=cluster.scheduler_address)
        assert same(alone, together), workers


@pytest.mark.usefixtures("chunked")
@pytest.mark.parametrize(
    ("name", "model", "options"),
    [
        ("long.parquet", "rasch", {}),
        ("long.csv", "3pl", {"latent": "davidian:2"}),
        ("long.parquet", "2pl", {"latent": "histogram", "errors": "none", "max_iterations": 20}),
    ],
)
def test_long_files_and_other_populations(
    cluster: Any, folder: Path, name: str, model: str, options: dict[str, Any]
) -> None:
    options["item_models"] = {"Q6": "pcm", "Q7": "pcm"} if model == "rasch" else GRADED
    alone = calibrate(folder / name, model, **options)
    assert same(alone, calibrate(folder / name, model, **options, scheduler=cluster.scheduler_address))


@pytest.mark.usefixtures("chunked")
def test_a_worker_killed_in_the_middle_costs_time_alone(cluster: Any, folder: Path) -> None:
    killed: list[int] = []

    def kill(progress: Progress) -> None:
        if progress.stage == "climbing" and progress.iteration >= 2 and not killed:
            killed.append(running(cluster)[0])
            os.kill(killed[0], signal.SIGKILL)

    options: dict[str, Any] = {"item_models": GRADED}
    together = calibrate(
        folder / "wide.csv", "2pl", **options, scheduler=cluster.scheduler_address, watch=kill
    )
    assert killed
    assert same(calibrate(folder / "wide.csv", "2pl", **options), together)


@pytest.mark.usefixtures("chunked")
def test_a_file_that_changes_in_between_is_noticed(cluster: Any, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_bytes((folder / "wide.csv").read_bytes())

    def change(progress: Progress) -> None:
        if progress.stage == "climbing":
            path.write_text(path.read_text("utf-8").replace(",1,0,", ",0,1,"), "utf-8")
            for pid in running(cluster):
                os.kill(pid, signal.SIGKILL)

    with pytest.raises(InputError, match="expected the response file as it was when the calibration began"):
        calibrate(path, "2pl", item_models=GRADED, scheduler=cluster.scheduler_address, watch=change)


def test_it_can_be_interrupted(cluster: Any, folder: Path) -> None:
    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        calibrate(
            folder / "wide.csv", "2pl", item_models=GRADED, scheduler=cluster.scheduler_address, watch=stop
        )


def test_the_command_runs_on_a_cluster(
    cluster: Any, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["calibrate", f"{folder}/wide.csv", "--model", "2pl", "--model", "Q6=grm", "--model", "Q7=grm"]
    where = ["--scheduler", cluster.scheduler_address]
    assert main([*words, "--out", f"{tmp_path}/here.json"]) == 0
    assert main([*words, "--out", f"{tmp_path}/there.json", *where]) == 0
    here, there = ((tmp_path / f"{name}.json").read_text("utf-8").splitlines() for name in ("here", "there"))
    assert [line for line in here if '"id"' in line] == [line for line in there if '"id"' in line]
    capsys.readouterr()
    assert main([*words, "--out", f"{tmp_path}/x.json", *where, "--report", f"{tmp_path}/report"]) == 2
    assert "leave --report out" in capsys.readouterr().err


def test_what_cannot_be_is_said(cluster: Any, folder: Path, tmp_path: Path) -> None:
    address = cluster.scheduler_address
    with pytest.raises(InputError, match="got responses in memory; write them to a file"):
        calibrate(np.eye(4, dtype=int), scheduler=address)
    with pytest.raises(InputError, match="expected groups as FILE:COLUMN with a scheduler"):
        calibrate(folder / "wide.csv", groups=["a"] * N, scheduler=address)
    with pytest.raises(InputError, match="expected a Dask scheduler that answers at"):
        calibrate(folder / "wide.csv", scheduler="nonsense://127.0.0.1:1")
    with pytest.raises(InputError, match="there is no file"):
        calibrate(tmp_path / "none.csv", scheduler=address)
    packed = tmp_path / "wide.csv.gz"
    packed.write_bytes(gzip.compress((folder / "wide.csv").read_bytes()))
    with pytest.raises(InputError, match="got a compressed one"):
        calibrate(packed, scheduler=address)
    with pytest.raises(InputError, match="for the model '2pl', got categories 0 to 2 in item 'Q6'"):
        calibrate(folder / "wide.csv", scheduler=address)
    (tmp_path / "few.csv").write_text("person,town\np1,A\n")
    with pytest.raises(InputError, match=r"expected a row for every person in .*got none for 'p0'"):
        calibrate(
            folder / "wide.csv", item_models=GRADED, groups=f"{tmp_path}/few.csv:town", scheduler=address
        )


@pytest.mark.usefixtures("chunked")
def test_a_person_whose_rows_stand_apart_is_refused(cluster: Any, folder: Path, tmp_path: Path) -> None:
    header, *rows = (folder / "long.csv").read_text("utf-8").splitlines()
    path = tmp_path / "apart.csv"
    path.write_text("\n".join([header, *rows[1:], rows[0]]), "utf-8")
    with pytest.raises(InputError, match=r"rows of each person to stand together.*sort the file by person"):
        calibrate(path, "2pl", item_models=GRADED, scheduler=cluster.scheduler_address)
