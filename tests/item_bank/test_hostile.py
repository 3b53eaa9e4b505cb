"""Files that mean harm are refused with their place, within two seconds and 200 MB.

Each case is read in a process of its own, whose time and memory are measured from outside.
"""

from __future__ import annotations

import io
import json
import resource
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from cat_engine.errors import InputError
from item_bank.media import check_picture
from item_bank.qti.importing import import_item, import_package
from item_bank.qti.package import package
from item_bank.qti.xml import LARGEST
from tests.item_bank import samples
from tests.item_bank.foreign import QTI3, wrapped, zipped

SECONDS = 2.0
MEGABYTES = 200

CHOICE = QTI3["choice"][0].decode()


def with_head(head: str) -> bytes:
    first, rest = CHOICE.split("\n", 1)
    return f"{first}\n{head}\n{rest}".encode()


def nested(name: str, depth: int) -> bytes:
    return CHOICE.replace(
        "<qti-item-body>", "<qti-item-body>\n" + f"<{name}>" * depth + f"</{name}>" * depth, 1
    ).encode()


def attributes(count: int) -> str:
    return " ".join(f'a{n}=""' for n in range(count))


def bomb() -> bytes:
    entities = ['<!ENTITY a0 "lol">']
    entities += [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12)]
    return with_head(f"<!DOCTYPE x [{''.join(entities)}]>").replace(b"Which?", b"&a11;")


XML: dict[str, tuple[Callable[[], bytes], str]] = {
    "an external entity": (
        lambda: with_head('<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>').replace(
            b"Which?", b"&e;"
        ),
        "line 2: a DOCTYPE is not accepted",
    ),
    "an external DTD": (
        lambda: with_head('<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">'),
        "line 2: a DOCTYPE is not accepted",
    ),
    "a bomb of entities": (bomb, "line 2: a DOCTYPE is not accepted"),
    "a bomb in UTF-16": (
        lambda: bomb().decode().replace("UTF-8", "UTF-16").encode("utf-16"),
        "line 2: a DOCTYPE is not accepted",
    ),
    "elements 100,000 deep": (lambda: nested("div", 100_000), "line 6: elements stand more than 64 deep"),
    "300,000 elements": (
        lambda: CHOICE.replace("<qti-item-body>", "<qti-item-body>" + "<br/>" * 300_000, 1).encode(),
        "line 5: there are more than 50,000 elements",
    ),
    "100,000 attributes": (
        lambda: CHOICE.replace("<qti-prompt>", f"<qti-prompt {attributes(100_000)}>", 1).encode(),
        "line 5: an element has more than 64 attributes",
    ),
    "a line of 20 MB": (
        lambda: CHOICE.replace("Which?", "x" * 20_000_000, 1).encode(),
        f"expected at most {LARGEST:,} bytes",
    ),
    "a NUL": (lambda: CHOICE.replace("Which?", "a\x00b", 1).encode(), "line 5: expected well-formed XML"),
    "an encoding of its own": (
        lambda: CHOICE.replace("UTF-8", "x-user-defined", 1).encode(),
        "line 1: expected",
    ),
    "an end too early": (lambda: CHOICE[:-40].encode(), "line 5: expected well-formed XML"),
    "nothing": (lambda: b"", "line 1: expected well-formed XML"),
    "another language": (lambda: b"<html/>", "line 1: expected <qti-assessment-item>"),
    "a script": (
        lambda: CHOICE.replace("Which?", "<script>alert(1)</script>", 1).encode(),
        "line 5: <script> is not accepted",
    ),
    "an event handler": (
        lambda: CHOICE.replace("Which?", '<span onclick="x()">a</span>', 1).encode(),
        "line 5: the event handler 'onclick'",
    ),
    "a link that runs": (
        lambda: CHOICE.replace("Which?", '<a href=" java\tscript:x()">a</a>', 1).encode(),
        "line 5: the address",
    ),
    "responses declared twice": (
        lambda: CHOICE.replace(
            "<qti-outcome",
            '<qti-response-declaration identifier="RESPONSE" cardinality="single" base-type="identifier"/>'
            "<qti-outcome",
            1,
        ).encode(),
        "line 4: the response 'RESPONSE' is declared twice",
    ),
    "options declared twice": (
        lambda: CHOICE.replace('identifier="B"', 'identifier="A"', 1).encode(),
        "line 5: the option 'A' is there twice",
    ),
    "rules 60 deep": (
        lambda: wrapped("<p/>", "<qti-response-processing>" + "<qti-and>" * 63 + "</qti-and>" * 63)[:-1],
        "line 5: ",
    ),
}


MANIFEST = b'<manifest xmlns="x" identifier="m">\n<resources>\n%s</resources></manifest>'
RESOURCE = b'<resource identifier="r" type="imsqti_item_xmlv3p0" href="%s"/>\n'


def entries(count: int) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for n in range(count):
            archive.writestr(zipfile.ZipInfo(f"f{n}"), b"")
    return made.getvalue()


def entry(name: str, body: bytes = b"x", **changes: int) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("imsmanifest.xml", b"<manifest/>")
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED
        for key, value in changes.items():
            setattr(info, key, value)
        archive.writestr(info, body)
    return made.getvalue()


def overlapping() -> bytes:
    """Many entries of the directory that share one compressed kernel of zeros (a flat zip bomb)."""
    kernel = zlib.compress(bytes(15 * 1024 * 1024), 9)[2:-4]
    crc = zlib.crc32(bytes(15 * 1024 * 1024))
    local = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 0, 8, 0, 33, crc, len(kernel), 15 << 20, 2, 0)
    body = local + b"f0" + kernel
    directory = b""
    for n in range(200):
        name = f"g{n}".encode()
        directory += struct.pack(
            "<4sHHHHHHIIIHHHHHII",
            *(b"PK\x01\x02", 20, 20, 0, 8, 0, 33, crc, len(kernel), 15 << 20, len(name), 0, 0, 0, 0, 0, 0),
        )
        directory += name
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 200, 200, len(directory), len(body), 0)
    return body + directory + end


def lying() -> bytes:
    """An entry that unpacks to more than its directory says."""
    data = bytearray(
        zipped({"imsmanifest.xml": MANIFEST % (RESOURCE % b"big.xml"), "big.xml": bytes(99_999)})
    )
    at = data.rfind(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 10)
    return bytes(data)


def damaged() -> bytes:
    """An entry whose compressed bytes were hit."""
    data = bytearray(zipped({"imsmanifest.xml": MANIFEST % (RESOURCE % b"a.xml"), "a.xml": b"<a/>" * 99}))
    at = data.find(b"a.xml") + len("a.xml")
    data[at + 3 : at + 6] = b"\xff\xff\xff"
    return bytes(data)


def ours(**changes: object) -> bytes:
    """A package of ours whose record was tampered with."""
    source = zipfile.ZipFile(io.BytesIO(package(samples.bank(samples.single()))))
    files = {name: source.read(name) for name in source.namelist()}
    record = json.loads(files["acquis/bank.json"]) | changes
    return zipped({**files, "acquis/bank.json": json.dumps(record).encode()})


ZIP: dict[str, tuple[Callable[[], bytes], str]] = {
    "a name that climbs out": (lambda: entry("../../etc/cron.d/x"), "has a name that is not accepted"),
    "an absolute name": (lambda: entry("/etc/passwd"), "has a name that is not accepted"),
    "a name of Windows": (lambda: entry("C:\\x"), "has a name that is not accepted"),
    "a name with a NUL": (
        lambda: entry("a_b.xml").replace(b"a_b.xml", b"a\x00b.xml"),
        "has a name that is not accepted",
    ),
    "a symbolic link": (
        lambda: entry("link", b"/etc/passwd", external_attr=0o120777 << 16),
        "is a symbolic link",
    ),
    "the same name twice": (
        lambda: entry("imsmanifest.xmk").replace(b"imsmanifest.xmk", b"imsmanifest.xml"),
        "is there twice",
    ),
    "a bomb": (lambda: entry("x.xml", bytes(15 * 1024 * 1024)), "it looks like a zip bomb"),
    "a larger bomb": (lambda: entry("x.xml", bytes(64 * 1024 * 1024)), "unpacks to 67,108,864 bytes"),
    "a flat bomb": (overlapping, "it looks like a zip bomb"),
    "an entry that lies": (lying, "the entry 'big.xml' is damaged"),
    "100,000 entries": (lambda: entries(100_000), "expected at most 50,000 entries"),
    "60,000 entries": (lambda: entries(60_000), "expected at most 50,000 entries"),
    "bzip2": (lambda: entry("x", compress_type=zipfile.ZIP_BZIP2), "compressed in an unusual way"),
    "no zip": (lambda: b"PK\x03\x04 not really", "expected a zip file"),
    "no manifest": (lambda: zipped({"a.xml": b"<a/>"}), "no imsmanifest.xml"),
    "a damaged entry": (damaged, "the entry 'a.xml' is damaged"),
    "a manifest with an entity": (
        lambda: zipped({"imsmanifest.xml": b'<!DOCTYPE m [<!ENTITY a "b">]>\n<manifest/>'}),
        "imsmanifest.xml, line 1: a DOCTYPE",
    ),
    "resources of one identifier": (
        lambda: zipped({"imsmanifest.xml": MANIFEST % (RESOURCE % b"a" + RESOURCE % b"b")}),
        "imsmanifest.xml, line 4: the resource 'r' is there twice",
    ),
    "an address that climbs out": (
        lambda: zipped({"imsmanifest.xml": MANIFEST % (RESOURCE % b"../../../etc/passwd")}),
        "line 3: the file '../../../etc/passwd' is not in the package",
    ),
    "a script in a picture": (
        lambda: with_picture(b'<svg xmlns="http://www.w3.org/2000/svg">\n<script>x</script></svg>'),
        "plan.svg, line 2: <script> is not accepted",
    ),
    "a record of another schema": (lambda: ours(schema="x"), "expected schema 'acquis/bank/1'"),
    "a record of other types": (lambda: ours(items=[{"id": 1}]), "expected"),
    "a record that climbs out": (
        lambda: ours(items=[{"id": "x", "files": {"fr": "../../../etc/passwd"}}]),
        "got no such file",
    ),
    "a record with a number for a list": (lambda: ours(media=7), "expected a list in 'media'"),
    "a record 100,000 deep": (
        lambda: zipped(
            {"imsmanifest.xml": b"<manifest/>", "acquis/bank.json": b"[" * 100_000 + b"]" * 100_000}
        ),
        "expected",
    ),
}


def with_picture(body: bytes) -> bytes:
    source = zipfile.ZipFile(io.BytesIO(package(samples.bank(samples.single()))))
    files = {name: source.read(name) for name in source.namelist()}
    return zipped({**files, "media/plan.svg": body})


# The peak is VmHWM, which starts anew with exec; ru_maxrss would count the process that forked this one.
READ = """
import re, sys, time
from pathlib import Path
from cat_engine.errors import InputError
from item_bank.sources import read_file
path = Path(sys.argv[1])
before = time.process_time()
try:
    read_file(path)
    print("accepted")
except InputError as error:
    print(error)
print(time.process_time() - before)
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def refused(tmp_path: Path, data: bytes, suffix: str) -> str:
    """What a fresh process says of a file, having kept its limits."""
    path = tmp_path / f"hostile.{suffix}"
    path.write_bytes(data)
    ran = subprocess.run(
        [sys.executable, "-c", READ, str(path)],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (20, 20)),
    )
    said, seconds, megabytes = ran.stdout.strip().rsplit("\n", 2)
    print(f"{path.stat().st_size:,} bytes: {float(seconds):.2f} s, {megabytes} MB")
    assert float(seconds) < SECONDS
    assert int(megabytes) < MEGABYTES
    return said


HEAVY_XML = (
    "a bomb of entities",
    "elements 100,000 deep",
    "300,000 elements",
    "100,000 attributes",
    "a line of 20 MB",
)
HEAVY_ZIP = ("a bomb", "a larger bomb", "a flat bomb", "100,000 entries", "60,000 entries")


@pytest.mark.parametrize("name", HEAVY_XML)
def test_heavy_files_cost_little(name: str, tmp_path: Path) -> None:
    make, said = XML[name]
    assert said in refused(tmp_path, make(), "xml")


@pytest.mark.parametrize("name", HEAVY_ZIP)
def test_heavy_packages_cost_little(name: str, tmp_path: Path) -> None:
    make, said = ZIP[name]
    assert said in refused(tmp_path, make(), "zip")


@pytest.mark.parametrize("name", [name for name in XML if name not in HEAVY_XML])
def test_hostile_items_are_refused_with_their_line(name: str) -> None:
    make, said = XML[name]
    with pytest.raises(InputError, match=r"^item\.xml") as caught:
        import_item(make(), "item.xml")
    assert said in str(caught.value)


@pytest.mark.parametrize("name", [name for name in ZIP if name not in HEAVY_ZIP])
def test_hostile_packages_are_refused_with_their_place(name: str) -> None:
    make, said = ZIP[name]
    with pytest.raises(InputError) as caught:
        import_package(make())
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("svg", "said"),
    [
        ("<script/>", "<script>"),
        ("<foreignObject/>", "<foreignobject>"),
        ('<g onload="x()"/>', "the event handler 'onload'"),
        ('<a href="javascript:x"/>', "the address 'javascript:x'"),
        ('<image href="http://example.org/x.png"/>', "the address 'http"),
        ('<use xlink:href="x.svg#a" xmlns:xlink="http://www.w3.org/1999/xlink"/>', "the address 'x.svg#a'"),
        ('<rect fill="url(http://example.org/x)"/>', "the address in 'fill'"),
        ("<style>@import 'x.css';</style>", "a style that loads"),
        ("<style>rect{fill:url(//x)}</style>", "a style that loads"),
        ('<set attributeName="href" to="javascript:x"/>', "<set>"),
        ('<image href="data:image/svg+xml;base64,AAAA"/>', "the address 'data:"),
    ],
)
def test_a_picture_only_shows(svg: str, said: str) -> None:
    with pytest.raises(InputError, match=r"^p\.svg, line 2: ") as caught:
        check_picture("p.svg", f'<svg xmlns="http://www.w3.org/2000/svg">\n{svg}</svg>'.encode())
    assert said in str(caught.value)


def test_a_picture_is_what_it_says() -> None:
    inside = (
        '<svg xmlns="http://www.w3.org/2000/svg"><defs><linearGradient id="a"/></defs>'
        '<rect fill="url(#a)"/><use href="#a"/><image href="data:image/png;base64,iVBORw0K"/></svg>'
    )
    check_picture("p.svg", inside.encode())
    check_picture("p.png", b"\x89PNG\r\n\x1a\n...")
    for name, data in (("p.png", b"<svg/>"), ("p.exe", b"MZ"), ("p.svg", b"<html/>"), ("p.jpg", b"GIF89a")):
        with pytest.raises(InputError, match=r"^p\."):
            check_picture(name, data)
