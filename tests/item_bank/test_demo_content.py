"""The demonstration bank is what it promises to be: counts, balance, languages, sources, readings."""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from cat_engine.errors import InputError
from item_bank.content import Choice, Hotspot, InlineChoice, Item, Match, Order
from item_bank.demo import FOLDER, LANGUAGES, DemoBank, load, provisional
from item_bank.demo.ratings import disagreement, location, read_grades
from item_bank.demo.reading import (
    READERS,
    Reading,
    agreement,
    current,
    fingerprint,
    read_answers,
    record,
    response_of,
    sheet,
    unread,
)
from item_bank.scoring import category

DOMAINS = {"D1": 48, "D2": 40, "D3": 40, "D4": 48, "D5": 48}
"""Items a domain, in proportion to the hours of the framework."""


@pytest.fixture(scope="module")
def bank() -> DemoBank:
    return load()


@pytest.fixture(scope="module")
def readings() -> list[Reading]:
    return read_answers()


def singles(bank: DemoBank) -> list[Item]:
    return [
        item
        for item in bank.items
        if isinstance(choice := item.versions["fr"].interactions.get("RESPONSE"), Choice)
        and choice.maximum == 1
    ]


def key(item: Item) -> str:
    return item.versions["fr"].responses["RESPONSE"].correct[0]


def texts(item: Item, language: str) -> list[str]:
    """Every text of an item that a candidate chooses among."""
    found: list[str] = []
    for interaction in item.versions[language].interactions.values():
        match interaction:
            case Choice() | Order() | InlineChoice():
                found += [option.html for option in interaction.options]
            case Match():
                found += [option.html for option in (*interaction.rows, *interaction.columns)]
            case Hotspot():
                found += [area.label for area in interaction.areas]
    return found


def test_as_many_items_as_the_hours_of_each_domain_ask_for(bank: DemoBank) -> None:
    assert len({item.id for item in bank.items}) == len(bank.items) >= 224
    assert Counter(item.domain for item in bank.items) == DOMAINS


def test_eight_skills_a_domain_and_all_grades_in_each(bank: DemoBank) -> None:
    skills, grades = defaultdict(set), defaultdict(set)
    for item in bank.items:
        skills[item.domain].add(item.skill)
        grades[item.domain].add(item.grade)
    assert all(len(skills[domain]) >= 8 for domain in DOMAINS)
    assert all(grades[domain] == {1, 2, 3, 4, 5} for domain in DOMAINS)
    assert {item.skill for item in bank.items} == set(bank.skills)


def test_forms_professions_pictures_and_artificial_intelligence(bank: DemoBank) -> None:
    assert len(bank.items) - len(singles(bank)) >= 0.25 * len(bank.items)
    assert sum("ai" in item.tags for item in bank.items) >= 30
    assert sum(bool(item.stimulus) for item in bank.items) >= 12
    assert len({stimulus.id for stimulus in bank.stimuli.values() if stimulus.image}) >= 12
    asked = {"nurse", "doctor", "pharmacist", "midwife", "physiotherapist", "secretary", "manager", "aide"}
    assert asked | {"social-worker"} <= {item.profession for item in bank.items}


def test_enemies_name_each_other_and_testlets_hold_together(bank: DemoBank) -> None:
    items = {item.id: item for item in bank.items}
    pairs = {frozenset((item.id, enemy)) for item in bank.items for enemy in item.enemies}
    assert len(pairs) >= 8
    for item in bank.items:
        assert len(set(item.enemies)) == len(item.enemies)
        assert all(item.id in items[enemy].enemies for enemy in item.enemies), item.id
        assert item.id not in item.enemies
    sizes = Counter(item.stimulus for item in bank.items if item.stimulus)
    assert sum(size > 1 for size in sizes.values()) >= 6
    assert set(sizes) == set(bank.stimuli)


def test_the_place_of_the_key_tells_nothing(bank: DemoBank) -> None:
    places = Counter(key(item) for item in singles(bank))
    assert set(places) == set("ABCD")
    assert max(places.values()) <= 0.3 * sum(places.values())
    for domain in DOMAINS:
        here = Counter(key(item) for item in singles(bank) if item.domain == domain)
        assert max(here.values()) - min(here[place] for place in "ABCD") <= 2, domain


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_length_of_the_key_tells_nothing(bank: DemoBank, language: str) -> None:
    longest = 0
    for item in singles(bank):
        lengths = {o.id: len(o.html) for o in item.versions[language].interactions["RESPONSE"].options}  # type: ignore[union-attr]
        others = [length for name, length in lengths.items() if name != key(item)]
        longest += lengths[key(item)] > max(others)
        assert lengths[key(item)] <= max(others) + 12, item.id
    assert longest <= 0.3 * len(singles(bank))


def test_both_languages_offer_the_same(bank: DemoBank) -> None:
    for item in bank.items:
        french, english = (item.versions[language] for language in LANGUAGES)
        assert french.responses == english.responses, item.id
        assert french.body != english.body and french.rationale and english.rationale, item.id
        assert len(texts(item, "fr")) == len(texts(item, "en")), item.id


def test_one_way_of_writing(bank: DemoBank) -> None:
    for item in bank.items:
        for language, content in item.versions.items():
            written = " ".join(
                [re.sub(r"<[^>]+>", " ", content.body + content.rationale), *texts(item, language)]
            )
            assert '"' not in written, item.id
            if language == "fr":
                assert not re.search(r"[“”]|Ehpad", written), item.id
            else:
                assert not re.search(r"[«»]|\bMrs\b|\bMme\b|[ap]\.m\.", written), item.id
            chosen = [re.sub(r"^\d\. |\b[A-Z]\. ", "", text) for text in texts(item, language)]
            several = any(re.search(r"\w[.!?…] [A-ZÀÉ«“]", text) for text in chosen)
            stops = [text for text in chosen if re.search(r"\.[ »”]*$", text)]
            assert several or not stops, (item.id, stops)


def test_every_item_says_what_it_rests_on_and_how_that_was_checked(bank: DemoBank) -> None:
    for item in bank.items:
        source = item.source
        assert source is not None and source.text and source.says, item.id
        assert source.checked in ("copy", "knowledge"), item.id
        assert bool(source.read) == (source.checked == "copy"), item.id


def test_every_picture_has_a_text_alternative_and_no_script(bank: DemoBank) -> None:
    for stimulus in bank.stimuli.values():
        assert set(stimulus.image) in (set(), set(LANGUAGES)), stimulus.id
        for image in stimulus.image.values():
            assert len(image.alt) > 100, stimulus.id
            picture = ElementTree.parse(bank.media / image.name)
            names = {element.tag.rpartition("}")[2] for element in picture.iter()}
            assert not names & {"script", "image", "foreignObject", "a", "use"}, image.name
    used = {image.name for stimulus in bank.stimuli.values() for image in stimulus.image.values()}
    assert used == {path.name for path in bank.media.iterdir()}


def test_an_area_of_a_picture_lies_within_it(bank: DemoBank) -> None:
    seen = 0
    for item in bank.items:
        for content in item.versions.values():
            for interaction in content.interactions.values():
                if isinstance(interaction, Hotspot):
                    seen += 1
                    for area in interaction.areas:
                        x0, y0, x1, y1 = area.coords
                        assert 0 <= x0 < x1 <= interaction.image.width, (item.id, area.id)
                        assert 0 <= y0 < y1 <= interaction.image.height, (item.id, area.id)
    assert seen > 0


def test_the_adversarial_pass_met_every_item(bank: DemoBank) -> None:
    with (FOLDER / "review" / "adversarial.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["item"] for row in rows] == [item.id for item in bank.items]
    assert all(
        row["when_wrong"] and row["action"].startswith(("kept:", "changed:", "wording:")) for row in rows
    )


def test_every_item_was_read_twice_as_it_stands(bank: DemoBank, readings: list[Reading]) -> None:
    assert unread(bank, readings) == []


def test_what_was_read_agrees_with_the_keys(bank: DemoBank, readings: list[Reading]) -> None:
    items = {item.id: item for item in bank.items}
    counted = current(bank, readings)
    assert {reading.language for reading in counted} == set(LANGUAGES)
    right: defaultdict[str, list[bool]] = defaultdict(list)
    for r in counted:
        item = items[r.item]
        full = category(item, response_of(item, r.answer, r.language), r.language) == item.n_cat - 1
        right[r.item].append(full)
    assert len(right) >= 0.7 * len(items)
    assert [name for name, answers in right.items() if not any(answers)] == []
    assert np.mean([full for answers in right.values() for full in answers]) > 0.95


def test_a_sheet_holds_no_key_and_only_what_is_asked(bank: DemoBank) -> None:
    lines = list(sheet(bank, "en", {"D3.7-01"}))
    assert sum(line.startswith("\n## ") for line in lines) == 1
    assert "Soleil1938" in "\n".join(lines)
    whole = "\n".join(sheet(bank, "fr"))
    assert all(f"## {item.id}" in whole for item in bank.items)
    assert not any(item.versions["fr"].rationale[3:60] in whole for item in bank.items)


def test_a_reading_stops_counting_when_its_item_changes(bank: DemoBank, tmp_path: Path) -> None:
    path = tmp_path / "readings.csv"
    given = [Reading("D1.1-01", reader, "fr", "D", 2) for reader in ("one", "two")]
    assert record(bank, given, path) == 0
    assert record(bank, given[:1], path) == 1
    assert "D1.1-01" not in unread(bank, read_answers(path))
    assert read_grades(path)["D1.1-01"] == (2, 2)

    item = bank.items[0]
    content = item.versions["fr"]
    typography = replace(content, body=content.body.replace("carte d'identité.", "carte d'identité !"))
    other = replace(content, body=content.body.replace("identité", "adresse"))
    assert typography.body != content.body != other.body
    for version, stands in ((typography, True), (other, False)):
        changed = replace(
            bank, items=(replace(item, versions={**item.versions, "fr": version}), *bank.items[1:])
        )
        assert ("D1.1-01" not in unread(changed, read_answers(path))) is stands
        assert (fingerprint(changed, "D1.1-01", "fr") == fingerprint(bank, "D1.1-01", "fr")) is stands
    with pytest.raises(InputError, match=r"got 'D9\.9-99'"):
        record(bank, [Reading("D9.9-99", "one", "fr", "A", 1)], path)


def test_the_report_names_what_differs(bank: DemoBank) -> None:
    made = [
        Reading("D1.1-01", "one", "fr", "F", 1, "a remark", fingerprint(bank, "D1.1-01", "fr")),
        Reading("D1.1-02", "one", "fr", "C", 3, "", fingerprint(bank, "D1.1-02", "fr")),
    ]
    report = list(agreement(bank, made))
    assert "one: D1 1/2, all 1/2" in report
    assert any(line.startswith("items read 2 times as they stand: 0 of") for line in report)
    assert report[-1] == "  D1.1-01 (one): F  a remark"


def test_a_location_is_the_mean_grade_and_disagreement_makes_it_uncertain() -> None:
    assert location((3,))[0] == 0.0
    assert location((1, 2, 3))[0] == pytest.approx(-1.0)
    agreed, disputed = location((2, 2, 2), 0.3)[1], location((1, 2, 5), 0.3)[1]
    assert agreed < disputed
    assert location((2, 2, 2), 0.3)[1] < location((2,), 0.3)[1]
    assert disagreement([(1, 2, 3), (2, 2)]) == pytest.approx(2 / 3)
    assert disagreement([(1,), (2,)]) == 1.0


def test_provisional_parameters_use_every_rating(bank: DemoBank) -> None:
    rows = {row["id"]: row for row in bank.parameters()}
    assert set(rows) == {item.id for item in bank.items}
    for item in bank.items:
        row, ratings = rows[item.id], bank.ratings[item.id]
        assert ratings[0] == item.grade and len(ratings) <= 1 + READERS
        assert row["flags"] == ["provisional"]
        cov = np.array(row["cov"])
        assert np.array_equal(cov, cov.T) and (np.linalg.eigvalsh(cov) > 0).all()
        assert np.sqrt(np.diag(cov)) == pytest.approx(np.hstack([row["se"]["a"], row["se"]["b"]]), abs=1e-3)
        assert np.mean(row["b"]) == pytest.approx(np.mean(ratings) - 3, abs=1e-3)
    alone = provisional(bank.items[0])
    assert alone["b"] == bank.items[0].grade - 3  # type: ignore[operator]
