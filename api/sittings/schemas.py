"""What the sitting's JSON endpoints read and write."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.moments import iso
from api.openapi import WHOLE
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

    code: Annotated[str, Field(min_length=1, max_length=64)]
    language: Annotated[str, Field(max_length=20)] = ""


class AnswerIn(_In):
    """A response to the item that was shown under `handle`; an empty one skips it."""

    handle: Annotated[str, Field(min_length=1, max_length=64)]
    response: Annotated[
        dict[str, list[str]],
        Field(description="Response identifier -> values in QTI's syntax.", examples=[{"RESPONSE": ["B"]}]),
    ]
    expected_seq: Annotated[
        int | None,
        Field(ge=1, le=1_000_000, description="`seq` of the page; refuses to act on an old one."),
        WHOLE,
    ] = None


class TestOut(BaseModel):
    """A test as a candidate knows it; `minutes` is null when it is not timed."""

    code: str
    version: int
    title: dict[str, str]
    languages: list[str]
    demonstration: bool
    least: int
    most: int
    minutes: int | None


class InvitationOut(BaseModel):
    """An invitation before the sitting begins."""

    test: TestOut
    state: Literal["new", "begun", "finished"]
    expires_at: str
    extra_time_percent: int


class ImageOut(BaseModel):
    """A picture: the address to fetch it from, its size, its text alternative."""

    address: str
    width: int
    height: int
    alt: str


class OptionOut(BaseModel):
    """One thing to choose."""

    id: str
    html: str
    match_max: int = 1


class AreaOut(BaseModel):
    """A part of a picture: QTI shape and coordinates."""

    id: str
    shape: str
    coords: list[float]
    label: str


class ControlOut(BaseModel):
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


class StimulusOut(BaseModel):
    """What the question is about: a text, a picture."""

    title: str
    html: str
    image: ImageOut | None


class ItemOut(BaseModel):
    """An item as shown: HTML pieces (texts) and controls, in reading order."""

    language: str
    parts: list[str | ControlOut]
    stimulus: StimulusOut | None


class SittingOut(BaseModel):
    """Where a sitting stands."""

    sitting: str
    seq: int
    phase: Literal["item", "interrupted", "awaiting_decision", "finished"]
    test: TestOut
    language: str
    position: int | None
    answered: int
    least: int
    most: int
    handle: str | None
    item: ItemOut | None
    deadline: str | None
    reason: str | None


class EntryOut(BaseModel):
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
