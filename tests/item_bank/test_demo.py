"""The demonstration bank is what it says it is."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from cat_engine.errors import InputError
from cat_engine.pool import ItemPool
from item_bank import demo
from item_bank.bank import Bank
from item_bank.check import check, options
from item_bank.content import Choice, Match
from item_bank.markup import sanitise
from item_bank.media import check_picture
from item_bank.qti.importing import import_package
from item_bank.qti.package import package


@pytest.fixture(scope="module")
def bank() -> Bank:
    return demo.load().bank()


def test_it_has_no_error_of_writing(bank: Bank) -> None:
    errors = [finding for finding in check(bank, date(2026, 11, 22)) if finding.severity == "error"]
    assert errors == []


def test_its_size_follows_the_hours(bank: Bank) -> None:
    per_domain = Counter(item.domain for item in bank.items)
    assert per_domain == {"D1": 48, "D2": 40, "D3": 40, "D4": 48, "D5": 48}
    hours = {code: domain.hours for code, domain in bank.framework.domains.items()}
    assert len({per_domain[code] / (hours[code] or 0) for code in hours}) == 1
    assert all(sum(s.domain == code for s in bank.framework.skills.values()) >= 8 for code in hours)


def test_it_is_varied(bank: Bank) -> None:
    plain = sum(
        isinstance(control, Choice) and control.maximum == 1
        for item in bank.items
        for control in list(item.versions["fr"].interactions.values())[:1]
    )
    assert plain <= 0.75 * len(bank.items)
    assert sum("ai" in item.tags for item in bank.items) >= 30
    assert sum(bool(stimulus.image) for stimulus in bank.stimuli.values()) >= 12
    assert sum(len(item.enemies) for item in bank.items) >= 16
    assert sum(n >= 2 for s, n in Counter(i.stimulus for i in bank.items).items() if s) >= 6
    assert {item.grade for item in bank.items} == {1, 2, 3, 4, 5}
    assert len({item.profession for item in bank.items}) >= 8


def test_every_item_is_in_french_first_and_in_english(bank: Bank) -> None:
    assert {tuple(item.versions) for item in bank.items} == {("fr", "en")}
    assert all(item.status == "provisional" for item in bank.items)


def test_its_texts_are_canonical(bank: Bank) -> None:
    for item in bank.items:
        for content in item.versions.values():
            texts = [content.body, content.rationale]
            texts += [o.html for control in content.interactions.values() for o in options(control)]
            assert all(sanitise(text) == text for text in texts), item.id


def test_its_pictures_only_show(bank: Bank) -> None:
    for name, body in bank.media.items():
        check_picture(name, body)


def test_its_columns_may_be_used_again(bank: Bank) -> None:
    for item in bank.items:
        for control in item.versions["fr"].interactions.values():
            if isinstance(control, Match):
                assert {column.match_max for column in control.columns} == {0}


def test_its_parameters_are_a_pool_and_say_that_they_are_provisional(bank: Bank) -> None:
    pool = ItemPool.from_rows([dict(row) for row in bank.parameters])
    assert list(pool.ids) == [item.id for item in bank.items]
    assert [int(k) for k in pool.n_cat] == [item.n_cat for item in bank.items]
    assert all("provisional" in row["flags"] for row in bank.parameters)
    assert bank.provisional


def test_it_goes_out_and_comes_back_the_same(bank: Bank) -> None:
    written = package(bank)
    back = import_package(written)
    assert back.notes == ()
    assert back.bank == bank
    assert back.bank.content_hash == bank.content_hash
    assert package(back.bank) == written


# What a writer gets wrong is said with the file and the item.

ITEM = """
skill = "D1.1"
[[item]]
id = "D1.1-01"
form = "single"
profession = "nurse"
grade = 2
key = "B"
[item.source]
text = "T"
[item.fr]
stem = "Quoi ?"
rationale = "Parce que."
[item.fr.options]
A = "Un"
B = "Deux"
[item.en]
stem = "What?"
rationale = "Because."
[item.en.options]
A = "One"
B = "Two"
"""


def folder(tmp_path: Path, text: str) -> Path:
    for name in ("framework", "media"):
        shutil.copytree(demo.FOLDER / name, tmp_path / name)
    (tmp_path / "items").mkdir()
    (tmp_path / "items" / "D1.1.toml").write_text(text, encoding="utf-8")
    return tmp_path


def test_one_item_is_read(tmp_path: Path) -> None:
    bank = demo.load(folder(tmp_path, ITEM))
    assert [item.id for item in bank.items] == ["D1.1-01"]
    assert bank.items[0].versions["fr"].body == '<p>Quoi ?</p><slot name="RESPONSE"></slot>'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('key = "B"', 'key = "Z"', "the key names 'Z'"),
        ('form = "single"', 'form = "guess"', "the form 'guess' is not in the table"),
        ('form = "single"', 'form = "hotspot"', "a hotspot needs a stimulus"),
        ("grade = 2", 'grade = 2\nstimulus = "S9"', "there is no stimulus 'S9'"),
        ('profession = "nurse"', "", "'profession'"),
        ('stem = "Quoi ?"', 'stem = "Quoi ?', "is not valid TOML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(InputError, match=r"D1\.1\.toml") as caught:
        demo.load(folder(tmp_path, ITEM.replace(old, new, 1)))
    assert said in str(caught.value)
