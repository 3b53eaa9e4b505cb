"""Items as CSV and back: one row an item and language, made for spreadsheets.

``docs/reference/item-files.md`` says what each column holds. Written with ``;``, in UTF-8 with a signature
or in cp1252; `rows` reads what comes back. A cell that a spreadsheet would take for a formula gets an
apostrophe before it.

Holds single and multiple choice, order, match, number and text whole. What has no place in a row (pictures,
controls in a sentence, scoring by rules) stays in QTI and is listed; its row holds what is said about it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cat_engine.errors import InputError
from item_bank import forms
from item_bank.bank import Bank
from item_bank.content import (
    ACCESS,
    FEATURES,
    Choice,
    Content,
    Item,
    Match,
    Option,
    Order,
    Source,
    TextEntry,
)
from item_bank.forms import RESPONSE, Form
from item_bank.mapping import number
from item_bank.markup import escape, sanitise, text
from item_bank.qti.importing import Imported, Note
from item_bank.render import asked
from item_bank.rows import FORMULA, Lines, day, listed, rows, words

__all__ = ["COLUMNS", "read_csv", "write_attributes", "write_csv"]

_ITEM = (
    "domain",
    "skill",
    "profession",
    "grade",
    "tags",
    "enemies",
    "stimulus",
    "authors",
    "status",
    "expires",
    "access",
    "features",
)
_OPTIONS = tuple(f"option_{letter}" for letter in "ABCDEFGH")
_COLUMNS = tuple(f"column_{n}" for n in range(1, 7))
_SOURCE = ("text", "article", "date", "says", "checked", "read")
COLUMNS = (
    *("item", "language", "form", "scoring", "key", "stem"),
    *_OPTIONS,
    *_COLUMNS,
    *("ids", "unit", "title", "rationale"),
    *_ITEM,
    *(f"source_{name}" for name in _SOURCE),
)
"""The columns, in order; all but ``item, form, key, stem`` may be absent when reading."""

QTI = "qti"
"""Form of a row about an item whose content stays in QTI: only what is said about it is read."""

_KNOWN_FORMS = ("single", "multiple", "order", "match", "number", "text")


# Out.


def write_csv(bank: Bank, encoding: str = "utf-8-sig") -> tuple[bytes, list[Note]]:
    """Return the items as CSV, and a note for each that has no place in it.

    Parameters
    ----------
    encoding
        ``utf-8-sig`` (what spreadsheets recognise) or ``cp1252`` (old French ones).
    """
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, delimiter=";", lineterminator="\r\n")
    writer.writeheader()
    notes: list[Note] = []
    for item in bank.items:
        made = [_row(item, language) for language in item.versions]
        what = next((row for row in made if isinstance(row, str)), None)
        if what is not None:
            notes.append(Note(item.id, None, f"{what}; its row holds what is said about it", True))
            made = [
                {"form": QTI, "stem": asked(content), **_said_about(item, language)}
                for language, content in item.versions.items()
            ]
        for row in made:
            assert isinstance(row, dict)
            writer.writerow({name: _defused(value) for name, value in row.items()})
    try:
        return out.getvalue().encode(encoding), notes
    except UnicodeEncodeError as error:
        line = out.getvalue().count("\n", 0, error.start) + 1
        sign = out.getvalue()[error.start]
        raise InputError(
            f"expected signs of {encoding}, got '{sign}' (U+{ord(sign):04X}) for line {line}; "
            "write UTF-8, which spreadsheets of today open"
        ) from None
    except LookupError:
        raise InputError(f"expected the encoding utf-8-sig or cp1252, got '{encoding}'") from None


def write_attributes(bank: Bank) -> bytes:
    """Return the items' attributes (`Bank.attributes`) as the engine's file: ``,`` between cells, UTF-8."""
    columns = bank.attributes()
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return out.getvalue().encode()


def _defused(value: str) -> str:
    return f"'{value}" if FORMULA.match(value) else value


def _row(item: Item, language: str) -> dict[str, str] | str:
    """Return one row, or why there can be none."""
    content = item.versions[language]
    if list(content.interactions) != [RESPONSE]:
        return "its controls stand in a sentence: it stays in QTI"
    said = _said(content)
    if isinstance(said, str):
        return said
    try:
        form = _form(said, Lines("", 0))
    except InputError:
        return "its options or its key do not fit into a row: it stays in QTI"
    own = Form(content.interactions, content.responses, content.processing, item.scores, content.rules)
    if form != own:
        return "its way of scoring or its control has no place in CSV: it stays in QTI"
    stem = content.body.removesuffix(f'<slot name="{RESPONSE}"></slot>')
    if forms.assemble(form, content.title, stem, content.rationale) != content:
        return "its text stands around its control: it stays in QTI"
    return {**said, "stem": _plain(stem), **_said_about(item, language)}


def _said_about(item: Item, language: str) -> dict[str, str]:
    source = item.source or Source("")
    return {
        "item": item.id,
        "language": language,
        "title": "" if item.versions[language].title == item.id else item.versions[language].title,
        "rationale": _plain(item.versions[language].rationale),
        **{name: _cell(getattr(item, name)) for name in _ITEM},
        **{f"source_{name}": getattr(source, name) if item.source else "" for name in _SOURCE},
    }


def _cell(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(value)
    return "" if value is None else str(value)


def _said(content: Content) -> dict[str, str] | str:
    control, response = content.interactions[RESPONSE], content.responses[RESPONSE]
    scoring = "all" if content.processing == "match_correct" else "partial"
    said = {"scoring": scoring, "key": ", ".join(response.correct)}
    match control:
        case Choice():
            form = "single" if control.maximum == 1 else "multiple"
            return said | {"form": form} | _laid(control.options, ())
        case Order():
            return said | {"form": "order"} | _laid(control.options, ())
        case Match():
            return said | {"form": "match"} | _laid(control.rows, control.columns)
        case TextEntry() if response.base_type == "string" and response.mapping:
            accepted = [f"{answer}={worth:g}" for answer, worth in response.mapping.values.items()]
            case = "" if response.mapping.caseless else "case"
            return said | {"form": "text", "key": " | ".join(accepted), "unit": control.unit, "scoring": case}
        case TextEntry() if response.base_type != "string":
            whole = "whole" if response.base_type == "integer" else "decimal"
            return said | {"form": "number", "unit": control.unit, "scoring": whole}
        case _:
            return "its control has no place in CSV: it stays in QTI"


def _laid(options: Sequence[Option], columns: Sequence[Option]) -> dict[str, str]:
    ids = [option.id for option in (*options, *columns)]
    usual = [*"ABCDEFGH"[: len(options)], *(str(n + 1) for n in range(len(columns)))]
    return {
        **dict(zip(_OPTIONS, (_plain(o.html) for o in options), strict=False)),
        **dict(zip(_COLUMNS, (_plain(o.html) for o in columns), strict=False)),
        "ids": "" if ids == usual else " ".join(ids),
    }


def _plain(markup: str) -> str:
    """Return plain text when nothing is lost by it, else the HTML, marked as such."""
    if not markup:
        return ""
    if _paragraphs(_unescaped(markup)) == markup:
        return _unescaped(markup)
    plain = text(markup)
    return plain if escape(plain) == markup and not plain.startswith("html:") else f"html:{markup}"


def _unescaped(markup: str) -> str:
    parts = re.findall(r"<p>(.*?)</p>", markup, re.DOTALL)
    return "\n\n".join(" ".join(text(part).split()) for part in parts)


def _paragraphs(plain: str) -> str:
    parts = (" ".join(part.split()) for part in re.split(r"\n\s*\n", plain.strip()))
    return "".join(f"<p>{escape(part)}</p>" for part in parts if part)


# In.


def read_csv(
    data: bytes, where: str, language: str = "fr", held: Mapping[str, Item] | None = None
) -> Imported:
    """Return the items in a CSV file.

    Parameters
    ----------
    language
        Of the rows that do not say theirs.
    held
        The items of the bank that the file is for: rows of the form ``qti`` are about these, and are left out
        without them.

    Raises
    ------
    InputError
        With the line: a column or a value that is missing, a key that is no option, a row that is there
        twice.
    """
    found: dict[str, Item] = {}
    seen: set[tuple[str, str]] = set()
    notes: list[Note] = []
    for lines, row in rows(data, where, COLUMNS, ("item", "form", "key", "stem")):
        name = row.get("item", "").strip()
        if not name:
            raise lines.fail("expected an identifier in the column 'item', got none; write one")
        spoken = row.get("language", "").strip() or language
        if not (spoken.isascii() and spoken.isalpha() and spoken.islower() and len(spoken) <= 8):
            raise lines.fail(f"expected a language like 'fr', got '{spoken[:20]}'")
        if (name, spoken) in seen:
            raise lines.fail(f"the item '{name}' ({spoken}) is there twice; remove one")
        seen.add((name, spoken))
        before = found.get(name)
        if row["form"].strip() == QTI:
            item = before or (held or {}).get(name)
            if item is None:
                what = f"the content of '{name[:40]}' is in QTI: import the file into the bank that holds it"
                if not any(there == name for there, other in seen if other != spoken):
                    notes.append(Note(where, lines.line, what, False))
                continue
            found[name] = _about(item, spoken, row, lines)
            continue
        item = _item(name, spoken, row, lines)
        if before is None:
            found[name] = item
            continue
        if item.scores != before.scores or _keys(item, spoken) != _keys(before, next(iter(before.versions))):
            raise lines.fail(f"the versions of '{name}' differ in form or key; make them agree")
        found[name] = replace(before, versions={**before.versions, **item.versions})
    return Imported(Bank(tuple(found.values())), tuple(notes))


def _keys(item: Item, language: str) -> object:
    return dict(item.versions[language].responses)


def _item(name: str, language: str, row: Mapping[str, str], lines: Lines) -> Item:
    form = _form(row, lines)
    rationale = _html(row.get("rationale", ""), True, lines)
    title = row.get("title", "") or name
    content = forms.assemble(form, title, _html(row["stem"], True, lines), rationale)
    return Item(name, {language: content}, form.scores, **_facts(row, lines))


def _about(item: Item, language: str, row: Mapping[str, str], lines: Lines) -> Item:
    """Return an item whose content has no place in a row, with what the row says about it."""
    if language not in item.versions:
        raise lines.fail(f"expected a language of '{item.id}' ({', '.join(item.versions)}), got '{language}'")
    rationale = _html(row.get("rationale", ""), True, lines)
    content = replace(item.versions[language], rationale=rationale)
    return replace(item, versions={**item.versions, language: content}, **_facts(row, lines))


def _facts(row: Mapping[str, str], lines: Lines) -> dict[str, Any]:
    grade = row.get("grade", "").strip()
    if grade and grade not in ("1", "2", "3", "4", "5"):
        raise lines.fail(f"expected a grade from 1 to 5, got '{grade[:20]}'")
    source = {n: row.get(f"source_{n}", "") for n in _SOURCE}
    source["date"] = day(source["date"], lines)
    source["checked"] = source["checked"] or "knowledge"
    return {
        "domain": row.get("domain", ""),
        "skill": row.get("skill", ""),
        "stimulus": row.get("stimulus", ""),
        "enemies": listed(row.get("enemies", "")),
        "tags": listed(row.get("tags", "")),
        "profession": row.get("profession", ""),
        "grade": int(grade) if grade else None,
        "source": Source(**source) if source["text"] else None,
        "authors": listed(row.get("authors", "")),
        "status": row.get("status", "") or "draft",
        "expires": day(row.get("expires", ""), lines),
        "access": words(row.get("access", ""), ACCESS, "access", lines),
        "features": words(row.get("features", ""), FEATURES, "features", lines),
    }


def _html(cell: str, blocks: bool, lines: Lines) -> str:
    if cell.startswith("html:"):
        try:
            return sanitise(cell.removeprefix("html:"), slots=False)
        except InputError as error:
            raise lines.fail(str(error)) from None
    return _paragraphs(cell) if blocks else escape(cell)


def _form(row: Mapping[str, str], lines: Lines) -> Form:
    kind = row["form"].strip()
    if kind not in _KNOWN_FORMS:
        raise lines.fail(f"expected a form among {', '.join(_KNOWN_FORMS)}, got '{kind[:20]}'")
    if kind == "number":
        if number(row["key"]) is None:
            raise lines.fail(f"expected a number as the key, got '{row['key'].strip()[:20]}'")
        return forms.numeric(row["key"].strip(), row.get("unit", ""), row.get("scoring") != "decimal")
    if kind == "text":
        form = forms.typed(_worths(row["key"], lines), row.get("scoring") != "case")
        return _with_unit(form, row.get("unit", ""))
    partial = row.get("scoring", "").strip() == "partial"
    options, columns = _read_options(row, kind, lines)
    keys = listed(row["key"])
    if not keys:
        raise lines.fail("expected a key, got none; write the letters of what is right")
    if kind == "match":
        return _match(options, columns, keys, partial, lines)
    for key in keys:
        if key not in {option.id for option in options}:
            raise lines.fail(f"the key names '{key[:20]}', which is none of the options")
    if kind == "single":
        if len(keys) != 1:
            raise lines.fail(f"expected one key for a single choice, got {len(keys)}")
        return forms.single(options, keys[0])
    return forms.multiple(options, keys, partial) if kind == "multiple" else forms.order(options, keys)


def _with_unit(form: Form, unit: str) -> Form:
    control = form.interactions[RESPONSE]
    assert isinstance(control, TextEntry)
    return replace(form, interactions={RESPONSE: replace(control, unit=unit)})


def _worths(cell: str, lines: Lines) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in cell.split("|"):
        answer, _, worth = part.rpartition("=") if "=" in part else (part, "", "1")
        figure = number(worth)
        found[answer.strip()] = -1.0 if figure is None else figure
        if not answer.strip() or not 0.0 <= found[answer.strip()] <= 1000.0:
            raise lines.fail(f"expected 'answer=worth', got '{part.strip()[:40]}'")
    if max(found.values()) <= 0.0:
        raise lines.fail("expected an answer that is worth something; write answer=1")
    return found


def _read_options(
    row: Mapping[str, str], kind: str, lines: Lines
) -> tuple[tuple[Option, ...], tuple[Option, ...]]:
    cells = [row.get(name, "") for name in _OPTIONS]
    texts = _filled(cells, "option", lines)
    columns = _filled([row.get(name, "") for name in _COLUMNS], "column", lines) if kind == "match" else []
    if len(texts) < 2 and kind != "match":
        raise lines.fail(f"expected at least two options, got {len(texts)}")
    ids = row.get("ids", "").split() or ["ABCDEFGH"[i] for i in range(len(texts))] + [
        str(n + 1) for n in range(len(columns))
    ]
    if len(ids) != len(texts) + len(columns) or len(set(ids)) != len(ids):
        raise lines.fail(
            f"expected {len(texts) + len(columns)} different identifiers in 'ids', got {len(ids)}"
        )
    made = [Option(key, _html(cell, False, lines)) for key, cell in zip(ids, (*texts, *columns), strict=True)]
    rows = tuple(made[: len(texts)])
    return rows, tuple(replace(option, match_max=0) for option in made[len(texts) :])


def _filled(cells: Iterable[str], what: str, lines: Lines) -> list[str]:
    held = [cell.strip() for cell in cells]
    while held and not held[-1]:
        held.pop()
    if "" in held:
        raise lines.fail(f"{what} {held.index('') + 1} is empty, but a later one is not; fill it")
    return held


def _match(
    rows: tuple[Option, ...], columns: tuple[Option, ...], keys: Sequence[str], partial: bool, lines: Lines
) -> Form:
    key: dict[str, str] = {}
    for pair in keys:
        row, _, column = pair.partition(" ")
        known = row in {o.id for o in rows} and column in {o.id for o in columns}
        if not known or row in key:
            raise lines.fail(f"expected a key like 'A 2, B 1', got '{pair[:20]}'")
        key[row] = column
    if len(key) != len(rows):
        raise lines.fail(f"expected a column for each of {len(rows)} rows, got {len(key)}")
    return forms.match(rows, columns, key, partial)
