"""Every writing rule bites on what it is for, and on nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from item_bank.alike import alike
from item_bank.bank import Bank
from item_bank.check import Finding, check
from item_bank.content import Area, Choice, Content, Hotspot, Item, Option, Response
from tests.item_bank import samples
from tests.item_bank.samples import bank, options, single


def test_a_sound_bank_has_no_finding() -> None:
    assert check(bank(), date(2026, 1, 1)) == []


def found(held: Bank, rule: str, today: date | None = None) -> list[Finding]:
    return [finding for finding in check(held, today) if finding.rule == rule]


def only(held: Bank, rule: str, said: str, severity: str = "error") -> None:
    """Exactly this rule speaks, with these words."""
    findings = check(held)
    assert [(f.rule, f.severity) for f in findings if said in f.message] != []
    assert {f.rule for f in findings} == {rule}
    assert all(f.severity == severity for f in findings if said in f.message)


def content(**changes: Any) -> Item:
    item = single()
    return replace(item, versions={k: replace(v, **changes) for k, v in item.versions.items()})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": "no good"}, "holds other signs"),
        ({"status": "done"}, "is none of draft"),
        ({"grade": 6}, "not on the scale"),
        ({"skill": "D1.9"}, "is not in the framework"),
        ({"domain": "D2"}, "does not belong to its domain"),
        ({"stimulus": "none"}, "its stimulus 'none' is not in the bank"),
        ({"enemies": ("ghost",)}, "its enemy 'ghost' is not in the bank"),
    ],
)
def test_identity(changes: dict[str, Any], said: str) -> None:
    only(bank(replace(single(), **changes)), "identity", said)


def test_enemies_know_each_other() -> None:
    one, two = replace(single(), enemies=("b",)), replace(samples.every()[4], id="b")
    only(bank(one, two), "identity", "'b' does not name it")
    assert check(bank(one, replace(two, enemies=("single",)))) == []


def test_an_item_names_its_author() -> None:
    only(bank(replace(single(), authors=())), "identity", "names no author", "warning")


def test_parameters_belong_to_items_of_the_bank() -> None:
    held = replace(bank(single()), parameters=({"id": "ghost", "model": "2pl", "a": 1.0, "b": 0.0},))
    only(held, "identity", "holds no such item")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (None, "it names no source"),
        ({"text": " "}, "it names no source"),
        ({"says": ""}, "does not say what decides"),
        ({"read": ""}, "said to be read, but not where"),
        ({"checked": "memory"}, "say copy or knowledge"),
    ],
)
def test_grounds(changes: dict[str, str] | None, said: str) -> None:
    source = None if changes is None else replace(samples.SOURCE, **changes)
    only(bank(replace(single(), source=source)), "grounds", said)


def test_a_rationale_is_there() -> None:
    only(bank(content(rationale="<p> </p>")), "grounds", "no rationale (fr)")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"responses": {"RESPONSE": Response("single", "identifier", ("Z",))}},
            "its key 'Z' cannot be chosen",
        ),
        ({"responses": {"RESPONSE": Response("single", "identifier")}}, "it has no key"),
        ({"responses": {}}, "fills no response variable"),
        ({"body": "<p>Quoi ?</p>"}, "their places in the text do not agree"),
    ],
)
def test_the_key_is_there_and_can_be_given(changes: dict[str, Any], said: str) -> None:
    assert any(said in f.message for f in found(bank(content(**changes)), "key"))


def test_the_key_earns_the_highest_category() -> None:
    only(bank(replace(single(), scores=(0.0, 1.0, 2.0))), "key", "does not earn the highest")
    only(bank(replace(single(), scores=(1.0, 0.0))), "key", "do not ascend")


def test_the_versions_are_one_item() -> None:
    item = single()
    other = replace(item.versions["en"], responses={"RESPONSE": Response("single", "identifier", ("A",))})
    only(
        bank(replace(item, versions={**item.versions, "en": other})), "languages", "differ in options or key"
    )
    alone = replace(samples.every()[4], versions={"fr": samples.every()[4].versions["fr"]})
    only(bank(single(), alone), "languages", "no version in en", "warning")


def test_pictures_are_there_described_and_hold_their_areas() -> None:
    hotspot = next(item for item in samples.every() if item.id == "hotspot")
    assert check(bank(hotspot)) == []
    only(replace(bank(hotspot), media={}), "pictures", "'plan.svg' is not in the bank")

    def changed(**changes: Any) -> Bank:
        control = hotspot.versions["fr"].interactions["RESPONSE"]
        assert isinstance(control, Hotspot)
        content = replace(hotspot.versions["fr"], interactions={"RESPONSE": replace(control, **changes)})
        return bank(replace(hotspot, versions=dict.fromkeys(("fr", "en"), content)))

    only(changed(image=replace(samples.PICTURE, alt=" ")), "pictures", "no text alternative")
    areas = (Area("A", "rect", (0.0, 0.0, 300.0, 50.0), "x"), Area("B", "rect", (0.0, 0.0, 9.0, 9.0), "y"))
    only(changed(areas=areas), "pictures", "'A' lies outside")
    nameless = changed(areas=(areas[0], replace(areas[1], label="")))
    assert any("has no name" in finding.message for finding in found(nameless, "pictures"))


def test_an_expired_item_is_said_to_be_out() -> None:
    def aged(expires: str) -> Bank:
        return bank(replace(single(), expires=expires, status="operational"))

    today = date(2026, 6, 1)
    assert "out of the pool" in found(aged("2026-05-31"), "shelf-life", today)[0].message
    assert "review it" in found(aged("2026-06-01"), "shelf-life", today)[0].message
    assert found(aged("2027-06-01"), "shelf-life", today) == []
    assert "write a date" in found(aged("soon"), "shelf-life", today)[0].message
    assert aged("2026-05-31").eligible(today) == ()
    assert len(aged("2026-06-01").eligible(today)) == 1


def stem(text: str) -> Item:
    return content(body=f"<p>{text}</p>{samples.SLOT}")


@pytest.mark.parametrize(
    "text",
    [
        "Laquelle de ces mesures n'est pas utile ?",
        "Lequel ne convient pas ?",
        "Quel message ne faut pas ouvrir ?",
        "Which of these is not safe?",
        "Tous les choix conviennent, sauf un : lequel ?",
        "All of these except one are safe: which?",
    ],
)
def test_a_negative_question_is_seen(text: str) -> None:
    only(bank(stem(text)), "wording", "asks in the negative", "warning")


@pytest.mark.parametrize(
    "text",
    [
        "Le patient n'est pas venu. Que faites-vous ?",
        "Quelle zone montre que le dossier n'est pas le sien ?",
        "Which area shows that the record is not hers?",
    ],
)
def test_a_negative_in_the_situation_is_none(text: str) -> None:
    assert check(bank(stem(text))) == []


def test_long_sentences_are_seen() -> None:
    only(bank(stem(" ".join(["mot"] * 26) + ".")), "wording", "a sentence has 26 words", "warning")
    assert check(bank(stem(" ".join(["mot"] * 25) + "."))) == []
    assert check(bank(stem("Un mot suffit. " * 9))) == []


def choices(*texts: str, key: str = "B") -> Item:
    return samples.item("choices", Choice(options(*texts)), Response("single", "identifier", (key,)))


@pytest.mark.parametrize(
    ("texts", "said", "severity"),
    [
        (("Le premier", "Le second", "le Premier", "Le quart"), "say the same", "error"),
        (
            ("Une réponse seule", "Deux réponses", "Trois réponses", "Toutes ces réponses"),
            "stands for others",
            "error",
        ),
        (
            ("One of the first", "Two of them all", "Three of them", "None of the above"),
            "stands for others",
            "error",
        ),
        (("Toujours appeler", "Appeler vite", "Ne rien faire", "Attendre"), "gives itself away", "warning"),
        (("Appeler", "Le faire", " ", "Attendre"), "an option is empty", "error"),
    ],
)
def test_options_are_worded_fairly(texts: tuple[str, ...], said: str, severity: str) -> None:
    only(bank(choices(*texts)), "wording", said, severity)


def test_options_are_near_each_other_in_length() -> None:
    uneven = choices("Appeler", "Appeler le service informatique par l'annuaire", "Attendre", "Partir")
    only(bank(uneven), "option-length", "from 6 to 46", "warning")
    assert check(bank(choices("Appeler", "Appeler le service", "Attendre", "Partir"))) == []


def many(keys: str, longest: bool = False) -> Bank:
    texts = {k: f"Le choix {k}" for k in "ABCD"}
    items = []
    for n, key in enumerate(keys):
        told = {**texts, key: texts[key] + " long"} if longest else texts
        control = Choice(tuple(Option(k, f"{v} {n}") for k, v in told.items()))
        words = ". ".join(f"mot{n}x{k}" for k in range(20))
        items.append(
            samples.item(
                f"i{n}",
                control,
                Response("single", "identifier", (key,)),
                body=f"<p>{words}</p>{samples.SLOT}",
            )
        )
    return bank(*items)


def test_the_key_stands_everywhere_about_as_often() -> None:
    assert check(many("ABCD" * 10)) == []
    only(many("B" * 20 + "ACD" * 7), "key-position", "position 2 in 20 of 41")


def test_the_key_is_not_given_away_by_its_length() -> None:
    only(many("ABCD" * 4, longest=True), "key-length", "the longest option in 16 of 16")


def test_copies_are_seen_unless_they_are_enemies() -> None:
    one, two = (replace(single(), id=name) for name in ("one", "two"))
    only(bank(one, two), "copies", "much like 'two'", "warning")
    assert check(bank(replace(one, enemies=("two",)), replace(two, enemies=("one",)))) == []


def test_similarity_is_of_words_that_tell() -> None:
    documents = [["le", "chat", "dort"], ["le", "chien", "court"], ["le", "chat", "dort"]]
    assert [(i, j) for i, j, _ in alike(documents, 0.5)] == [(0, 2)]
    assert alike([["a"]], 0.5) == []


def test_a_bank_refuses_two_items_of_one_identifier() -> None:
    with pytest.raises(ValueError, match="'single' twice"):
        bank(single(), single())


def test_content_is_frozen() -> None:
    assert isinstance(single().versions["fr"], Content)
    with pytest.raises(AttributeError):
        single().id = "other"  # type: ignore[misc]


def test_pictures_of_the_text_are_there_and_have_an_alternative() -> None:
    body = "<p>Que montre {} ?</p>" + samples.SLOT
    only(
        bank(content(body=body.format('<img src="x.svg" alt="x">'))), "pictures", "'x.svg' is not in the bank"
    )
    silent = content(body=body.format('<img src="plan.svg">'))
    only(bank(silent), "pictures", "a picture in its text has no text alternative (fr)")
    assert check(bank(content(body=body.format('<img src="plan.svg" alt="">')))) == []  # only decorates


def test_an_option_may_be_a_picture() -> None:
    drawn = tuple(Option(k, f'<img src="plan.svg" alt="Le plan {k}">') for k in "ABC")
    assert found(bank(content(interactions={"RESPONSE": Choice(drawn)})), "wording") == []


def test_accessibility_is_said_in_the_known_words() -> None:
    only(bank(replace(single(), access=("sight",))), "access", "'sight' is none of the known words")
    only(bank(replace(single(), features=("nice",))), "access", "'nice' is none of the known words")
    point = next(item for item in samples.every() if item.id == "point")
    assert found(bank(replace(point, access=("visual",))), "access") == []
    only(bank(replace(point, access=("textual",))), "access", "does not say it needs sight", "warning")


def test_a_stimulus_speaks_the_languages_of_its_items() -> None:
    held = bank(single(stimulus="plan"))
    stimulus = held.stimuli["plan"]
    french = replace(stimulus, title={"fr": "x"}, html={}, image={})
    only(replace(held, stimuli={"plan": french}), "identity", "its stimulus 'plan' has no version in en")


def test_an_item_may_ask_in_its_prompt() -> None:
    control = Choice(options("Un", "Deux", "Trois"), "<p>Que faites-vous ?</p>")
    asked = content(body=samples.SLOT, interactions={"RESPONSE": control})
    assert found(bank(asked), "wording") == []
    silent = content(body=samples.SLOT, interactions={"RESPONSE": Choice(options("Un", "Deux", "Trois"))})
    assert [f.message for f in found(bank(silent), "wording")] == [
        "it asks nothing (fr)",
        "it asks nothing (en)",
    ]
