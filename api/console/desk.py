"""Who may come into which room of the console; what every page there has in common.

Role and organisation are looked at here and nowhere else: a room is given a `Desk`, whose organisation is
that of whoever is signed in, and asks for everything in the name of that organisation.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import Depends
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.accounts.audit import audited, note
from api.accounts.staff import Staff
from api.accounts.staff_sessions import Session, session, standing
from api.ids import new_id
from api.pages.reception import first
from api.pages.site import Visit, page
from api.problems import Problem
from api.runtime import Runtime
from api.settings import Settings
from api.sittings.cookie import same_origin
from api.sittings.timing import SECOND

__all__ = [
    "ROOMS",
    "Desk",
    "at",
    "checked",
    "clear_cookie",
    "cookie",
    "held_session",
    "open_until",
    "set_cookie",
    "signed_in",
    "who_waits",
]

ROOMS: Mapping[str, tuple[str, ...]] = {
    "invitations": ("hr",),
    "resultats": ("hr",),
    "contestations": ("jury",),
    "tests": ("psychometrician", "hr"),
    "comptes": ("operator",),
    "programmes": ("operator",),
    "journal": ("operator",),
}
"""Every room in the order of the menu, and the roles that may come in."""

_ONCE = re.compile("[0-9A-HJKMNP-TV-Z]{26}")
_LARGEST = 1_000_000
"""Bytes of one field of a form: a list of a thousand people has a tenth of it."""


def cookie(settings: Settings) -> str:
    """Return the name of the cookie; with the prefix no other host and no plain page can have set it."""
    return "__Host-acquis_console" if settings.secure else "acquis_console"


def set_cookie(response: Response, token: str, settings: Settings) -> None:
    """Give the browser the secret of its session, until it is closed."""
    response.set_cookie(
        cookie(settings), token, path="/", httponly=True, secure=settings.secure, samesite="lax"
    )


def clear_cookie(response: Response, settings: Settings) -> None:
    """Make the browser forget it."""
    response.delete_cookie(cookie(settings), path="/", httponly=True, secure=settings.secure, samesite="lax")


@dataclass(slots=True)
class Desk:
    """One request of somebody who is signed in and may come into the room."""

    visit: Visit
    session: Session
    sent: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def runtime(self) -> Runtime:
        """What every request of this worker shares."""
        return self.visit.runtime

    @property
    def staff(self) -> Staff:
        """Who it is."""
        return self.session.staff

    @property
    def organisation(self) -> str:
        """In whose name everything is asked for."""
        return self.session.staff.organisation

    def field(self, name: str) -> str:
        """Return what was sent in a field, without blanks around it."""
        return first(self.sent, name).strip()

    def asked(self, name: str) -> str:
        """Return what the address asks for after its question mark."""
        return str(self.visit.request.query_params.get(name, "")).strip()[:200]

    @property
    def once(self) -> str:
        """What makes a form sent twice act once: the page that held the form made it."""
        sent = self.field("once")
        return sent if _ONCE.fullmatch(sent) else new_id()

    async def write(self, plan: Callable[..., Any], /, *with_: Any) -> Any:
        """Run a plan that writes, and nothing of it once the session has ended."""
        return await self.runtime.write(standing, self.session.digest, plan, *with_)

    async def do(self, action: str, subject: str | None, plan: Callable[..., Any], /, *with_: Any) -> Any:
        """Run a plan that writes, with its entry in the audit log, in one transaction."""
        return await self.write(audited, self.organisation, self.staff.id, action, subject, plan, *with_)

    async def tell(self, action: str, subject: str) -> None:
        """Note in the audit log that something was taken out."""
        await self.write(note, self.organisation, self.staff.id, action, subject)

    def page(self, name: str, status: int = 200, **context: Any) -> Response:
        """Return a page of the console."""
        path = self.visit.request.url.path
        here = context.pop("here", path if self.visit.request.method == "GET" else "/console")
        rooms = [room for room, roles in ROOMS.items() if self.staff.roles.intersection(roles)]
        return page(
            self.visit,
            f"console/{name}",
            status,
            staff=self.staff,
            rooms=rooms,
            token=form_token(self.runtime, self.session),
            lasts=open_until(self.session, self.visit),
            here=here,
            **{"faults": [], "notice": "", "room": path.split("/")[2], **context},
        )


def checked(
    desk: Desk, action: str, rows: Mapping[str, str], then: str, send: str, carried: Sequence[str], room: str
) -> Response:
    """Return a page to look again at what has legal consequences before it is stored.

    Its form comes back with what was sent and ``geste``: ``envoyer`` to store it, ``modifier`` to change it.

    Parameters
    ----------
    rows
        What was chosen and written, by the name of its label.
    then, send
        Messages: what follows from it, and what its button says.
    carried
        The fields that come back.
    """
    return desk.page(
        "check.html",
        action=action,
        rows=rows.items(),
        then=then,
        send=send,
        carried={name: desk.field(name) for name in carried},
        room=room,
        here=action,
    )


def form_token(runtime: Runtime, held: Session) -> str:
    """Return what a form carries along: it proves that a page of ours, shown in this session, made it."""
    return runtime.mac("console form", held.digest)


def open_until(held: Session, visit: Visit) -> dict[str, Any]:
    """Return what a page says of when its session ends."""
    return {"seconds": held.left // SECOND, "hour": visit.t.hour(held.ends_at), "last": held.last}


async def held_session(visit: Visit, touch: bool = True, waits: bool = False) -> Session:
    """Return the session that a browser holds.

    Parameters
    ----------
    touch
        Whether it lasts longer for it.
    waits
        Whether it will do that the code of the second step is still to come.

    Raises
    ------
    Problem
        ``unauthenticated``
    """
    name = cookie(visit.runtime.settings)
    found = await session(visit.runtime, visit.request.cookies.get(name, ""), touch)
    if found is None:
        raise Problem("unauthenticated", "Sign in.")
    if found.waits and not waits:
        raise Problem("unauthenticated", "Type the code of the second step.")
    return found


async def _received(visit: Visit, held: Session) -> dict[str, list[str]]:
    """Return the fields of a form that a page of ours sent in this session; a file counts as its text."""
    sent: dict[str, list[str]] = {}
    try:
        async with visit.request.form(max_files=1, max_fields=100, max_part_size=_LARGEST) as form:
            for name, value in form.multi_items():
                text = _text(await value.read()) if isinstance(value, UploadFile) else value
                sent.setdefault(name, []).append(text)
    except (HTTPException, ValueError) as error:
        raise Problem("malformed", "Send the form of this page.") from error
    right = form_token(visit.runtime, held).encode()
    if not same_origin(visit.request, visit.runtime.settings) or not hmac.compare_digest(
        right, first(sent, "jeton").encode(errors="replace")
    ):
        raise Problem("cross_site", "Send the form from a page of this site.")
    return sent


def _text(content: bytes) -> str:
    """Return the text of a file; French spreadsheets write Windows-1252."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


async def who_waits(request: Request) -> Desk:
    """Dependency: somebody whose password was right and whose code is still to come.

    Raises
    ------
    Problem
        ``unauthenticated``
    """
    visit = Visit.of(request)
    held = await held_session(visit, waits=True)
    return Desk(visit, held, await _received(visit, held) if request.method == "POST" else {})


def at(*roles: str) -> Any:
    """Return a dependency: somebody who is signed in and has one of `roles`, or any where none is named.

    Raises
    ------
    Problem
        ``unauthenticated``, ``forbidden``; ``cross_site``, ``malformed`` for a form.
    """

    async def dependency(request: Request) -> Desk:
        visit = Visit.of(request)
        held = await held_session(visit)
        if roles and not held.staff.roles.intersection(roles):
            raise Problem("forbidden", f"This is for: {', '.join(roles)}.")
        return Desk(visit, held, await _received(visit, held) if request.method == "POST" else {})

    return Depends(dependency)


signed_in = at()
"""Dependency: anybody who is signed in."""
