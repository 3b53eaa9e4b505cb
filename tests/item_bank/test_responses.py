"""Response files: both shapes, both roads, and every refusal in one sentence."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cat_engine.errors import InputError
from item_bank import tabular
from item_bank.layout import Layout
from item_bank.parameters import ParameterSet
from item_bank.responses import MISSING, Responses, join_column, read_groups, read_responses

WIDE = "person,A,B,C\nann,0,1,2\nbob,NA,0,1\ncy,1,,0\n"
LONG = "item,person,x,response\nA,ann,9,0\nB,ann,9,1\nB,bob,9,0\nC,ann,9,2\nC,bob,9,1\nA,cy,9,1\nC,cy,9,0\n"
EXPECTED = np.array([[0, 1, 2], [MISSING, 0, 1], [1, MISSING, 0]])


@pytest.fixture(params=["small", "large"])
def road(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Read the same file by Python's reader and by polars."""
    if request.param == "large":
        monkeypatch.setattr(tabular, "_SMALL", 0)
    return str(request.param)


@pytest.fixture
def file(tmp_path: Path):
    def write(text: str | bytes, name: str = "responses.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


@pytest.mark.parametrize("text", [WIDE, LONG], ids=["wide", "long"])
def test_the_shape_is_told_from_the_header(file, road, text):
    responses = read_responses(file(text))
    assert responses.items == ["A", "B", "C"]
    assert responses.persons == ["ann", "bob", "cy"]
    assert responses.n_cat.tolist() == [2, 2, 3]
    assert np.array_equal(responses.dense(), EXPECTED)
    assert responses.indptr.tolist() == [0, 3, 5, 7]
    assert responses.item.tolist() == [0, 1, 2, 1, 2, 0, 2]
    assert responses.category.tolist() == [0, 1, 2, 0, 1, 1, 0]
    assert responses.counts.tolist() == [[1, 1, 0], [1, 1, 0], [1, 1, 1]]
    assert responses.n_responses == 7


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + WIDE,
        WIDE.replace("\n", "\r\n"),
        WIDE.replace(",", ";"),
        WIDE.replace(",", "\t"),
        WIDE + "\n\n",
        WIDE.rstrip("\n"),
        WIDE.replace("0", "0.0").replace("1", " 1"),
        '"person","A","B","C"\nann,0,1,2\nbob,NA,0,1\ncy,1,,0\n',
        'person,A,B,C\n"ann",0,1,2\n"bob",NA,0,1\n"cy",1,,0\n',
    ],
    ids=["bom", "crlf", "semicolon", "tab", "blank-end", "no-end", "decimals", "quoted-header", "quoted"],
)
def test_what_spreadsheets_and_statistics_programs_write_is_read(file, road, text):
    assert np.array_equal(read_responses(file(text)).dense(), EXPECTED)


def test_gzip_and_parquet_are_told_by_content(file, tmp_path):
    assert np.array_equal(read_responses(file(gzip.compress(WIDE.encode()))).dense(), EXPECTED)
    frame = pl.DataFrame(
        {"person": ["ann", "bob", "cy"], "A": [0, None, 1], "B": [True, False, None], "C": ["2", "1", "0"]}
    )
    frame = frame.with_columns(pl.col("A").cast(pl.Float32))
    frame.write_parquet(tmp_path / "wide.pq")
    assert np.array_equal(read_responses(tmp_path / "wide.pq").dense(), EXPECTED)
    long = pl.DataFrame(
        {"person": [7, 7, 3, 7, 3, 5, 5], "item": list("ABBCCAC"), "response": [0, 1, 0, 2, 1, 1, 0]}
    )
    long.with_columns(pl.col("item").cast(pl.Categorical)).write_parquet(tmp_path / "long.pq")
    responses = read_responses(tmp_path / "long.pq")
    assert responses.persons == ["7", "3", "5"]
    assert np.array_equal(responses.dense(), EXPECTED)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "empty file"),
        ("\n \n", "empty file"),
        ("A,B\n", "got none"),
        ("A,B\n0,1\n1\n", "expected 2 cells on every line .* got 1 on line 3"),
        ("A,B\n0,1\n1,0,1\n", "expected 2 cells on every line .* got 3 on line 3"),
        ("A,B\n0,1\n1,0,1\n0\n", "got 3 on line 3"),
        ("A,B\n0,1\n\n1,0\n", "on line 3"),
        ("A,B\n0,1\nx,0\n", "got 'x' in column 'A', line 3"),
        ("A,B\n0,1\n1,-1\n", "counted from 0, got '-1' in column 'B', line 3"),
        ("A,B\n0,1\n1,0.5\n", "got '0.5' in column 'B', line 3"),
        ("A,B\n0,1\n1,1e400\n", "got '1e400'"),
        ("A,B\n0,1\n1,nan\n", "got 'nan'"),
        ("A,B\n0,1\n1,523\n", "between 0 and 126, got '523' .* --person B .* missing response empty"),
        ("A,B\n0,1\n1,.\n", "NA, got '.' in column 'B', line 3 of .*.*missing response empty"),
        ("A,B\n0,1\n1,#N/A\n", "got '#N/A' .*; leave the cell of a missing response empty"),
        ("A\n0\n1,1\n", "expected 1 cell on every line"),
        ("id,A\n" + "".join(f"{k},{k % 2}\n" for k in range(12)), "12 responses .* --person id .*--leave"),
        ("A,B\n" + "".join(f"{k % 50 + 1},{k % 2}\n" for k in range(99)), "got 1, 2, .* 12, ... .they start"),
        ("A,B,A\n0,1,1\n1,0,0\n", "name of its own, got 'A' for columns 1, 3"),
        ("0,1,1\n1,0,0\n", "first line looks like data"),
        (",A,B\n1,0,1\n2,1,0\n", "none for column 1"),
        ("sep=;\nA;B\n0;1\n", "got 'sep=', which only a spreadsheet reads; delete that line"),
        ("person\nann\nbob\n", "the column 'person' alone"),
        ("person,A\nann,0\nann,1\n", "'ann' again in line 3"),
        ("person,A\nann,0\n,1\n", "empty cell in line 3"),
        ("person,item,response\nann,A,0\nbob,B,1\nann,A,1\n", "'ann' and item 'A' again in line 4"),
        ("person,item,response\nann,A,0\nbob,,1\n", "column 'item', got an empty cell in line 3"),
        ("A,B\n1,0\n2,1\n", "item 'A' .* got 1, 2 .*start above 0.*--recode"),
        ("A,B\n0,0\n2,1\n", "item 'A' .* got 0, 2 .*have a gap.*--recode"),
        ('A,B\n0,"1\n1,0\n', "balanced quotes"),
        (b"PK\x03\x04rest", "got a spreadsheet or archive .*; save it as CSV"),
        (b"$FL2@(#) IBM SPSS", "got an SPSS file .*; save it as CSV"),
        ("item,p1,p2\nA,0,1\nB,1,0\n", "one row a person .*; exchange rows and columns"),
        (b"PAR1rest", "Parquet"),
        (b"\x1f\x8brest", "damaged"),
    ],
)  # fmt: skip
def test_bad_files_get_one_sentence(file, road, text, sentence):
    with pytest.raises(InputError, match=sentence) as refusal:
        read_responses(file(text))
    message = str(refusal.value)
    assert message.startswith("expected ") and "\n" not in message


def test_a_file_that_is_not_there_or_not_a_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        read_responses(tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match="Is a directory"):
        read_responses(tmp_path)


def test_the_first_bad_cell_of_a_large_file_is_named_with_its_line(file, road):
    rows = ["A,B"] + ["0,1", "1,0"] * 50
    rows[71] = "0,oops"
    with pytest.raises(InputError, match="got 'oops' in column 'B', line 72"):
        read_responses(file("\n".join(rows)))


def test_codes_are_recoded_only_when_told(file, road):
    path = file("A,B,C\n1,1,1\n2,3,\n4,2,1\n")
    ranked = read_responses(path, recode="rank")
    assert ranked.dense()[:, 0].tolist() == [0, 1, 2]
    assert ranked.recoded == {"A": [1, 2, 4], "B": [1, 2, 3]}
    assert ranked.n_cat.tolist() == [3, 3, 2]
    with pytest.raises(InputError, match=r"item 'A' .* have a gap"):
        read_responses(path, recode="shift")
    shifted = read_responses(file("A,B,C\n1,1,\n2,3,2\n3,2,1\n"), recode="shift")
    assert shifted.dense().tolist() == [[0, 0, MISSING], [1, 2, 1], [2, 1, 0]]
    long = read_responses(file("person,item,response\na,A,1\na,B,5\nb,A,2\nb,B,3\n"), recode="rank")
    assert long.dense().tolist() == [[0, 1], [1, 0]]
    with pytest.raises(InputError, match="'rank', 'shift'"):
        read_responses(path, recode="guess")


def test_a_constant_or_unanswered_item_passes(file, road):
    responses = read_responses(file("A,B,C,D\n0,1,0,\n1,1,0,NA\n"))
    assert responses.n_cat.tolist() == [2, 2, 2, 2]
    assert responses.counts.tolist() == [[1, 1], [0, 2], [2, 0], [0, 0]]


def test_known_categories_replace_the_rules_for_codes(file, road):
    path = file("A,B\n2,1\n2,1\n")
    assert read_responses(path, known={"A": range(3), "B": range(2), "C": range(2)}).n_cat.tolist() == [3, 2]
    with pytest.raises(InputError, match="categories 0 to 1 for item 'A'"):
        read_responses(path, known={"A": range(2), "B": range(2)})
    with pytest.raises(InputError, match=r"got 'B' .* none"):
        read_responses(path, known={"A": range(3)})


def test_covariates_join_by_person_or_by_row(file, road):
    responses = read_responses(file(WIDE))
    by_id = file("person,sex\ncy,m\nann,f\nbob,m\ndan,f\n", "groups.csv")
    assert read_groups(f"{by_id}:sex", responses) == ["f", "m", "m"]
    assert join_column(file("sex\nf\nm\nNA\n", "rows.csv"), "sex", responses) == ["f", "m", ""]
    for text, sentence in [
        ("person,sex\nann,f\nbob,m\n", "none for 'cy'"),
        ("person,sex\nann,f\nann,m\nbob,f\n", "'ann' again"),
        ("sex\nf\nm\n", "expected 3 rows .* got 2"),
        ("sex\nf\nm\nNA\n", "got none for person 'cy'"),
        ("gender\nf\nm\nf\n", "expected a column 'sex' .* 'gender'"),
    ]:
        with pytest.raises(InputError, match=sentence):
            read_groups(f"{file(text, 'bad.csv')}:sex", responses)
    with pytest.raises(InputError, match="FILE:COLUMN"):
        read_groups("people.csv", responses)


def test_persons_and_items_are_chosen_alike_from_dense_and_sparse():
    rng = np.random.default_rng(5)
    matrix = rng.integers(-1, 3, (30, 6))
    matrix[:3] = [[0] * 6, [1] * 6, [2] * 6]
    dense = Responses.from_dense(matrix)
    sparse = Responses(dense.items, dense.n_cat, sparse=(dense.indptr, dense.item, dense.category))
    assert np.array_equal(sparse.dense(), matrix)
    assert np.array_equal(sparse.counts, dense.counts)
    rows, columns = rng.permutation(30)[:11], [4, 0, 5]
    for responses in (dense, sparse):
        chosen = responses.take(rows).select(columns)
        assert np.array_equal(chosen.dense(), matrix[rows][:, columns])
        assert chosen.items == ["I5", "I1", "I6"]
        assert np.array_equal(responses.take(matrix[:, 0] == 1).dense(), matrix[matrix[:, 0] == 1])


@pytest.mark.parametrize(
    ("matrix", "sentence"),
    [
        ([0, 1], "shape"),
        ([[0, -2]], "got -2"),
        ([[0, 0.5]], "got 0.5"),
        ([[0, np.inf]], "got inf"),
        ([["a", "b"]], "score them first"),
        ([[0, 0], [0, 2]], "gap"),
    ],
)
def test_a_bad_matrix_is_refused(matrix, sentence):
    with pytest.raises(InputError, match=sentence):
        Responses.from_dense(np.array(matrix))


def test_what_stands_for_no_response_is_told(file, road):
    path = file("person,A,B\nann,0,9\n9,9.0,1\nbob,-1,0\ncid,1,1\n")
    responses = read_responses(path, layout=Layout(missing=("9", "-1")))
    assert responses.persons == ["ann", "9", "bob", "cid"]
    assert responses.dense().tolist() == [[0, MISSING], [MISSING, 1], [MISSING, 0], [1, 1]]
    long = file("person,item,response\nann,A,0\nann,B,9\nbob,A,1\nbob,B,1\ncid,B,0\n", "long.csv")
    assert read_responses(long, layout=Layout(missing=("9",))).n_responses == 4


def test_columns_may_have_other_names_and_be_no_items(file, tmp_path):
    layout = Layout("ID", ("sex",), ("9",))
    text = "sex,ID,A,B\nf,7,0,1\nm,3,1,9\nf,5,1,0\n"
    wide = read_responses(file(text), layout=layout)
    assert (wide.persons, wide.items) == (["7", "3", "5"], ["A", "B"])
    people = file("ID,sex\n3,m\n5,f\n7,f\n", "people.csv")
    assert read_groups(f"{people}:sex", wide, "ID") == ["f", "m", "f"]
    pl.read_csv(text.encode()).write_parquet(tmp_path / "wide.parquet")
    assert read_responses(tmp_path / "wide.parquet", layout=layout).dense().tolist() == wide.dense().tolist()
    rows = {"sex": ["f"] * 4, "ID": [7, 7, 3, 3], "item": list("ABAB"), "response": [0, 1, 1, 9]}
    pl.DataFrame(rows).write_parquet(tmp_path / "long.parquet")
    long = read_responses(tmp_path / "long.parquet", layout=layout)
    assert long.persons == ["7", "3"]
    assert long.dense().tolist() == [[0, 1], [1, MISSING]]
    with pytest.raises(InputError, match=r"expected a column 'age' .* got 'sex', 'ID', 'A', 'B'"):
        read_responses(file(text), layout=Layout("ID", ("age",)))
    with pytest.raises(InputError, match=r"one column .* 'person' and 'ID'"):
        read_responses(file("person,ID,A\n1,2,0\n2,1,1\n"), layout=Layout("ID"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_what_a_spreadsheet_saves_is_read(file, encoding):
    text = "person;A;B\r\nZoé;0;1,0\r\nRené;1;0\r\n"
    responses = read_responses(file(text.encode(encoding)))
    assert responses.persons == ["Zoé", "René"]
    assert responses.dense().tolist() == [[0, 1], [1, 0]]


def test_recoded_items_keep_the_codes_of_their_calibration(file, road):
    rows = [
        {"id": "A", "model": "grm", "a": 1.0, "b": [-1.0, 0.0, 1.0], "codes": [1, 2, 3, 5]},
        {"id": "B", "model": "2pl", "a": 1.0, "b": 0.0},
        {"id": "C", "model": "2pl", "status": "left-out"},
    ]
    known = ParameterSet(rows).codes()
    few = read_responses(file("A,B,C\n2,1,44\n3,1,0\n2,0,7\n"), known=known)  # neither lowest nor highest met
    assert few.dense()[:, 0].tolist() == [1, 2, 1]
    assert few.n_cat.tolist() == [4, 2, 127]
    assert read_responses(file("A,B\n2,1\n3,1\n"), known=known, recode="rank").dense().tolist() == [
        [1, 1],
        [2, 1],
    ]
    with pytest.raises(InputError, match=r"codes 1, 2, 3, 5 for item 'A'.* got 0 .*--recode none"):
        read_responses(file("A,B\n0,1\n1,1\n"), known=known)
    assert (
        read_responses(file("A,B\n0,1\n3,1\n"), known=ParameterSet(rows).codes(recoded=False)).n_cat[0] == 4
    )
