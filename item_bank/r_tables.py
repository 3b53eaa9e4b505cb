"""Parameter tables as R's mirt and catR write and read them.

mirt: what ``write.csv(coef(model, simplify = TRUE)$items)`` writes, with or without ``IRTpars = TRUE``.
catR: the bank matrices of its help pages (``genDichoMatrix``, ``genPolyMatrix``), D = 1.

References
----------
Chalmers, R. P. (2012). mirt: A multidimensional item response theory package for the R environment. Journal
of Statistical Software, 48(6). Magis, D., & Barrada, J. R. (2017). Computerized adaptive testing with R:
Recent updates of the package catR. Journal of Statistical Software, 76(1).
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cat_engine.arithmetic import logistic
from cat_engine.errors import InputError
from item_bank.conversion import from_muraki, from_slope_intercept, to_slope_intercept
from item_bank.parameters import ParameterSet, Population

__all__ = [
    "from_catr",
    "from_mirt",
    "read_catr",
    "read_mirt",
    "to_catr",
    "to_mirt",
    "write_catr",
    "write_mirt",
]

Row = dict[str, Any]
Columns = Mapping[str, float]


def _series(columns: Columns, name: str, first: int = 1) -> list[float]:
    """Return the values of ``name1, name2, ...`` (from ``name{first}``) as far as they go."""
    values: list[float] = []
    while f"{name}{first + len(values)}" in columns:
        values.append(float(columns[f"{name}{first + len(values)}"]))
    return values


def _asymptote(columns: Columns, name: str, default: float) -> float:
    if f"logit({name})" in columns:
        value = columns[f"logit({name})"]
        return default if abs(value) >= 999.0 else float(logistic(float(value)))
    return float(columns.get(name, default))


def _dichotomous(item: str, columns: Columns, itemtype: str | None) -> Row:
    a = float(columns["a1"] if "a1" in columns else columns["a"])
    place = {"intercept": float(columns["d"])} if "d" in columns else {"b": float(columns["b"])}
    c, d = _asymptote(columns, "g", 0.0), _asymptote(columns, "u", 1.0)
    if d < 1.0:
        return {"id": item, "model": "4pl", "a": a, **place, "c": c, "d": d}
    if c > 0.0:
        return {"id": item, "model": "3pl", "a": a, **place, "c": c}
    return {"id": item, "model": "rasch" if itemtype == "Rasch" else "2pl", "a": a, **place}


def from_mirt(item: str, columns: Columns, itemtype: str | None = None) -> Row:
    """Return one row of mirt's coefficient table, in either parameterisation, as ours.

    Parameters
    ----------
    columns
        What stands in the item's row, without the missing ones: ``a1, d, g, u``; ``a, b, g, u``;
        ``a1, d1, ...``; ``a1, ak0, ..., d0, ...``; ``a, b1, ...``; ``a1, a2, ..., c1, c2, ...``;
        ``a1, b1, ..., c``.
    itemtype
        mirt's name: needed for ``a, b1, ...``, which graded and partial credit items share (``"graded"`` or
        ``"gpcm"``), and for ``a1, b1, ..., c`` (``"rsm"``; ``"grsm"``: graded, a (theta + b_k + c));
        ``"Rasch"`` makes Rasch and partial credit items.
    """
    if {"a1", "d"} <= set(columns) and any(columns.get(f"a{k}", 0.0) != 0.0 for k in range(2, 9)):
        raise InputError(
            f"expected one dimension, got slopes on several in item '{item}' of a mirt table; import a "
            "unidimensional model"
        )
    pcm = "pcm" if itemtype == "Rasch" else "gpcm"
    if "d" in columns or "b" in columns:
        return from_slope_intercept(_dichotomous(item, columns, itemtype))
    if "ak0" in columns:
        ak, d, a = _series(columns, "ak", 0), _series(columns, "d", 0), float(columns["a1"])
        if ak == [float(k) for k in range(len(ak))]:
            return from_slope_intercept({"id": item, "model": pcm, "a": a, "intercept": d})
        alpha = [a * x for x in ak]
        return from_slope_intercept({"id": item, "model": "nrm", "alpha": alpha, "delta": d})
    if "d1" in columns:
        row = {"id": item, "model": "grm", "a": float(columns["a1"]), "intercept": _series(columns, "d")}
        return from_slope_intercept(row)
    if "c1" in columns:
        row = {"id": item, "model": "nrm", "alpha": _series(columns, "a"), "delta": _series(columns, "c")}
        return from_slope_intercept(row)
    b = _series(columns, "b")
    if b and "c" in columns and itemtype == "grsm":
        a = float(columns["a1"])
        return {"id": item, "model": "grm", "a": a, "b": [-(x + columns["c"]) for x in b]}
    if b and "c" in columns and itemtype is None and columns["a1"] != 1.0:
        raise InputError(
            f"expected to be told the rating scale model of item '{item}', whose slope is not 1, got a mirt "
            "table that does not say; give itemtype 'grsm' (graded) or 'rsm' (partial credit)"
        )
    if b and "c" in columns:
        steps = [x - columns["c"] / columns["a1"] for x in b]
        location = sum(steps) / len(steps)
        tau = [x - location for x in steps]
        row = {"id": item, "model": "rsm", "a": float(columns["a1"]), "b": location, "tau": tau}
        return {**row, "set": "rsm"}
    if b and itemtype in ("graded", "gpcm", "Rasch"):
        code = "grm" if itemtype == "graded" else pcm
        return {"id": item, "model": code, "a": float(columns["a"]), "b": b}
    if b:
        raise InputError(
            f"expected to be told whether item '{item}' (columns {', '.join(columns)}) is graded or partial "
            "credit, got a mirt table that does not say; give itemtype 'graded' or 'gpcm'"
        )
    raise InputError(
        f"expected columns of a mirt coefficient table, got {', '.join(columns) or 'none'} in item "
        f"'{item}'; write it with coef(model, simplify = TRUE)$items"
    )


def to_mirt(row: Mapping[str, Any]) -> dict[str, float]:
    """Return a row as mirt's coefficient table has it (slope-intercept)."""
    if row["model"] == "nrm":
        alpha, delta = row["alpha"], row["delta"]
        rise, last = alpha[-1] - alpha[0], len(alpha) - 1
        if rise == 0.0:
            raise InputError(
                f"expected different first and last slopes, got equal ones in item '{row['id']}'; mirt "
                "cannot write this nominal item, reorder its categories"
            )
        ak = {f"ak{k}": (x - alpha[0]) * last / rise for k, x in enumerate(alpha)}
        return {"a1": rise / last, **ak, **{f"d{k}": x - delta[0] for k, x in enumerate(delta)}}
    if row["model"] == "rsm":
        return {
            "a1": row["a"],
            **{f"b{k + 1}": t for k, t in enumerate(row["tau"])},
            "c": -row["a"] * row["b"],
        }
    plain = to_slope_intercept(row)
    d = plain["intercept"]
    if row["model"] == "grm":
        return {"a1": plain["a"], **{f"d{k + 1}": x for k, x in enumerate(d)}}
    if isinstance(d, list):
        ak = {f"ak{k}": float(k) for k in range(len(d))}
        return {"a1": plain["a"], **ak, **{f"d{k}": x for k, x in enumerate(d)}}
    return {"a1": plain["a"], "d": d, "g": row.get("c", 0.0), "u": row.get("d", 1.0)}


_CATR = {
    "grm": ("alphaj", "betaj"),
    "gpcm": ("alphaj", "deltaj"),
    "pcm": (None, "deltaj"),
}


def from_catr(item: str, columns: Columns) -> Row:
    """Return one row of a catR bank as ours; its column names say the model.

    ``a, b, c, d``; GRM ``alphaj, betaj1, ...``; MGRM ``alphaj, bj, c1, ...``; GPCM ``alphaj, deltaj1, ...``;
    PCM ``deltaj1, ...``; RSM ``lambdaj, delta1, ...``; NRM ``alpha1, c1, alpha2, c2, ...``.
    """
    if {"a", "b", "c", "d"} <= set(columns):
        return _dichotomous(
            item, {**{k: columns[k] for k in "ab"}, "g": columns["c"], "u": columns["d"]}, None
        )
    if "bj" in columns:
        return from_muraki(item, columns["alphaj"], columns["bj"], _series(columns, "c"))
    if "betaj1" in columns:
        return {"id": item, "model": "grm", "a": float(columns["alphaj"]), "b": _series(columns, "betaj")}
    if "deltaj1" in columns:
        code, a = ("gpcm", columns["alphaj"]) if "alphaj" in columns else ("pcm", 1.0)
        return {"id": item, "model": code, "a": float(a), "b": _series(columns, "deltaj")}
    if "lambdaj" in columns:
        steps = _series(columns, "delta")
        centre = sum(steps) / len(steps)
        row = {"id": item, "model": "rsm", "a": 1.0, "b": columns["lambdaj"] + centre}
        return {**row, "tau": [x - centre for x in steps], "set": "rsm"}
    if "alpha1" in columns:
        alpha, delta = [0.0, *_series(columns, "alpha")], [0.0, *_series(columns, "c")]
        return from_slope_intercept({"id": item, "model": "nrm", "alpha": alpha, "delta": delta})
    raise InputError(
        f"expected columns of a catR bank, got {', '.join(columns) or 'none'} in item '{item}'; name the "
        "columns as genDichoMatrix and genPolyMatrix do"
    )


def to_catr(row: Mapping[str, Any]) -> dict[str, float]:
    """Return a row as a catR bank has it."""
    code = row["model"]
    if code == "nrm":
        alpha, delta = row["alpha"], row["delta"]
        out: dict[str, float] = {}
        for k in range(1, len(alpha)):
            out[f"alpha{k}"], out[f"c{k}"] = alpha[k] - alpha[0], delta[k] - delta[0]
        return out
    if code == "rsm":
        return {"lambdaj": row["b"], **{f"delta{k + 1}": t for k, t in enumerate(row["tau"])}}
    if code in _CATR:
        slope, name = _CATR[code]
        steps = {f"{name}{k + 1}": b for k, b in enumerate(from_slope_intercept(row)["b"])}
        return {slope: row["a"], **steps} if slope else steps
    plain = from_slope_intercept(row)
    return {"a": plain["a"], "b": plain["b"], "c": plain.get("c", 0.0), "d": plain.get("d", 1.0)}


def _read(path: Path) -> list[tuple[str, dict[str, float]]]:
    """Return (item, its numbers by column); text columns are left out, missing cells too."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [line for line in csv.reader(file) if line]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"expected a table in CSV, got none that can be read at {path} ({error}); correct the path"
        ) from None
    if len(lines) < 2:
        raise InputError(
            f"expected a header and at least one item, got {len(lines)} lines in {path}; check it"
        )
    header = lines[0]
    named = header[0] in ("", "item", "Item", "id")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(header):
            raise InputError(
                f"expected {len(header)} cells, got {len(line)} in line {number} of {path}; mend the line"
            )
        values: dict[str, float] = {}
        for name, cell in list(zip(header, line, strict=True))[named:]:
            if cell not in ("", "NA"):
                try:
                    values[name] = float(cell)
                except ValueError:
                    if re.fullmatch(r"(logit\([gu]\)|[a-z]+j?\d*)", name):
                        raise InputError(
                            f"expected a number, got '{cell}' in column '{name}', line {number} of {path}; "
                            "correct it"
                        ) from None
        rows.append((line[0] if named else f"I{number - 1}", values))
    return rows


def _write(path: Path, rows: Sequence[tuple[str, Mapping[str, float]]]) -> None:
    names = {name: None for _, values in rows for name in values}  # in order, each once
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["item", *names])
        for item, values in rows:
            writer.writerow([item, *(repr(float(values[n])) if n in values else "NA" for n in names)])


def read_mirt(
    path: str | os.PathLike[str],
    itemtype: str | None = None,
    mean: float = 0.0,
    variance: float = 1.0,
) -> ParameterSet:
    """Read a coefficient table of R mirt.

    Parameters
    ----------
    itemtype
        See :func:`from_mirt`.
    mean, variance
        ``MEAN_1`` and ``COV_11`` of ``coef(model)$GroupPars``.
    """
    rows = [from_mirt(item, values, itemtype) for item, values in _read(Path(path))]
    note = {"imported": {"from": "R mirt coefficient table", "metric": "logistic, D = 1: unchanged"}}
    return ParameterSet(rows, (Population("all", (mean,), ((variance,),)),), fit=note)


def write_mirt(path: str | os.PathLike[str], parameters: ParameterSet) -> None:
    """Write a table that R mirt's users know: ``coef(model, simplify = TRUE)$items``."""
    _write(Path(path), [(row["id"], to_mirt(row)) for row in parameters.items])


def read_catr(path: str | os.PathLike[str], d: float = 1.0) -> ParameterSet:
    """Read a bank of R catR.

    Parameters
    ----------
    d
        The constant that the bank was used with (``D`` of catR's functions, 1 by default): slopes are
        multiplied by it.
    """
    rows = [from_catr(item, values) for item, values in _read(Path(path))]
    for row in rows:
        if d != 1.0 and "a" in row:
            row["a"] *= d
    note = {"imported": {"from": "R catR bank", "metric": f"D = {d:g}: slopes multiplied by {d:g}"}}
    return ParameterSet(rows, fit=note)


def write_catr(path: str | os.PathLike[str], parameters: ParameterSet) -> None:
    """Write a bank of R catR (items of one model family, as catR demands)."""
    rows = [(row["id"], to_catr(row)) for row in parameters.items]
    kinds = {re.sub(r"\d+$", "", next(iter(values))) for _, values in rows}
    if len(kinds) > 1:
        codes = ", ".join(sorted({row["model"] for row in parameters.items}))
        raise InputError(f"expected items of one model, got {codes} for a catR bank; write one bank a model")
    _write(Path(path), rows)
