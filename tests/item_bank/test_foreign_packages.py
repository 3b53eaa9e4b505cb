"""Packages as other programs write them: what is supported comes in and scores, the rest is listed."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path

import pytest

from cat_engine.errors import InputError
from item_bank.content import Hotspot, Match, SelectPoint, TextEntry
from item_bank.media import size
from item_bank.qti.importing import Imported, import_item, import_package
from item_bank.qti.package import package
from item_bank.qti.xml import QTI_1
from item_bank.scoring import score
from item_bank.sources import open_bank
from tests.item_bank import samples
from tests.item_bank.foreign import QTI3, correct, mapping, qti3, template, wrapped, zipped

CHOICE = QTI3["choice"][0]
CP = 'xmlns="http://www.imsglobal.org/xsd/imscp_v1p1"'
BY_KEY = "no response processing sets its score: its key does"


def png(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width + 1) * height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def resource(
    name: str, href: str, kind: str = "imsqti_item_xmlv2p1", inside: str = "", base: str = ""
) -> str:
    held = f' xml:base="{base}"' if base else ""
    return f'<resource identifier="{name}" type="{kind}" href="{href}"{held}>{inside}</resource>\n'


def manifest(*resources: str) -> bytes:
    held = "".join(resources)
    return f'<manifest {CP} identifier="m">\n<resources>\n{held}</resources></manifest>'.encode()


def imported(files: dict[str, bytes]) -> Imported:
    """Read the files as a package; whatever comes in must go out and come back."""
    read = import_package(zipped(files))
    assert import_package(package(read.bank)).bank == read.bank
    return read


def named(name: str, data: bytes = CHOICE) -> bytes:
    return data.replace(b'identifier="X"', f'identifier="{name}"'.encode())


@pytest.mark.parametrize(
    ("file", "address", "inside", "base"),
    [
        ("items/one.xml", "items/one.xml", "", ""),
        ("items/one two.xml", "items/one%20two.xml", "", ""),
        ("items/one%20two.xml", "items/one%20two.xml", "", ""),
        ("items/one.xml", "/items/one.xml", "", ""),
        ("items/one.xml", "items\\one.xml", "", ""),
        ("items/one.xml", "./items/../items/one.xml?v=1#top", "", ""),
        ("Items/One.XML", "items/one.xml", "", ""),
        ("items/one.xml", "one.xml", "", "items/"),
        ("items/été.xml", "items/%C3%A9t%C3%A9.xml", "", ""),
        ("items/one.xml", "", '<file href="items/one.xml"/>', ""),
    ],
)
def test_addresses_are_found_however_they_are_written(
    file: str, address: str, inside: str, base: str
) -> None:
    for folder in ("", "export/"):
        entry = resource("r", address, inside=inside, base=base)
        read = imported({f"{folder}imsmanifest.xml": manifest(entry), f"{folder}{file}": CHOICE})
        assert [item.id for item in read.bank.items] == ["X"]
        assert read.notes == ()


def test_a_package_without_a_manifest_is_looked_through() -> None:
    files = {"a/one.xml": named("one"), "__MACOSX/a/._one.xml": b"\x00\x05", "read.me": b"", "x.xml": b"<x/>"}
    read = imported(files)
    assert [item.id for item in read.bank.items] == ["one"]
    assert [str(note) for note in read.notes] == [
        "package: it has no manifest: its files were looked through"
    ]


def test_items_under_another_type_are_found() -> None:
    read = imported({"imsmanifest.xml": manifest(resource("r", "i.xml", "webcontent")), "i.xml": CHOICE})
    assert len(read.bank.items) == 1


def test_one_damaged_item_does_not_stop_the_others() -> None:
    files = {
        "good.xml": named("good"),
        "broken.xml": CHOICE[:-30],
        "empty.xml": CHOICE.replace(b"qti-item-body", b"div"),
        "dtd.xml": CHOICE.replace(
            b"<qti-assessment-item", b'<!DOCTYPE x SYSTEM "x.dtd">\n<qti-assessment-item', 1
        ),
        "essay.xml": wrapped('<qti-extended-text-interaction response-identifier="RESPONSE"/>'),
    }
    entries = [resource(name, name) for name in (*files, "gone.xml")]
    read = imported({"imsmanifest.xml": manifest(*entries), **files})
    assert [item.id for item in read.bank.items] == ["good"]
    said = {note.file: str(note) for note in read.notes}
    assert said["broken.xml"].startswith("broken.xml, line 5: expected well-formed XML")
    assert "expected one <qti-item-body>, got 0" in said["empty.xml"]
    assert "line 2: a DOCTYPE is not accepted" in said["dtd.xml"]
    assert "<qti-extended-text-interaction>, which is not supported" in said["essay.xml"]
    assert said["imsmanifest.xml"].startswith("imsmanifest.xml, line 8: the file 'gone.xml' is not in the")
    assert all(text.endswith("(left out)") for text in said.values())


def test_one_hostile_item_stops_everything() -> None:
    hostile = CHOICE.replace(b"Which?", b"<script>x()</script>")
    files = {"good.xml": named("good"), "bad.xml": hostile}
    with pytest.raises(InputError, match=r"^bad\.xml, line 5: <script> is not accepted"):
        import_package(
            zipped({"imsmanifest.xml": manifest(*(resource(n, n) for n in files)), **files}),
        )


def test_a_control_with_a_script_of_its_own_is_only_not_supported() -> None:
    """A portable custom interaction carries its program; none of it is taken, and the rest is."""
    custom = wrapped(
        '<qti-portable-custom-interaction response-identifier="RESPONSE"><qti-interaction-markup>'
        '<script type="text/x-template">x</script></qti-interaction-markup></qti-portable-custom-interaction>'
    )
    files = {"good.xml": named("good"), "custom.xml": custom}
    read = imported({"imsmanifest.xml": manifest(*(resource(n, n) for n in files)), **files})
    assert [item.id for item in read.bank.items] == ["good"]
    assert "<qti-portable-custom-interaction>, which is not supported" in read.notes[0].message


@pytest.mark.parametrize(
    "files",
    [
        {
            "imsmanifest.xml": manifest(resource("r", "q.xml", "imsqti_xmlv1p2")),
            "q.xml": b"<questestinterop/>",
        },
        {"q.xml": b'<?xml version="1.0"?>\n<questestinterop><item/></questestinterop>'},
    ],
)
def test_qti_1_is_refused_politely(files: dict[str, bytes]) -> None:
    with pytest.raises(InputError) as caught:
        import_package(zipped(files))
    assert QTI_1 in str(caught.value)


@pytest.mark.parametrize("head", [b"", b'<!DOCTYPE questestinterop SYSTEM "ims_qtiasiv1p2p1.dtd">\n'])
def test_a_file_of_qti_1_is_refused_politely(head: bytes) -> None:
    with pytest.raises(InputError) as caught:
        import_item(head + b"<questestinterop><item ident='1'/></questestinterop>", "old.xml")
    assert str(caught.value).startswith("old.xml, line 1: QTI 1 is not read; export it as")


def test_an_unpacked_package_is_read_as_it_lies(tmp_path: Path) -> None:
    (tmp_path / "items").mkdir()
    (tmp_path / "imsmanifest.xml").write_bytes(manifest(resource("r", "items/i.xml")))
    (tmp_path / "items" / "i.xml").write_bytes(CHOICE)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.xml").write_bytes(b"<")
    (tmp_path / "items" / "link.xml").symlink_to("/etc/passwd")
    read = open_bank(str(tmp_path))
    assert ([item.id for item in read.bank.items], read.notes) == (["X"], ())


def test_a_package_of_something_else_is_refused() -> None:
    with pytest.raises(InputError, match="expected QTI items, got a package without any"):
        import_package(zipped({"imsmanifest.xml": manifest(resource("r", "a.html", "webcontent"))}))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252"])
def test_encodings(encoding: str) -> None:
    text = CHOICE.decode().replace("Which?", "Où ?")
    declared = text.replace("UTF-8", encoding.removesuffix("-sig").upper(), 1)
    content = import_item(declared.encode(encoding), "i.xml").bank.items[0].versions["en"]
    assert content.interactions["RESPONSE"].prompt == "Où ?"


@pytest.mark.parametrize(
    "change",
    [
        (b'xmlns="http://www.imsglobal.org/xsd/imsqtiasi_v3p0" ', b""),
        (b'xmlns="http', b'xmlns:x="http://example.org/x" x:y="z" xmlns="http'),
    ],
)
def test_namespaces(change: tuple[bytes, bytes]) -> None:
    assert len(import_item(CHOICE.replace(*change), "i.xml").bank.items) == 1


OLD = (
    '<{p}assessmentItem {ns} identifier="X" title="T" adaptive="false" timeDependent="false">'
    '<{p}responseDeclaration identifier="RESPONSE" cardinality="single" baseType="identifier">'
    "<{p}correctResponse><{p}value><![CDATA[B]]></{p}value></{p}correctResponse></{p}responseDeclaration>"
    '<{p}outcomeDeclaration identifier="SCORE" cardinality="single" baseType="integer"/><{p}itemBody>'
    '<{p}p>Which?</{p}p><{p}choiceInteraction responseIdentifier="RESPONSE" maxChoices="1">'
    '<{p}simpleChoice identifier="A">a</{p}simpleChoice><{p}simpleChoice identifier="B">b</{p}simpleChoice>'
    '</{p}choiceInteraction></{p}itemBody><{p}responseProcessing template="{t}"/></{p}assessmentItem>'
)
TEMPLATES = [
    "http://www.imsglobal.org/question/qti_v2p0/rptemplates/match_correct",
    "http://www.imsglobal.org/question/qti_v2p1/rptemplates/match_correct.xml",
    "http://www.imsglobal.org/question/qti_v2p2/rptemplates/match_correct",
    "https://www.imsglobal.org/question/qti_v3p0/rptemplates/match_correct.xml",
    "https://purl.imsglobal.org/spec/qti/v3p0/rptemplates/match_correct",
]


@pytest.mark.parametrize("address", TEMPLATES)
@pytest.mark.parametrize(
    ("prefix", "namespace"),
    [
        ("", 'xmlns="http://www.imsglobal.org/xsd/imsqti_v2p1"'),
        ("q:", 'xmlns:q="http://www.imsglobal.org/xsd/imsqti_v2p2"'),
        ("", 'xmlns="http://www.imsglobal.org/xsd/apip/apipv1p0/qtiitem/imsqti_v2p2"'),
        ("", ""),
    ],
)
def test_qti_2_in_every_namespace_with_every_address_of_a_template(
    prefix: str, namespace: str, address: str
) -> None:
    read = import_item(OLD.format(p=prefix, ns=namespace, t=address).encode(), "i.xml", "en")
    content = read.bank.items[0].versions["en"]
    assert (score(content, {"RESPONSE": ["B"]}), score(content, {"RESPONSE": ["A"]})) == (1.0, 0.0)
    assert content.body == '<p>Which?</p><slot name="RESPONSE"></slot>'


def test_a_language_that_nobody_says_is_said_to_be_assumed() -> None:
    silent = CHOICE.replace(b' xml:lang="en-US"', b"").replace(b'xml:lang="en-US"', b"")
    read = import_item(silent, "i.xml", "nl")
    assert tuple(read.bank.items[0].versions) == ("nl",)
    assert [str(note) for note in read.notes] == [
        "language: the item 'X' does not say it: taken for 'nl' (--language)"
    ]


# How it is scored.


@pytest.mark.parametrize(
    ("processing", "declared", "said"),
    [
        ("", correct("B"), BY_KEY),
        ("<qti-response-processing/>", correct("B"), BY_KEY),
        ("", correct("B") + mapping(B="2"), "no response processing sets its score: its mapping does"),
        (
            "<qti-response-processing><qti-response-condition><qti-response-if><qti-match><qti-variable "
            'identifier="RESPONSE"/><qti-correct identifier="RESPONSE"/></qti-match></qti-response-if>'
            "</qti-response-condition></qti-response-processing>",
            correct("B"),
            BY_KEY,
        ),
    ],
)
def test_an_item_that_leaves_scoring_to_the_reader_is_scored_by_its_key(
    processing: str, declared: str, said: str
) -> None:
    body = (
        '<qti-choice-interaction response-identifier="RESPONSE"><qti-simple-choice identifier="A">a'
        '</qti-simple-choice><qti-simple-choice identifier="B">b</qti-simple-choice></qti-choice-interaction>'
    )
    read = import_item(qti3("single", "identifier", declared, body, processing), "i.xml")
    item = read.bank.items[0]
    assert score(item.versions["en"], {"RESPONSE": ["B"]}) == item.scores[-1] > 0.0
    assert score(item.versions["en"], {"RESPONSE": ["A"]}) == 0.0
    assert [note.message for note in read.notes] == [said]
    keyless = import_item(qti3("single", "identifier", "", body, processing), "i.xml")
    assert keyless.bank.items == ()
    assert keyless.notes[0].message == "it has neither a rule that scores it nor a key"


def test_a_template_that_reads_another_response_leaves_it_to_the_keys() -> None:
    data = CHOICE.replace(b'"RESPONSE"', b'"ANSWER"')
    read = import_item(data, "i.xml")
    assert score(read.bank.items[0].versions["en"], {"ANSWER": ["B"]}) == 1.0
    assert [note.message for note in read.notes] == [BY_KEY]


def test_pairs_declared_as_identifiers_are_pairs() -> None:
    data = matching("r11 r21", "c10 c20", "", "r1 c1", "r2 c2").replace(b'"directedPair"', b'"identifier"')
    read = import_item(data, "i.xml")
    content = read.bank.items[0].versions["en"]
    assert score(content, {"RESPONSE": ["r2 c2", "r1 c1"]}) == 1.0
    assert "is declared as identifier: it holds directed pairs" in read.notes[0].message


def test_the_language_of_the_body_counts_where_the_item_says_none() -> None:
    spoken = CHOICE.replace(b' xml:lang="en-US"', b"").replace(b'xml:lang="en-US"', b"")
    spoken = spoken.replace(b"<qti-item-body>", b'<qti-item-body xml:lang="nl-NL">')
    read = import_item(spoken, "i.xml")
    assert (tuple(read.bank.items[0].versions), read.notes) == (("nl",), ())


def test_a_template_of_the_package_s_own_is_read() -> None:
    rules = b"""<responseProcessing xmlns="http://www.imsglobal.org/xsd/imsqti_v2p1"><responseCondition>
    <responseIf><match><variable identifier="RESPONSE"/><correct identifier="RESPONSE"/></match>
    <setOutcomeValue identifier="SCORE"><baseValue baseType="float">5</baseValue></setOutcomeValue>
    </responseIf></responseCondition></responseProcessing>"""
    asks = '<qti-response-processing template="urn:x:five" template-location="../rules/five.xml"/>'
    item = CHOICE.replace(template("match_correct").encode(), asks.encode())
    entries = (
        resource("r", "items/i.xml", "imsqti_item_xmlv3p0"),
        resource("t", "rules/five.xml", "imsqti_rptemplate_xmlv2p1"),
    )
    read = imported({"imsmanifest.xml": manifest(*entries), "items/i.xml": item, "rules/five.xml": rules})
    assert read.notes == ()
    assert score(read.bank.items[0].versions["en"], {"RESPONSE": ["B"]}) == 5.0
    alone = import_package(zipped({"imsmanifest.xml": manifest(entries[0]), "items/i.xml": item}))
    assert "template 'urn:x:five' is not known" in alone.notes[0].message


def test_a_response_that_nothing_uses_is_left_out() -> None:
    unused = b'<qti-response-declaration identifier="Z" cardinality="record"/><qti-outcome-declaration'
    data, response, worth = QTI3["multiple, mapped inline"]
    read = import_item(data.replace(b"<qti-outcome-declaration", unused, 1), "i.xml")
    content = read.bank.items[0].versions["en"]
    assert list(content.responses) == ["RESPONSE"]
    assert score(content, response) == worth
    assert [note.message for note in read.notes] == ["its response 'Z' is used by nothing: it is not kept"]


# Controls.


def matching(rows: str, columns: str, attributes: str, *key: str) -> bytes:
    def side(names: str) -> str:
        held = "".join(
            f'<qti-simple-associable-choice identifier="{name[:2]}" match-max="{name[2:]}">{name}'
            "</qti-simple-associable-choice>"
            for name in names.split()
        )
        return f"<qti-simple-match-set>{held}</qti-simple-match-set>"

    body = (
        f'<qti-match-interaction response-identifier="RESPONSE" {attributes}>{side(rows)}{side(columns)}'
        "</qti-match-interaction>"
    )
    return qti3("multiple", "directedPair", correct(*key), body, template("match_correct"))


def control(data: bytes) -> object:
    return import_item(data, "i.xml").bank.items[0].versions["en"].interactions["RESPONSE"]


def test_a_row_may_have_several_columns() -> None:
    data = matching("r12 r20", "c10 c20", 'max-associations="0"', "r1 c1", "r1 c2")
    match = control(data)
    assert isinstance(match, Match)
    assert [row.match_max for row in match.rows] == [2, 0]
    content = import_item(data, "i.xml").bank.items[0].versions["en"]
    assert score(content, {"RESPONSE": ["r1 c2", "r1 c1"]}) == 1.0
    assert score(content, {"RESPONSE": ["r1 c2"]}) == 0.0


@pytest.mark.parametrize(
    ("attributes", "blanks", "maximum"),
    [
        ('max-associations="0"', True, 0),
        ('max-associations="2" min-associations="2"', False, 2),
        ("", True, 0),
        ('max-associations="1"', True, 0),  # fewer than the key holds
    ],
)
def test_rows_may_stay_blank_unless_the_file_says_so(attributes: str, blanks: bool, maximum: int) -> None:
    match = control(matching("r11 r21", "c10 c20", attributes, "r1 c1", "r2 c2"))
    assert isinstance(match, Match)
    assert (match.blanks, match.maximum) == (blanks, maximum)


HOTSPOT = (
    '<qti-hotspot-interaction response-identifier="RESPONSE" max-choices="1">{}'
    '<qti-hotspot-choice identifier="B" shape="circle" coords="5,5,3"/></qti-hotspot-interaction>'
)


def test_a_picture_that_does_not_say_its_size_is_measured() -> None:
    body = HOTSPOT.format('<object data="media/plan.png" type="image/png">A plan</object>')
    item = qti3("single", "identifier", correct("B"), body, template("match_correct"))
    files = {
        "imsmanifest.xml": manifest(resource("r", "i.xml")),
        "i.xml": item,
        "media/plan.png": png(30, 20),
    }
    hotspot = imported(files).bank.items[0].versions["en"].interactions["RESPONSE"]
    assert isinstance(hotspot, Hotspot)
    assert (hotspot.image.width, hotspot.image.height, hotspot.image.alt) == (30, 20, "A plan")
    del files["media/plan.png"]
    lost = import_package(zipped({**files, "j.xml": b""}))
    assert [note.message for note in lost.notes] == [
        "its picture 'media/plan.png' is not in the package",
        "its picture does not say its size",
    ]


def test_a_point_may_be_given_for_every_place_of_the_key() -> None:
    areas = "".join(
        f'<qti-area-map-entry shape="circle" coords="{x},5,3" mapped-value="1"/>' for x in (5, 15)
    )
    body = (
        '<qti-select-point-interaction response-identifier="RESPONSE" max-choices="0">'
        '<img src="p.png" width="30px" height="20.0" alt="p"/></qti-select-point-interaction>'
    )
    declared = f"<qti-area-mapping>{areas}</qti-area-mapping>"
    point = control(qti3("multiple", "point", declared, body, template("map_response_point")))
    assert isinstance(point, SelectPoint)
    assert (point.maximum, point.image.width, point.image.height) == (2, 30, 20)


def test_a_key_of_several_values_for_one_answer_keeps_the_first() -> None:
    body = '<p><qti-text-entry-interaction response-identifier="RESPONSE" aria-label="Town"/></p>'
    declared = correct("Paris", "Lutèce") + mapping(Paris="1", Lutèce="1")
    read = import_item(qti3("single", "string", declared, body, template("map_response")), "i.xml")
    content = read.bank.items[0].versions["en"]
    assert content.responses["RESPONSE"].correct == ("Paris",)
    assert score(content, {"RESPONSE": ["Lutèce"]}) == 1.0
    entry = content.interactions["RESPONSE"]
    assert isinstance(entry, TextEntry)
    assert entry.label == "Town"
    assert "holds several values: the first is kept" in read.notes[0].message


# Pictures.


def with_picture(address: str, name: str = "", body: bytes = b"") -> Imported:
    item = CHOICE.replace(b"Which?", f'<img src="{address}" alt="a plan"/>'.encode())
    files = {"imsmanifest.xml": manifest(resource("r", "a/i.xml")), "a/i.xml": item}
    return imported({**files, **({name: body} if name else {})})


def shown(read: Imported) -> str:
    return str(read.bank.items[0].versions["en"].interactions["RESPONSE"].prompt)  # type: ignore[union-attr]


def test_a_picture_of_the_text_comes_along() -> None:
    read = with_picture("../img/my%20plan(1).png", "img/my plan(1).png", png(3, 2))
    assert read.notes == ()
    assert shown(read) == '<img src="my_plan_1_.png" alt="a plan">'
    assert list(read.bank.media) == ["my_plan_1_.png"]


def test_a_picture_within_its_address_comes_along() -> None:
    data = base64.b64encode(png(3, 2)).decode()
    read = with_picture(f"data:image/png;base64,{data}")
    assert read.notes == ()
    (name,) = read.bank.media
    assert name.startswith("inline-")
    assert shown(read) == f'<img src="{name}" alt="a plan">'
    again = import_item(CHOICE.replace(b"Which?", f'<img src="data:image/png;base64,{data}"/>'.encode()), "i")
    assert list(again.bank.media) == [name]


def test_a_picture_under_the_wrong_suffix_gets_its_own() -> None:
    read = with_picture("../plan.jpg", "plan.jpg", png(3, 2))
    assert (read.notes, list(read.bank.media)) == ((), ["plan.png"])


def test_a_drawing_program_s_doctype_is_taken_out() -> None:
    head = b'<?xml version="1.0"?>\n<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "svg11.dtd">\n'
    read = with_picture("../plan.svg", "plan.svg", head + samples.SVG)
    assert read.notes == ()
    assert b"DOCTYPE" not in read.bank.media["plan.svg"]
    entities = head.replace(b'"svg11.dtd"', b'"svg11.dtd" [<!ENTITY a "b">]')
    lost = with_picture("../plan.svg", "plan.svg", entities + samples.SVG)
    assert "its picture is not kept: plan.svg, line 2: a DOCTYPE" in lost.notes[0].message
    script = samples.SVG.replace(b"</svg>", b"<script>x</script></svg>")
    with pytest.raises(InputError, match=r"plan\.svg, line 1: <script> is not accepted"):
        with_picture("../plan.svg", "plan.svg", script)


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("plan.bmp", b"BM", "'plan.bmp' is no picture that is supported"),
        ("plan.svg", b"<svg", "its picture is not kept: plan.svg, line 1: expected well-formed XML"),
        ("plan.svg", b"<svg><animate/></svg>", "its picture is not kept: plan.svg, line 1: <animate>"),
        ("", b"", "its picture 'plan.svg' is not in the package"),
    ],
)
def test_a_picture_that_cannot_be_kept_is_listed(name: str, body: bytes, said: str) -> None:
    read = with_picture(f"../{name or 'plan.svg'}", name, body)
    assert len(read.bank.items) == 1
    assert read.notes[0].message.startswith(said)
    assert read.bank.media == {}


def test_pictures_are_measured() -> None:
    jpeg = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xc2\x00\x0b\x08\x00\x14\x00\x1e\x01\x01\x11\x00"
    webp = b"RIFF\x00\x00\x00\x00WEBPVP8L\x00\x00\x00\x00\x2f" + struct.pack("<I", 29 | 19 << 14)
    wide = b"RIFF\x00\x00\x00\x00WEBPVP8X" + bytes(8) + b"\x1d\x00\x00\x13\x00\x00"
    plain = b"RIFF\x00\x00\x00\x00WEBPVP8 " + bytes(10) + struct.pack("<HH", 30, 20)
    pictures = {
        "a.png": png(30, 20),
        "a.gif": b"GIF89a\x1e\x00\x14\x00",
        "a.jpg": jpeg,
        "a.webp": webp,
        "b.webp": wide,
        "c.webp": plain,
        "a.svg": b'<svg width="30px" height="20" viewBox="0 0 1 1"/>',
        "b.svg": b'<svg width="100%" viewBox="0 0 30 20"/>',
    }
    assert {size(name, body) for name, body in pictures.items()} == {(30, 20)}
    for name, body in (
        ("a.png", b""),
        ("a.jpg", b"\xff\xd8"),
        ("a.svg", b"<svg/>"),
        ("a.webp", b""),
        ("a.bmp", b""),
    ):
        assert size(name, body) is None


# What the manifest says besides.


def test_usage_data_of_several_groups_keeps_the_first_and_says_so() -> None:
    def usage(b: str) -> bytes:
        return (
            '<usageData xmlns="http://www.imsglobal.org/xsd/imsqti_usagedata_v2p2"><ordinaryStatistic '
            'name="B-Parm" context="T"><targetObject identifier="X"/>'
            f"<value>{b}</value></ordinaryStatistic></usageData>"
        ).encode()

    entries = [resource("i", "i.xml"), resource("u", "u.xml", "qtiusagedata/xml")]
    entries.append(resource("v", "v.xml", "qtiusagedata/xml"))
    files = {"i.xml": CHOICE, "u.xml": usage("0.5"), "v.xml": usage("0.7")}
    read = imported({"imsmanifest.xml": manifest(*entries), **files})
    assert [row["b"] for row in read.bank.parameters] == [0.5]
    assert read.notes[0].message == "parameters of 'X' came before: these are not kept"


def test_accessibility_comes_from_either_metadata() -> None:
    lom = (
        '<metadata><lom xmlns="http://ltsc.ieee.org/xsd/LOM"><classification><purpose><source>LOMv1.0</source>'
        "<value>accessibility restrictions</value></purpose><taxonPath><taxon><id>visual</id></taxon>"
        "</taxonPath><taxonPath><taxon><id>signLanguage</id></taxon></taxonPath></classification></lom></metadata>"
    )
    afa = '<metadata><a:accessMode xmlns:a="urn:a">auditory</a:accessMode></metadata>'
    files = {"i.xml": named("i"), "j.xml": named("j")}
    entries = (resource("i", "i.xml", inside=lom), resource("j", "j.xml", inside=afa))
    read = imported({"imsmanifest.xml": manifest(*entries), **files}).bank
    assert (read.by_id["i"].access, read.by_id["i"].features) == (("visual",), ("signLanguage",))
    assert (read.by_id["j"].access, read.by_id["j"].features) == (("auditory",), ())
