"""A file in ranges says what the whole file says, and no person is parted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cat_engine.errors import InputError
from item_bank import ranges
from item_bank.ranges import cut_persons, ranges_of
from item_bank.responses import read_responses


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("CELLS_A_RANGE", 20), ("RESPONSES_A_RANGE", 20), ("BLOCK", 64)):
        monkeypatch.setattr(ranges, name, value)


def answers(rng: np.random.Generator) -> pl.DataFrame:
    """Rows of 60 persons who answered 1 to 30 of 40 items, each in an order of their own."""
    rows = [
        (f"é{person}", f"Q{item}", int(rng.integers(0, 3)))
        for person in range(60)
        for item in rng.permutation(40)[: int(rng.integers(1, 31))]
    ]
    return pl.DataFrame(rows, schema=["person", "item", "response"], orient="row")


@pytest.mark.parametrize("name", ["long.csv", "long.parquet", "wide.csv", "wide.parquet"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n\n", ""])
def test_ranges_together_are_the_file(tmp_path: Path, name: str, end: str) -> None:
    frame = answers(np.random.default_rng(3))
    if name.startswith("wide"):
        frame = frame.pivot("item", index="person", values="response", maintain_order=True)
    path = tmp_path / name
    if name.endswith("parquet"):
        frame.write_parquet(path, row_group_size=37)
    else:
        text = frame.write_csv().rstrip("\n")
        path.write_bytes((text.replace("\n", "\r\n") if end == "\r\n" else text).encode() + end.encode())
    whole, cut = read_responses(path, recode="rank"), ranges_of(path)
    parts = [cut.read(k) for k in range(len(cut))]
    assert len(cut) == 16
    assert [p for part in parts for p in part.persons or ()] == whole.persons
    assert np.array_equal(np.cumsum([0, *(part.n_persons for part in parts)]), cut_persons(whole))
    seen = [
        (i + first, part.items[j], c)
        for part, first in zip(parts, cut_persons(whole), strict=False)
        for i in range(part.n_persons)
        for j, c in zip(
            part.item[part.indptr[i] : part.indptr[i + 1]],
            part.category[part.indptr[i] : part.indptr[i + 1]],
            strict=True,
        )
    ]
    person = np.repeat(np.arange(whole.n_persons), whole.lengths)
    codes = [whole.recoded.get(item, [0, 1, 2]) for item in whole.items]
    assert seen == [
        (i, whole.items[j], codes[j][c]) for i, j, c in zip(person, whole.item, whole.category, strict=True)
    ]


def test_a_complaint_names_the_line_of_the_file(tmp_path: Path) -> None:
    lines = ["A,B,C", *(f"{k % 2},1,0" for k in range(100))]
    lines[71] = "0,x,1"
    path = tmp_path / "wide.csv"
    path.write_text("\n".join(lines))
    cut = ranges_of(path)
    broken = next(k for k in range(len(cut)) if cut.rows[k + 1] > 70)
    with pytest.raises(InputError, match=r"got 'x' in column 'B', line 72 of "):
        cut.read(broken)


def test_a_file_of_another_size_or_with_breaks_in_cells_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("A,B\n" + 60 * "1,0\n")
    cut = ranges_of(path)
    path.write_text("A,B\n" + 61 * "1,0\n")
    with pytest.raises(InputError, match="leave the file alone"):
        cut.read(0)
    path.write_text('person,A,B\n"a\nb",1,0\n' + "".join(f"p{k},1,0\n" for k in range(60)))
    cut = ranges_of(path)
    with pytest.raises(InputError, match=r"one a line|in its header|balanced quotes"):
        [cut.read(k) for k in range(len(cut))]
