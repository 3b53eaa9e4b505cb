"""Every route and every role in one table: who may do what, over the real application.

A route that is not in the table fails the test, and so does a status that differs. What anybody without a
client's token gets is searched for what a candidate must never see.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import bindparam, select

from api.database import tables
from api.database.plans import Commit, Plan, Query
from api.pages.protection import FORM_COOKIE, form_token, new_form_secret
from api.sittings.cookie import COOKIE
from tests.api.browser import Browser
from tests.api.desk import SECRET, bearer, call, enter, invite, runtime_of, sit
from tests.api.sample import CODE, SECRET_WORDS

ALL = "results:read invitations:write webhooks:write sittings:supervise sections:run"
ROLES = (
    "elsewhere",
    "anonymous",
    "other",
    "finished",
    "reader",
    "inviter",
    "registrar",
    "player",
    "proctor",
    "candidate",
)
"""In the order of the table: a client of another organisation with every scope; nobody; the candidates of
another sitting and of one that is over; clients with one scope each; the candidate of the sitting that is
asked about."""

SCOPES = {
    "elsewhere": ALL,
    "reader": "results:read",
    "inviter": "invitations:write",
    "registrar": "webhooks:write",
    "player": "sections:run",
    "proctor": "sittings:supervise",
}
HUMANS = ("anonymous", "other", "finished", "candidate")

SECTION = base64.b64encode(json.dumps({"test": CODE}).encode()).decode()

TABLE = """
GET    /openapi.json                                                  200 200 200 200 200 200 200 200 200 200
GET    /api/v1/invitations/{code}                                     200 200 200 200 200 200 200 200 200 200
POST   /api/v1/sittings                                               201 201 201 201 201 201 201 201 201 201
GET    /api/v1/sittings/current                                       401 401 200 200 401 401 401 401 401 200
POST   /api/v1/sittings/current/answers                               401 401 409 409 401 401 401 401 401 200
POST   /api/v1/sittings/current/interruption                          401 401 200 200 401 401 401 401 401 200
POST   /api/v1/sittings/current/resumption                            401 401 200 200 401 401 401 401 401 200
GET    /api/v1/sittings/current/media/{handle}/{name}                 401 401 404 404 401 401 401 401 401 404
GET    /api/v1/sittings/current/credential                            401 401 409 200 401 401 401 401 401 409
GET    /api/v1/sittings/current/badge                                 401 401 409 200 401 401 401 401 401 409
GET    /api/v1/sittings                                               200 401 401 401 403 403 403 403 200 401
GET    /api/v1/sittings/{id}                                          404 401 401 401 403 403 403 403 200 401
POST   /api/v1/sittings/{id}/set-aside                                404 401 401 401 403 403 403 403 200 401
POST   /api/v1/sittings/{id}/decision                                 404 401 401 401 403 403 403 403 409 401
POST   /api/v1/sittings/{id}/end                                      404 401 401 401 403 403 403 403 200 401
POST   /api/v1/oauth/token                                            401 401 401 401 401 401 401 401 401 401
GET    /api/v1/tests                                                  200 401 401 401 200 200 200 200 200 401
POST   /api/v1/invitations                                            201 401 401 401 403 201 403 403 403 401
GET    /api/v1/results                                                200 401 401 401 200 403 403 403 403 401
GET    /api/v1/results.csv                                            200 401 401 401 200 403 403 403 403 401
GET    /api/v1/results/{id}                                           404 401 401 401 200 403 403 403 403 401
GET    /api/v1/results/{id}/credential                                404 401 401 401 200 403 403 403 403 401
GET    /api/v1/results/{id}/badge                                     404 401 401 401 200 403 403 403 403 401
GET    /.well-known/jwks.json                                         200 200 200 200 200 200 200 200 200 200
GET    /.well-known/did.json                                          200 200 200 200 200 200 200 200 200 200
GET    /did.json                                                      200 200 200 200 200 200 200 200 200 200
GET    /verify                                                        200 200 200 200 200 200 200 200 200 200
GET    /verify/file                                                   303 303 303 303 303 303 303 303 303 303
POST   /verify/file                                                   422 422 422 422 422 422 422 422 422 422
GET    /verify/status.json                                            200 200 200 200 200 200 200 200 200 200
GET    /verify/lists/{number}                                         200 200 200 200 200 200 200 200 200 200
POST   /api/v1/webhooks                                               201 401 401 401 403 403 201 403 403 401
GET    /api/v1/webhooks                                               200 401 401 401 403 403 200 403 403 401
DELETE /api/v1/webhooks/{id}                                          404 401 401 401 403 403 204 403 403 401
POST   /ims/cat/v1p0/sections                                         201 401 401 401 403 403 403 201 403 401
GET    /ims/cat/v1p0/sections/{section}                               404 401 401 401 403 403 403 200 403 401
DELETE /ims/cat/v1p0/sections/{section}                               404 401 401 401 403 403 403 204 403 401
POST   /ims/cat/v1p0/sections/{section}/sessions                      404 401 401 401 403 403 403 201 403 401
POST   /ims/cat/v1p0/sections/{section}/sessions/{session}/results    404 401 401 401 403 403 403 201 403 401
DELETE /ims/cat/v1p0/sections/{section}/sessions/{session}            404 401 401 401 403 403 403 204 403 401
GET    /                                                              200 200 200 200 200 200 200 200 200 200
POST   /                                                              303 303 303 303 303 303 303 303 303 303
GET    /i/{code}                                                      303 303 303 303 303 303 303 303 303 303
POST   /essai                                                         404 404 404 404 404 404 404 404 404 404
GET    /bienvenue                                                     303 303 303 303 303 303 303 303 303 303
POST   /bienvenue                                                     303 303 303 303 303 303 303 303 303 303
POST   /quitter                                                       303 303 303 303 303 303 303 303 303 303
GET    /langue                                                        303 303 303 303 303 303 303 303 303 303
GET    /question                                                      303 303 200 303 303 303 303 303 303 200
POST   /question                                                      303 303 409 303 303 303 303 303 303 200
GET    /question/image/{handle}/{name}                                303 303 404 404 303 303 303 303 303 404
POST   /pause                                                         303 303 303 303 303 303 303 303 303 303
POST   /reprendre                                                     303 303 303 303 303 303 303 303 303 303
GET    /resultat                                                      303 303 409 200 303 303 303 303 303 409
GET    /resultat/attestation.json                                     303 303 409 200 303 303 303 303 303 409
GET    /resultat/badge.json                                           303 303 409 200 303 303 303 303 303 409
GET    /static/{digest}/{name}                                        404 404 404 404 404 404 404 404 404 404
GET    /health                                                        200 200 200 200 200 200 200 200 200 200
GET    /ready                                                         200 200 200 200 200 200 200 200 200 200
GET    /metrics                                                       200 200 200 200 200 200 200 200 200 200
"""


@dataclass
class World:
    """What requests are about, made anew for each route.

    Attributes
    ----------
    headers
        How each role shows who it is.
    fill
        What stands for the parts of an address in braces.
    sitting, sittings
        The sitting that is asked about, as its candidate sees it; each candidate's sitting.
    """

    headers: dict[str, dict[str, str]]
    fill: dict[str, str]
    sitting: dict[str, Any]
    sittings: dict[str, str]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: who may do what is not the database's to say."""
    return sqlite_url


def routes(app: Any) -> Iterator[tuple[str, str]]:
    """Every method and path that the application answers to."""

    def walk(found: Any) -> Iterator[tuple[str, str]]:
        for route in found:
            if hasattr(route, "original_router"):
                yield from walk(route.original_router.routes)
            else:
                yield from ((method, route.path) for method in route.methods if method != "HEAD")

    yield from walk(app.routes)


def made(client: Browser) -> World:
    """Make sittings in progress and a finished one, a section, an address."""
    tokens = {role: bearer(client, scopes) for role, scopes in SCOPES.items() if role != "elsewhere"}
    tokens["elsewhere"] = bearer(client, ALL, "ELSEWHERE")
    own, sitting = enter(client, invite(client, identifier=None))
    other, others = enter(client, invite(client, identifier=None))
    done = sit(client, invite(client, identifier=None))
    result = client.get("/api/v1/sittings/current/credential", headers=done).json()["result"]
    client.get("/api/v1/sittings/current/badge", headers=done)  # begins the first list
    for known in client.get("/api/v1/webhooks", headers=tokens["registrar"]).json()["webhooks"]:
        client.delete(f"/api/v1/webhooks/{known['id']}", headers=tokens["registrar"])
    hook = client.post(
        "/api/v1/webhooks", headers=tokens["registrar"], json={"url": f"https://x.org/{result['id']}"}
    )
    section = client.post(
        "/ims/cat/v1p0/sections", headers=tokens["player"], json={"sectionConfiguration": SECTION}
    )
    assert section.status_code == 201, section.text
    session = client.post(
        f"/ims/cat/v1p0/sections/{section.json()['sectionIdentifier']}/sessions",
        headers=tokens["player"],
        json={},
    )
    fill = {
        "code": invite(client, identifier=None),
        "handle": sitting["handle"],
        "name": "picture-1",
        "digest": "0",
        "number": "1",
        "section": section.json()["sectionIdentifier"],
        "session": session.json()["sessionIdentifier"],
        "/api/v1/results/{id}": result["id"],
        "/api/v1/sittings/{id}": sitting["sitting"],
        "/api/v1/webhooks/{id}": hook.json()["id"],
    }
    sittings = {
        "candidate": sitting["sitting"],
        "other": others["sitting"],
        "finished": result["log"]["sitting"],
    }
    return World(
        {**tokens, "anonymous": {}, "other": other, "finished": done, "candidate": own},
        fill,
        sitting,
        sittings,
    )


def body(method: str, path: str, world: World) -> dict[str, Any]:
    """What a request to a route sends."""
    handle = world.sitting["handle"]
    bodies: dict[str, dict[str, Any]] = {
        "/api/v1/sittings": {"json": {"code": world.fill["code"]}},
        "/api/v1/sittings/current/answers": {
            "json": {"handle": handle, "response": {"RESPONSE": ["B"]}},
            "headers": {"Idempotency-Key": "k"},
        },
        "/api/v1/sittings/{id}/set-aside": {"json": {"position": 1, "reason": "smudged"}},
        "/api/v1/sittings/{id}/decision": {"json": {"reason": "why"}},
        "/api/v1/sittings/{id}/end": {"json": {"reason": "over"}},
        "/api/v1/oauth/token": {"data": {"grant_type": "client_credentials"}, "auth": ("x", SECRET)},
        "/api/v1/invitations": {"json": {"person": {}, "test": CODE}},
        "/api/v1/webhooks": {"json": {"url": "https://hr.example.org/new"}},
        "/ims/cat/v1p0/sections": {"json": {"sectionConfiguration": SECTION}},
        "/ims/cat/v1p0/sections/{section}/sessions": {"json": {}},
        "/ims/cat/v1p0/sections/{section}/sessions/{session}/results": {
            "json": {"assessmentResult": {"itemResult": []}}
        },
        "/": {"data": {"code": world.fill["code"]}},
        "/question": {"data": {"question": handle, "geste": "passer"}},
    }
    return bodies.get(path, {"data": {}}) if method == "POST" else {}


def asked(client: Browser, role: str, method: str, path: str, world: World) -> Any:
    """Send a request to a route in a role."""
    address = path
    for prefix in ("/api/v1/results/{id}", "/api/v1/sittings/{id}", "/api/v1/webhooks/{id}"):
        if address.startswith(prefix):
            address = address.replace("{id}", world.fill[prefix])
    for part in re.findall(r"\{(\w+)\}", address):
        address = address.replace(f"{{{part}}}", world.fill[part])
    told = body(method, path, world)
    headers = {**told.pop("headers", {}), **world.headers[role]}
    page = not path.startswith(("/api/", "/ims/"))
    if page:
        token, form = headers.pop("Authorization", ""), new_form_secret()
        cookies = f"{FORM_COOKIE}={form}"
        if role in HUMANS and token:
            cookies += f"; {COOKIE}={token.removeprefix('Bearer ')}"
        headers |= {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Cookie": cookies}
        if "data" in told:
            told["data"] = {**told["data"], "jeton": form_token(runtime_of(client), form)}
    reply = client.request(method, address, headers=headers, **told)
    client.cookies.clear()
    return reply


_SERVED = Query(
    select(tables.event.c.body).where(
        tables.event.c.session_id == bindparam("session"), tables.event.c.kind == "item_served"
    )
)


def served(session: str) -> Plan[set[str]]:
    """Plan: numbers of the items that a sitting has been served."""
    (rows,) = yield [_SERVED(session=session)]
    return Commit({json.loads(body)["data"]["item"].rpartition("-")[2] for (body,) in rows})


def leaks(client: Browser, role: str, path: str, text: str, world: World) -> list[str]:
    """What stands in a reply that no candidate may see: content of the bank, items not served."""
    found = [word for word in SECRET_WORDS if word in text]
    if not path.endswith(("/credential", "attestation.json")):  # the person's own signed result says it
        found += [word for word in ("theta", "criterion", '"seed"', "categor") if word in text]
    shown = set(re.findall(r"(?:fr|en) question (\d+)", text))
    named = re.search(r'"sitting":\s*"([0-9A-Z]{26})"', text)
    sitting = named[1] if named else world.sittings.get(role, "")
    may = call(client, runtime_of(client).read, served, sitting) if shown else set()
    return found + [f"question {n}" for n in sorted(shown - may)]


def expected() -> dict[tuple[str, str], dict[str, int]]:
    """The table."""
    rows = {}
    for line in TABLE.strip().splitlines():
        method, path, *statuses = line.split()
        rows[method, path] = {role: int(status) for role, status in zip(ROLES, statuses, strict=True)}
    return rows


def test_every_route_and_every_role(client: Browser) -> None:
    table, every = expected(), list(routes(client.app))
    assert sorted(table) == sorted(every)
    deviations, leaked, items = [], [], 0
    for method, path in every:
        world = made(client)
        for role in ROLES:
            reply = asked(client, role, method, path, world)
            if reply.status_code != table[method, path][role]:
                deviations.append(f"{method} {path} as {role}: {reply.status_code}")
            if role in HUMANS and path != "/openapi.json":
                items += " question " in reply.text
                found = leaks(client, role, path, reply.text, world)
                leaked += [f"{method} {path} as {role}: {word}" for word in found]
            if role == "elsewhere" and any(own in reply.text for own in world.sittings.values()):
                leaked.append(f"{method} {path}: another organisation's sitting")
    assert deviations == []
    assert leaked == []
    assert items >= 8  # the scan has seen questions


def test_the_scan_finds_what_it_looks_for(client: Browser) -> None:
    world = made(client)
    text = world.headers["candidate"]["Authorization"]
    assert leaks(client, "candidate", "/question", text, world) == []
    for secret in ("RATIONALE-OF 3", "BANK-ITEM-4", '{"theta": 1}', "fr question 99"):
        assert leaks(client, "candidate", "/question", secret, world)
