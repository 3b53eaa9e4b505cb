"""The room of invitations: who was invited and what came of it; invite one person, or a list of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from api.accounts.invitations import Invited, Invitee, cancel, invite_once, renew
from api.accounts.invited import STATES, invitations
from api.accounts.roll import COLUMNS, Line, read_roll, whole_number
from api.catalogue.live import LiveTest
from api.catalogue.store import newest
from api.console.desk import Desk, at
from api.ids import derived, digest, new_id
from api.pages.controls import Fault
from api.pages.entry import grouped
from api.pages.reception import PageRoute, first, to
from api.problems import Problem
from api.results.claims import Person
from api.results.table import safe
from api.sittings.timing import SECOND
from cat_engine.errors import InputError

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)

HR = Annotated[Desk, at("hr")]
DAYS = 30
_NAMES = COLUMNS[:4]


@router.get("/console/invitations")
async def overview(desk: HR) -> Response:
    """Show the invitations, the latest first."""
    state = desk.asked("etat")
    wanted = {
        "etat": state if state in STATES else "",
        "test": desk.asked("test"),
        "qui": desk.asked("qui"),
    }
    rows, more = await desk.runtime.read(
        invitations,
        desk.organisation,
        wanted["etat"] or None,
        wanted["test"],
        wanted["qui"],
        desk.asked("avant") or "~",
    )
    asked = {name: value for name, value in wanted.items() if value}
    return desk.page(
        "invitations.html",
        rows=rows,
        tests=await _tests(desk),
        states=STATES,
        wanted=wanted,
        filtered=bool(asked),
        later=bool(desk.asked("avant")),
        older=urlencode(asked | {"avant": rows[-1].id}) if more else "",
        once=new_id(),
        notice={"annulee": "console.inv.cancelled"}.get(desk.asked("avis"), ""),
    )


async def _tests(desk: Desk) -> list[LiveTest]:
    """Return the tests that people can be invited to."""
    return await desk.runtime.read(newest, desk.runtime.tests)


# One person


@router.get("/console/invitations/nouvelle")
async def one_form(desk: HR) -> Response:
    """Ask whom to invite."""
    return await _one_page(desk, {"identifier_type": "matricule", "days": str(DAYS)}, new_id())


async def _one_page(desk: Desk, sent: dict[str, str], once: str, faults: Sequence[Fault] = ()) -> Response:
    tests = await _tests(desk)
    return desk.page(
        "invite_one.html",
        422 if faults else 200,
        tests=tests,
        needs=sorted({need for test in tests for need in test.design.accommodation.needs}),
        sent=sent,
        once=once,
        faults=list(faults),
        here="/console/invitations/nouvelle",
    )


@router.post("/console/invitations/nouvelle")
async def invite_one(desk: HR) -> Response:
    """Invite one person: the same line that a list would hold."""
    names = (*COLUMNS, "test", "days")
    sent = {name: desk.field(name) for name in names}
    table = io.StringIO(newline="")
    csv.writer(table, delimiter="\t").writerows([COLUMNS, [sent[name] for name in COLUMNS]])
    faults = [Fault(name, name, message) for name, message in await _wrong(desk, sent)]
    test = await _test(desk, sent["test"])
    found = read_roll(table.getvalue(), test.design.accommodation.needs if test else None)
    line = found[0] if found else Line(2, faults=(("nobody", {}),))
    at = {"extra": "extra_time_percent", "type": "identifier_type", "need": "need"}
    for fault, told in line.faults:
        name = str(told.get("column", at.get(fault, "family_name")))
        faults.append(Fault(name, name, f"console.roll.{fault}", _told(desk, told)))
    if faults or test is None:
        return await _one_page(desk, sent, desk.once, faults)
    return await _handed_out(desk, test, [line], int(sent["days"]))


def _told(desk: Desk, told: Any) -> dict[str, Any]:
    """Return the values of a message about a line, its column by the name that the page has for it."""
    column = told.get("column")
    return {**told, "column": desk.visit.t.plain(f"console.column.{column}")} if column else dict(told)


async def _wrong(desk: Desk, sent: dict[str, str]) -> list[tuple[str, str]]:
    """Return what is wrong with what every invitation needs: where, and the message."""
    wrong = []
    if await _test(desk, sent["test"]) is None:
        wrong.append(("test", "console.fault.test"))
    if whole_number(sent["days"], 1, 366) is None:
        wrong.append(("days", "console.fault.days"))
    return wrong


async def _test(desk: Desk, code: str) -> LiveTest | None:
    return next((test for test in await _tests(desk) if test.code == code), None)


# A list of people


@router.get("/console/invitations/liste")
async def list_form(desk: HR) -> Response:
    """Ask for a list."""
    return await _list_page(desk, {"test": "", "days": str(DAYS), "people": ""})


async def _list_page(desk: Desk, sent: dict[str, str], **context: Any) -> Response:
    shown = {"lines": [], "bad": 0, "unread": "", "faults": [], **context}
    return desk.page(
        "invite_list.html",
        422 if shown["faults"] else 200,
        tests=await _tests(desk),
        sent=sent,
        once=desk.once,
        here="/console/invitations/liste",
        **shown,
    )


@router.post("/console/invitations/liste")
async def invite_list(desk: HR) -> Response:
    """Look at a list and say line by line what is wrong (``voir``); invite everybody on it (``inviter``)."""
    text = first(desk.sent, "file") or first(desk.sent, "people")
    sent = {"test": desk.field("test"), "days": desk.field("days"), "people": text}
    faults = [Fault(name, name, message) for name, message in await _wrong(desk, sent)]
    test = await _test(desk, sent["test"])
    needs = test.design.accommodation.needs if test is not None else None
    try:
        lines = read_roll(text, needs) if text.strip() else []
    except InputError as error:
        faults.append(Fault("people", "people", "console.fault.table"))
        return await _list_page(desk, sent, faults=faults, unread=str(error))
    lines = [_with_type(line) for line in lines]
    if not lines:
        faults.append(Fault("people", "people", "console.fault.people"))
    bad = [line for line in lines if line.faults]
    for line in bad[:20]:
        for fault, told in line.faults:
            values = {"line": line.number, "what": desk.visit.t(f"console.roll.{fault}", **_told(desk, told))}
            faults.append(Fault(f"line-{line.number}", "people", "console.fault.line", values))
    if faults or test is None or desk.field("geste") == "voir":
        return await _list_page(desk, sent, lines=lines, bad=len(bad), faults=faults)
    return await _handed_out(desk, test, lines, int(sent["days"]), sent)


def _with_type(line: Line) -> Line:
    """Return the line as the form for one person would have it: an identifier is a matricule unless told."""
    if not line.identifier or line.identifier_type:
        return line
    return replace(line, identifier_type="matricule")


# What to hand out


async def _handed_out(
    desk: Desk, test: LiveTest, lines: Sequence[Line], days: int, sent: dict[str, str] | None = None
) -> Response:
    """Invite, and show the codes, which this page alone has. Sent again, it says the same."""
    once, content = desk.once, digest(repr((test.code, days, lines, [line.need for line in lines])))
    people = []
    for place, line in enumerate(lines):
        mac = desk.runtime.mac("invitation", f"{desk.organisation} {once} {content} {line.number}")
        id, code = derived(once, mac, place)
        person = Person(new_id(), *(getattr(line, name) for name in _NAMES))
        people.append(Invitee(person, code, line.extra_time_percent, line.need, id))
    made: list[Invited] = await desk.do(
        "invited",
        people[0].invitation if len(people) == 1 else f"{people[0].invitation} +{len(people) - 1}",
        invite_once,
        desk.organisation,
        test.code,
        people,
        days * 86_400 * SECOND,
    )
    handed = [_handed(desk, line, one) for line, one in zip(lines, made, strict=True)]
    if desk.field("geste") == "csv":
        return _table(handed)
    return desk.page(
        "handed_out.html",
        handed=handed,
        test=test,
        until=made[0].expires_at,
        sent=sent,
        days=days,
        once=once,
        here="/console/invitations",
    )


def _handed(desk: Desk, line: Line, one: Invited) -> dict[str, str]:
    return {
        "name": " ".join(part for part in (line.given_name, line.family_name) if part),
        "identifier": line.identifier or "",
        "code": grouped(one.code),
        "link": f"{desk.runtime.settings.base_url}/i/{one.code}" if one.code else "",
    }


def _table(handed: Sequence[dict[str, str]]) -> Response:
    """Return names, codes and links as a file that a French spreadsheet or a mail merge opens."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(handed[0])
    writer.writerows([safe(cell) for cell in one.values()] for one in handed)
    return Response(
        b"\xef\xbb\xbf" + out.getvalue().encode(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="invitations.csv"'},
    )


@router.post("/console/invitations/{id}/lien")
async def new_link(desk: HR, id: str) -> Response:
    """Make another link for an invitation whose link was lost; the former one opens nothing any more."""
    once = desk.once
    _, code = derived(once, desk.runtime.mac("renewal", f"{desk.organisation} {once} {id}"))
    try:
        made = await desk.do("invitation.renewed", id, renew, desk.organisation, id, code)
    except Problem as problem:
        if problem.code != "conflict":
            raise
        return desk.page("refused.html", 409, what="console.refused.link", back="/console/invitations")
    handed = {"name": "", "identifier": "", "code": grouped(code), "link": _address(desk, code)}
    return desk.page(
        "handed_out.html",
        handed=[handed],
        test=None,
        until=made.expires_at,
        sent=None,
        days=0,
        once=once,
        here="/console/invitations",
    )


def _address(desk: Desk, code: str) -> str:
    return f"{desk.runtime.settings.base_url}/i/{code}"


@router.post("/console/invitations/{id}/annulation")
async def withdraw(desk: HR, id: str) -> Response:
    """Cancel an invitation that nobody has used."""
    try:
        await desk.do("invitation.cancelled", id, cancel, desk.organisation, id)
    except Problem as problem:
        if problem.code != "conflict":
            raise
        return desk.page("refused.html", 409, what="console.refused.cancel", back="/console/invitations")
    return to("/console/invitations?avis=annulee")
