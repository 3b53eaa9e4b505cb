"""An item as HTML: its pieces in reading order, each slot filled with native controls.

A choice inside a sentence is a select when its options are short. Long ones would be cut off on a
telephone, so the sentence then holds a numbered blank, and its options follow the paragraph as a list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from api.pages.controls import (
    Fault,
    Sent,
    field_name,
    percent,
    plain,
    row_may_stay_empty,
    whole_number,
)
from api.pages.drawing import Zone, zone
from api.pages.language import Messages, typeset
from item_bank.content import GapMatch, Hotspot, Image, InlineChoice, Match, Option, SelectPoint
from item_bank.render import SLOT, Slot, View, redirected

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["ItemMarkup", "draw"]

SHORT = 24
"""Characters that a select inside a sentence may show on the narrowest screen."""

_BLOCK = re.compile(r"<(/?)(p|li|td|th|dd|dt|h[1-6]|span|em|strong)\b[^>]*>")


@dataclass(slots=True)
class _Drawing:
    """What the macros of ``controls.html`` need of one item."""

    view: View
    messages: Messages
    sent: Sent
    faults: Sequence[Fault]
    handle: str
    macros: Any
    blanks: int = field(default=0)
    asked: str = ""
    """The id of the paragraph that asks what the next control answers."""

    def html(self, text: str) -> Markup:
        """Return sanitised HTML of the bank, ready to stand in a page."""
        return Markup(typeset(redirected(text, self.url), self.view.language))

    def plain(self, text: str) -> str:
        return typeset(plain(text), self.view.language)

    def url(self, name: str) -> str:
        return f"/question/image/{self.handle}/{name}"

    def title(self) -> str:
        stimulus = self.view.stimulus
        return "" if stimulus is None else self.plain(stimulus.title[self.view.language])

    def paragraphs(self, text: str) -> Markup:
        lines = (typeset(line, self.view.language) for line in text.splitlines() if line.strip())
        return Markup("").join(Markup("<p>{}</p>").format(line) for line in lines)

    def choices(self, options: Sequence[Option]) -> list[tuple[str, Markup]]:
        return [(option.id, self.html(option.html)) for option in options]

    def zones(self, hotspot: Hotspot) -> list[Zone]:
        return [zone(area, hotspot.image) for area in hotspot.areas]

    def percent(self, response: str, index: int, axis: str) -> float | None:
        return percent(self.value(field_name(response, f"{index}.{axis}")))

    def value(self, name: str) -> str:
        return next(iter(self.sent.get(name, ())), "")

    def holds(self, name: str, value: str) -> bool:
        return value in self.sent.get(name, ())

    def fault(self, group: str) -> Fault | None:
        return next((fault for fault in self.faults if fault.group == group), None)

    def said(self, fault: Fault) -> Markup:
        return self.messages(fault.message, **fault.values)

    def name(self, response: str, part: str = "") -> str:
        return field_name(response, part)

    def single(self, match: Match) -> bool:
        return all(row.match_max == 1 for row in match.rows)

    def may_stay_empty(self, match: Match, row: Option) -> bool:
        return row_may_stay_empty(match, row)

    def whole_number(self, entry: Any) -> bool:
        return whole_number(entry)


@dataclass(frozen=True, slots=True)
class ItemMarkup:
    """The parts of a question page that come from the item."""

    language: str
    stimulus: Markup
    body: Markup


def draw(
    view: View, messages: Messages, template: Template, handle: str, sent: Sent, faults: Sequence[Fault]
) -> ItemMarkup:
    """Return the item of `view` as HTML.

    Parameters
    ----------
    template
        ``controls.html``.
    handle
        Names this serving; the addresses of its pictures hold it.
    sent, faults
        What the candidate has filled in so far, and what is to be mended in it.
    """
    macros: Any = template.module
    drawing = _Drawing(view, messages, sent, faults, handle, macros)
    return ItemMarkup(view.language, _stimulus(drawing), _body(drawing))


def _stimulus(drawing: _Drawing) -> Markup:
    stimulus, language = drawing.view.stimulus, drawing.view.language
    if stimulus is None:
        return Markup()
    image: Image | None = stimulus.image.get(language)
    if image is not None and _shown_to_answer(drawing.view, image):
        image = None  # the picture is the control itself
    text = stimulus.html.get(language, "")
    if image is None and not text:
        return Markup()
    return Markup(drawing.macros.stimulus(drawing, drawing.messages, stimulus.title[language], text, image))


def _shown_to_answer(view: View, image: Image) -> bool:
    return any(
        isinstance(part, Slot)
        and isinstance(part.interaction, Hotspot | SelectPoint)
        and part.interaction.image.name == image.name
        for part in view.parts
    )


def _body(drawing: _Drawing) -> Markup:
    body: list[str] = []
    waiting: list[str] = []  # lists of options that belong after the paragraph
    for part in drawing.view.parts:
        if isinstance(part, str):
            end = part.find("</p>")
            if waiting and end >= 0:
                body += [drawing.html(part[: end + 4]), *waiting, drawing.html(part[end + 4 :])]
                waiting = []
            else:
                body.append(drawing.html(part))
        elif isinstance(part.interaction, InlineChoice) and _is_long(part.interaction):
            drawing.blanks += 1
            body.append(drawing.macros.blank(drawing.messages, drawing.blanks))
            waiting.append(
                drawing.macros.inline_list(
                    drawing, drawing.messages, part.response, part.interaction, drawing.blanks
                )
            )
        else:
            inside = "".join(body)
            if body:
                body[-1], drawing.asked = _asked(body[-1], f"asked.{len(body)}")
            body.append(_control(drawing, part, inside))
    return Markup("".join([*body, *waiting]))


def _asked(html: str, id: str) -> tuple[str, str]:
    """Return `html` with `id` on the paragraph it ends with, and the id; none where it ends otherwise."""
    start = html.rfind("<p>")
    if start < 0 or not html.rstrip().endswith("</p>"):
        return html, ""
    return f'{html[:start]}<p id="{id}">{html[start + 3 :]}', id


def _is_long(inline: InlineChoice) -> bool:
    return max(len(plain(option.html)) for option in inline.options) > SHORT


def _control(drawing: _Drawing, slot: Slot, inside: str) -> str:
    macro = getattr(drawing.macros, slot.kind)
    arguments: Mapping[str, Any] = {}
    if slot.kind == "text_entry":
        arguments = {"inline": _in_sentence(inside)}
    elif slot.kind == "inline_choice":
        drawing.blanks += 1
        arguments = {"n": drawing.blanks}
    elif isinstance(slot.interaction, GapMatch):
        arguments = {"pieces": SLOT.split(slot.interaction.html)}
    return str(macro(drawing, drawing.messages, slot.response, slot.interaction, **arguments))


def _in_sentence(before: str) -> bool:
    """Return whether what follows `before` stands inside a paragraph or the like."""
    depth = 0
    for close, _ in _BLOCK.findall(before):
        depth += -1 if close else 1
    return depth > 0
