"""The rooms of whoever manages an organisation's accounts: make, renew, remove them; the audit log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from api.accounts import staff
from api.accounts.audit import journal
from api.accounts.roll import legible
from api.console.desk import Desk, at
from api.ids import new_secret
from api.pages.controls import Fault
from api.pages.reception import PageRoute, to
from api.problems import Problem

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Operator = Annotated[Desk, at("operator")]
_ENTRIES = 100


@router.get("/console/comptes")
async def overview(desk: Operator) -> Response:
    """Show the accounts of the organisation, and a form for another one."""
    return await _page(desk)


async def _page(desk: Desk, faults: list[Fault] | None = None) -> Response:
    return desk.page(
        "accounts.html",
        422 if faults else 200,
        accounts=await desk.runtime.read(staff.accounts, desk.organisation),
        roles=tuple(staff.ROLES),
        sent={
            "person": desk.field("person"),
            "login": desk.field("login"),
            "roles": desk.sent.get("roles", []),
        },
        faults=faults or [],
        notice={"retire": "console.acc.removed", "roles": "console.acc.changed"}.get(desk.asked("avis"), ""),
        here="/console/comptes",
    )


@router.post("/console/comptes")
async def add(desk: Operator) -> Response:
    """Make an account, and show the link to choose its password, once."""
    name, login, roles = desk.field("person"), desk.field("login"), set(desk.sent.get("roles", []))
    faults = []
    if not 1 <= len(name) <= 200 or not legible(name):
        faults.append(Fault("person", "person", "console.fault.name"))
    if not roles or not roles <= set(staff.ROLES):
        faults.append(Fault("roles", "roles", "console.fault.roles"))
    if faults:
        return await _page(desk, faults)
    link = new_secret()
    try:
        made = await desk.write(
            staff.add, desk.organisation, name, login, staff.roles_of(roles), link, desk.staff.id
        )
    except Problem as problem:
        wrong = {"malformed": "email", "conflict": "taken"}.get(problem.code)
        if wrong is None:
            raise
        return await _page(desk, [Fault("login", "login", f"console.fault.{wrong}")])
    return _linked(desk, made, link)


def _linked(desk: Desk, account: staff.Account, link: str) -> Response:
    return desk.page(
        "linked.html",
        account=account,
        link=f"{desk.runtime.settings.base_url}/console/mot-de-passe/{link}",
        here="/console/comptes",
    )


@router.post("/console/comptes/{id}/lien")
async def renew(desk: Operator, id: str) -> Response:
    """Forget a password and give a new link: a password or a telephone was lost."""
    link = new_secret()
    account = await desk.write(staff.renew, id, link, desk.staff.id, desk.organisation)
    return _linked(desk, account, link)


@router.get("/console/comptes/{id}/roles")
async def roles_form(desk: Operator, id: str) -> Response:
    """Ask which roles an account has."""
    account = await _account(desk, id)
    return _roles_page(desk, account, set(account.roles))


async def _account(desk: Desk, id: str) -> staff.Account:
    found = [one for one in await desk.runtime.read(staff.accounts, desk.organisation) if one.id == id]
    if not found:
        raise Problem("not_found", "There is no such account.")
    return found[0]


def _roles_page(desk: Desk, account: staff.Account, chosen: set[str], fault: str = "") -> Response:
    return desk.page(
        "roles.html",
        422 if fault else 200,
        account=account,
        roles=tuple(staff.ROLES),
        sent={"roles": chosen},
        faults=[Fault("roles", "roles", fault)] if fault else [],
        here=f"/console/comptes/{account.id}/roles",
    )


@router.post("/console/comptes/{id}/roles")
async def set_roles(desk: Operator, id: str) -> Response:
    """Give an account other roles: it is signed out, and comes back with them."""
    account, chosen = await _account(desk, id), set(desk.sent.get("roles", []))
    if not chosen or not chosen <= set(staff.ROLES):
        return _roles_page(desk, account, chosen, "console.fault.roles")
    try:
        await desk.write(staff.set_roles, id, staff.roles_of(chosen), desk.staff.id, desk.organisation)
    except Problem as problem:
        if problem.code != "conflict":
            raise
        return desk.page("refused.html", 409, what="console.refused.own_roles", back="/console/comptes")
    return to("/console/comptes?avis=roles")


@router.post("/console/comptes/{id}/retrait")
async def remove(desk: Operator, id: str) -> Response:
    """Remove an account: it is signed out at once."""
    try:
        await desk.write(staff.remove, id, desk.staff.id, desk.organisation)
    except Problem as problem:
        if problem.code != "conflict":
            raise
        return desk.page("refused.html", 409, what="console.refused.own", back="/console/comptes")
    return to("/console/comptes?avis=retire")


@router.get("/console/journal")
async def read_journal(desk: Operator) -> Response:
    """Show who did what, the latest first."""
    entries = await desk.runtime.read(journal, desk.organisation, desk.asked("avant") or "~", _ENTRIES + 1)
    return desk.page(
        "journal.html",
        entries=entries[:_ENTRIES],
        later=bool(desk.asked("avant")),
        older=f"avant={entries[_ENTRIES - 1]['id']}" if len(entries) > _ENTRIES else "",
    )
