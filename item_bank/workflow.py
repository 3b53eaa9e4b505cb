"""The life of an item: what may follow what, and what must have happened before.

An item is reviewed by somebody who did not write it; before it is operational a second person has answered
it blind, and rightly. Both count for the content they were about: an edited item starts again. Whoever
imported an item, or a change of it, counts as one of its authors, whomever it names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from cat_engine.errors import InputError
from item_bank.bank import STATUSES, Bank, document
from item_bank.canonical import canonical
from item_bank.check import options
from item_bank.content import GapMatch, Item
from item_bank.log import Log, append
from item_bank.markup import text
from item_bank.render import SLOT, present
from item_bank.scoring import category

__all__ = [
    "NEXT",
    "answer_blind",
    "authors",
    "bring",
    "item_hash",
    "move",
    "obstacles",
    "review",
    "same_person",
    "shown",
    "unearned",
]

NEXT: Mapping[str, tuple[str, ...]] = {
    "draft": ("in_review", "retired"),
    "in_review": ("draft", "pilot", "provisional", "retired"),
    "pilot": ("draft", "provisional", "operational", "retired"),
    "provisional": ("draft", "pilot", "operational", "retired"),
    "operational": ("draft", "provisional", "retired"),
    "retired": ("draft",),
}
"""What may follow each status."""

_REVIEWED = ("pilot", "provisional", "operational")


def item_hash(item: Item) -> str:
    """Return the hash of what `item` is, whatever its status."""
    alone = Bank((replace(item, status="", enemies=()),))
    return hashlib.sha256(canonical(document(alone)["items"])).hexdigest()


def bring(before: Bank, after: Bank, log: Log, by: str, at: str, source: str) -> Log:
    """Record that a person turned the bank `before` into `after` by an import.

    The event names the items that are new or other than they were, and which of them were there before; an
    item that came again as it was is not among them.
    """
    known = before.by_id

    def other(item: Item) -> bool:
        former = known.get(item.id)
        return former is None or (item != former and item_hash(item) != item_hash(former))

    items = [item.id for item in after.items if other(item)]
    replaced = [name for name in items if name in known]
    return append(log, "imported", by, at, source=source, items=items, replaced=replaced)


def authors(item: Item, log: Log) -> tuple[str, ...]:
    """Return who counts as an author of `item`: those it names, and whoever brought it in or changed it."""
    brought = [e.by for e in log if e.kind == "imported" and item.id in e.facts.get("items", ())]
    return tuple(dict.fromkeys((*item.authors, *brought)))


def review(bank: Bank, log: Log, name: str, by: str, at: str, accepted: bool, note: str = "") -> Log:
    """Record that a person read an item and found it fit or not."""
    item = _item(bank, name)
    _not_author(item, log, by, "review")
    return append(log, "reviewed", by, at, item=name, content=item_hash(item), accepted=accepted, note=note)


def answer_blind(
    bank: Bank,
    log: Log,
    name: str,
    by: str,
    at: str,
    response: Mapping[str, Sequence[str]],
    language: str = "fr",
) -> Log:
    """Record what a person who has not seen the key answers; whether it was right is worked out here."""
    item = _item(bank, name)
    _not_author(item, log, by, "answer blind")
    if language not in item.versions:
        raise InputError(
            f"expected a language of '{name}' among {', '.join(item.versions)}, got '{language}'"
        )
    earned = category(item, response, language)
    return append(
        log,
        "answered_blind",
        by,
        at,
        item=name,
        content=item_hash(item),
        language=language,
        response={key: list(values) for key, values in response.items()},
        right=earned == item.n_cat - 1,
    )


def obstacles(bank: Bank, log: Log, name: str, to: str) -> list[str]:
    """Return what keeps an item from the status `to`, in words; an empty list lets it pass."""
    item = _item(bank, name)
    if to not in STATUSES:
        raise InputError(f"expected a status among {', '.join(STATUSES)}, got '{to}'")
    found: list[str] = []
    if to not in NEXT.get(item.status, ()):
        allowed = ", ".join(NEXT.get(item.status, ())) or "nothing"
        found.append(f"from {item.status} it can go to {allowed}")
    current = item_hash(item)
    about = [e for e in log if e.facts.get("item") == name and e.facts.get("content") == current]
    if to in _REVIEWED:
        verdicts = [event for event in about if event.kind == "reviewed"]
        if not verdicts:
            found.append("nobody but its authors has reviewed it as it stands")
        elif not verdicts[-1].facts["accepted"]:
            found.append(f"its last review, by {verdicts[-1].by}, found it unfit")
    if to == "operational":
        answers = [event for event in about if event.kind == "answered_blind"]
        if not answers:
            found.append("nobody but its authors has answered it blind as it stands")
        wrong = [event.by for event in answers if not event.facts["right"]]
        if wrong:
            found.append(f"its key was not found by {', '.join(wrong)}, answering blind")
        row = bank.rows.get(name)
        if row is None or "provisional" in row.get("flags", ()):
            found.append("its parameters are not calibrated")
    return found


def unearned(bank: Bank, log: Log) -> list[str]:
    """Return the items whose status asks for reviews that `log` does not hold: they came with it."""
    held = [item for item in bank.items if item.status in _REVIEWED]
    about = {(event.facts.get("item"), event.facts.get("content"), event.kind) for event in log}
    return [
        item.id
        for item in held
        if (item.id, item_hash(item), "reviewed") not in about
        or (item.status == "operational" and (item.id, item_hash(item), "answered_blind") not in about)
    ]


def move(bank: Bank, log: Log, name: str, to: str, by: str, at: str, note: str = "") -> tuple[Bank, Log]:
    """Return the bank with an item in another status, and the log that says who moved it.

    Raises
    ------
    InputError
        With everything that stands in the way.
    """
    item = _item(bank, name)
    found = obstacles(bank, log, name, to)
    if found:
        raise InputError(f"'{name}' cannot become {to}: {'; '.join(found)}")
    items = tuple(replace(i, status=to) if i.id == name else i for i in bank.items)
    grown = append(
        log, "moved", by, at, item=name, content=item_hash(item), before=item.status, to=to, note=note
    )
    return replace(bank, items=items), grown


def _item(bank: Bank, name: str) -> Item:
    if name not in bank.by_id:
        raise InputError(f"expected an item of the bank, got '{name}'; check its identifier")
    return bank.by_id[name]


def _not_author(item: Item, log: Log, by: str, act: str) -> None:
    if same_person(by, item.authors):
        raise InputError(f"'{by}' wrote '{item.id}' and so cannot {act} it; ask somebody else")
    if same_person(by, authors(item, log)):
        raise InputError(f"'{by}' imported '{item.id}' and so cannot {act} it; ask somebody else")


def same_person(name: str, among: Sequence[str]) -> bool:
    """Return whether `name` is one of `among`, whatever the case and blanks."""
    return " ".join(name.split()).casefold() in {" ".join(one.split()).casefold() for one in among}


def shown(bank: Bank, name: str, language: str) -> str:
    """Return an item as plain text without its key, for somebody who is to answer it blind."""
    item = _item(bank, name)
    if language not in item.versions:
        raise InputError(
            f"expected a language of '{name}' among {', '.join(item.versions)}, got '{language}'"
        )
    lines: list[str] = []
    stimulus = bank.stimuli.get(item.stimulus)
    if stimulus:
        lines += [text(stimulus.html.get(language, ""))]
        if language in stimulus.image:
            lines += [stimulus.image[language].alt]
    for part in present(item, language, b"").parts:
        if isinstance(part, str):
            lines.append(text(part))
            continue
        lines.append(text(getattr(part.interaction, "prompt", "")))
        lines.append(f"[{part.response}: {part.kind.replace('_', ' ')}]")
        if isinstance(part.interaction, GapMatch):
            lines.append(text(SLOT.sub(r"[\1]", part.interaction.html)))
        lines += [f"  {option.id}: {text(option.html)}" for option in options(part.interaction)]
    return "\n".join(line for line in lines if line)
