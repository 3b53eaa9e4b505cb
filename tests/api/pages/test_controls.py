"""What a sent form answers, for every kind of interaction."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from api.pages.controls import read
from item_bank.content import (
    Area,
    Choice,
    GapMatch,
    Hotspot,
    Image,
    InlineChoice,
    Interaction,
    Match,
    Option,
    Order,
    SelectPoint,
    TextEntry,
)
from item_bank.demo import LANGUAGES, load
from item_bank.render import Slot, View, present
from item_bank.scoring import category
from tests.api.pages.right_answers import fields

Fields = Mapping[str, list[str]]

ABC = tuple(Option(name, f"text <b>{name}</b>") for name in "ABC")
GAPS = GapMatch(ABC, ("g1", "g2"), '<p><slot name="g1"></slot> <slot name="g2"></slot></p>')
IMAGE = Image("p.svg", 720, 500, "a picture")
ROWS = (Option("p", "one"), Option("q", "two"))
FREE = tuple(Option(name, name, match_max=0) for name in "12")


def answered(interaction: Interaction, fields: Fields) -> tuple[list[str], list[str]]:
    """Return the response to one interaction and the faults' messages."""
    reading = read(View("fr", "", ("<p>?</p>", Slot("R", "", interaction)), None), fields)
    return reading.response["R"], [fault.message for fault in reading.faults]


@pytest.mark.parametrize(
    ("interaction", "fields", "response"),
    [
        (Choice(ABC), {"a.R": ["B"]}, ["B"]),
        (Choice(ABC, maximum=0), {"a.R": ["C", "A", "C"]}, ["C", "A"]),
        (Choice(ABC), {"a.R": ["Z", "B"]}, ["B"]),
        (Order(ABC), {"a.R.A": ["2"], "a.R.B": ["3"], "a.R.C": ["1"]}, ["C", "A", "B"]),
        (Match(ROWS, FREE), {"a.R.p": ["2"], "a.R.q": ["2"]}, ["p 2", "q 2"]),
        (Match((Option("p", "p", match_max=0), ROWS[1]), FREE), {"a.R.q": ["1"]}, ["q 1"]),
        (Match(ROWS, FREE, maximum=1), {"a.R.q": ["1"]}, ["q 1"]),
        (Match(ROWS, FREE, blanks=True), {"a.R.p": [""], "a.R.q": ["1"]}, ["q 1"]),
        (Match(ROWS, ROWS[:1]), {"a.R.q": ["p"]}, ["q p"]),  # one column for two rows
        (replace(GAPS, blanks=True), {"a.R.g1": [""], "a.R.g2": ["C"]}, ["C g2"]),
        (replace(GAPS, options=ABC[:1]), {"a.R.g2": ["A"]}, ["A g2"]),  # one text for two gaps
        (InlineChoice(ABC), {"a.R": ["A"]}, ["A"]),
        (TextEntry(), {"a.R": ["  deux mots "]}, ["deux mots"]),
        (TextEntry(pattern="[0-9]+"), {"a.R": ["1\u202f200 "]}, ["1200"]),
        (Hotspot(IMAGE, (Area("x", "rect", (0, 0, 9, 9)),)), {"a.R": ["x"]}, ["x"]),
        (SelectPoint(IMAGE), {"a.R.0.x": ["18,5"], "a.R.0.y": ["79"]}, ["133 395"]),
        (SelectPoint(IMAGE, maximum=2), {"a.R.1.x": ["100"], "a.R.1.y": ["0"]}, ["720 0"]),
        (GAPS, {"a.R.g1": ["A"], "a.R.g2": ["C"]}, ["A g1", "C g2"]),
    ],
)
def test_an_answer_is_read(interaction: Interaction, fields: Fields, response: list[str]) -> None:
    assert answered(interaction, fields) == (response, [])


@pytest.mark.parametrize(
    ("interaction", "fields", "message"),
    [
        (Choice(ABC), {}, "fault.choose_one"),
        (Choice(ABC, maximum=0), {"a.R": ["Z"]}, "fault.choose_some"),
        (Choice(ABC, maximum=2), {"a.R": ["A", "B", "C"]}, "fault.too_many"),
        (Choice(ABC, minimum=2, maximum=0), {"a.R": ["A"]}, "fault.too_few"),
        (Order(ABC), {"a.R.A": ["1"], "a.R.B": ["2"]}, "fault.place_missing"),
        (Order(ABC), {"a.R.A": ["1"], "a.R.B": ["1"], "a.R.C": ["2"]}, "fault.place_twice"),
        (Order(ABC), {"a.R.A": ["4"], "a.R.B": ["1"], "a.R.C": ["2"]}, "fault.place_missing"),
        (Order(ABC), {"a.R.A": ["²"], "a.R.B": ["1"], "a.R.C": ["2"]}, "fault.place_missing"),
        (Match(ROWS, FREE), {"a.R.p": ["1"]}, "fault.row"),
        (Match(ROWS, (Option("1", "1"), FREE[1])), {"a.R.p": ["1"], "a.R.q": ["1"]}, "fault.used_twice"),
        (Match(ROWS, FREE), {"a.R.p": ["1", "2"], "a.R.q": ["1"]}, "fault.too_many"),
        (Match(ROWS, FREE, maximum=1), {}, "fault.choose_some"),
        (Match(ROWS, FREE, maximum=1), {"a.R.p": ["1"], "a.R.q": ["1"]}, "fault.too_many"),
        (InlineChoice(ABC), {"a.R": [""]}, "fault.choose_one"),
        (TextEntry(), {"a.R": ["   "]}, "fault.write"),
        (TextEntry(pattern="[0-9]+"), {"a.R": ["douze"]}, "fault.whole_number"),
        (TextEntry(pattern="[0-9]+"), {"a.R": ["1.5"]}, "fault.whole_number"),
        (Hotspot(IMAGE, (Area("x", "rect", (0, 0, 9, 9)),)), {}, "fault.choose_one"),
        (SelectPoint(IMAGE), {}, "fault.point"),
        (SelectPoint(IMAGE), {"a.R.0.x": ["5"]}, "fault.point_half"),
        (SelectPoint(IMAGE), {"a.R.0.x": ["5"], "a.R.0.y": ["101"]}, "fault.point_range"),
        (SelectPoint(IMAGE), {"a.R.0.x": ["nan"], "a.R.0.y": ["1"]}, "fault.point_range"),
        (GAPS, {"a.R.g1": ["A"]}, "fault.gap"),
        (replace(GAPS, blanks=True), {}, "fault.gap"),
        (Match(ROWS, FREE, blanks=True), {"a.R.p": [""]}, "fault.choose_some"),
        (GAPS, {"a.R.g1": ["A"], "a.R.g2": ["A"]}, "fault.used_twice"),
    ],
)
def test_what_is_missing_is_said(interaction: Interaction, fields: Fields, message: str) -> None:
    assert answered(interaction, fields)[1] == [message]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_right_answer_to_every_item_of_the_demonstration_bank_can_be_given(language: str) -> None:
    for item in load().items:
        sent: dict[str, list[str]] = {}
        for name, value in fields(item, language):
            sent.setdefault(name, []).append(value)
        reading = read(present(item, language, b"seed"), sent)
        assert reading.faults == (), item.id
        assert category(item, reading.response, language) == item.n_cat - 1, item.id


def test_of_several_blanks_the_missing_one_is_named() -> None:
    slots = (Slot("A", "", InlineChoice(ABC)), Slot("B", "", InlineChoice(ABC)))
    (fault,) = read(View("fr", "", slots, None), {"a.A": ["A"]}).faults
    assert (fault.at, fault.message, fault.values) == ("a.B.0", "fault.choose_blank", {"n": 2})


def test_every_row_that_is_missing_is_named() -> None:
    reading = read(View("fr", "", (Slot("R", "", Match(ROWS, FREE)),), None), {})
    assert [(fault.at, fault.group) for fault in reading.faults] == [
        ("a.R.0.0", "a.R.p"),
        ("a.R.1.0", "a.R.q"),
    ]
