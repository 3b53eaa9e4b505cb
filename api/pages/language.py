"""What the pages say, in each language: messages, French spacing, dates and counts.

Messages live in ``messages/LANGUAGE.toml``, those of the console in ``console.LANGUAGE.toml``, one table
a page. In a message ``[[fr:attestation]]`` marks words of another language (``<span lang="fr">``), and
``{name}`` is filled in.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from markupsafe import Markup, escape

__all__ = ["LANGUAGES", "NAMES", "Messages", "chosen", "messages", "minutes", "typeset"]

LANGUAGES = ("fr", "en")
"""The first is what a visitor sees before choosing."""
NAMES = {"fr": "Français", "en": "English"}

_FOREIGN = re.compile(r"\[\[(\w\w):(.+?)\]\]")
_TAG = re.compile(r"(<[^>]*>)")
_APOSTROPHE = re.compile(r"(?<=\w)'(?=\w)")
_BEFORE = re.compile(r" ([!?;])")
_COLON = re.compile(r" ([:»%€])")
_AFTER = re.compile(r"« ")
_DIGITS = re.compile(r"(?<=\d) (?=\d{3}\b)")
_UNIT = re.compile(r"(?<=\d) (?=(?:h|min|°C|mg|ml|kg|cm|km|Mo|Go)\b)|(?<=\d h) (?=\d\d\b)")
_TITLE = re.compile(r"\b(M\.|Mme|Mlle|Dr) (?=[A-ZÀ-Ý])")


def chosen(wanted: str | None) -> str:
    """Return `wanted` when it is one of ours, else French."""
    return wanted if wanted in LANGUAGES else LANGUAGES[0]


def minutes(seconds: int) -> int:
    """Return a length of time as the pages tell it: in minutes, one begun counts."""
    return -(-seconds // 60)


def typeset(text: str, language: str) -> str:
    """Return `text` (plain or HTML) with true apostrophes and French unbreakable spaces.

    Without those spaces a narrow screen begins a line with a lone question mark, or parts 23 from its h.
    """
    pieces = _TAG.split(text)
    for index in range(0, len(pieces), 2):
        piece = _APOSTROPHE.sub("\u2019", pieces[index])
        if language == "fr":
            piece = _BEFORE.sub("\u202f\\1", piece)
            piece = _COLON.sub("\u00a0\\1", piece)
            piece = _AFTER.sub("«\u00a0", piece)
            piece = _DIGITS.sub("\u202f", piece)
            piece = _UNIT.sub("\u00a0", piece)
            piece = _TITLE.sub("\\1\u00a0", piece)
        pieces[index] = piece
    return "".join(pieces)


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


class Messages:
    """The messages of one language; ``messages("question.title", n=3)`` gives markup."""

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        self.language = language
        self.texts = {key: typeset(text, language) for key, text in texts.items()}

    def __call__(self, key: str, **values: Any) -> Markup:
        """Return a message as markup, its values escaped."""
        return Markup(self._marked(self.texts[key])).format(**values)

    def plain(self, key: str, **values: Any) -> str:
        """Return a message for an attribute or a title: without the marks of language."""
        return _FOREIGN.sub(r"\2", self.texts[key]).format(**values)

    def count(self, key: str, n: int, **values: Any) -> Markup:
        """Return ``key.one`` or ``key.many``; French counts nought among the singular."""
        single = n < 2 if self.language == "fr" else n == 1
        return self(f"{key}.{'one' if single else 'many'}", n=self.number(n), **values)

    def has(self, key: str) -> bool:
        """Return whether there is such a message."""
        return key in self.texts

    def number(self, value: float, digits: int = 0) -> str:
        """Return a number as this language writes it."""
        text = f"{value:,.{digits}f}"
        if self.language == "fr":
            return text.replace(",", "\u202f").replace(".", ",").replace("-", "\u2212")
        return text.replace("-", "\u2212")

    def day(self, moment: int) -> str:
        """Return the day of a moment (microseconds since 1970, UTC)."""
        local = _local(moment)
        month = self.texts[f"month.{local.month}"]
        first = self.language == "fr" and local.day == 1
        return f"{'1er' if first else local.day}\u00a0{month} {local.year}"

    def hour(self, moment: int) -> str:
        """Return the hour and minute of a moment, and where it is that late: overseas it is another hour."""
        local = _local(moment)
        zone = "\u00a0UTC" if _zone() is UTC else f" ({self.texts['site.paris']})"
        if self.language == "fr":
            return f"{local.hour}\u00a0h\u00a0{local.minute:02d}{zone}"
        return f"{local.hour}:{local.minute:02d}{zone}"

    def _marked(self, text: str) -> str:
        pieces = _FOREIGN.split(text)
        marked = []
        for index in range(0, len(pieces), 3):
            marked.append(str(escape(pieces[index])))
            if index + 2 < len(pieces):
                language, words = pieces[index + 1], pieces[index + 2]
                marked.append(f'<span lang="{language}">{escape(words)}</span>')
        return "".join(marked)


@cache
def messages(language: str) -> Messages:
    """Return the messages of `language`."""
    folder = Path(__file__).parent / "messages"
    files = (f"{language}.toml", f"console.{language}.toml")
    texts = [(folder / name).read_text(encoding="utf-8") for name in files]
    return Messages(language, {key: said for text in texts for key, said in _flat(tomllib.loads(text))})


@cache
def _zone() -> tzinfo:
    """Return the time of France, or UTC where the system has no time zones."""
    try:
        return ZoneInfo("Europe/Paris")
    except ZoneInfoNotFoundError:
        return UTC


def _local(moment: int) -> datetime:
    return datetime.fromtimestamp(moment / 1_000_000, _zone())
