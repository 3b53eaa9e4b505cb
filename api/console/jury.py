"""The room of a jury: results that people contest, and interruptions that wait for a person's decision."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from starlette.responses import Response

from api.accounts.clients import Client
from api.accounts.roll import whole_number
from api.catalogue.store import published
from api.console.desk import Desk, at, checked
from api.console.results import shown
from api.moments import from_iso
from api.pages.controls import Fault
from api.pages.reception import PageRoute, to
from api.problems import Problem
from api.results import feed
from api.results.claims import Person
from api.results.listing import people
from api.sittings import supervision
from api.sittings.contest import contests, review
from api.sittings.log import BrokenLog
from api.sittings.replay import replay
from api.sittings.timing import SECOND

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Jury = Annotated[Desk, at("jury")]
_LONGEST = 2_000
_MINUTES = 600


@router.get("/console/contestations")
async def overview(desk: Jury) -> Response:
    """Show what waits for a person, oldest first, and what was answered, the latest first."""
    contested = await desk.runtime.read(contests, desk.organisation)
    sittings = await desk.runtime.read(supervision.open_sittings, desk.organisation, limit=supervision.LIMIT)
    waiting = [one for one in sittings if one["overdue"]]
    named = await desk.runtime.read(
        people, desk.organisation, [one["person"] for one in [*contested, *waiting]]
    )
    codes = {test["id"]: test["code"] for test in await desk.runtime.read(published)}
    rows = [one | {"name": _name(named.get(one["person"])), "at": from_iso(one["at"])} for one in contested]
    return desk.page(
        "contests.html",
        open=[one for one in rows if one["answer"] is None],
        answered=[_answered(one) for one in reversed(rows) if one["answer"] is not None][:50],
        waiting=[
            one | {"name": _name(named.get(one["person"])), "code": codes[one["test"]]} for one in waiting
        ],
        notice={
            "maintenu": "console.jury.kept",
            "retire": "console.jury.revoked",
            "decide": "console.jury.decided",
            "fini": "console.jury.ended",
        }.get(desk.asked("avis"), ""),
    )


def _name(person: Person | None) -> str:
    """Return what an organisation calls somebody; nothing once they were erased."""
    if person is None:
        return ""
    name = " ".join(part for part in (person.given_name, person.family_name) if part)
    return ", ".join(part for part in (name, person.identifier) if part)


def _answered(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"answer": row["answer"] | {"at": from_iso(row["answer"]["at"])}}


# A contested result


@router.get("/console/contestations/{result}")
async def one(desk: Jury, result: str) -> Response:
    """Show a contested result: what the person says, and whether everything can be computed again."""
    return await _page(desk, result)


async def _page(desk: Desk, result: str, faults: list[Fault] | None = None) -> Response:
    entry = await desk.runtime.read(feed.one, desk.organisation, result)
    contested = [
        one for one in await desk.runtime.read(contests, desk.organisation) if one["result"] == result
    ]
    if not contested:
        raise Problem("not_found", "Nobody contests this result.")
    last = contested[-1]
    try:
        found = await desk.runtime.read(replay, desk.runtime.tests, last["sitting"])
        holds, differences = found.holds, found.differences
    except BrokenLog as error:
        holds, differences = False, [str(error)]
    return desk.page(
        "contest.html",
        422 if faults else 200,
        entry=entry,
        shown=shown(desk, entry) if entry["result"] else None,
        contest=last | {"at": from_iso(last["at"])},
        answer=_answered(last)["answer"] if last["answer"] else None,
        holds=holds,
        differences=differences,
        sent={name: desk.field(name) for name in ("outcome", "why")},
        faults=faults or [],
        here=f"/console/contestations/{result}",
    )


@router.post("/console/contestations/{result}")
async def answer(desk: Jury, result: str) -> Response:
    """Answer a contest: the result is kept (``maintenir``), or revoked (``retirer``), once it was checked."""
    entry = await desk.runtime.read(feed.one, desk.organisation, result)  # of this organisation
    why, outcome = desk.field("why"), desk.field("outcome")
    faults = []
    if outcome not in ("maintenir", "retirer"):
        faults.append(Fault("outcome", "outcome", "console.fault.outcome"))
    if not 1 <= len(why) <= _LONGEST:
        faults.append(Fault("why", "why", "console.fault.why"))
    if faults or desk.field("geste") == "modifier":
        return await _page(desk, result, faults)
    revoke = outcome == "retirer"
    if desk.field("geste") != "envoyer":
        t, person = desk.visit.t, shown(desk, entry)["person"] if entry["result"] else ""
        return checked(
            desk,
            f"/console/contestations/{result}",
            {
                "console.person": person or t.plain("console.nobody"),
                "console.jury.answer": t.plain(f"console.jury.{'revoke' if revoke else 'keep'}"),
                "console.jury.why": why,
            },
            "console.check.revoked" if revoke else "console.check.kept",
            "console.jury.send",
            ("outcome", "why"),
            "contestations",
        )
    action = "contest.revoked" if revoke else "contest.kept"
    try:
        await desk.do(action, result, review, result, desk.staff.name, why, revoke)
    except Problem as problem:
        if problem.code != "conflict":
            raise
        return desk.page("refused.html", 409, what="console.refused.answered", back="/console/contestations")
    return to(f"/console/contestations?avis={'retire' if revoke else 'maintenu'}")


# An interruption


@router.get("/console/interruptions/{sitting}")
async def interruption(desk: Jury, sitting: str) -> Response:
    """Show a sitting that waits for a decision."""
    return await _interruption(desk, sitting)


def _supervisor(desk: Desk) -> Client:
    """Return who decides, as the log of the sitting names them."""
    return Client(desk.staff.name, desk.organisation, frozenset({"sittings:supervise"}))


async def _interruption(desk: Desk, sitting: str, faults: list[Fault] | None = None) -> Response:
    found = await supervision.read(desk.runtime, _supervisor(desk), sitting)
    named = await desk.runtime.read(people, desk.organisation, [found.person])
    return desk.page(
        "interruption.html",
        422 if faults else 200,
        sitting=found,
        person=_name(named.get(found.person)),
        sent={name: desk.field(name) for name in ("outcome", "why", "minutes")},
        faults=faults or [],
        room="contestations",
        here=f"/console/interruptions/{sitting}",
    )


@router.post("/console/interruptions/{sitting}")
async def decide(desk: Jury, sitting: str) -> Response:
    """Give time back (all: ``tout``, none: ``rien``, some: ``minutes``), or end the sitting (``finir``).

    It is done once it was checked.
    """
    why, outcome, minutes = desk.field("why"), desk.field("outcome"), desk.field("minutes")
    faults = []
    if outcome not in ("tout", "rien", "minutes", "finir"):
        faults.append(Fault("outcome", "outcome", "console.fault.outcome"))
    some = whole_number(minutes, 0, _MINUTES)
    if outcome == "minutes" and some is None:
        faults.append(Fault("minutes", "minutes", "console.fault.minutes"))
    if not 1 <= len(why) <= _LONGEST:
        faults.append(Fault("why", "why", "console.fault.why"))
    if faults or desk.field("geste") == "modifier":
        return await _interruption(desk, sitting, faults)
    if desk.field("geste") != "envoyer":
        return await _check_decision(desk, sitting, outcome, some)
    who = _supervisor(desk)
    if outcome == "finir":
        await desk.do("sitting.ended", sitting, supervision.ending, desk.runtime, who, sitting, why)
        return to("/console/contestations?avis=fini")
    give_back = None if outcome == "tout" else (some or 0) * 60 * SECOND if outcome == "minutes" else 0
    try:
        await desk.do(
            "interruption.decided", sitting, supervision.decision, desk.runtime, who, sitting, give_back, why
        )
    except Problem as problem:
        if problem.code != "conflict":
            raise
        return desk.page("refused.html", 409, what="console.refused.answered", back="/console/contestations")
    return to("/console/contestations?avis=decide")


async def _check_decision(desk: Desk, sitting: str, outcome: str, minutes: int | None) -> Response:
    """Show a decision once more before it is stored."""
    found = await supervision.read(desk.runtime, _supervisor(desk), sitting)
    named = await desk.runtime.read(people, desk.organisation, [found.person])
    t = desk.visit.t
    name = {"tout": "all", "rien": "nothing", "minutes": "minutes", "finir": "end"}[outcome]
    said = t.plain(f"console.jury.{name}")
    return checked(
        desk,
        f"/console/interruptions/{sitting}",
        {
            "console.person": _name(named.get(found.person)) or t.plain("console.nobody"),
            "console.jury.answer": f"{said} {minutes}" if outcome == "minutes" else said,
            "console.jury.why": desk.field("why"),
        },
        "console.check.ended" if outcome == "finir" else "console.check.decided",
        "console.jury.send_decision",
        ("outcome", "minutes", "why"),
        "contestations",
    )
