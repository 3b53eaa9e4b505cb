"""Make the seeds of the fuzzing corpus from the tests' own samples: ``python -m tests.fuzz.seeds``."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

from item_bank.qti.package import package
from item_bank.qti.usage import write_usage
from item_bank.qti.writing import write_item
from item_bank.table import write_csv
from tests.item_bank import samples
from tests.item_bank.foreign import QTI2, QTI3

CORPUS = Path(__file__).resolve().parent / "corpus"

MOODLE = b"""<?xml version="1.0"?>
<quiz><question type="multichoice"><name><text>A</text></name>
<questiontext format="html"><text><![CDATA[<p>Q <b>x</b></p>]]></text></questiontext><single>false</single>
<answer fraction="50"><text>a</text></answer><answer fraction="-25"><text>b</text></answer>
<answer fraction="50"><text>c</text></answer></question>
<question type="numerical"><name><text>B</text></name><questiontext><text>n</text></questiontext>
<answer fraction="100"><text>3.5</text><tolerance>0.1</tolerance></answer></question>
<question type="matching"><name><text>C</text></name><questiontext><text>m</text></questiontext>
<subquestion><text>a</text><answer><text>1</text></answer></subquestion>
<subquestion><text>b</text><answer><text>2</text></answer></subquestion></question>
<question type="gapselect"><name><text>D</text></name><questiontext><text>x [[1]] y</text></questiontext>
<selectoption><text>w</text><group>1</group></selectoption></question></quiz>"""

GIFT = """::T:: Qui ? {=Ada#oui ~%50%Bob ~Cy}

Vrai ? {F}

Combien ? {#3:0.5}

Reliez {=a -> 1 =b -> 2}

Le chat {=dort ~vole} ici.

[html]<p>x</p>{=%50%a =b}
"""


MANIFEST = b"""<?xml version="1.0"?>
<manifest xmlns="http://www.imsglobal.org/xsd/imscp_v1p1" xml:base="items/"><resources>
<resource identifier="a" type="imsqti_item_xmlv2p1" href="choice.xml"><metadata>
<lom xmlns="http://ltsc.ieee.org/xsd/LOM"><classification><purpose><value>accessibility restrictions</value>
</purpose><taxonPath><taxon><id>visual</id></taxon></taxonPath></classification></lom></metadata></resource>
<resource identifier="b" type="imsqti_item_xmlv3p0" href="Hotspot.XML"><file href="images/plan%20one.svg"/>
<dependency identifierref="c"/></resource>
<resource identifier="c" type="imsqti_test_xmlv2p1" href="/test.xml"/></resources></manifest>"""

JPEG = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc2\x00\x0b\x08\x00\x14\x00\x1e\x01\x01\x11\x00"
WEBP = b"RIFF\x00\x00\x00\x00WEBPVP8L\x00\x00\x00\x00\x2f\x1d\x00\x05\x00"


def seeds() -> list[bytes]:
    """Return every seed, its format's byte first."""
    bank = samples.bank()
    archive = zipfile.ZipFile(io.BytesIO(package(bank)))
    found = [b"i" + write_item(i.id, "fr", i.versions["fr"], lambda p: p) for i in bank.items]
    found += [b"i" + data for data, _, _ in (*QTI3.values(), *QTI2.values())]
    found += [b"p" + package(samples.bank(samples.single()))]
    found += [b"r" + archive.read("acquis/bank.json"), b"m" + MOODLE, b"g" + GIFT.encode()]
    found += [b"c" + write_csv(bank)[0], b"s" + samples.SVG, b"u" + write_usage(bank.parameters)]
    found += [
        b'h<p>a <b>b</b><table><tr><td>x</td></tr></table><slot name="R"></slot><ruby>a<rt>b</rt></ruby>'
    ]
    found += [b"n" + MANIFEST, b"d" + JPEG, b"d" + WEBP]
    return found


if __name__ == "__main__":
    CORPUS.mkdir(exist_ok=True)
    for seed in seeds():
        (CORPUS / f"{chr(seed[0])}-{hashlib.sha256(seed).hexdigest()[:12]}").write_bytes(seed)
    print(f"{len(seeds())} seeds in {CORPUS.name}/")
