"""A bank from whatever names it: the demonstration bank, a folder, a package, a file of another format."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cat_engine.errors import InputError
from item_bank.bank import Bank
from item_bank.content import Item
from item_bank.qti.importing import Imported, import_item, import_package
from item_bank.qti.zipped import packed
from item_bank.store import Store

__all__ = ["SUFFIXES", "merged", "open_bank", "read_file"]

SUFFIXES = {
    ".zip": "a QTI content package",
    ".xml": "a QTI item or Moodle XML",
    ".csv": "a CSV of items",
    ".gift": "GIFT",
    ".txt": "GIFT",
}
"""What a file is taken for, by its suffix."""


def open_bank(name: str, language: str = "fr", held: Bank | None = None) -> Imported:
    """Return the bank that `name` means; `held` is the bank that a CSV is for.

    ``demo``; a bank's folder (its draft), ``FOLDER@N`` (its version N); a folder with an ``imsmanifest.xml``
    (a package that was unpacked); or a file (`SUFFIXES`).

    Raises
    ------
    InputError
        When there is no such thing, or it cannot be read.
    """
    if name == "demo" and not Path("demo").exists():
        from item_bank import demo

        return Imported(demo.load().bank(), ())
    folder, at, number = name.rpartition("@")
    if at and number.isdigit() and Path(folder).is_dir():
        return Imported(Store(folder).version(int(number)), ())
    path = Path(name)
    if path.is_dir():
        if any(path.glob("imsmanifest.xml")) and not Store.there(path):
            return import_package(packed(path), language, name)
        return Imported(Store(path).draft(), ())
    return read_file(path, language, held)


def read_file(path: Path, language: str = "fr", held: Bank | None = None) -> Imported:
    """Return the bank in one file; its suffix says what it is."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        if not path.exists():
            raise InputError(
                f"expected 'demo', a bank's folder or a file, there is no {path}; "
                f"'acquis bank import ... --to {path}' makes a bank's folder"
            )
        known = ", ".join(f"{end} ({what})" for end, what in SUFFIXES.items())
        raise InputError(f"expected 'demo', a bank's folder, or a file with {known}, got '{path}'; name one")
    if suffix == ".zip":
        return import_package(path, language)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"expected {SUFFIXES[suffix]}, got '{error.strerror}' for {path}") from None
    if suffix == ".csv":
        from item_bank.table import read_csv

        return read_csv(data, str(path), language, None if held is None else held.by_id)
    if suffix == ".xml":
        if b"<quiz" in data[:4096]:
            from item_bank.moodle import read_moodle

            return read_moodle(data, str(path), language)
        return import_item(data, str(path), language)
    from item_bank.gift import read_gift

    return read_gift(data, str(path), language)


def merged(into: Bank, other: Bank) -> tuple[Bank, list[str]]:
    """Return `into` with what `other` brings, and the identifiers that were there already.

    An item of `other` replaces the one of the same identifier, and so do stimuli, pictures and parameters.
    Its status stays what the bank made it; where what is asked or how it is scored changed, it is a draft
    again, for its reviews were of something else.
    """
    known = into.by_id
    coming = other.by_id
    items = tuple(_renewed(item, coming[item.id]) if item.id in coming else item for item in into.items)
    items += tuple(item for item in other.items if item.id not in known)
    rows = {**into.rows, **other.rows}
    return (
        Bank(
            items,
            {**into.stimuli, **other.stimuli},
            other.framework if other.framework.domains else into.framework,
            {**into.media, **other.media},
            tuple(rows.values()),
        ),
        [name for name in coming if name in known],
    )


def _renewed(before: Item, after: Item) -> Item:
    same = (before.versions, before.scores, before.stimulus) == (after.versions, after.scores, after.stimulus)
    return replace(after, status=before.status if same or before.status == "retired" else "draft")
