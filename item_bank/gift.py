"""Questions from GIFT, Moodle's plain text: choice, true/false, short answer, number, matching, missing word.

References
----------
Moodle Docs, GIFT format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from cat_engine.errors import InputError
from item_bank import forms
from item_bank.bank import Bank
from item_bank.categories import attainable
from item_bank.content import Content, InlineChoice, Item, Option, Response
from item_bank.forms import RESPONSE, Form
from item_bank.mapping import number
from item_bank.markup import active, escape, printable, sanitise
from item_bank.moodle import identifiers, partly, within
from item_bank.qti.importing import Imported, Note
from item_bank.qti.xml import Unsupported

__all__ = ["read_gift"]

_LARGEST = 8 * 1024 * 1024
_MOST = 20_000
_LONGEST = 50_000
_TITLE = re.compile(r"\s*::((?:\\.|[^\\])*?)::", re.DOTALL)
_FORMAT = re.compile(r"\s*\[(html|moodle|plain|markdown)\]")
_WEIGHT = re.compile(r"%(-?\d+(?:\.\d+)?)%")
_BOOLEAN = {"T": True, "TRUE": True, "F": False, "FALSE": False}


@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer: whether ``=`` or ``~`` stands before it, its text, its weight (1 is right), its line."""

    right: bool
    text: str
    worth: float


def read_gift(data: bytes, where: str, language: str = "fr") -> Imported:
    """Return the questions of a GIFT file, as items in `language`.

    Raises
    ------
    InputError
        Not text, too large, braces that do not close, or active content; with the line.
    """
    if len(data) > _LARGEST:
        raise InputError(f"{where}: expected at most {_LARGEST:,} bytes, got {len(data):,}; split it")
    try:
        content = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        content = data.decode("cp1252", "replace")
    if "\x00" in content:
        line = content[: content.index("\x00")].count("\n") + 1
        raise InputError(f"{where}, line {line}: expected text, got a NUL; save it as text")
    content = printable(content)
    items: list[Item] = []
    notes: list[Note] = []
    name = identifiers()
    for count, (line, block) in enumerate(_blocks(content)):
        if count >= _MOST:
            raise InputError(f"{where}, line {line}: expected at most {_MOST:,} questions; split the file")
        if len(block) > _LONGEST:
            raise InputError(f"{where}, line {line}: expected questions of at most {_LONGEST:,} characters")
        danger = active(block)
        if danger:
            raise InputError(f"{where}, line {line}: {danger} is not accepted; remove it")
        title, said = _titled(block)
        key = name(title or f"question-{count + 1}")
        try:
            read = _content(said, title or key, where, line)
        except Unsupported as problem:
            notes.append(Note(where, line, f"'{key}': {problem.what}", False))
            continue
        except InputError as error:
            raise InputError(
                str(error) if str(error).startswith(where) else f"{where}, line {line}: {error}"
            ) from None
        items.append(Item(key, {language: read}, attainable(read)))
    return Imported(Bank(tuple(items)), tuple(notes))


def _blocks(content: str) -> Iterator[tuple[int, str]]:
    """Questions are parted by empty lines; comments and commands are lines of their own."""
    held: list[str] = []
    first = 0
    for number_, line in enumerate([*content.splitlines(), ""], start=1):
        plain = line.strip()
        if plain.startswith(("//", "$")):
            continue
        if plain:
            first = first or number_
            held.append(line)
        elif held:
            yield first, "\n".join(held)
            held, first = [], 0


def _titled(block: str) -> tuple[str, str]:
    found = _TITLE.match(block)
    return (_unescaped(found[1]).strip(), block[found.end() :]) if found else ("", block)


def _unescaped(text: str) -> str:
    plain = re.sub(r"\\n", "\n", text)
    return re.sub(r"\\([~=#{}:\\])", r"\1", plain)


def _find(text: str, sign: str, start: int = 0) -> int:
    """Return where `sign` stands unescaped from `start` on, or -1."""
    at = start
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif text[at] == sign:
            return at
        else:
            at += 1
    return -1


def _content(said: str, title: str, where: str, line: int) -> Content:
    markup = "html"
    found = _FORMAT.match(said)
    if found:
        markup, said = found[1], said[found.end() :]
    opening = _find(said, "{")
    if opening < 0:
        raise Unsupported("it has no answers: a description")
    closing = _find(said, "}", opening)
    if closing < 0:
        raise InputError(f"{where}, line {line}: expected '}}' after '{{', got none; close the answers")
    before, inside, after = said[:opening], said[opening + 1 : closing], said[closing + 1 :]
    if _find(after, "{") >= 0:
        raise Unsupported("it has several sets of answers")
    inside, rationale = _general(inside)
    form = _form(inside)
    if not after.strip():
        return forms.assemble(form, title, _html(before, markup), _html(rationale, markup))
    return _missing_word(form, title, before, after, _html(rationale, markup))


def _general(inside: str) -> tuple[str, str]:
    at = inside.find("####")
    return (inside, "") if at < 0 else (inside[:at], inside[at + 4 :])


def _html(text: str, markup: str) -> str:
    plain = _unescaped(text).strip()
    if not plain:
        return ""
    if markup in ("plain", "markdown") or "<" not in plain:
        parts = (" ".join(part.split()) for part in re.split(r"\n\s*\n", plain))
        return "".join(f"<p>{escape(part)}</p>" for part in parts if part)
    return sanitise(plain, slots=False)


def _missing_word(form: Form, title: str, before: str, after: str, rationale: str) -> Content:
    control = form.interactions[RESPONSE]
    slot = f'<slot name="{RESPONSE}"></slot>'
    stem = f"<p>{escape(_unescaped(before))}{slot}{escape(_unescaped(after))}</p>"
    if form.processing == "match_correct" and hasattr(control, "options"):
        options = tuple(Option(o.id, o.html) for o in control.options)
        key = form.responses[RESPONSE].correct
        form = Form({RESPONSE: InlineChoice(options)}, {RESPONSE: Response("single", "identifier", key)})
    elif hasattr(control, "options"):
        raise Unsupported("it gives credit in parts inside a sentence")
    return forms.assemble(form, title, stem, rationale)


def _form(inside: str) -> Form:
    plain = inside.strip()
    if not plain:
        raise Unsupported("it asks for an essay")
    word = plain.split("#", 1)[0].strip().upper()
    if word in _BOOLEAN:
        options = (Option("A", "Vrai"), Option("B", "Faux"))
        return forms.single(options, "A" if _BOOLEAN[word] else "B")
    if plain.startswith("#"):
        return _numerical(plain[1:])
    answers = _answers(plain)
    if not answers:
        raise Unsupported("its answers have no '=' or '~' before them")
    if all(answer.right and "->" in answer.text for answer in answers):
        return _matching(answers)
    if all(answer.right for answer in answers):
        worths = {_unescaped(a.text).strip(): a.worth for a in answers if a.worth > 0.0}
        if not worths or "" in worths:
            raise Unsupported("an answer is empty")
        return forms.typed(worths, caseless=True)
    return _choice(answers)


def _choice(answers: list[_Answer]) -> Form:
    options = forms.lettered(escape(_unescaped(a.text).strip()) for a in answers)
    worths = {o.id: a.worth for o, a in zip(options, answers, strict=True)}
    alone = any(answer.right for answer in answers)
    return partly(options, worths, alone, shuffle=True)


def _matching(answers: list[_Answer]) -> Form:
    pairs = [tuple(part.strip() for part in _unescaped(a.text).split("->", 1)) for a in answers]
    rows = [(left, right) for left, right in pairs if left]
    if len(rows) < 2:
        raise Unsupported("it has less than two rows")
    columns = list(dict.fromkeys(right for _, right in pairs))
    options = forms.lettered(escape(left) for left, _ in rows)
    heads = [Option(str(n + 1), escape(right), match_max=0) for n, right in enumerate(columns)]
    key = {o.id: str(columns.index(right) + 1) for o, (_, right) in zip(options, rows, strict=True)}
    return forms.match(options, heads, key, partial=True, shuffle=True)


def _numerical(said: str) -> Form:
    plain = said.strip()
    parts = (
        [(a.text, a.worth) for a in _answers(plain) if a.right]
        if plain.startswith(("=", "~"))
        else [(re.split(r"[#~]", plain, maxsplit=1)[0], 1.0)]
    )
    ranges = [(*_range(text), worth) for text, worth in parts if worth > 0.0]
    if not ranges:
        raise Unsupported("no answer is right")
    return within(ranges)


def _range(text: str) -> tuple[float, float]:
    plain = _unescaped(text).strip()
    if ".." in plain:
        low, high = (number(part) for part in plain.split("..", 1))
    else:
        middle, _, spread = plain.partition(":")
        about, tolerance = number(middle), number(spread or "0")
        if about is None or tolerance is None:
            raise Unsupported("an answer is no number")
        low, high = about - tolerance, about + tolerance
    if low is None or high is None:
        raise Unsupported("an answer is no number")
    return low, high


def _answers(inside: str) -> list[_Answer]:
    """Split at unescaped ``=`` and ``~``; cut weights and feedback."""
    starts = [at for at in range(len(inside)) if inside[at] in "=~" and not _escaped(inside, at)]
    found: list[_Answer] = []
    for at, end in pairwise([*starts, len(inside)]):
        right, text = inside[at] == "=", inside[at + 1 : end].strip()
        worth = 1.0 if right else 0.0
        weight = _WEIGHT.match(text)
        if weight:
            worth, text = float(weight[1]) / 100.0, text[weight.end() :]
        feedback = _find(text, "#")
        found.append(_Answer(right, text[:feedback] if feedback >= 0 else text, worth))
    return found


def _escaped(text: str, at: int) -> bool:
    slashes = 0
    while at - slashes > 0 and text[at - slashes - 1] == "\\":
        slashes += 1
    return slashes % 2 == 1
