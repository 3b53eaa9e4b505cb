"""Signing in and out, the one-time link to choose a password, one's own account."""

from __future__ import annotations

import hmac
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api.accounts import passwords, totp
from api.accounts.staff import choose, linked
from api.accounts.staff_sessions import (
    change_password,
    confirm,
    knows_password,
    session,
    set_second_step,
    sign_in,
    sign_out,
)
from api.console.desk import (
    ROOMS,
    Desk,
    clear_cookie,
    cookie,
    held_session,
    open_until,
    set_cookie,
    signed_in,
    who_waits,
)
from api.ids import new_secret
from api.pages.controls import Fault
from api.pages.reception import PageRoute, first, received, to
from api.pages.site import Visit, page

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Signed = Annotated[Desk, signed_in]
Waiting = Annotated[Desk, Depends(who_waits)]


def _back(path: str) -> str:
    """Return where to go on after signing in: a page of the console."""
    inside = path.startswith("/console/") and "\\" not in path and "//" not in path
    return path if inside and path.isascii() and path.isprintable() else "/console"


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


@router.get("/console")
async def front(desk: Signed) -> Response:
    """Lead into the first room of whoever is signed in."""
    for room, roles in ROOMS.items():
        if desk.staff.roles.intersection(roles):
            return to(f"/console/{room}")
    return to("/console/compte")


@router.get("/console/connexion")
async def sign_in_form(request: Request, retour: str = "", avis: str = "") -> Response:
    """Ask for login and password."""
    return _sign_in_page(Visit.of(request), _back(retour), notice="console.in.ended" if avis == "fin" else "")


def _sign_in_page(
    visit: Visit,
    back: str,
    login: str = "",
    fault: str = "",
    notice: str = "",
    status: int = 200,
    kept: bool = False,
) -> Response:
    return page(
        visit,
        "console/sign_in.html",
        status,
        back=back,
        login=login,
        kept=kept,
        faults=[Fault("login", "login", fault)] if fault else [],
        notice=notice,
        here="/console/connexion",
    )


@router.post("/console/connexion")
async def enter(request: Request) -> Response:
    """Sign in; which of the two was wrong is not said."""
    visit, sent = await received(request)
    request.state.sent = {}  # a password is not kept in a page
    login, back = first(sent, "login").strip(), _back(first(sent, "retour"))
    kept = bool(first(sent, "garder"))
    came = await sign_in(visit.runtime, login, first(sent, "password"), _address(request), kept)
    if came.outcome in ("wrong", "wait"):
        return _sign_in_page(visit, back, login[:200], f"console.fault.{came.outcome}", status=422, kept=kept)
    former = await session(visit.runtime, request.cookies.get(cookie(visit.runtime.settings), ""))
    if former is not None:
        await visit.runtime.write(sign_out, former)
    response = to(back if came.outcome == "in" else f"/console/code?retour={quote(back)}")
    set_cookie(response, came.token, visit.runtime.settings)
    return response


@router.get("/console/code")
async def code_form(desk: Waiting) -> Response:
    """Ask for the code of the second step."""
    return to("/console") if not desk.session.waits else _code_page(desk, _back(desk.asked("retour")))


def _code_page(desk: Desk, back: str, fault: str = "") -> Response:
    return desk.page(
        "code.html",
        422 if fault else 200,
        back=back,
        faults=[Fault("code", "code", fault)] if fault else [],
        here="/console/code",
    )


@router.post("/console/code")
async def enter_code(desk: Waiting) -> Response:
    """Take the code of the second step."""
    if not desk.session.waits:
        return to("/console")
    back = _back(desk.field("retour"))
    came = await confirm(desk.runtime, desk.session, desk.field("code"))
    if came.outcome != "in":
        return _code_page(desk, back, f"console.fault.{'code' if came.outcome == 'wrong' else 'wait'}")
    response = to(back)
    set_cookie(response, came.token, desk.runtime.settings)
    return response


@router.post("/console/deconnexion")
async def leave(desk: Waiting) -> Response:
    """Sign out."""
    await desk.runtime.write(sign_out, desk.session)
    response = to("/console/connexion")
    clear_cookie(response, desk.runtime.settings)
    return response


# How long it lasts


@router.get("/console/session")
async def look(request: Request) -> Response:
    """Say when the session ends. Asking is no activity: a page that was left alone keeps nothing open."""
    visit = Visit.of(request)
    held = await held_session(visit, touch=False)
    return JSONResponse(open_until(held, visit))


@router.post("/console/session")
async def stay(desk: Signed) -> Response:
    """Make the session last: somebody is at work on a page."""
    return JSONResponse(open_until(desk.session, desk.visit))


# The one-time link


@router.get("/console/mot-de-passe/{link}")
async def choose_form(request: Request, link: str) -> Response:
    """Ask for a new password. It changes nothing: mail scanners open links, too."""
    visit = Visit.of(request)
    login, name = await visit.runtime.read(linked, link)
    return _choose_page(visit, link, login, name)


def _choose_page(visit: Visit, link: str, login: str, name: str, fault: str = "") -> Response:
    return page(
        visit,
        "console/choose.html",
        422 if fault else 200,
        link=link,
        login=login,
        person=name,
        shortest=passwords.SHORTEST,
        faults=[Fault("password", "password", f"console.fault.{fault}")] if fault else [],
    )


@router.post("/console/mot-de-passe/{link}")
async def choose_password(request: Request, link: str) -> Response:
    """Set the password, once."""
    visit, sent = await received(request)
    request.state.sent = {}
    login, name = await visit.runtime.read(linked, link)
    chosen = first(sent, "password")
    fault = passwords.fault(chosen, login, name) or ("again" if first(sent, "again") != chosen else "")
    if fault:
        return _choose_page(visit, link, login, name, fault)
    await visit.runtime.write(choose, link, await passwords.hashed(chosen))
    return _sign_in_page(visit, "/console", login, notice="console.in.chosen")


# One's own account


@router.get("/console/compte")
async def account(desk: Signed) -> Response:
    """Show one's own account."""
    return _account_page(desk)


def _account_page(
    desk: Desk, at: str = "", fault: str = "", notice: str = "", secret: bytes = b""
) -> Response:
    return desk.page(
        "account.html",
        422 if fault else 200,
        shortest=passwords.SHORTEST,
        faults=[Fault(at, at, f"console.fault.{fault}")] if fault else [],
        notice=notice,
        kept=desk.session.kept,
        secret=totp.written(secret) if secret else "",
        otpauth=totp.address(secret, desk.staff.login) if secret else "",
        proof=desk.runtime.mac("second step", f"{desk.staff.id} {totp.written(secret)}") if secret else "",
        here="/console/compte",
    )


async def _unknown(desk: Desk) -> str:
    """Return the fault where the password that was typed is not that of whoever is signed in."""
    typed, address = first(desk.sent, "current"), _address(desk.visit.request)
    came = await knows_password(desk.runtime, desk.staff, typed, address)
    return {"in": "", "wrong": "current"}.get(came.outcome, "wait")


@router.post("/console/compte/mot-de-passe")
async def change(desk: Signed) -> Response:
    """Change the password: every other browser is signed out."""
    chosen = first(desk.sent, "password")
    fault = passwords.fault(chosen, desk.staff.login, desk.staff.name)
    if fault or first(desk.sent, "again") != chosen:
        return _account_page(desk, "password", fault or "again")
    unknown = await _unknown(desk)
    if unknown:
        return _account_page(desk, "current", unknown)
    token = new_secret()
    await desk.write(change_password, desk.session, await passwords.hashed(chosen), token)
    response = to("/console/compte")
    set_cookie(response, token, desk.runtime.settings)
    return response


@router.post("/console/compte/second-facteur")
async def second_step(desk: Signed) -> Response:
    """Begin with the second step (``debut``), prove that it works (``preuve``), or stop it (``fin``)."""
    step = desk.field("geste")
    if step == "debut" and not desk.staff.second_step:
        return _account_page(desk, secret=totp.new_totp_secret())
    if step == "preuve" and not desk.staff.second_step:
        return await _proved(desk)
    if step == "fin" and desk.staff.second_step:
        fault = await _unknown(desk)
        if fault:
            return _account_page(desk, "stop", fault)
        await desk.write(set_second_step, desk.staff, None, None)
    return to("/console/compte")


async def _proved(desk: Desk) -> Response:
    """Switch the second step on once a code of its secret was typed: the page brought the secret back.

    The password is asked for, too: whoever sits down at an open session could keep its owner out.
    """
    written = desk.field("secret")
    proof = desk.runtime.mac("second step", f"{desk.staff.id} {written}")
    if not hmac.compare_digest(proof.encode(), desk.field("preuve").encode()):
        return to("/console/compte")
    secret = totp.read(written)
    step = totp.matching(secret, desk.field("code"), await desk.runtime.now(), None)
    if step is None:
        return _account_page(desk, "code", "code", secret=secret)
    unknown = await _unknown(desk)
    if unknown:
        return _account_page(desk, "confirm", unknown, secret=secret)
    sealed = totp.sealed(desk.runtime, desk.staff.id, secret)
    await desk.write(set_second_step, desk.staff, sealed, step)
    return to("/console/compte")
