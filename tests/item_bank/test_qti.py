"""QTI goes out and comes back without loss; a file of others gives what is supported and lists the rest."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from cat_engine.errors import InputError
from item_bank.bank import Bank, document
from item_bank.canonical import canonical
from item_bank.categories import MOST, attainable
from item_bank.content import Choice, Hotspot, Mapped, Option, Response, SelectPoint
from item_bank.qti.importing import Imported, import_item, import_package
from item_bank.qti.package import package
from item_bank.qti.reading import read_item
from item_bank.qti.usage import read_usage, write_usage
from item_bank.qti.writing import write_item
from item_bank.qti.xml import QTI_1
from item_bank.scoring import score
from tests.item_bank import samples
from tests.item_bank.foreign import QTI2, QTI3, wrapped, zipped

ITEMS = {item.id: item for item in samples.every()}


def flat(address: str) -> str:
    return address.rpartition("/")[2]


@pytest.mark.parametrize("name", ITEMS)
def test_every_item_comes_back_as_it_was(name: str) -> None:
    content = ITEMS[name].versions["fr"]
    written = write_item(name, "fr", content, lambda picture: f"../media/{picture}")
    read = read_item(written, "item.xml", flat)
    assert (read.id, read.language, read.notes) == (name, "fr", ())
    assert read.content == content
    assert write_item(name, "fr", read.content, lambda picture: f"../media/{picture}") == written


def test_a_bank_comes_back_as_it_was() -> None:
    bank = samples.bank()
    back = import_package(package(bank))
    assert back == Imported(bank, ())
    assert back.bank.content_hash == bank.content_hash


def test_the_hash_sees_every_change() -> None:
    bank = samples.bank()
    changed = [
        replace(bank, items=bank.items[1:]),
        replace(bank, items=(replace(bank.items[0], grade=3), *bank.items[1:])),
        replace(bank, items=(replace(bank.items[0], access=("visual",)), *bank.items[1:])),
        replace(bank, items=(*bank.items[1:], bank.items[0])),
        replace(bank, media={"plan.svg": samples.SVG + b" "}),
        replace(bank, parameters=bank.parameters[1:]),
        replace(bank, framework=replace(bank.framework, version="2")),
        replace(bank, stimuli={}),
    ]
    assert len({b.content_hash for b in [bank, *changed]}) == len(changed) + 1


def test_fields_that_came_later_leave_older_hashes_alone() -> None:
    match = replace(ITEMS["match"], access=(), features=())
    stored = canonical(document(samples.bank(match))).decode()
    assert not any(name in stored for name in ("access", "features", "blanks"))
    told = canonical(document(samples.bank(ITEMS["match"], ITEMS["match-several"]))).decode()
    assert all(name in told for name in ("access", "features", "blanks"))


def test_the_package_is_what_other_readers_expect() -> None:
    archive = zipfile.ZipFile(io.BytesIO(package(samples.bank())))
    assert archive.namelist()[0] == "imsmanifest.xml"
    manifest = archive.read("imsmanifest.xml").decode()
    assert manifest.count('type="imsqti_item_xmlv3p0"') == 2 * len(ITEMS)
    assert manifest.count('type="imsqti_stimulus_xmlv3p0"') == 2
    assert 'type="qtiusagedata/xml"' in manifest
    for name in archive.namelist():
        assert name == "imsmanifest.xml" or f'href="{name}"' in manifest
    assert "<qti:interactionType>gapMatchInteraction</qti:interactionType>" in manifest
    assert "accessibility restrictions" in manifest
    match = archive.read("items/match.fr.xml").decode()
    assert 'identifier="_1"' in match  # no XML identifier starts with a digit
    assert "<qti-value>A _1</qti-value>" in match


def test_without_our_record_the_items_still_come() -> None:
    source = zipfile.ZipFile(io.BytesIO(package(samples.bank())))
    files = {n: source.read(n) for n in source.namelist() if n != "acquis/bank.json"}
    back = import_package(zipped(files))
    assert back.notes == ()
    for item in back.bank.items:
        assert item.versions == ITEMS[item.id].versions
        assert item.scores == ITEMS[item.id].scores
    assert set(back.bank.stimuli) == {"plan"}
    assert back.bank.by_id["hotspot"].stimulus == "plan"
    assert back.bank.media == samples.bank().media
    assert back.bank.rows["single"]["b"] == 0.25
    assert back.bank.rows["single"]["scale"] == "2026"


# What others write.


@pytest.mark.parametrize("name", QTI3)
def test_items_of_others_are_read(name: str) -> None:
    data, response, worth = QTI3[name]
    read = import_item(data, name).bank
    content = read.items[0].versions["en"]
    assert score(content, response) == pytest.approx(worth)
    key = {variable: list(r.correct) for variable, r in content.responses.items()}
    assert score(content, key) == read.items[0].scores[-1]


@pytest.mark.parametrize("name", QTI2)
def test_qti_2_says_the_same(name: str) -> None:
    data, response, worth = QTI2[name]
    content = import_item(data, name).bank.items[0].versions["en"]
    assert score(content, response) == pytest.approx(worth)


def test_a_picture_of_qti_2_is_a_picture() -> None:
    content = import_item(QTI2["select point"][0], "x").bank.items[0].versions["en"]
    control = content.interactions["RESPONSE"]
    assert isinstance(control, SelectPoint)
    assert (control.image.name, control.image.width, control.image.alt) == ("uk.png", 196, "A map")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            '<qti-extended-text-interaction response-identifier="RESPONSE"/>',
            "<qti-extended-text-interaction>",
        ),
        ("<p>no control</p>", "no control to answer with"),
        ("<p><math xmlns='http://www.w3.org/1998/Math/MathML'/></p>", "it uses MathML"),
        ('<p><qti-printed-variable identifier="X"/></p>', "it prints a variable"),
        ("<video src='x.mp4'/>", "it plays a film"),
        (
            '<qti-order-interaction response-identifier="RESPONSE" max-choices="2"><qti-simple-choice '
            'identifier="A">a</qti-simple-choice></qti-order-interaction>',
            "orders a part of its options",
        ),
    ],
)
def test_what_is_not_supported_is_listed_with_its_line(body: str, said: str) -> None:
    read = import_item(wrapped(body), "item.xml")
    assert read.bank.items == ()
    assert [note.kept for note in read.notes] == [False]
    assert said in read.notes[0].message
    assert read.notes[0].line == 5
    assert str(read.notes[0]).startswith("item.xml, line 5: ")


CHOICE = (
    '<qti-choice-interaction response-identifier="RESPONSE" max-choices="1">'
    '<qti-simple-choice identifier="A">a</qti-simple-choice>'
    '<qti-simple-choice identifier="B">b</qti-simple-choice></qti-choice-interaction>'
)


def test_what_is_left_out_of_a_kept_item_is_said() -> None:
    feedback = (
        '<qti-feedback-block outcome-identifier="F" identifier="x" show-hide="show">'
        "<qti-content-body><p>Well done: B</p></qti-content-body></qti-feedback-block>"
    )
    rubric = '<qti-rubric-block use="scoring" view="scorer"><p>It is B</p></qti-rubric-block>'
    read = import_item(wrapped(f"{feedback}{rubric}<p><a href='x'>link</a></p>{CHOICE}"), "item.xml")
    body = read.bank.items[0].versions["en"].body
    assert body == '<p>link</p><slot name="RESPONSE"></slot>'
    messages = [note.message for note in read.notes]
    assert "feedback is not kept" in messages
    assert "instructions for others than the candidate is not kept" in messages
    assert "<a> is not kept, its text is" in messages
    assert all(note.kept for note in read.notes)


def test_a_stranger_s_item_places_no_control_of_its_own() -> None:
    body = import_item(wrapped(f'<p><slot name="RESPONSE"/><img alt="a"/></p>{CHOICE}'), "x").bank.items[0]
    assert body.versions["en"].body == '<p><span></span><img alt="a"></p><slot name="RESPONSE"></slot>'


@pytest.mark.parametrize(
    ("processing", "said"),
    [
        ('<qti-response-processing template="x/cc2.xml"/>', "template 'cc2' is not known"),
        (
            '<qti-response-processing><qti-set-outcome-value identifier="SCORE"><qti-random-float min="0" '
            'max="1"/></qti-set-outcome-value></qti-response-processing>',
            "uses 'random-float', which is not supported",
        ),
    ],
)
def test_what_cannot_be_scored_is_not_imported(processing: str, said: str) -> None:
    read = import_item(wrapped(CHOICE, processing), "item.xml")
    assert read.bank.items == ()
    assert said in read.notes[0].message


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (CHOICE.replace('"B"', '"A"'), "the option 'A' is there twice"),
        (CHOICE + CHOICE, "two controls fill the response 'RESPONSE'"),
        (CHOICE.replace("RESPONSE", "OTHER"), "the response 'OTHER' is not declared"),
        (CHOICE.replace('max-choices="1"', 'max-choices="many"'), "expected a number as 'max-choices'"),
        (CHOICE.replace(' identifier="A"', ""), "expected 'identifier'"),
    ],
)
def test_nonsense_is_refused_with_its_line(body: str, said: str) -> None:
    with pytest.raises(InputError, match=r"^item\.xml, line 5: ") as caught:
        import_item(wrapped(body), "item.xml")
    assert said in str(caught.value)


def foreign(items: dict[str, bytes], extra: dict[str, bytes] | None = None, head: str = "") -> bytes:
    resources = "".join(
        f'<resource identifier="r{n}" type="imsqti_item_xmlv3p0" href="{name}"/>'
        for n, name in enumerate(items)
    )
    manifest = (
        '<manifest xmlns="http://www.imsglobal.org/xsd/qti/qtiv3p0/imscp_v1p1" identifier="m">'
        f"<resources>{head}{resources}</resources></manifest>"
    )
    return zipped({"imsmanifest.xml": manifest.encode(), **items, **(extra or {})})


def test_pictures_of_others_come_along_under_plain_names() -> None:
    hotspot, _, _ = QTI3["hotspot"]
    data = foreign({"a/item.xml": hotspot}, {"a/images/plan one.svg": samples.SVG})
    read = import_package(data)
    assert read.notes == ()
    control = read.bank.items[0].versions["en"].interactions["RESPONSE"]
    assert isinstance(control, Hotspot)
    assert control.image.name == "plan_one.svg"
    assert read.bank.media == {"plan_one.svg": samples.SVG}
    missing = import_package(foreign({"a/item.xml": hotspot}))
    assert "is not in the package" in missing.notes[0].message


def test_a_test_is_listed_and_its_items_kept() -> None:
    head = '<resource identifier="t" type="imsqti_test_xmlv3p0" href="test.xml"/>'
    head += '<resource identifier="o" type="imsqti_xmlv1p2" href="old.xml"/>'
    read = import_package(foreign({"i.xml": QTI3["choice"][0]}, head=head))
    assert len(read.bank.items) == 1
    assert [note.message for note in read.notes] == [
        *("a test is not kept", QTI_1),
    ]


def test_two_languages_of_one_identifier_are_one_item() -> None:
    english = QTI3["choice"][0]
    french = english.replace(b'xml:lang="en-US"', b'xml:lang="fr"')
    read = import_package(foreign({"en.xml": english, "fr.xml": french}))
    assert [tuple(item.versions) for item in read.bank.items] == [("en", "fr")]
    other = french.replace(b"<qti-value>B</qti-value>", b"<qti-value>A</qti-value>")
    for second in (english, other):  # the same language again, and no translation
        read = import_package(foreign({"en.xml": english, "again.xml": second}))
        assert [item.id for item in read.bank.items] == ["X", "r1"]
        assert [str(note) for note in read.notes] == [
            "again.xml: its identifier 'X' is another item's: it is called 'r1'"
        ]


def test_a_shared_stimulus_of_others_comes_along() -> None:
    item = QTI3["choice"][0].replace(
        b"<qti-item-body>",
        b'<qti-assessment-stimulus-ref identifier="s" href="../texts/s.xml"/><qti-item-body>',
    )
    text = (
        b'<qti-assessment-stimulus xmlns="http://www.imsglobal.org/xsd/imsqtiasi_v3p0" identifier="s" '
        b'title="Night" xml:lang="en"><qti-stimulus-body><p>Once.</p></qti-stimulus-body>'
        b"</qti-assessment-stimulus>"
    )
    for head in ("imsqti_stimulus_xmlv3p0", "imsqti_test_xmlv3p0", ""):
        resource = f'<resource identifier="s" type="{head}" href="texts/s.xml"/>' if head else ""
        read = import_package(foreign({"a/i.xml": item}, {"texts/s.xml": text}, resource)).bank
        assert read.items[0].stimulus == "s"
        assert read.stimuli["s"].html == {"en": "<p>Once.</p>"}
    alone = import_package(foreign({"a/i.xml": item}))
    assert alone.bank.items[0].stimulus == ""
    assert "its stimulus '../texts/s.xml' is not there" in alone.notes[0].message


@pytest.mark.parametrize("name", ["../../x", "a/b", "é è", "x" * 300])
def test_no_identifier_becomes_a_path(name: str) -> None:
    bank = Bank((replace(samples.single(), id=name),))
    names = zipfile.ZipFile(io.BytesIO(package(bank))).namelist()
    assert all(file.count("/") <= 1 and ".." not in file and len(file) < 120 for file in names)
    assert import_package(package(bank)).bank == bank


def test_a_file_that_is_not_there_is_named_with_the_manifest_s_line() -> None:
    manifest = (
        '<manifest xmlns="x" identifier="m">\n<resources>\n'
        '<resource identifier="r" type="imsqti_item_xmlv3p0" href="gone.xml"/></resources></manifest>'
    )
    with pytest.raises(InputError, match=r"imsmanifest\.xml, line 3: the file 'gone\.xml'"):
        import_package(zipped({"imsmanifest.xml": manifest.encode()}))


# Categories.


def test_scores_become_categories() -> None:
    worths = Response(
        "multiple", "identifier", ("A", "B"), Mapped({"A": 1.0, "B": 0.5, "C": -1.0}, lower=0.0)
    )
    control = Choice(tuple(Option(k, k) for k in "ABC"), maximum=0)
    item = samples.item("x", control, worths, processing="map_response")
    assert attainable(item.versions["fr"]) == (0.0, 0.5, 1.0, 1.5)
    assert attainable(ITEMS["rules"].versions["fr"]) == (0.0, 1.0, 2.0)
    assert attainable(ITEMS["single"].versions["fr"]) == (0.0, 1.0)
    typed = import_item(QTI2["words in parts"][0], "x").bank.items[0]
    assert typed.scores == (0.0, 0.2, 0.5, 1.0)
    fine = Mapped({k: 1.0 / (n + 2) for n, k in enumerate("ABCDEFGH")})
    many = samples.item(
        "y", control, Response("multiple", "identifier", ("A",), fine), processing="map_response"
    )
    steps = attainable(many.versions["fr"])
    assert len(steps) == MOST
    assert steps[-1] == pytest.approx(sum(fine.values.values()), abs=1e-5)


# Usage data.


def test_parameters_go_out_as_usage_data_and_come_back() -> None:
    rows = [
        {"id": "a", "model": "2pl", "a": 1.2, "b": -0.5, "se": {"a": 0.1, "b": 0.2}, "n": 500, "flags": []},
        {"id": "b", "model": "3pl", "a": 1.0, "b": 0.5, "c": 0.2, "se": {}, "n": 10, "flags": []},
        {"id": "c", "model": "gpcm", "a": 0.5, "b": [-1.0, 0.0, 1.5], "se": {}, "n": 9, "flags": []},
        {"id": "d", "model": "grm", "a": 0.5, "b": [-1.0, 0.0], "se": {}, "flags": [], "n": 1},
    ]
    rows = [row | {"scale": "été 2026", "date": "2026-01-31"} for row in rows]
    back, notes = read_usage(write_usage(rows), "usage.xml")
    assert notes == []
    assert back == rows


def test_usage_data_of_others_is_read_and_the_rest_listed() -> None:
    def statistic(name: str, value: str, part: str = "") -> str:
        return (
            f'<ordinaryStatistic name="{name}" context="urn:x" caseCount="120" stdError="0.1">'
            f'<targetObject identifier="I1"{part}/><value>{value}</value></ordinaryStatistic>'
        )

    data = (
        '<usageData xmlns="http://www.imsglobal.org/xsd/imsqti_usagedata_v3p0">'
        + statistic("A-Parm", "0.9")
        + statistic("B-Parm", "0.3")
        + statistic("P-value", "0.6")
        + statistic("B-Parm", "0.3", ' partIdentifier="A"')
        + "</usageData>"
    ).encode()
    rows, notes = read_usage(data, "usage.xml")
    assert rows == [
        {
            "id": "I1",
            "model": "2pl",
            "a": 0.9,
            "b": 0.3,
            "se": {"a": 0.1, "b": 0.1},
            "n": 120,
            "flags": [],
            "scale": "urn:x",
        }
    ]
    assert [message for _, message in notes] == [
        "the statistic 'P-value' is no item parameter",
        "the statistic 'B-Parm' is no item parameter",
    ]


def test_a_bank_has_no_place_for_a_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="check the path"):
        import_package(tmp_path / "none.zip")
    assert Bank(()).content_hash == Bank(()).content_hash
