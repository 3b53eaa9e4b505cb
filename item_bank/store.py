"""A bank on disk: the draft that people work on, what was published, and who did what.

::

    BANK/
      draft.zip                     a QTI 3 package (item_bank.qti.package)
      versions/0001-0a1b2c3d.zip    what was published: never written again
      events.jsonl                  one event a line, hash-chained (item_bank.log)
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from cat_engine.errors import InputError
from item_bank.bank import Bank
from item_bank.log import Log, from_lines, to_line
from item_bank.publication import Version, versions
from item_bank.qti.importing import import_package
from item_bank.qti.package import package

__all__ = ["Store"]

_DRAFT = "draft.zip"
_EVENTS = "events.jsonl"


class Store:
    """A bank in a folder.

    Raises
    ------
    InputError
        When the folder is no bank, or its events or versions were changed by hand.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.there(self.folder):
            raise InputError(
                f"expected a bank (a folder with {_DRAFT}), got none at {self.folder}; "
                "make one with 'acquis bank import'"
            )

    @staticmethod
    def there(folder: str | Path) -> bool:
        """Return whether there is a bank in `folder`."""
        return (Path(folder) / _DRAFT).is_file()

    @classmethod
    def create(cls, folder: str | Path, bank: Bank) -> Store:
        """Make a folder that holds `bank` as its draft; the folder must not hold a bank already."""
        path = Path(folder)
        if cls.there(path):
            raise InputError(f"expected no bank at {path} yet, got one; choose another folder")
        path.mkdir(parents=True, exist_ok=True)
        _replace(path / _DRAFT, package(bank))
        return cls(path)

    def draft(self) -> Bank:
        """Return the bank as it stands."""
        return import_package(self.folder / _DRAFT).bank

    def save(self, bank: Bank) -> None:
        """Make `bank` the draft, in one step."""
        _replace(self.folder / _DRAFT, package(bank))

    @property
    def log(self) -> Log:
        """The events, their chain verified."""
        path = self.folder / _EVENTS
        if not path.exists():
            return ()
        return from_lines(path.read_text(encoding="utf-8").splitlines(), str(path))

    def record(self, log: Log) -> None:
        """Add to the file the events of `log` that it has not got; the rest must agree with it."""
        known = self.log
        if log[: len(known)] != known:
            raise InputError(
                f"somebody else acted on the bank {self.folder} in the meantime; look at it and try again"
            )
        lines = "".join(to_line(event) + "\n" for event in log[len(known) :])
        with (self.folder / _EVENTS).open("a", encoding="utf-8") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())

    def publish(self, version: Version, bank: Bank, log: Log) -> Path:
        """Write a version for good, then the events that say so."""
        path = self._path(version)
        path.parent.mkdir(exist_ok=True)
        if path.exists():
            path.unlink()  # written by an attempt whose events were not recorded
        _replace(path, package(bank))
        path.chmod(0o444)
        self.record(log)
        return path

    def versions(self) -> list[Version]:
        """Return the published versions in order."""
        return versions(self.log)

    def version(self, number: int) -> Bank:
        """Return a published version; its content must still have the hash that was published."""
        published = self.versions()
        if not 1 <= number <= len(published):
            raise InputError(f"expected a version from 1 to {len(published)} of {self.folder}, got {number}")
        version = published[number - 1]
        bank = import_package(self._path(version)).bank
        if bank.content_hash != version.content_hash:
            raise InputError(f"{self._path(version)} is not what was published as version {number}")
        return bank

    def _path(self, version: Version) -> Path:
        return self.folder / "versions" / f"{version.number:04d}-{version.hash[:8]}.zip"


def _replace(path: Path, data: bytes) -> None:
    """Write a file so that a crash leaves the old one or the new one whole."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)
