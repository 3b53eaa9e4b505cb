"""A study's files: design, bank attributes and given responses in; sittings, items and summary out."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl

from calibration.study.plan import CHUNK
from calibration.study.run import Study
from calibration.study.summary import item_table, summarise
from cat_engine.design import Design
from cat_engine.errors import InputError
from cat_engine.stopping import REASONS
from item_bank.parameters import ParameterSet
from item_bank.responses import Responses
from item_bank.tabular import listed, read_table

__all__ = ["given_matrix", "read_bank", "read_design", "write_study"]


def read_design(path: str | Path) -> Design:
    """Read a design file.

    Raises
    ------
    InputError
        No such file, not TOML, an unknown key (the nearest known one is named), a value out of bounds.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except OSError as error:
        raise InputError(
            f"expected a design file, got none that can be read at {path} ({error.strerror}); "
            "correct the path"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"expected TOML, got something else in {path} ({error}); correct it") from None
    try:
        return Design.from_mapping(content)
    except InputError as error:
        raise InputError(f"{error} ({path})") from None


def read_bank(
    path: str | Path, ids: Sequence[str], left_out: Sequence[str] = ()
) -> dict[str, tuple[str, ...]]:
    """Read item attributes in the order of `ids`.

    Parameters
    ----------
    ids
        The items that have parameters.
    left_out
        Items that calibration left out: they may stand in the file and are passed over.

    Raises
    ------
    InputError
        No column ``item``, an item twice, an item that the parameters lack, or one that the file lacks.
    """
    table = read_table(path)
    names = table.texts("item")
    row_of: dict[str, int] = {}
    for row, name in enumerate(names):
        if not name or name in row_of:
            came = f"'{name}' again" if name else "an empty cell"
            raise InputError(
                f"expected one row an item, got {came} in {table.place(row)}; correct the column 'item'"
            )
        row_of[name] = row
    strangers = [name for name in names if name not in {*ids, *left_out}]
    if strangers:
        raise InputError(
            f"expected the items of the parameter file in {path}, got {listed(strangers)}, which it has not; "
            "remove them or calibrate them"
        )
    lacking = [name for name in ids if name not in row_of]
    if lacking:
        raise InputError(
            f"expected a row for every item of the parameter file in {path}, got none for "
            f"{listed(lacking)}; add them"
        )
    rows = [row_of[name] for name in ids]
    return {
        column: tuple(values[row] for row in rows)
        for column in table.names
        if column != "item"
        for values in (table.texts(column),)
    }


def given_matrix(
    responses: Responses, parameters: ParameterSet, n: int
) -> tuple[np.ndarray, list[str] | None]:
    """Return the responses of the first `n` persons as a matrix over the pool, -1 where there is none.

    Raises
    ------
    InputError
        Fewer than `n` persons.
    """
    if responses.n_persons < n:
        raise InputError(
            f"expected responses of at least {n} persons for --n {n}, got {responses.n_persons}; "
            f"write --n {responses.n_persons}"
        )
    pool = parameters.pool()
    out = np.full((n, len(pool)), -1, dtype=np.int8)
    given = responses.dense()[:n]
    for j, item in enumerate(responses.items):
        if item not in parameters.left_out:
            out[:, pool.position(item)] = given[:, j]
    persons = None if responses.persons is None else responses.persons[:n]
    return out, persons


def write_study(folder: str | Path, study: Study, persons: Sequence[str] | None = None) -> dict[str, Any]:
    """Write ``sittings.csv``, ``responses.csv``, ``items.csv``, ``summary.json`` and, where counts are kept,
    ``exposure.json``.

    Parameters
    ----------
    persons
        Names; default: numbers from 1.

    Returns
    -------
    dict
        The summary.
    """
    folder = Path(folder)
    summary = summarise(study)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            (folder / "sittings.csv").open("wb") as sittings,
            (folder / "responses.csv").open("wb") as responses,
        ):
            _write_sittings(sittings, responses, study, persons)
        pl.DataFrame(item_table(study)).write_csv(folder / "items.csv")
        _write_json(folder / "summary.json", summary)
        if study.plan.snapshot is not None:
            _write_json(folder / "exposure.json", study.plan.snapshot.to_json())
    except OSError as error:
        raise InputError(
            f"expected a folder that can be written, got {folder} ({error.strerror}); choose another --out"
        ) from None
    return summary


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _write_sittings(file: BinaryIO, responses: BinaryIO, study: Study, persons: Sequence[str] | None) -> None:
    """Write one row a sitting, and beside it one row a response: the latter is what every command reads."""
    plan, part = study.plan, study.part
    ids = pl.Series(plan.test.pool.ids, dtype=pl.String)
    against = "true_theta" if plan.responses is None else "all_theta"
    for begin in range(0, plan.n, CHUNK):
        rows = slice(begin, begin + CHUNK)
        sittings = part.sittings.part(begin, begin + CHUNK)
        there = sittings.items >= 0
        seats = pl.Series(np.nonzero(there)[0])
        served = pl.DataFrame(
            {
                "row": seats,
                "item": ids.gather(sittings.items[there].astype(np.uint32)),
                "answer": pl.Series(sittings.categories[there]),
            }
        )
        lists = served.group_by("row", maintain_order=True).agg(
            pl.col("item").str.join(" "), pl.col("answer").cast(pl.String).str.join(" ")
        )
        count = len(sittings)
        who = pl.Series(list(persons[rows]) if persons else np.arange(begin + 1, begin + count + 1))
        served.select(
            who.gather(seats).alias("person"), "item", pl.col("answer").alias("response")
        ).write_csv(responses, include_header=begin == 0)
        frame = pl.DataFrame(
            {
                "person": who,
                against: part.against[rows],
                "theta": part.theta[rows],
                "se": part.se[rows],
                "n_items": sittings.length,
                "reason": [REASONS[int(reason)] for reason in sittings.reason],
                "row": np.arange(count),
            }
        ).join(lists, on="row", how="left", maintain_order="left")
        frame = frame.drop("row").rename({"item": "items", "answer": "responses"})
        if plan.design.cuts.values:
            decision = part.decision[rows]
            frame = frame.with_columns(
                pl.Series("level", part.level[rows]),
                pl.Series("decision", [int(d) if d >= 0 else None for d in decision], dtype=pl.Int64),
                *(
                    pl.Series(f"p_level_{level}", part.levels[rows, level])
                    for level in range(part.levels.shape[1])
                ),
            )
        frame.write_csv(file, include_header=begin == 0)
