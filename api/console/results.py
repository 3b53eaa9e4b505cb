"""The room of results: a list to filter and to take away as a table, one result with its uncertainty."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from api.catalogue.store import newest
from api.console.desk import Desk, at, checked
from api.moments import from_iso
from api.pages.controls import Fault
from api.pages.reception import PageRoute, to
from api.pages.result import result_context
from api.problems import Problem
from api.results import feed
from api.results.listing import STATUSES, Filter, listed
from api.results.table import table
from api.sittings.contest import contest
from api.sittings.view import ResultView

__all__ = ["router", "shown"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)

HR = Annotated[Desk, at("hr")]
Either = Annotated[Desk, at("hr", "jury")]
MOST = 5_000
"""Results in one table; more are taken away by the dates."""


def _filter(desk: Desk) -> tuple[Filter, dict[str, str]]:
    """Return which results are asked for, and the fields that say it; what cannot be read is left out."""
    asked = {name: desk.asked(name) for name in ("test", "statut", "du", "au")}
    since, until = _day(asked["du"]), _day(asked["au"])
    asked["du"], asked["au"] = since.isoformat() if since else "", until.isoformat() if until else ""
    status = asked["statut"] if asked["statut"] in STATUSES else ""
    wanted = Filter(
        asked["test"],
        status,
        from_iso(since.isoformat()) if since else 0,
        from_iso((until + timedelta(1)).isoformat()) if until else 2**62,
    )
    return wanted, {name: value for name, value in (asked | {"statut": status}).items() if value}


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 1970 <= found.year <= 2200 else None


@router.get("/console/resultats")
async def overview(desk: HR) -> Response:
    """Show the results, the latest first."""
    wanted, asked = _filter(desk)
    rows, more = await desk.runtime.read(listed, desk.organisation, wanted, desk.asked("avant") or "~")
    return desk.page(
        "results.html",
        rows=[_row(desk, row) for row in rows],
        tests=await desk.runtime.read(newest, desk.runtime.tests),
        statuses=STATUSES,
        wanted={name: asked.get(name, "") for name in ("test", "statut", "du", "au")},
        query=urlencode(asked),
        filtered=bool(asked),
        later=bool(desk.asked("avant")),
        older=urlencode(asked | {"avant": rows[-1]["id"]}) if more else "",
        most=MOST,
    )


def _row(desk: Desk, entry: Mapping[str, Any]) -> dict[str, Any]:
    context: dict[str, Any] = {"id": entry["id"], "status": entry["status"], "known": False}
    if entry["result"] is None:
        return context
    return context | shown(desk, entry) | {"known": True}


def shown(desk: Desk, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what pages say of a result in the feed: level, certainty, score with its interval, days."""
    claims = entry["result"]
    view = ResultView(entry["id"], entry["version"], entry["status"], claims, "")
    return result_context(view, desk.visit.t)


@router.get("/console/resultats.csv")
async def export(desk: HR) -> Response:
    """Hand out the results that are asked for, as the interface for HR systems does."""
    wanted, _ = _filter(desk)
    rows, _ = await desk.runtime.read(listed, desk.organisation, wanted, limit=MOST)
    await desk.tell("results.exported", str(len(rows)))
    french = desk.visit.t.language == "fr"
    return Response(
        table(rows, desk.visit.t.language, french, desk.runtime.settings.base_url, words=True),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="acquis-results.csv"'},
    )


@router.get("/console/resultats/{id}")
async def one(desk: Either, id: str) -> Response:
    """Show one result."""
    return await _page(desk, id)


async def _page(desk: Desk, id: str, faults: list[Fault] | None = None, contesting: bool = False) -> Response:
    entry = await desk.runtime.read(feed.one, desk.organisation, id)
    return desk.page(
        "result.html",
        422 if faults else 200,
        entry=entry,
        shown=_row(desk, entry),
        hr="hr" in desk.staff.roles,
        contesting=contesting,
        why=desk.field("why"),
        faults=faults or [],
        notice={"contestee": "console.res.noted"}.get(desk.asked("avis"), ""),
        here=f"/console/resultats/{id}",
    )


@router.get("/console/resultats/{id}/attestation.json")
async def signed_file(desk: HR, id: str) -> Response:
    """Hand out the signed file."""
    file = await desk.runtime.read(feed.credential, desk.runtime.keyring, desk.organisation, id)
    await desk.tell("result.downloaded", id)
    return Response(
        file,
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="attestation-{id}.json"'},
    )


@router.post("/console/resultats/{id}/contestation")
async def note_contest(desk: HR, id: str) -> Response:
    """Note that the person contests the result, once it was checked: a jury is to look at it."""
    entry = await desk.runtime.read(feed.one, desk.organisation, id)  # of this organisation
    why, room = desk.field("why"), f"/console/resultats/{id}"
    if not 1 <= len(why) <= 2_000:
        return await _page(desk, id, [Fault("why", "why", "console.fault.contest")], contesting=True)
    if desk.field("geste") == "modifier":
        return await _page(desk, id, contesting=True)
    if desk.field("geste") != "envoyer":
        claims = _row(desk, entry)
        return checked(
            desk,
            f"{room}/contestation",
            {
                "console.person": claims.get("person") or desk.visit.t.plain("console.nobody"),
                "console.res.contest_why": why,
            },
            "console.check.contest",
            "console.res.contest_send",
            ("why",),
            "resultats",
        )
    try:
        await desk.do("contest.noted", id, contest, id, desk.staff.name, why)
    except Problem as problem:
        if problem.code != "conflict":
            raise
        return desk.page("refused.html", 409, what="console.refused.contested", back=room)
    return to(f"{room}?avis=contestee")
