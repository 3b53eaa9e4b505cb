"""The signing keys of a deployment's folder. Which of them signs, the database says (`api.keys.store`).

The first key is ``signing-key.pem``; those that `acquis key` makes stand beside it, named by their ``kid``. A
key is in the folder before the database names it, so whoever is told to sign with it finds it there; a server
whose folder does not hold it goes on with the newest key that is believed and that it has. A key that the
database never came to name, because the command died in between, signs nothing: `inside` finds it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from api.keys.secret import store_once
from api.keys.signing import SigningKey, load_or_make, pem_of
from api.problems import Problem

__all__ = ["Keyring", "inside"]

log = logging.getLogger("acquis.keys")


def inside(folder: Path) -> dict[str, Path]:
    """Return the files of `folder` that hold a signing key, by its ``kid``; nothing is made."""
    return {load_or_make(path).kid: path for path in sorted(folder.glob("signing-key*.pem"))}


class Keyring:
    """The private keys of `folder`, each read when it is first asked for.

    Attributes
    ----------
    first
        The key of ``signing-key.pem``, made where there is none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.first = load_or_make(folder / "signing-key.pem")
        self._read = {self.first.kid: self.first}
        self._missed: set[str] = set()

    def among(self, kids: Sequence[str]) -> SigningKey:
        """Return the first of the keys called `kids` that is here.

        Raises
        ------
        Problem
            ``unavailable`` when none is: nothing is signed that nobody would believe.
        """
        for kid in kids:
            key = self._read.get(kid) or self._look(kid)
            if key is not None:
                return key
            if kid not in self._missed:
                self._missed.add(kid)
                log.warning("a signing key is not in the folder", extra={"fields": {"kid": kid}})
        raise Problem("unavailable", "Try again in a moment, with the same idempotency key.")

    def _look(self, kid: str) -> SigningKey | None:
        path = self._path(kid)
        if not path.exists():
            return None
        key = load_or_make(path)
        self._read[key.kid] = key
        return key if key.kid == kid else None

    def _path(self, kid: str) -> Path:
        return self.folder / f"signing-key-{kid}.pem"

    def holds(self, kid: str) -> bool:
        """Return whether the key called `kid` is here."""
        return kid in self._read or self._look(kid) is not None

    def make(self) -> SigningKey:
        """Return a new key, on disk before anybody hears of it."""
        key = SigningKey.new()
        store_once(self._path(key.kid), pem_of(key.private))
        self._read[key.kid] = key
        return key
