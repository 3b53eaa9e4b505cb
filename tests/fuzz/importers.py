"""Fuzzing of everything that reads a stranger's file: ``make fuzz`` (two minutes, atheris).

A file is accepted or refused with an `InputError`; nothing else may happen. What is accepted must be scored
without failing and come back from a package of ours as it was. The first byte of an input says which format
follows (`FORMATS`); the seeds in ``corpus/`` are made by ``python -m tests.fuzz.seeds``.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

from cat_engine.errors import InputError
from item_bank.bank import Bank
from item_bank.gift import read_gift
from item_bank.markup import sanitise, to_html, to_xml
from item_bank.media import check_picture, plain_name, size
from item_bank.moodle import read_moodle
from item_bank.qti.importing import import_item, import_package
from item_bank.qti.package import package
from item_bank.qti.usage import read_usage
from item_bank.scoring import score
from item_bank.table import read_csv
from tests.item_bank.foreign import QTI3
from tests.item_bank.samples import SVG

__all__ = ["FORMATS", "one"]


def _bank(bank: Bank) -> None:
    for item in bank.items:
        for content in item.versions.values():
            score(content, {})
            for name, response in content.responses.items():
                score(content, {name: list(response.correct[:1])})
    again = import_package(package(bank)).bank
    if again != bank:
        raise AssertionError("the bank did not come back as it was")


def _wrapped(data: bytes) -> None:
    """The bytes as the record of a package of ours."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("imsmanifest.xml", b"<manifest><resources/></manifest>")
        archive.writestr("acquis/bank.json", data)
    _bank(import_package(made.getvalue()).bank)


def _listed(data: bytes) -> None:
    """The bytes as the manifest of a package of anyone else."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("imsmanifest.xml", data)
        archive.writestr("items/choice.xml", QTI3["choice"][0])
        archive.writestr("items/hotspot.xml", QTI3["hotspot"][0])
        archive.writestr("items/images/plan one.svg", SVG)
    _bank(import_package(made.getvalue()).bank)


def _measured(data: bytes) -> None:
    for suffix in ("png", "jpg", "gif", "webp"):
        size(f"picture.{suffix}", data)
        plain_name(f"picture.{suffix}", data)


def _markup(data: bytes) -> None:
    clean = sanitise(data.decode("utf-8", "replace"))
    if sanitise(clean) != clean or to_html(to_xml(clean)) != clean:
        raise AssertionError("the HTML is not at rest")


def _picture(data: bytes) -> None:
    check_picture("picture.svg", data)


def _usage(data: bytes) -> None:
    read_usage(data, "usage.xml")


FORMATS: dict[str, Callable[[bytes], None]] = {
    "i": lambda data: _bank(import_item(data, "item.xml").bank),
    "p": lambda data: _bank(import_package(data).bank),
    "r": _wrapped,
    "m": lambda data: _bank(read_moodle(data, "quiz.xml").bank),
    "g": lambda data: _bank(read_gift(data, "questions.gift").bank),
    "c": lambda data: _bank(read_csv(data, "items.csv").bank),
    "h": _markup,
    "s": _picture,
    "u": _usage,
    "n": _listed,
    "d": _measured,
}
"""Readers by the byte that chooses them."""


def one(data: bytes) -> None:
    """Read one input; anything but acceptance or an `InputError` escapes."""
    reader = FORMATS.get(data[:1].decode("latin-1"))
    if reader is None:
        return
    try:
        reader(data[1:])
    except InputError:
        return
