"""A framework of competences: domains, and the skills that a domain is made of.

A framework has an identifier and a version, because what an item measures is only said by naming both.
In a file::

    [framework]                      # in a single file; a folder of domains takes it from its reader
    id = "..."
    version = "..."

    [[domain]]
    code = "D1"
    official = true                  # false: ours, not a text's
    hours = 5
    fr = "..."
    en = "..."

    [[skill]]
    code = "D1.1"                    # its domain is what stands before the last point, or `domain = "..."`
    official = false
    fr = "..."
    says_fr = "what a person who has it can do"
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cat_engine.errors import InputError

__all__ = ["Domain", "Framework", "Skill", "read_framework"]


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain: its names by language code, the hours a training gives to it (None: unsaid)."""

    code: str
    names: Mapping[str, str]
    official: bool = False
    hours: float | None = None


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill of a domain: its names, and what one who has it can do, by language code."""

    code: str
    domain: str
    names: Mapping[str, str]
    says: Mapping[str, str] = field(default_factory=dict)
    official: bool = False


@dataclass(frozen=True, slots=True)
class Framework:
    """A version of a framework."""

    id: str = ""
    version: str = ""
    domains: Mapping[str, Domain] = field(default_factory=dict)
    skills: Mapping[str, Skill] = field(default_factory=dict)

    @staticmethod
    def from_tables(
        name: str,
        version: str,
        domains: Iterable[Mapping[str, Any]],
        skills: Iterable[Mapping[str, Any]],
        where: str = "the framework",
    ) -> Framework:
        """Return the framework that the tables of a file say.

        Raises
        ------
        InputError
            Two entries of one code, a skill of a domain that is not there, a field that is missing.
        """
        known: dict[str, Domain] = {}
        for row in domains:
            domain = Domain(
                _text(row, "code", where), _names(row), bool(row.get("official", False)), row.get("hours")
            )
            _once(known, domain.code, "domain", where)
            known[domain.code] = domain
        found: dict[str, Skill] = {}
        for row in skills:
            code = _text(row, "code", where)
            parent = str(row.get("domain") or code.rpartition(".")[0])
            if parent not in known:
                raise InputError(
                    f"expected skill '{code}' to belong to a domain among {', '.join(known)}, got '{parent}' "
                    f'in {where}; write domain = "..."'
                )
            _once(found, code, "skill", where)
            says = {key[5:]: str(value) for key, value in row.items() if key.startswith("says_")}
            found[code] = Skill(code, parent, _names(row), says, bool(row.get("official", False)))
        return Framework(name, version, known, found)

    def tables(self) -> dict[str, Any]:
        """Return what `from_tables` reads, as plain values in the order of the framework."""
        return {
            "framework": {"id": self.id, "version": self.version},
            "domain": [
                {"code": d.code, "official": d.official}
                | ({} if d.hours is None else {"hours": d.hours})
                | dict(d.names)
                for d in self.domains.values()
            ],
            "skill": [
                {"code": s.code, "domain": s.domain, "official": s.official}
                | dict(s.names)
                | {f"says_{language}": text for language, text in s.says.items()}
                for s in self.skills.values()
            ],
        }


def read_framework(path: str | Path) -> Framework:
    """Read a framework file.

    Raises
    ------
    InputError
        No such file, no TOML, or tables that do not fit the format (see the module).
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"expected a framework file, got '{error.strerror}' for {path}; check the path"
        ) from None
    except ValueError as error:
        raise InputError(f"expected TOML, got something else in {path} ({error}); mend that line") from None
    head = content.get("framework", {})
    return Framework.from_tables(
        _text(head, "id", str(path)),
        _text(head, "version", str(path)),
        content.get("domain", ()),
        content.get("skill", ()),
        str(path),
    )


_LANGUAGE_KEY = 2  # letters of a language code


def _names(row: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in row.items() if len(key) == _LANGUAGE_KEY}


def _text(row: Mapping[str, Any], key: str, where: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise InputError(f"expected a text under '{key}', got {value!r} in {where}; add it")
    return value


def _once(known: Mapping[str, Any], code: str, what: str, where: str) -> None:
    if code in known:
        raise InputError(f"expected each {what} once, got '{code}' twice in {where}; remove one")
