"""The public page where anyone verifies a signed result or a badge, by the code of ``acquis verify``.

The file is read in memory, judged and forgotten. Of a file whose signature does not hold nothing is shown but
the address that it says it comes from: whatever else stands in it, somebody may have written to be read here.
The form changes nothing, so that it may be sent from anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.credentials import checking
from api.credentials.baking import text_in
from api.credentials.turns import turns
from api.keys.signing import BadSignature, UnknownKey, public_keys, revoked_keys
from api.keys.store import key_set
from api.moments import from_iso, iso
from api.pages.controls import Fault
from api.pages.reception import PageRoute, to
from api.pages.result import result_context
from api.pages.site import Visit, page
from api.problems import Problem
from api.results.claims import NOTICE
from api.results.credential import check, expired, formed, issuer_of, read
from api.results.status import standing
from api.sittings.view import ResultView
from cat_engine.errors import InputError

if TYPE_CHECKING:
    from api.runtime import Runtime

__all__ = ["Judgement", "judged", "router", "verify_page"]

LARGEST = 128 * 1024
"""Bytes of a file; a signed result has some thousands."""
FIELD = "attestation"
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?(/[A-Za-z0-9._~-]{1,60}){0,3}")

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What can be said of a file.

    Attributes
    ----------
    state
        ``altered`` and ``elsewhere`` when this service has not signed it as it is, ``distrusted`` when it
        names a key that was revoked; else how it stands.
    claims
        What it says, where this service has signed it and it is a result.
    badge
        The same where it is a badge.
    issuer
        The address that a file from elsewhere says it comes from, not verified.
    at
        When it was judged, in microseconds since 1970 (UTC).
    """

    state: Literal["valid", "superseded", "revoked", "expired", "altered", "elsewhere", "distrusted"]
    claims: Mapping[str, Any] | None = None
    badge: checking.Badge | None = None
    issuer: str = ""
    at: int = 0


async def judged(runtime: Runtime, text: str) -> Judgement:
    """Return what can be said of the file that holds `text`.

    Raises
    ------
    InputError
        When it is no signed result at all.
    """
    published = await runtime.read(key_set)
    keys = public_keys(published)
    claims: Mapping[str, Any] | None = None
    badge: checking.Badge | None = None
    try:
        content = read(text)
        if checking.is_badge(content):
            issuer = checking.claimed_issuer(content)
            read_badge, _ = await turns(checking.check, content, keys)
            badge, id, until = read_badge, read_badge.result, read_badge.shape.validUntil
        else:
            content = formed(content)
            issuer = issuer_of(content)
            claims = check(content, keys).claims
            id, until = claims["id"], claims["valid_until"]
    except UnknownKey as error:
        if error.kid in revoked_keys(published):
            return Judgement("distrusted")
        if issuer != runtime.settings.base_url and _ADDRESS.fullmatch(issuer):
            return Judgement("elsewhere", issuer=issuer)
        return Judgement("altered")
    except BadSignature:
        return Judgement("altered")
    stands, now = await runtime.read(standing, id)
    if stands == "valid" and expired({"valid_until": until[:10]}, iso(now)):
        return Judgement("expired", claims, badge, at=now)
    return Judgement(stands, claims, badge, at=now)


@router.get("/verify/file")
async def verify_again(request: Request) -> Response:
    """Lead back to the form: nothing was kept that could be shown again."""
    return to("/verify")


@router.post("/verify/file")
async def verify(request: Request) -> Response:
    """Say what can be said of a sent file."""
    visit = Visit.of(request)
    text = await sent_text(request)
    if text == "":
        return verify_page(visit, "fault.file_none")
    try:
        if text is None:
            raise InputError("expected a text, got something else")
        found = await judged(visit.runtime, text)
    except InputError:
        return verify_page(visit, "fault.file_unknown")
    return verify_page(visit, found=found)


async def sent_text(request: Request) -> str | None:
    """Return the text of the file that a form holds, or of the badge in a picture.

    It is empty when none was chosen, and None when there is no such text in it.

    Raises
    ------
    Problem
        ``malformed``, ``too_large``.
    """
    try:
        async with request.form(max_files=1, max_fields=8) as form:
            sent = form.get(FIELD, "")
            content = sent.encode() if isinstance(sent, str) else await sent.read()
    except (HTTPException, ValueError) as error:  # no form, or texts in an encoding that breaks
        raise Problem("malformed", "Send the form of this page.") from error
    if len(content) > LARGEST:
        raise Problem("too_large", f"A signed result has at most {LARGEST} bytes.")
    try:
        return text_in(content)
    except (UnicodeDecodeError, InputError):
        return None


def verify_page(visit: Visit, fault: str = "", found: Judgement | None = None) -> Response:
    """Return the page: the form alone, with what has to be mended, or below what was found."""
    shown: dict[str, Any] = {}
    if found is not None and found.badge is not None:
        shown = badge_context(found.badge, visit)
    if found is not None and found.claims is not None:
        claims = found.claims
        result = ResultView(claims["id"], claims["version"], found.state, claims, "")
        shown = {**result_context(result, visit.t), "badge": False}
        shown["issued"] = visit.t.day(from_iso(claims["issued_at"]))
    response = page(
        visit,
        "verify.html",
        422 if fault else 200,
        faults=[Fault(FIELD, FIELD, fault)] if fault else [],
        found=found,
        shown=shown,
        base=visit.runtime.settings.base_url,
        here="/verify",
        **({"demonstration": shown["demonstration"]} if shown else {}),
    )
    response.headers["Vary"] = "Accept"
    return response


def badge_context(badge: checking.Badge, visit: Visit) -> dict[str, Any]:
    """Return what is shown of a badge: what it says in its own language, and whom it does not name."""
    shape, subject = badge.shape, badge.shape.credentialSubject
    return {
        "badge": True,
        "demonstration": NOTICE in shape.name,
        "name": shape.name,
        "language": subject.achievement.inLanguage,
        "narrative": subject.narrative,
        "day": visit.t.day(from_iso(subject.activityEndDate)),
        "issued": visit.t.day(from_iso(shape.awardedDate)),
        "valid_until": visit.t.day(from_iso(shape.validUntil[:10])),
        "issuer": badge.issuer,
        "id": badge.result,
    }
