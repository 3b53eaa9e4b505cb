"""From a bank, a design and a definition to the document of a test.

The definition (``TEST.toml``) says what neither the bank nor the design can: ::

    schema = "acquis/test-definition/1"
    code = "NUM-SANTE"
    languages = ["fr", "en"]         # the first one is shown unless another is asked for
    valid_days = 1095                # how long a result holds

    [title]
    fr = "..."
    en = "..."

    [[level]]                        # lowest first: one more than the design has cut scores
    code = "N1"
    fr = "..."
    en = "..."

    [scale]                          # points = origin + unit x theta, kept within low and high
    name = "points"
    origin = 500.0
    unit = 100.0
    low = 0
    high = 1000

    [time]                           # left out: no time limit
    limit_s = 3600
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from api.catalogue.document import SCHEMA, plain
from cat_engine.design import Design
from cat_engine.errors import InputError, suggestion
from item_bank.bank import Bank
from item_bank.media import kind
from item_bank.publication import Targets, judge

__all__ = ["DEFINITION", "Definition", "document"]

DEFINITION = "acquis/test-definition/1"

_SCALE = {"name": "points", "origin": 500.0, "unit": 100.0, "low": 0, "high": 1000}
_TIME = ("limit_s", "grace_s", "silence_s", "give_back_s", "abandon_s")
_HOUR, _MONTH = 3600, 30 * 86_400
_KEYS = ("schema", "code", "languages", "valid_days", "title", "level", "scale", "time")


@dataclass(frozen=True, slots=True)
class Definition:
    """What a test is called, which levels it tells, how long it takes and how long its results hold."""

    code: str
    title: Mapping[str, str]
    languages: tuple[str, ...]
    levels: tuple[Mapping[str, Any], ...]
    scale: Mapping[str, Any]
    time: Mapping[str, int]
    valid_days: int

    @staticmethod
    def from_mapping(values: Mapping[str, Any]) -> Definition:
        """Return the definition that a parsed TEST.toml says.

        Raises
        ------
        InputError
            Naming the key, what was expected and what came.
        """
        if values.get("schema") != DEFINITION:
            raise InputError(
                f'expected schema = "{DEFINITION}" in the test\'s definition, got {values.get("schema")!r}; '
                "put that line first"
            )
        _known(values, _KEYS, "the test's definition")
        languages = tuple(_of(values, "languages", list))
        code, levels = _of(values, "code", str), _of(values, "level", list)
        if not code or len(code) > 100 or not code.isprintable() or " " in code:
            raise InputError(f"expected 'code' to be 1 to 100 characters without blanks, got '{code}'")
        if not languages:
            raise InputError("expected at least one language in 'languages', got none")
        scale = {**_SCALE, **values.get("scale", {})}
        _known(scale, tuple(_SCALE), "[scale]")
        for key in ("origin", "unit", "low", "high"):
            _number(scale[key], f"scale.{key}", int if key in ("low", "high") else float)
        if not (scale["unit"] > 0 and scale["low"] < scale["high"]):
            raise InputError("expected scale.unit above 0 and scale.low below scale.high; mend [scale]")
        time = {"abandon_s": _MONTH, **values.get("time", {})}
        _known(time, _TIME, "[time]")
        for key, seconds in time.items():
            _number(seconds, f"time.{key}", int)
        if time["abandon_s"] < _HOUR:
            raise InputError(
                f"expected 'time.abandon_s' of at least {_HOUR}, got {time['abandon_s']}: a sitting would "
                "end while its candidate thinks; leave it out for 30 days"
            )
        days = values.get("valid_days", 365)
        _number(days, "valid_days", int)
        return Definition(
            code,
            _texts(_of(values, "title", dict), languages, "[title]"),
            languages,
            tuple(
                {"code": _of(level, "code", str), "label": _texts(level, languages, f"level {n}")}
                for n, level in enumerate(levels, 1)
            ),
            scale,
            time,
            days,
        )


def _known(values: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    for key in values:
        if key not in keys:
            advice = suggestion(key, keys, f"known keys: {', '.join(keys)}")
            raise InputError(f"unknown key '{key}' in {where}; {advice}")


def _of(values: Mapping[str, Any], key: str, wanted: type) -> Any:
    names: dict[type, str] = {str: "a text", list: "a list", dict: "a section"}
    found = values.get(key)
    if not isinstance(found, wanted):
        raise InputError(f"expected '{key}' to be {names[wanted]} in the test's definition, got {found!r}")
    return found


def _number(value: Any, key: str, wanted: type) -> None:
    if isinstance(value, bool) or not isinstance(value, int if wanted is int else int | float):
        kinds = {int: "a whole number", float: "a number"}
        raise InputError(f"expected '{key}' to be {kinds[wanted]} in the test's definition, got {value!r}")
    if wanted is int and value < 0:
        raise InputError(f"expected '{key}' of at least 0 in the test's definition, got {value}")


def _texts(values: Mapping[str, Any], languages: tuple[str, ...], where: str) -> dict[str, str]:
    missing = [language for language in languages if not isinstance(values.get(language), str)]
    if missing:
        raise InputError(
            f"expected a text in each language in {where} of the test's definition, got none in "
            f'{", ".join(missing)}; write {missing[0]} = "..."'
        )
    return {language: values[language] for language in languages}


def document(
    bank: Bank,
    definition: Definition,
    design: Mapping[str, Any],
    today: date,
    demonstration: bool = False,
    version: str = "",
) -> tuple[dict[str, Any], dict[str, tuple[str, bytes]]]:
    """Return the document of a test, and the pictures it names: SHA-256 -> media type and bytes.

    Parameters
    ----------
    design
        The content of DESIGN.toml, blueprint and cut scores included.
    today
        Items whose shelf life has ended by then are left out, as are those that may not be served.
    demonstration
        Whether everything made with the test is without value; provisional parameters are refused otherwise.
    version
        Hash of the published version of the bank, for who asks where the test comes from.

    Raises
    ------
    InputError
        When the bank does not let it pass, or its parts do not fit each other.
    """
    rules = Design.from_mapping(design)
    items = bank.eligible(today)
    verdict = judge(bank, Targets.of(rules), today, demonstration)
    errors = [finding for finding in verdict.findings if finding.severity == "error"]
    if errors:
        named = f"{errors[0].item}: " if errors[0].item else ""
        more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
        raise InputError(f"expected a bank that can give this test, got: {named}{errors[0].message}{more}")
    if len(definition.levels) != len(rules.cuts.values) + 1:
        raise InputError(
            f"expected {len(rules.cuts.values) + 1} levels for the design's {len(rules.cuts.values)} cut "
            f"scores, got {len(definition.levels)}; give one [[level]] more than there are cut scores"
        )
    for item in items:
        absent = [language for language in definition.languages if language not in item.versions]
        if absent:
            raise InputError(
                f"expected every item in {', '.join(definition.languages)}, got '{item.id}' without "
                f"{', '.join(absent)}; translate it, retire it, or offer the test in fewer languages"
            )
    blobs: dict[str, tuple[str, bytes]] = {}
    media: dict[str, list[str]] = {}
    for name, body in sorted(bank.media.items()):
        digest, media_type = hashlib.sha256(body).hexdigest(), kind(name) or "application/octet-stream"
        blobs[digest] = (media_type, body)
        media[name] = [digest, media_type]
    return {
        "schema": SCHEMA,
        "title": dict(definition.title),
        "languages": list(definition.languages),
        "demonstration": demonstration,
        "bank": {"content": bank.content_hash, "version": version},
        "design": dict(design),
        "levels": [dict(level) for level in definition.levels],
        "scale": dict(definition.scale),
        "time": dict(definition.time),
        "valid_days": definition.valid_days,
        "domains": {code: dict(domain.names) for code, domain in bank.framework.domains.items()},
        "items": plain(items),
        "stimuli": plain(bank.stimuli),
        "parameters": [dict(bank.rows[item.id]) for item in items],
        "attributes": bank.attributes(items),
        "media": media,
    }, blobs
