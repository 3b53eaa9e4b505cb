"""Supervising sittings under ``/api/v1`` (scope ``sittings:supervise``)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from api.accounts.clients import Client
from api.accounts.endpoints import client_with
from api.moments import iso
from api.openapi import MOMENT, WHOLE, Id, Name, Out, link, problems
from api.runtime import Runtime
from api.sittings import supervision
from api.sittings.supervision import Supervised
from api.sittings.timing import SECOND

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["Supervision"])

Supervisor = Annotated[Client, Depends(client_with("sittings:supervise"))]
Reason = Annotated[
    str,
    Field(
        min_length=1,
        max_length=500,
        pattern=r"^[^\x00]*$",
        description="Kept in the log; name nobody.",
        examples=["The picture did not load."],
    ),
]
Moment = Annotated[str, Field(json_schema_extra=MOMENT)]
Person = Annotated[Name, Field(description="Null where another test player runs the session.")] | None
Phase = Literal["item", "interrupted", "awaiting_decision", "finished"]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class SetAsideIn(_In):
    """Which open item to set aside, and why."""

    position: Annotated[
        int,
        Field(ge=1, le=10_000, description="Of the open item, as the sitting says it.", examples=[1]),
        WHOLE,
    ]
    reason: Reason


class DecisionIn(_In):
    """How many seconds of the interruption to give back; null: all of them."""

    give_back_s: Annotated[
        int | None, Field(ge=0, le=31_536_000, description="Seconds.", examples=[300]), WHOLE
    ] = None
    reason: Reason


class EndIn(_In):
    """Why the sitting is ended."""

    reason: Reason


class SupervisedOut(Out):
    """A sitting as its supervisor sees it."""

    sitting: Name
    person: Person
    phase: Phase
    seq: Annotated[int, Field(ge=1, description="Number of its latest event.")]
    position: Annotated[int, Field(ge=0, description="Of the latest item served; 1 for the first.")]
    answered: Annotated[int, Field(ge=0)]
    started_at: Moment
    changed_at: Moment
    deadline: Moment | None
    reason: Annotated[str, Field(description="Why it is over.")] | None


class OpenOut(Out):
    """A sitting that is not over; one that is `overdue` waits for its supervisor."""

    sitting: Name
    person: Person
    test: Name
    phase: Phase
    started_at: Moment
    overdue: bool


class OpenPage(Out):
    """Sittings that are not over; `after` of the next page is the last one's identifier."""

    sittings: list[OpenOut]


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


_ID = {"path.id": "$request.path.id"}
_READ = {"read": link("read_supervised", "Read it again.", _ID)}
_END = {"end": link("end_sitting", "End it.", _ID, {"reason": "The room is closing."})}


def _reply(content: Any) -> JSONResponse:
    return JSONResponse(content, headers={"Cache-Control": "no-store"})


def _out(one: Supervised) -> dict[str, Any]:
    return {
        "sitting": one.sitting,
        "person": one.person,
        "phase": one.phase,
        "seq": one.seq,
        "position": one.position,
        "answered": one.answered,
        "started_at": iso(one.started_at),
        "changed_at": iso(one.changed_at),
        "deadline": None if one.deadline is None else iso(one.deadline),
        "reason": one.reason,
    }


@router.get(
    "/sittings",
    response_model=OpenPage,
    summary="Sittings that are not over",
    responses=problems("unauthenticated", "forbidden")
    | {
        200: {
            "links": {
                "read": link(
                    "read_supervised", "One of them.", {"path.id": "$response.body#/sittings/0/sitting"}
                )
            }
        }
    },
)
async def open_sittings(
    request: Request,
    client: Supervisor,
    after: Annotated[
        str,
        Query(
            pattern="^([0-9A-Z]{26})?$",
            description="Identifier of the last sitting of the page before; empty: from the oldest on.",
        ),
    ] = "",
    limit: Annotated[int, Query(ge=1, le=supervision.LIMIT, description="Most sittings on a page.")] = 100,
) -> JSONResponse:
    """Oldest first."""
    rows = await _runtime(request).read(supervision.open_sittings, client.organisation, after, limit)
    return _reply({"sittings": [row | {"started_at": iso(row["started_at"])} for row in rows]})


@router.get(
    "/sittings/{id}",
    response_model=SupervisedOut,
    summary="Where a sitting stands",
    responses=problems("unauthenticated", "forbidden", "not_found")
    | {
        200: {
            "links": {
                "set_aside": link(
                    "set_aside",
                    "Set the open item aside.",
                    _ID,
                    {"position": "$response.body#/position", "reason": "The picture did not load."},
                ),
                "decide": link(
                    "decide", "Let the candidate go on.", _ID, {"reason": "The network was down."}
                ),
                **_END,
            }
        }
    },
)
async def read_supervised(request: Request, client: Supervisor, id: Id) -> JSONResponse:
    """Not what was asked or answered."""
    return _reply(_out(await supervision.read(_runtime(request), client, id)))


@router.post(
    "/sittings/{id}/set-aside",
    response_model=SupervisedOut,
    summary="Set the open item aside",
    responses=problems(
        "unauthenticated", "forbidden", "not_found", "stale", "interrupted", "finished", "too_large"
    )
    | {200: {"links": {**_READ, **_END}}},
)
async def set_aside(request: Request, client: Supervisor, id: Id, body: SetAsideIn) -> JSONResponse:
    """It counts no more, in this sitting; the candidate gets another one."""
    return _reply(
        _out(await supervision.set_aside(_runtime(request), client, id, body.position, body.reason))
    )


@router.post(
    "/sittings/{id}/decision",
    response_model=SupervisedOut,
    summary="Decide about an interruption",
    responses=problems("unauthenticated", "forbidden", "not_found", "conflict", "too_large")
    | {200: {"links": {**_READ, **_END}}},
)
async def decide(request: Request, client: Supervisor, id: Id, body: DecisionIn) -> JSONResponse:
    """The candidate can then go on."""
    give_back = None if body.give_back_s is None else body.give_back_s * SECOND
    return _reply(_out(await supervision.decide(_runtime(request), client, id, give_back, body.reason)))


@router.post(
    "/sittings/{id}/end",
    response_model=SupervisedOut,
    summary="End a sitting",
    responses=problems("unauthenticated", "forbidden", "not_found", "too_large") | {200: {"links": _READ}},
)
async def end_sitting(request: Request, client: Supervisor, id: Id, body: EndIn) -> JSONResponse:
    """What was answered is scored."""
    return _reply(_out(await supervision.end(_runtime(request), client, id, body.reason)))
