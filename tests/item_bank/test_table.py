"""Items go to spreadsheets and come back, and no cell becomes a formula."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cat_engine.errors import InputError
from item_bank.bank import Bank
from item_bank.check import check
from item_bank.content import Choice, Option, Response, TextEntry
from item_bank.markup import sanitise
from item_bank.table import COLUMNS, read_csv, write_csv
from tests.conftest import ROOT
from tests.item_bank import samples
from tests.item_bank.samples import SLOT

HOLDS = ("single", "multiple-plain", "all-right", "order", "match", "match-all", "number-plain", "word-plain")


def held() -> Bank:
    """The samples that a row can hold, with every field filled."""
    fields = {"tags": ("ai", "law"), "profession": "nurse", "grade": 3, "expires": "2030-01-01"}
    fields |= {"access": ("textual", "visual"), "features": ("glossary",)}
    plain = [
        samples.item(
            "multiple-plain",
            Choice(samples.options("Un", "Deux", "Trois"), maximum=0),
            samples.forms_multiple("A", "C", among="ABC"),
            processing="map_response",
            scores=(0.0, 1.0, 2.0),
        ),
        samples.item(
            "number-plain",
            TextEntry(length=8, unit="heures", pattern="[0-9]+"),
            Response("single", "integer", ("72",)),
        ),
        samples.item(
            "word-plain",
            TextEntry(),
            samples.accepted(Paris=1.0, Lutèce=0.5),
            processing="map_response",
            scores=(0.0, 0.5, 1.0),
        ),
    ]
    items = {item.id: item for item in [*samples.every(), *plain]}
    titled = {k: replace(v, title="Un titre") for k, v in items["single"].versions.items()}
    items["single"] = replace(items["single"], versions=titled)
    return samples.bank(*(replace(items[name], **fields) for name in HOLDS))  # type: ignore[arg-type]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252"])
def test_items_come_back_as_they_were(encoding: str) -> None:
    data, notes = write_csv(held(), encoding)
    assert notes == []
    assert read_csv(data, "items.csv").bank.items == held().items


def test_what_a_row_cannot_hold_is_listed() -> None:
    bank = samples.bank()
    data, notes = write_csv(bank)
    read = read_csv(data, "items.csv")
    back = read.bank
    assert {item.id for item in back.items} | {note.file for note in notes} == set(bank.by_id)
    assert {note.line for note in read.notes if "is in QTI" in note.message} == {n.line for n in read.notes}
    assert read_csv(data, "items.csv", held=bank.by_id).bank.items == bank.items
    assert {note.file for note in notes} >= {"hotspot", "point", "gaps", "inline", "rules", "multiple"}
    for item in back.items:
        assert item == bank.by_id[item.id]


TEXTS = st.text(st.sampled_from("=+-@'\t\r|;,\"\n <>&aé"), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, min_size=3, max_size=3), TEXTS)
def test_no_cell_is_a_formula_and_all_come_back(options: list[str], stem: str) -> None:
    texts = [sanitise(f"{n}{text}".replace("<", "&lt;")) for n, text in enumerate(options)]
    texts[0] = sanitise(options[0].replace("<", "&lt;")).strip() or "x"
    body = sanitise(f"<p>{stem.replace('<', '&lt;')}</p>")
    item = samples.item(
        "one",
        Choice(tuple(Option("ABC"[n], text) for n, text in enumerate(texts))),
        Response("single", "identifier", ("B",)),
    )
    content = replace(item.versions["fr"], body=body + SLOT)
    item = replace(item, versions={"fr": content})
    data, notes = write_csv(Bank((item,)))
    for row in csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=";"):
        assert not any(cell[:1] in tuple("=+-@\t\r|") for cell in row if cell)
    if not notes:
        assert read_csv(data, "x").bank.items == (item,)


def test_a_spreadsheet_s_own_saving_is_read() -> None:
    plain = "item,form,key,stem,option_A,option_B\n=1,single,B,Quoi ?,Un,Deux\n"
    with_quotes = plain.replace("=1", '"i1"')
    for data in (
        with_quotes.encode("utf-8-sig"),
        with_quotes.replace(",", ";").encode("cp1252"),
        with_quotes.replace(",", "\t").encode(),
        with_quotes.replace("\n", "\r\n").encode(),
    ):
        (item,) = read_csv(data, "x").bank.items
        assert item.versions["fr"].body == f"<p>Quoi ?</p>{SLOT}"
        assert item.status == "draft"


def test_what_a_spreadsheet_does_to_a_file_when_it_saves_it_is_undone() -> None:
    """Dates with slashes, a decimal comma, rows of separators, a hint before the header, UTF-16."""
    saved = rows(form="text", key="Paris=1 | Lutèce=0,5", option_A="", option_B="", expires="31/12/2027")
    saved += b";;;;;;\n"
    (item,) = read_csv(b"sep=;\n" + saved, "x").bank.items
    assert item.expires == "2027-12-31"
    assert item.scores == (0.0, 0.5, 1.0)
    assert read_csv(saved.decode().encode("utf-16"), "x").bank.items == (item,)
    for written, meant in (("05/04/2027", "2027-04-05"), ("12/31/2027", "2027-12-31"), ("soon", "soon")):
        assert read_csv(rows(expires=written), "x").bank.items[0].expires == meant
    commas = rows(expires="05/04/2027").replace(b";", b",")
    with pytest.raises(InputError, match="line 2: '05/04/2027' could be two days"):
        read_csv(commas, "x")


def rows(**cells: str) -> bytes:
    first = {
        "item": "i1",
        "form": "single",
        "key": "B",
        "stem": "Quoi ?",
        "option_A": "Un",
        "option_B": "Deux",
    }
    named = {**first, **cells}
    return (";".join(named) + "\n" + ";".join(f'"{value}"' for value in named.values()) + "\n").encode()


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"key": "C"}, "line 2: the key names 'C'"),
        ({"key": ""}, "line 2: expected a key"),
        ({"key": "A, B"}, "line 2: expected one key for a single choice, got 2"),
        ({"form": "guess"}, "line 2: expected a form among"),
        ({"item": ""}, "line 2: expected an identifier"),
        ({"grade": "9"}, "line 2: expected a grade from 1 to 5"),
        ({"option_A": ""}, "line 2: option 1 is empty"),
        ({"option_A": "", "option_B": ""}, "expected at least two options"),
        ({"ids": "X"}, "line 2: expected 2 different identifiers"),
        ({"form": "match", "key": "A 1"}, "line 2: expected a key like 'A 2, B 1'"),
        ({"form": "number", "key": "many"}, "line 2: expected a number as the key, got 'many'"),
        ({"access": "sight"}, "line 2: expected 'access' among textual, visual,"),
        ({"features": "nice"}, "line 2: expected 'features' among alternativeText,"),
        ({"form": "text", "key": "x=much"}, "line 2: expected 'answer=worth'"),
        ({"form": "text", "key": "x=0"}, "an answer that is worth something"),
        ({"colour": "red"}, "the column 'colour' is not known"),
    ],
)
def test_mistakes_are_named_with_their_line(cells: dict[str, str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        read_csv(rows(**cells), "items.csv")
    assert str(caught.value).startswith("items.csv")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"item;form\n1;2\n", "got item, form; add 'key'"),
        (rows() + b"i2;single;A\x00\n", "line 3: expected text, got a NUL"),
        (rows() + b'i2;single;"A', "expected CSV"),
        (rows() + b"i2;single;A;b;c;d;e;f\n", "line 3: expected 6 cells, got more"),
        (rows() + rows().split(b"\n", 1)[1], "is there twice"),
        (b"a" * (17 * 1024 * 1024), "expected at most"),
    ],
)
def test_a_damaged_file_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(InputError, match=r"items\.csv") as caught:
        read_csv(data, "items.csv")
    assert said in str(caught.value)


def test_versions_of_an_item_agree() -> None:
    english = rows(language="en")
    french = rows(language="fr", key="A").split(b"\n", 1)[1]
    with pytest.raises(InputError, match="differ in form or key"):
        read_csv(english + french, "x")


def test_old_encodings_say_what_they_cannot_hold() -> None:
    item = samples.item("greek", Choice(samples.options("α", "β")), Response("single", "identifier", ("A",)))
    with pytest.raises(InputError, match=r"expected signs of cp1252, got 'α' \(U\+03B1\) for line"):
        write_csv(samples.bank(item), "cp1252")
    assert COLUMNS[0] == "item"


def test_the_guides_example_has_nothing_to_find() -> None:
    path = ROOT / "docs/examples/items.csv"
    read = read_csv(path.read_bytes(), path.name)
    assert (len(read.bank.items), read.notes, check(read.bank, date(2026, 11, 1))) == (3, (), [])
