"""What the sitting's JSON endpoints read and write."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.moments import iso
from api.openapi import MOMENT, WHOLE, Name, Out
from api.sittings.receipt import PATTERN
from api.sittings.responses import MAX_VALUE_LENGTH, MAX_VALUES
from api.sittings.view import InvitationCard, TestCard, View
from item_bank import content, render

__all__ = [
    "AnswerIn",
    "BeginIn",
    "EntryOut",
    "InvitationOut",
    "SittingOut",
    "invitation_out",
    "sitting_out",
]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class BeginIn(_In):
    """The code of an invitation, and the language to sit in."""

    code: Annotated[
        str,
        Field(
            min_length=1,
            max_length=64,
            description="Of the invitation; small letters, spaces and hyphens do not matter.",
            examples=["7K2M4QX9TB3W5Z8NRDHC"],
        ),
    ]
    language: Annotated[
        str,
        Field(max_length=20, description="One of the test's; its first where empty.", examples=["fr"]),
    ] = ""


Identifier = Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_.-]{0,99}$")]
Value = Annotated[str, Field(max_length=MAX_VALUE_LENGTH, pattern=r"^[^\x00]*$")]


def _identified(schema: dict[str, Any]) -> None:
    """Say that every name is an identifier; pydantic leaves the others open."""
    ((pattern, values),) = schema.pop("patternProperties").items()
    schema |= {"propertyNames": {"pattern": pattern}, "additionalProperties": values}


class AnswerIn(_In):
    """A response to the item that was shown under `handle`; an empty one skips it."""

    handle: Annotated[
        str,
        Field(
            min_length=1, max_length=64, description="As it came with the item.", examples=["sZlX_5d1h0Q3"]
        ),
    ]
    response: Annotated[
        dict[Identifier, Annotated[list[Value], Field(max_length=MAX_VALUES)]],
        Field(
            max_length=MAX_VALUES,
            description="Response identifier (`response` of a control) -> values in QTI's syntax.",
            examples=[{"RESPONSE": ["B"]}],
            json_schema_extra=_identified,
        ),
    ]
    expected_seq: Annotated[
        int | None,
        Field(ge=1, le=1_000_000, description="`seq` of the page; refuses to act on an old one."),
        WHOLE,
    ] = None


class TestOut(Out):
    """A test as a candidate knows it; `minutes` is null when it is not timed."""

    code: str
    version: Annotated[int, Field(ge=1)]
    title: Annotated[dict[str, str], Field(description="By language.")]
    languages: Annotated[list[str], Field(min_length=1)]
    demonstration: Annotated[bool, Field(description="Results are worth nothing.")]
    least: Annotated[int, Field(ge=1, description="Fewest items of a sitting.")]
    most: Annotated[int, Field(ge=1)]
    minutes: Annotated[int, Field(ge=0)] | None


class InvitationOut(Out):
    """An invitation before the sitting begins."""

    test: TestOut
    state: Literal["new", "begun", "finished"]
    expires_at: Annotated[str, Field(json_schema_extra=MOMENT)]
    extra_time_percent: Annotated[int, Field(ge=0)]


class ImageOut(Out):
    """A picture: the address to fetch it from, its size, its text alternative."""

    address: Annotated[str, Field(json_schema_extra={"format": "uri-reference"})]
    width: Annotated[int, Field(ge=1)]
    height: Annotated[int, Field(ge=1)]
    alt: str


class OptionOut(Out):
    """One thing to choose."""

    id: str
    html: str
    match_max: int = 1


class AreaOut(Out):
    """A part of a picture: QTI shape and coordinates."""

    id: str
    shape: str
    coords: list[float]
    label: str


class ControlOut(Out):
    """An interaction; `kind` says which of the other fields it has."""

    kind: Literal[
        "choice", "order", "match", "inline_choice", "text_entry", "hotspot", "select_point", "gap_match"
    ]
    response: str
    prompt: str | None = None
    label: str | None = None
    options: list[OptionOut] | None = None
    rows: list[OptionOut] | None = None
    columns: list[OptionOut] | None = None
    gaps: list[str] | None = None
    html: str | None = None
    image: ImageOut | None = None
    areas: list[AreaOut] | None = None
    minimum: int | None = None
    maximum: int | None = None
    length: int | None = None
    unit: str | None = None
    pattern: str | None = None


class StimulusOut(Out):
    """What the question is about: a text, a picture."""

    title: str
    html: str
    image: ImageOut | None


class ItemOut(Out):
    """An item as shown: HTML pieces (texts) and controls, in reading order."""

    language: str
    parts: list[str | ControlOut]
    stimulus: StimulusOut | None


class SittingOut(Out):
    """Where a sitting stands."""

    sitting: Name
    seq: Annotated[int, Field(ge=1, description="Number of the latest event; see `expected_seq`.")]
    phase: Literal["item", "interrupted", "awaiting_decision", "finished"]
    test: TestOut
    language: str
    position: Annotated[int, Field(ge=1, description="1 for the first item.")] | None
    answered: Annotated[int, Field(ge=0)]
    least: Annotated[int, Field(ge=1)]
    most: Annotated[int, Field(ge=1)]
    handle: Annotated[str, Field(max_length=64, description="Send it back with the answer.")] | None
    item: ItemOut | None
    deadline: (
        Annotated[
            str,
            Field(
                json_schema_extra=MOMENT,
                description="When the time is up. An answer to the open item still counts for a grace after "
                "it, 10 seconds unless the test says otherwise.",
            ),
        ]
        | None
    )
    reason: Annotated[str, Field(description="Why it is over.")] | None
    receipt: Annotated[
        str,
        Field(
            pattern=PATTERN,
            description="Proves that all was stored up to event `seq`, should it be lost. Keep the latest.",
        ),
    ]


class EntryOut(Out):
    """The secret to send as ``Authorization: Bearer`` (browsers get it as a cookie), and the sitting."""

    token: str
    sitting: SittingOut


def _test(card: TestCard) -> dict[str, Any]:
    return {
        "code": card.code,
        "version": card.version,
        "title": dict(card.title),
        "languages": list(card.languages),
        "demonstration": card.demonstration,
        "least": card.least,
        "most": card.most,
        "minutes": card.minutes,
    }


def invitation_out(card: InvitationCard) -> dict[str, Any]:
    """Return an invitation as JSON values."""
    return {
        "test": _test(card.test),
        "state": card.state,
        "expires_at": iso(card.expires_at),
        "extra_time_percent": card.extra_time_percent,
    }


def sitting_out(view: View) -> dict[str, Any]:
    """Return a view as JSON values (`SittingOut`)."""
    return {
        "sitting": view.sitting,
        "seq": view.seq,
        "phase": view.phase,
        "test": _test(view.test),
        "language": view.language,
        "position": view.position,
        "answered": view.answered,
        "least": view.least,
        "most": view.most,
        "handle": view.handle,
        "item": None if view.item is None else _item(view.item, view.handle or ""),
        "deadline": None if view.deadline is None else iso(view.deadline),
        "reason": view.reason,
        "receipt": view.receipt,
    }


def _item(item: render.View, handle: str) -> dict[str, Any]:
    stimulus = None
    if item.stimulus is not None:
        image = item.stimulus.image.get(item.language)
        stimulus = {
            "title": item.stimulus.title[item.language],
            "html": item.stimulus.html[item.language],
            "image": None if image is None else _image(image, handle),
        }
    return {
        "language": item.language,
        "parts": [part if isinstance(part, str) else _control(part, handle) for part in item.parts],
        "stimulus": stimulus,
    }


def _control(slot: render.Slot, handle: str) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": slot.kind, "response": slot.response}
    interaction = slot.interaction
    for name in ("prompt", "label", "html", "minimum", "maximum", "length", "unit", "pattern"):
        if hasattr(interaction, name):
            told[name] = getattr(interaction, name)
    for name in ("options", "rows", "columns"):
        if hasattr(interaction, name):
            told[name] = [_option(option) for option in getattr(interaction, name)]
    if isinstance(interaction, content.GapMatch):
        told["gaps"] = list(interaction.gaps)
    if isinstance(interaction, content.Hotspot | content.SelectPoint):
        told["image"] = _image(interaction.image, handle)
    if isinstance(interaction, content.Hotspot):
        told["areas"] = [
            {"id": area.id, "shape": area.shape, "coords": list(area.coords), "label": area.label}
            for area in interaction.areas
        ]
    return told


def _option(option: content.Option) -> dict[str, Any]:
    return {"id": option.id, "html": option.html, "match_max": option.match_max}


def _image(image: content.Image, handle: str) -> dict[str, Any]:
    return {
        "address": f"/api/v1/sittings/current/media/{handle}/{image.name}",
        "width": image.width,
        "height": image.height,
        "alt": image.alt,
    }
