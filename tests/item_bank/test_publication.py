"""Two people publish a version that cannot change; an item earns its status."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from cat_engine.design import Constraint, Design
from cat_engine.errors import InputError
from item_bank.bank import Bank
from item_bank.content import Choice, Content, Item
from item_bank.diff import differences
from item_bank.log import Log, append, from_lines, to_line
from item_bank.publication import (
    Evidence,
    Targets,
    Version,
    approve,
    approve_neutralisation,
    judge,
    neutralised,
    request,
    request_neutralisation,
    versions,
)
from item_bank.sources import merged
from item_bank.store import Store
from item_bank.workflow import answer_blind, authors, bring, item_hash, move, obstacles, review, shown
from tests.item_bank import samples

AT = "2026-11-22T10:00:00+00:00"
TODAY = date(2026, 11, 22)


def ready(status: str = "operational", **fields: object) -> Bank:
    """Four different items that may be served, with parameters of one scale."""
    chosen = [i for i in samples.every() if i.id in ("single", "order", "number", "match-all")]
    return samples.bank(*(replace(item, status=status, **fields) for item in chosen))  # type: ignore[arg-type]


def provisional(bank: Bank) -> Bank:
    return replace(bank, parameters=tuple({**row, "flags": ["provisional"]} for row in bank.parameters))


# The verdict.


def test_a_sound_bank_passes() -> None:
    assert judge(ready(), Targets(4), TODAY).findings == ()


def said(bank: Bank, targets: Targets | None = None, demonstration: bool = False) -> list[str]:
    verdict = judge(bank, targets or Targets(), TODAY, demonstration)
    assert verdict.passed == (not verdict.findings)
    return [finding.message for finding in verdict.findings]


def test_provisional_parameters_are_for_demonstration_only() -> None:
    bank = provisional(ready())
    assert said(bank) == ["its parameters are provisional: publish as demonstration"] * 4
    assert said(bank, demonstration=True) == []


def test_what_may_be_served_has_parameters_that_fit() -> None:
    bank = ready()
    assert said(replace(bank, parameters=bank.parameters[1:])) == ["it may be served but has no parameters"]
    first = {**bank.parameters[0], "model": "gpcm", "b": [0.0, 1.0]}
    assert said(replace(bank, parameters=(first, *bank.parameters[1:]))) == [
        "it has 2 categories, its parameters 3"
    ]
    broken = {**bank.parameters[0], "model": "5pl"}
    assert "are no model" in said(replace(bank, parameters=(broken, *bank.parameters[1:])))[0]
    mixed = ({**bank.parameters[0], "scale": "1999"}, *bank.parameters[1:])
    assert said(replace(bank, parameters=mixed)) == ["parameters of several scales: 1999, 2026"]


def test_the_blueprint_can_be_met() -> None:
    def limit(low: int, high: int, value: str = "D1") -> Targets:
        return Targets(3, (Constraint("domain", value, low, high),))

    bank = ready()
    assert said(bank, limit(3, 3)) == []
    assert said(bank, limit(1, 3, "D2")) == ["domain = D2: at least 1 asked, 0 there"]
    assert said(bank, limit(0, 2)) == ["no test of 3 items keeps all constraints at once"]
    assert said(bank, Targets(5)) == ["a test of 5 items from 4 that may be served"]
    assert said(bank, Targets(1, (Constraint("colour", "red", 1, 1),))) == [
        "no attribute 'colour' to constrain"
    ]


def test_a_blueprint_may_ask_for_what_items_take_and_show() -> None:
    """A pool for who cannot see: no picture, nothing that needs sight."""
    bank = ready(stimulus="plan")
    first, *others = bank.items
    bank = replace(bank, items=(replace(first, access=("visual",), stimulus=""), *others))
    assert bank.attributes()["needs_visual"] == ["yes", "no", "no", "no"]
    assert bank.attributes()["picture"] == ["no", "yes", "yes", "yes"]
    spoken = replace(bank.items[1], access=("textual", "auditory"), features=("transcript",))
    suits = Bank((bank.items[0], spoken, bank.items[2])).attributes()["accommodation"]
    assert "no-visual" in suits[1].split()
    assert "no-auditory" not in suits[1].split()
    assert "transcript" in suits[1].split()
    assert "no-visual" not in suits[0].split()
    assert suits[2] == ""  # nobody said what it takes
    assert said(bank, Targets(3, (Constraint("needs_visual", "yes", 0, 0),))) == []
    assert said(bank, Targets(4, (Constraint("needs_visual", "yes", 0, 0),))) != []
    assert said(bank, Targets(1, (Constraint("picture", "yes", 0, 0),))) == []
    assert said(bank, Targets(2, (Constraint("picture", "yes", 0, 0),))) != []


def test_the_evidence_of_a_simulation_counts() -> None:
    bank = ready()
    names = tuple(item.id for item in bank.items)

    def findings(evidence: Evidence) -> list[tuple[str, str]]:
        return [(f.severity, f.message) for f in judge(bank, Targets(), TODAY, evidence=evidence).findings]

    told = (("keep", "Precise."), ("watch", "Pinched."), ("drop", "Rules broken."))
    assert findings(Evidence("d", 500, names, told)) == [("error", "Rules broken."), ("warning", "Pinched.")]
    assert findings(Evidence("d", 500, names[1:], ())) == [
        ("error", "only the bank may serve it: simulate the test that this bank gives")
    ]
    other = Evidence("d", 500, (*names, "z"), ())
    assert "only the study simulated it" in findings(other)[0][1]
    with pytest.raises(InputError, match="Rules broken"):
        request(bank, (), "Ada", AT, Targets(), evidence=Evidence("d", 500, names, told))
    _, log = request(bank, (), "Ada", AT, Targets(), evidence=Evidence("d", 500, names, told[:2]))
    assert (log[-1].facts["study"], log[-1].facts["simulated"]) == ("d", 500)


def test_enemies_never_meet_so_they_count_once() -> None:
    bank = ready()
    hostile = tuple(
        replace(item, enemies=tuple(other.id for other in bank.items if other.id != item.id))
        for item in bank.items
    )
    assert said(replace(bank, items=hostile), Targets(1)) == []
    assert said(replace(bank, items=hostile), Targets(2)) == [
        "no test of 2 items keeps all constraints at once"
    ]


def test_expired_items_are_not_counted() -> None:
    bank = ready(expires="2026-11-21")
    assert "a test of 1 items from 0 that may be served" in said_all(bank)


def said_all(bank: Bank) -> list[str]:
    return [finding.message for finding in judge(bank, Targets(), TODAY).findings]


def test_targets_are_what_a_design_asks() -> None:
    design = Design.from_mapping(
        {
            "schema": "acquis/design/1",
            "stop": {"max": 7},
            "constraint": [{"attribute": "domain", "value": "D1", "min": 2}],
        }
    )
    targets = Targets.of(design)
    assert targets.length == 7
    assert targets.constraints[0].min == 2


# Two people.


def test_one_asks_and_another_approves() -> None:
    bank = ready()
    _, log = request(bank, (), "Ada Lovelace", AT, Targets(4))
    version, log = approve(bank, log, "Émilie", AT)
    assert (version.number, version.requested_by, version.approved_by) == (1, "Ada Lovelace", "Émilie")
    assert version.content_hash == bank.content_hash
    assert versions(log) == [version]
    later = replace(bank, items=bank.items[::-1])
    _, log = request(later, log, "Émilie", AT, Targets(4))
    second, log = approve(later, log, "Ada Lovelace", AT)
    assert (second.number, second.parent) == (2, version.hash)
    assert [v.number for v in versions(log)] == [1, 2]


@pytest.mark.parametrize("name", ["Ada Lovelace", "ada lovelace", "  ADA   lovelace "])
def test_nobody_approves_what_he_asked_for(name: str) -> None:
    _, log = request(ready(), (), "Ada Lovelace", AT, Targets())
    with pytest.raises(InputError, match="another person must approve"):
        approve(ready(), log, name, AT)


def test_an_approval_is_of_what_was_asked_and_only_once() -> None:
    bank = ready()
    with pytest.raises(InputError, match="expected a request"):
        approve(bank, (), "Bob", AT)
    _, log = request(bank, (), "Ada", AT, Targets())
    with pytest.raises(InputError, match="the bank was changed since"):
        approve(replace(bank, items=bank.items[1:]), log, "Bob", AT)
    _, log = approve(bank, log, "Bob", AT)
    with pytest.raises(InputError, match="got none"):
        approve(bank, log, "Bob", AT)


def test_a_bank_with_errors_is_not_requested() -> None:
    with pytest.raises(InputError, match=r"provisional.*and 3 more"):
        request(provisional(ready()), (), "Ada", AT, Targets())
    with pytest.raises(InputError, match="expected the name"):
        request(ready(), (), "  ", AT, Targets())


def test_a_demonstration_says_so_for_good() -> None:
    bank = provisional(ready())
    _, log = request(bank, (), "Ada", AT, Targets(), demonstration=True)
    version, _ = approve(bank, log, "Bob", AT)
    assert version.demonstration


def test_a_version_that_was_changed_is_found_out() -> None:
    bank = ready()
    _, log = request(bank, (), "Ada", AT, Targets())
    version, log = approve(bank, log, "Bob", AT)
    forged = append(log[:-1], "published", "Bob", AT, **{**log[-1].facts, "demonstration": True})
    with pytest.raises(InputError, match="is not what was published"):
        versions(forged)
    assert isinstance(version, Version)


def test_neutralising_takes_two() -> None:
    bank = ready()
    log = request_neutralisation(bank, (), "single", "Ada", AT, "its law changed")
    assert neutralised(log) == {}
    with pytest.raises(InputError, match="another person"):
        approve_neutralisation(log, "single", "Ada", AT)
    with pytest.raises(InputError, match="got none"):
        approve_neutralisation(log, "order", "Bob", AT)
    log = approve_neutralisation(log, "single", "Bob", AT)
    assert list(neutralised(log)) == ["single"]
    assert neutralised(log)["single"].facts["requested_by"] == "Ada"
    with pytest.raises(InputError, match="already"):
        request_neutralisation(bank, log, "single", "Ada", AT, "again")


# The life of an item.


def drafted() -> Bank:
    return samples.bank(samples.single())


def test_an_item_goes_from_draft_to_operational() -> None:
    bank, log = drafted(), ()
    bank, log = move(bank, log, "single", "in_review", "Ada", AT)
    assert obstacles(bank, log, "single", "pilot") == ["nobody but its authors has reviewed it as it stands"]
    log = review(bank, log, "single", "Bob", AT, accepted=True)
    bank, log = move(bank, log, "single", "pilot", "Bob", AT)
    assert obstacles(bank, log, "single", "operational") == [
        "nobody but its authors has answered it blind as it stands"
    ]
    log = answer_blind(bank, log, "single", "Bob", AT, {"RESPONSE": ["B"]})
    bank, log = move(bank, log, "single", "operational", "Bob", AT)
    assert bank.by_id["single"].status == "operational"
    assert [event.facts["to"] for event in log if event.kind == "moved"] == [
        *("in_review", "pilot", "operational"),
    ]


def at(status: str) -> tuple[Bank, Log]:
    bank = samples.bank(replace(samples.single(), status=status))
    return bank, review(bank, (), "single", "Bob", AT, accepted=True)


def test_a_wrong_blind_answer_stands_in_the_way() -> None:
    bank, log = at("pilot")
    log = answer_blind(bank, log, "single", "Cy", AT, {"RESPONSE": ["A"]})
    log = answer_blind(bank, log, "single", "Di", AT, {"RESPONSE": ["B"]})
    assert obstacles(bank, log, "single", "operational") == ["its key was not found by Cy, answering blind"]


def test_provisional_parameters_stand_in_the_way() -> None:
    bank, log = at("pilot")
    log = answer_blind(bank, log, "single", "Cy", AT, {"RESPONSE": ["B"]})
    assert obstacles(provisional(bank), log, "single", "operational") == ["its parameters are not calibrated"]


def test_an_edited_item_starts_again() -> None:
    bank, log = at("pilot")
    item = bank.items[0]
    content = replace(item.versions["fr"], rationale="<p>Autre.</p>")
    edited = replace(bank, items=(replace(item, versions={**item.versions, "fr": content}),))
    assert obstacles(bank, log, "single", "provisional") == []
    assert obstacles(edited, log, "single", "provisional") != []
    assert item_hash(item) == item_hash(replace(item, status="retired"))


def test_authors_neither_review_nor_answer_their_own() -> None:
    for act in (
        lambda: review(drafted(), (), "single", "ADA", AT, accepted=True),
        lambda: answer_blind(drafted(), (), "single", "Ada", AT, {"RESPONSE": ["B"]}),
    ):
        with pytest.raises(InputError, match="ask somebody else"):
            act()


def test_whoever_brings_an_item_in_or_changes_it_counts_as_an_author() -> None:
    item = samples.single(authors=())
    bank, changed = samples.bank(item), samples.bank(replace(item, grade=4))
    log = bring(Bank(()), bank, (), "Ada", AT, "items.csv")
    log = bring(bank, bank, log, "Bob", AT, "items.csv")  # as it was
    log = bring(bank, changed, log, "Cleo", AT, "items.csv")
    assert [(e.facts["items"], e.facts["replaced"]) for e in log] == [
        (["single"], []),
        ([], []),
        (["single"], ["single"]),
    ]
    assert authors(item, log) == ("Ada", "Cleo")
    for name in ("ada", " CLEO "):
        for act in (
            lambda name=name: review(changed, log, "single", name, AT, accepted=True),
            lambda name=name: answer_blind(changed, log, "single", name, AT, {"RESPONSE": ["B"]}),
        ):
            with pytest.raises(InputError, match=r"imported 'single'.*ask somebody else"):
                act()
    log = review(changed, log, "single", "Bob", AT, accepted=True)
    assert answer_blind(changed, log, "single", "Bob", AT, {"RESPONSE": ["B"]})[-1].facts["right"]


def test_a_rejection_and_a_leap_stand_in_the_way() -> None:
    bank = samples.bank(replace(samples.single(), status="in_review"))
    log = review(bank, (), "single", "Bob", AT, accepted=False)
    with pytest.raises(InputError, match="found it unfit"):
        move(bank, log, "single", "pilot", "Bob", AT)
    with pytest.raises(InputError, match="from draft it can go to in_review, retired"):
        move(drafted(), (), "single", "operational", "Bob", AT)
    with pytest.raises(InputError, match="expected a status among"):
        move(drafted(), (), "single", "done", "Bob", AT)
    with pytest.raises(InputError, match="expected an item of the bank"):
        move(drafted(), (), "ghost", "in_review", "Bob", AT)


def test_who_answers_blind_sees_no_key() -> None:
    shown_text = shown(drafted(), "single", "fr")
    assert "B: Le second" in shown_text
    assert "Parce que" not in shown_text


# On disk.


def test_a_store_keeps_what_was_published(tmp_path: Path) -> None:
    bank = ready()
    store = Store.create(tmp_path / "bank", bank)
    assert store.draft() == bank
    _, log = request(bank, store.log, "Ada", AT, Targets())
    store.record(log)
    version, log = approve(store.draft(), store.log, "Bob", AT)
    path = store.publish(version, bank, log)
    store.save(replace(bank, items=bank.items[1:]))
    assert Store(tmp_path / "bank").version(1) == bank
    assert path.stat().st_mode & 0o222 == 0
    assert differences(store.version(1), store.draft()) == ["- item single"]
    with pytest.raises(InputError, match="from 1 to 1"):
        store.version(2)
    path.chmod(0o644)
    path.write_bytes((tmp_path / "bank" / "draft.zip").read_bytes())
    with pytest.raises(InputError, match="is not what was published"):
        store.version(1)


def test_a_store_is_made_once_and_found_again(tmp_path: Path) -> None:
    Store.create(tmp_path, ready())
    with pytest.raises(InputError, match="got one"):
        Store.create(tmp_path, ready())
    with pytest.raises(InputError, match="expected a bank"):
        Store(tmp_path / "nowhere")


def test_events_are_chained(tmp_path: Path) -> None:
    log = append(append((), "imported", "Ada", AT, source="x"), "imported", "Bob", AT, source="y")
    lines = [to_line(event) for event in log]
    assert from_lines(lines, "events") == log
    for changed in (lines[1:], lines[::-1], [lines[0].replace("Ada", "Eve"), lines[1]]):
        with pytest.raises(InputError, match=r"line 1: the chain of events breaks"):
            from_lines(changed, "events")
    with pytest.raises(InputError, match=r"line 2: expected an event"):
        from_lines([lines[0], "{}"], "events")
    store = Store.create(tmp_path, ready())
    store.record(log)
    with pytest.raises(InputError, match="somebody else acted"):
        store.record(append(log[:1], "imported", "Cy", AT))
    assert json.loads((tmp_path / "events.jsonl").read_text().splitlines()[0])["by"] == "Ada"


# What changed.


def test_a_difference_is_said_in_words() -> None:
    before = ready()
    item = before.items[0]

    def edit(old: Item) -> Item:
        content = old.versions["fr"]
        changed = replace(
            content,
            body=content.body.replace("Que faites-vous", "Que dites-vous"),
            responses={"RESPONSE": replace(content.responses["RESPONSE"], correct=("C",))},
        )
        return replace(old, versions={**old.versions, "fr": changed}, grade=4)

    row = {**before.parameters[0], "b": 0.5}
    after = replace(
        before,
        items=(edit(item), *before.items[1:3]),
        parameters=(row, *before.parameters[1:]),
        media={},
    )
    lines = differences(before, after)
    assert lines[:2] == ["- item number", "~ item single"]
    assert "    grade: None -> 4" in lines
    assert "    fr key of RESPONSE: B -> C" in lines
    assert any("[-faites-vous-] {+dites-vous+}" in line for line in lines)
    assert "- picture plan.svg" in lines
    assert "~ parameters of single: b 0.25 -> 0.5" in lines
    assert differences(before, before) == []
    assert differences(before, replace(before, items=before.items[::-1])) == ["~ order of the items"]


def test_a_difference_in_a_control_is_said() -> None:
    items = {item.id: item for item in samples.every()}

    def changed(name: str, **changes: object) -> list[str]:
        def other(content: Content) -> Content:
            control = replace(content.interactions["RESPONSE"], **changes)
            return replace(content, interactions={"RESPONSE": control})

        item = replace(items[name], versions={k: other(v) for k, v in items[name].versions.items()})
        lines = differences(Bank((items[name],)), Bank((item,)))
        return [line.strip().removeprefix("fr ") for line in lines if line.strip().startswith("fr ")]

    assert changed("multiple", prompt="<p>Trois.</p>") == ["prompt of RESPONSE: [-Deux.-] {+Trois.+}"]
    assert changed("multiple", maximum=2) == ["maximum of RESPONSE: 0 -> 2"]
    single = items["single"].versions["fr"].interactions["RESPONSE"]
    assert isinstance(single, Choice)
    swapped = single.options[::-1]
    assert changed("single", options=swapped) == ["options of RESPONSE changed (A, B, C, D -> D, C, B, A)"]
    pinned = tuple(replace(option, fixed=True) for option in single.options)
    assert changed("single", options=pinned) == ["options of RESPONSE changed"]
    named = tuple(
        replace(a, label="x") for a in items["hotspot"].versions["fr"].interactions["RESPONSE"].areas
    )  # type: ignore[union-attr]
    assert changed("hotspot", areas=named) != []


def test_who_answers_blind_sees_the_prompt_and_the_gaps() -> None:
    gaps = next(item for item in samples.every() if item.id == "gaps")
    seen = shown(samples.bank(gaps), "gaps", "fr").split("\n")
    assert "Complétez." in seen
    assert "Un [g1] puis [g2]." in seen


def test_an_item_that_changes_is_a_draft_again_and_no_file_gives_a_status() -> None:
    bank = ready("pilot")
    first, second, *_ = bank.items
    edited = {k: replace(v, rationale="<p>Autrement.</p>") for k, v in first.versions.items()}
    coming = Bank(
        (
            replace(first, versions=edited, status="operational"),
            replace(second, grade=2, status="operational"),
        )
    )
    after, replaced = merged(bank, coming)
    assert replaced == [first.id, second.id]
    assert [item.status for item in after.items[:2]] == ["draft", "pilot"]
    assert after.by_id[second.id].grade == 2


def test_a_status_that_nobody_gave_here_is_said_at_the_request() -> None:
    bank = ready()
    verdict, _ = request(bank, (), "Ada", AT, Targets())
    (finding,) = verdict.findings
    assert (finding.severity, finding.rule) == ("warning", "reviews")
    assert "no review here gave it one (4 such items)" in finding.message
    log: Log = ()
    for item in bank.items:
        log = review(bank, log, item.id, "Bob", AT, True)
        key = {name: list(r.correct) for name, r in item.versions["fr"].responses.items()}
        log = answer_blind(bank, log, item.id, "Cleo", AT, key)
    assert request(bank, log, "Ada", AT, Targets())[0].findings == ()
