"""Questions from Moodle XML: choice, true/false, short answer, numerical, matching, ordering, missing words.

What Moodle can and this program cannot (essays, calculated questions, cloze, ...) is listed question by
question.

References
----------
Moodle Docs, Moodle XML format.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import html
import re
from collections.abc import Mapping
from fractions import Fraction
from urllib.parse import unquote

from lxml import etree

from cat_engine.errors import InputError
from item_bank import forms
from item_bank.bank import Bank
from item_bank.categories import attainable
from item_bank.content import Choice, Content, Item, Mapped, Node, Option, Outcome, Response, Rules, TextEntry
from item_bank.forms import RESPONSE, Form
from item_bank.mapping import number
from item_bank.markup import active, escape, sanitise, text
from item_bank.media import check_picture, kind, plain_name, without_doctype
from item_bank.qti.importing import Imported, Note, flat
from item_bank.qti.xml import Hostile, Unsupported, children, local, parse, refuse

__all__ = ["identifiers", "partly", "read_moodle", "within"]

_LARGEST = 32 * 1024 * 1024
_MOST = 300_000
_IGNORED = ("category", "description")
_PLUGIN = re.compile(r"@@PLUGINFILE@@/([^\"'\s>?]+)")
_EMBEDS = re.compile(r"'<\s*(?:iframe|object|embed|applet|form)\b", re.IGNORECASE)
_GAP = re.compile(r"\[\[(\d+)\]\]")


def read_moodle(data: bytes, where: str, language: str = "fr") -> Imported:
    """Return the questions of a Moodle XML file, as items in `language`.

    Raises
    ------
    InputError
        A file that is damaged or hostile, with its line.
    """
    root = parse(data, where, _LARGEST, _MOST)
    if local(root) != "quiz":
        refuse(where, root.sourceline, f"expected <quiz>, got <{local(root)[:40]}>")
    items: list[Item] = []
    notes: list[Note] = []
    media: dict[str, bytes] = {}
    name = identifiers()
    for question in children(root, "question"):
        form = question.get("type") or ""
        if form in _IGNORED:
            continue
        title = _text(question, "name") or "question"
        key = name(_text(question, "idnumber") or title)
        reader = _Question(question, where, media)
        try:
            read = reader.content(form, title)
        except Unsupported as problem:
            line = problem.line or question.sourceline
            notes.append(Note(where, line, f"'{key}' ({form[:20]}): {problem.what}", False))
            continue
        notes += [Note(where, question.sourceline, f"'{key}': {what}", True) for what in reader.notes]
        tags = tuple(_text(tag) for holder in children(question, "tags") for tag in children(holder, "tag"))
        items.append(Item(key, {language: read}, attainable(read), tags=tags))
    return Imported(Bank(tuple(items), media=media), tuple(notes))


class _Names:
    """Makes identifiers from titles, every one once."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def __call__(self, title: str) -> str:
        plain = re.sub(r"[^A-Za-z0-9_.\-]+", "-", title).strip("-.")[:60] or "item"
        base = plain if re.match(r"[A-Za-z_]", plain) else f"q-{plain}"
        name, n = base, 1
        while name in self.taken:
            n += 1
            name = f"{base}-{n}"
        self.taken.add(name)
        return name


def identifiers() -> _Names:
    """Return a maker of identifiers from titles."""
    return _Names()


def _text(element: etree._Element, name: str = "") -> str:
    """Return the text of an element (of its child `name`), which Moodle wraps into ``<text>``."""
    found = children(element, name)[:1] if name else [element]
    if not found:
        return ""
    inner = children(found[0], "text")
    return ((inner[0] if inner else found[0]).text or "").strip()


def _share(percent: float) -> float:
    """Return a part of 1; Moodle writes a third as 33.33333."""
    whole = Fraction(percent / 100.0).limit_denominator(20)
    return float(whole) if abs(whole - percent / 100.0) < 1e-6 else percent / 100.0


class _Question:
    """One question on its way to a content."""

    def __init__(self, element: etree._Element, where: str, media: dict[str, bytes]) -> None:
        self.element = element
        self.where = where
        self.media = media
        self.names: dict[str, str] = {}
        self.notes: list[str] = []

    def content(self, form: str, title: str) -> Content:
        readers = {
            "multichoice": self._multichoice,
            "truefalse": self._multichoice,
            "shortanswer": self._shortanswer,
            "numerical": self._numerical,
            "matching": self._matching,
            "ordering": self._ordering,
            "gapselect": self._gapselect,
        }
        if form not in readers:
            raise Unsupported("this type of question is not supported")
        stem = self._html("questiontext")
        made = readers[form]()
        if form == "gapselect":
            stem = _GAP.sub(lambda gap: f'<slot name="g{gap[1]}"></slot>', stem)
        rationale = self._html("generalfeedback")
        if any(_text(answer, "feedback") for answer in children(self.element, "answer")):
            self.notes.append("the feedback to single answers is not kept")
        return forms.assemble(made, title, stem, rationale)

    def _html(self, name: str) -> str:
        found = children(self.element, name)
        return self._clean(found[0]) if found else ""

    def _clean(self, element: etree._Element) -> str:
        """Return the text of `element` as canonical HTML, its pictures put among the media."""
        raw = _text(element)
        danger = active(raw)
        if danger and _EMBEDS.match(danger):
            raise Unsupported(f"it embeds {danger}", element.sourceline)
        if danger:
            refuse(self.where, element.sourceline, f"{danger} is not accepted; remove it", hostile=True)
        for file in children(element, "file"):
            self._keep(file)
        if (element.get("format") or "html") == "plain_text":
            return escape(raw)
        try:
            clean = sanitise(_PLUGIN.sub(lambda found: self._named(found[1]), raw), slots=False)
        except InputError as error:
            refuse(self.where, element.sourceline, str(error))
        return clean if "<" in clean or not clean else f"<p>{clean}</p>"

    def _named(self, address: str) -> str:
        name = flat(unquote(html.unescape(address)))
        return self.names.get(name, name)

    def _keep(self, file: etree._Element) -> None:
        """Put a picture among the media; questions use one name for different pictures."""
        given = flat(unquote(file.get("name") or ""))
        try:
            body = base64.b64decode(file.text or "", validate=False)
        except (binascii.Error, ValueError):
            refuse(self.where, file.sourceline, f"expected '{given}' in base64, got something else")
        name = plain_name(given, body)
        if kind(name) is None:
            self.notes.append(f"the file '{name}' is no picture that is supported")
            return
        body = without_doctype(name, body)
        try:
            check_picture(name, body)
        except Hostile:
            raise
        except InputError as error:
            self.notes.append(f"its picture is not kept: {error}")
            return
        if self.media.get(name, body) != body:
            name = f"{hashlib.sha256(body).hexdigest()[:12]}-{name}"
        self.names[given] = name
        self.media[name] = body

    def _answers(self) -> list[tuple[str, float, etree._Element]]:
        found = []
        for answer in children(self.element, "answer"):
            fraction = number(answer.get("fraction") or "0")
            if fraction is None:
                refuse(self.where, answer.sourceline, "expected a number as 'fraction'; correct it")
            found.append((_text(answer), _share(fraction), answer))
        if not found:
            raise Unsupported("it has no answers")
        return found

    def _shuffles(self) -> bool:
        return _text(self.element, "shuffleanswers") in ("1", "true")

    def _multichoice(self) -> Form:
        answers = self._answers()
        options = forms.lettered(self._inline(answer) for _, _, answer in answers)
        worths = {o.id: fraction for o, (_, fraction, _) in zip(options, answers, strict=True)}
        alone = _text(self.element, "single") in ("", "1", "true")
        return partly(options, worths, alone, self._shuffles())

    def _inline(self, element: etree._Element) -> str:
        """Return an option: a single paragraph loses its ``<p>``."""
        clean = self._clean(element)
        whole = re.fullmatch(r"<p>((?:(?!<p>).)*)</p>", clean, re.DOTALL)
        return whole[1] if whole else clean

    def _shortanswer(self) -> Form:
        worths = {answer: worth for answer, worth, _ in self._answers() if worth > 0.0}
        if any("*" in answer.replace("\\*", "") for answer in worths):
            raise Unsupported("it accepts answers by a pattern (*)")
        if not worths:
            raise Unsupported("no answer is right")
        return forms.typed(worths, caseless=_text(self.element, "usecase") in ("", "0"))

    def _numerical(self) -> Form:
        if children(self.element, "units"):
            self.notes.append("units are not kept")
        ranges = []
        for answer, worth, element in self._answers():
            middle = number(answer)
            tolerance = number(_text(element, "tolerance") or "0")
            if middle is None or tolerance is None:
                raise Unsupported("an answer is no number")
            if worth > 0.0:
                ranges.append((middle - tolerance, middle + tolerance, worth))
        if not ranges:
            raise Unsupported("no answer is right")
        return within(ranges)

    def _matching(self) -> Form:
        pairs = [
            (self._inline(one), _text(answer))
            for one in children(self.element, "subquestion")
            for answer in children(one, "answer")[:1]
        ]
        rows = [(question, answer) for question, answer in pairs if text(question)]
        if len(rows) < 2:
            raise Unsupported("it has less than two rows")
        columns = list(dict.fromkeys(answer for _, answer in pairs))
        named = {answer: str(n + 1) for n, answer in enumerate(columns)}
        options = forms.lettered(question for question, _ in rows)
        key = {o.id: named[answer] for o, (_, answer) in zip(options, rows, strict=True)}
        heads = [Option(named[answer], escape(answer), match_max=0) for answer in columns]
        return forms.match(options, heads, key, partial=True, shuffle=self._shuffles())

    def _ordering(self) -> Form:
        options = forms.lettered(self._inline(answer) for answer in children(self.element, "answer"))
        if len(options) < 2:
            raise Unsupported("it has less than two things to order")
        self.notes.append("it is scored as a whole: right or not")
        return forms.order(options, [option.id for option in options])

    def _gapselect(self) -> Form:
        groups: dict[str, list[tuple[str, str]]] = {}
        listed = [
            (str(n + 1), _text(one), _text(one, "group"))
            for n, one in enumerate(children(self.element, "selectoption"))
        ]
        for key, word, group in listed:
            groups.setdefault(group, []).append((key, word))
        by_key = {key: group for key, _, group in listed}
        stem = _text(self.element, "questiontext")
        used = list(dict.fromkeys(_GAP.findall(stem)))
        if not used or any(gap not in by_key for gap in used):
            raise Unsupported("its gaps and its words do not agree")
        gaps = {f"g{gap}": [Option(f"w{k}", escape(w)) for k, w in groups[by_key[gap]]] for gap in used}
        return forms.inline(gaps, {f"g{gap}": f"w{gap}" for gap in used})


def partly(
    options: tuple[Option, ...], worths: Mapping[str, float], alone: bool, shuffle: bool = False
) -> Form:
    """Return a choice whose options are worth fractions of 1 (under 0 where choosing them costs)."""
    right = [key for key, worth in worths.items() if worth > 0.0]
    if not right:
        raise Unsupported("no answer is right")
    if alone and len(right) == 1 and set(worths.values()) <= {0.0, 1.0}:
        return forms.single(options, right[0], shuffle)
    best = [max(right, key=lambda key: worths[key])] if alone else right
    held = Mapped({key: worth for key, worth in worths.items() if worth != 0.0}, lower=0.0, upper=1.0)
    control = Choice(options, maximum=1 if alone else 0, shuffle=shuffle)
    cardinality = "single" if alone else "multiple"
    response = Response(cardinality, "identifier", tuple(best), held)
    return Form({RESPONSE: control}, {RESPONSE: response}, "map_response")


def within(ranges: list[tuple[float, float, float]]) -> Form:
    """Return a number entry worth the third figure between the first two (included); the first range wins."""
    best = max(ranges, key=lambda one: one[2])
    middle = (best[0] + best[1]) / 2.0
    key = repr(int(middle)) if middle.is_integer() else repr(middle)
    response = Response("single", "float", (key,))
    if len(ranges) == 1 and best[0] == best[1] and best[2] == 1.0:
        return Form({RESPONSE: TextEntry(length=8)}, {RESPONSE: response})
    given = Node("variable", (("identifier", RESPONSE),))

    def figure(value: float) -> Node:
        return Node("base-value", (("base-type", "float"),), (), repr(value))

    def give(worth: float) -> Node:
        return Node("set-outcome-value", (("identifier", "SCORE"),), (figure(worth),))

    branches = [
        Node(
            "response-if" if k == 0 else "response-else-if",
            (),
            (
                Node("and", (), (Node("gte", (), (given, figure(a))), Node("lte", (), (given, figure(b))))),
                give(worth),
            ),
        )
        for k, (a, b, worth) in enumerate(ranges)
    ]
    rules = Rules((Outcome("SCORE", default=("0",)),), (Node("response-condition", (), tuple(branches)),))
    return Form({RESPONSE: TextEntry(length=8)}, {RESPONSE: response}, "rules", (0.0, 1.0), rules)
