"""The room of programs: API clients of the organisation, and the addresses that are told of its results.

A secret is shown once, on the page that answers the form that made it.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from api.accounts import clients
from api.accounts.roll import legible
from api.console.desk import Desk, at
from api.ids import new_id, new_secret
from api.pages.controls import Fault
from api.pages.reception import PageRoute, to
from api.problems import Problem
from api.sittings.timing import SECOND
from api.webhooks import store
from api.webhooks.message import secret_of
from api.webhooks.post import Refused, checked

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Operator = Annotated[Desk, at("operator")]
ROOM = "/console/programmes"
OVERLAP_HOURS = 24
"""For how long the former secret of an address signs beside the new one."""
_LONGEST = 500


@router.get("/console/programmes")
async def overview(desk: Operator) -> Response:
    """Show the programs and the addresses, and forms for others."""
    return await _page(desk)


async def _page(desk: Desk, faults: list[Fault] | None = None) -> Response:
    return desk.page(
        "programs.html",
        422 if faults else 200,
        clients=await desk.runtime.read(clients.registered, desk.organisation),
        hooks=await desk.runtime.read(store.registered, desk.organisation),
        scopes=tuple(clients.SCOPES),
        sent={
            "program": desk.field("program"),
            "scopes": desk.sent.get("scopes", []),
            "url": desk.field("url"),
        },
        once=new_id(),
        hours=OVERLAP_HOURS,
        faults=faults or [],
        notice={
            "ferme": "console.prog.disabled",
            "retire": "console.prog.removed",
            "renvoi": "console.prog.sent",
        }.get(desk.asked("avis"), ""),
        here=ROOM,
    )


def _told(desk: Desk, what: str, name: str, secret: str, id: str = "") -> Response:
    return desk.page(
        "secret.html", what=what, called=name, secret=secret, id=id, hours=OVERLAP_HOURS, here=ROOM
    )


# Programs


@router.post("/console/programmes")
async def add(desk: Operator) -> Response:
    """Register a program, and show its secret, once; a form sent twice makes one."""
    name, scopes = desk.field("program"), set(desk.sent.get("scopes", []))
    faults = []
    if not 1 <= len(name) <= 200 or not legible(name):
        faults.append(Fault("program", "program", "console.fault.name"))
    if not scopes or not scopes <= set(clients.SCOPES):
        faults.append(Fault("scopes", "scopes", "console.fault.scopes"))
    if faults:
        return await _page(desk, faults)
    id, secret = desk.once.lower(), new_secret()
    told = (desk.organisation, desk.staff.organisation_name, name, id, secret, " ".join(sorted(scopes)))
    try:
        await desk.do("client.added", id, clients.add, *told)
    except Problem as problem:
        if problem.code != "conflict":
            raise
        return desk.page("refused.html", 409, what="console.refused.made", back=ROOM)
    return _told(desk, "console.prog.made", name, secret, id)


@router.post("/console/programmes/{id}/secret")
async def renew(desk: Operator, id: str) -> Response:
    """Give a program another secret; the former one is out at once."""
    secret = new_secret()
    name = await desk.do("client.renewed", id, clients.renew, id, secret, desk.organisation)
    return _told(desk, "console.prog.renewed", name, secret, id)


@router.post("/console/programmes/{id}/retrait")
async def disable(desk: Operator, id: str) -> Response:
    """Shut a program out."""
    await desk.do("client.disabled", id, clients.disable, id, desk.organisation)
    return to(f"{ROOM}?avis=ferme")


# Addresses that are told of results


@router.post("/console/programmes/adresses")
async def tell(desk: Operator) -> Response:
    """Tell an address of results from now on, and show its secret, once."""
    url = desk.field("url")
    try:
        if len(url) > _LONGEST:
            raise Refused("it is too long")
        checked(url, desk.runtime.settings.webhooks_inside)
    except Refused:
        return await _page(desk, [Fault("url", "url", "console.fault.url")])
    try:
        id = await desk.do("webhook.added", None, store.register, desk.organisation, url)
    except Problem as problem:
        if problem.code != "conflict":
            raise
        return await _page(desk, [Fault("url", "url", "console.fault.url_taken", {"n": store.MOST})])
    return _told(desk, "console.prog.told", url, secret_of(desk.runtime, id))


@router.post("/console/programmes/adresses/{id}/secret")
async def renew_secret(desk: Operator, id: str) -> Response:
    """Sign with another secret; the former one goes on for a day, while the receiver changes."""
    url, number, _ = await desk.do(
        "webhook.renewed", id, store.renew_secret, desk.organisation, id, OVERLAP_HOURS * 3600 * SECOND
    )
    return _told(desk, "console.prog.resigned", url, secret_of(desk.runtime, id, number))


@router.post("/console/programmes/adresses/{id}/retrait")
async def remove(desk: Operator, id: str) -> Response:
    """Tell an address nothing more."""
    await desk.do("webhook.removed", id, store.remove, desk.organisation, id)
    return to(f"{ROOM}?avis=retire")


@router.post("/console/programmes/adresses/{id}/renvoi")
async def send_again(desk: Operator, id: str) -> Response:
    """Send what was given up for an address again."""
    await desk.do("webhook.sent_again", id, store.send_again, id, desk.organisation)
    return to(f"{ROOM}?avis=renvoi")
