"""Every route and every role in one table: who may do what, over the real application.

A route that is not in the table fails the test, and so does a status that differs. What anybody without a
client's token gets is searched for what a candidate must never see.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import bindparam, select

from api.accounts.clients import register
from api.accounts.staff import renew
from api.catalogue.store import latest
from api.database import tables
from api.database.plans import Commit, Plan, Query
from api.ids import digest, new_id, new_secret
from api.pages.protection import FORM_COOKIE, form_token, new_form_secret
from api.problems import Problem
from api.sittings.contest import contest
from api.sittings.cookie import COOKIE
from api.webhooks.store import register as register_address
from api.webhooks.store import registered, remove
from tests.api.browser import Browser
from tests.api.console.office import at_desk, employed
from tests.api.desk import SECRET, bearer, call, enter, invite, runtime_of, sit
from tests.api.sample import CODE, ORGANISATION, SECRET_WORDS, invited

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
POST   /api/v1/webhooks/{id}/secret                                   404 401 401 401 403 403 200 403 403 401
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

STAFF = ("stranger", "nobody", "waiting", "hr", "jury", "psychometrician", "operator")
"""In the order of the console's table: staff of another organisation with every role; nobody, like every role
above; somebody whose second step is still to come; staff with one role each."""

CONSOLE = """
GET    /console                                       303 303 303 303 303 303 303
GET    /console/connexion                             200 200 200 200 200 200 200
POST   /console/connexion                             422 422 422 422 422 422 422
GET    /console/code                                  303 303 200 303 303 303 303
POST   /console/code                                  303 303 422 303 303 303 303
GET    /console/session                               200 303 303 200 200 200 200
POST   /console/session                               200 303 303 200 200 200 200
POST   /console/deconnexion                           303 303 303 303 303 303 303
GET    /console/mot-de-passe/{link}                   200 200 200 200 200 200 200
POST   /console/mot-de-passe/{link}                   422 422 422 422 422 422 422
GET    /console/compte                                200 303 303 200 200 200 200
POST   /console/compte/mot-de-passe                   422 303 303 422 422 422 422
POST   /console/compte/second-facteur                 200 303 303 200 200 200 200
GET    /console/invitations                           200 303 303 200 403 403 403
GET    /console/invitations/nouvelle                  200 303 303 200 403 403 403
POST   /console/invitations/nouvelle                  200 303 303 200 403 403 403
GET    /console/invitations/liste                     200 303 303 200 403 403 403
POST   /console/invitations/liste                     200 303 303 200 403 403 403
POST   /console/invitations/{id}/lien                 404 303 303 200 403 403 403
POST   /console/invitations/{id}/annulation           404 303 303 303 403 403 403
GET    /console/resultats                             200 303 303 200 403 403 403
GET    /console/resultats.csv                         200 303 303 200 403 403 403
GET    /console/resultats/{id}                        404 303 303 200 200 403 403
GET    /console/resultats/{id}/attestation.json       404 303 303 200 403 403 403
POST   /console/resultats/{id}/contestation           404 303 303 303 403 403 403
GET    /console/contestations                         200 303 303 403 200 403 403
GET    /console/contestations/{result}                404 303 303 403 200 403 403
POST   /console/contestations/{result}                404 303 303 403 303 403 403
GET    /console/interruptions/{sitting}               404 303 303 403 200 403 403
POST   /console/interruptions/{sitting}               404 303 303 403 409 403 403
GET    /console/tests                                 200 303 303 200 403 200 403
GET    /console/tests/{id}                            200 303 303 200 403 200 403
GET    /console/tests/{id}/passations                 200 303 303 403 403 200 403
GET    /console/tests/{id}/questions.csv              200 303 303 403 403 200 403
GET    /console/comptes                               200 303 303 403 403 403 200
POST   /console/comptes                               200 303 303 403 403 403 200
POST   /console/comptes/{id}/lien                     404 303 303 403 403 403 200
POST   /console/comptes/{id}/retrait                  404 303 303 403 403 403 303
GET    /console/comptes/{id}/roles                    404 303 303 403 403 403 200
POST   /console/comptes/{id}/roles                    404 303 303 403 403 403 303
GET    /console/programmes                            200 303 303 403 403 403 200
POST   /console/programmes                            200 303 303 403 403 403 200
POST   /console/programmes/{id}/secret                404 303 303 403 403 403 200
POST   /console/programmes/{id}/retrait               404 303 303 403 403 403 303
POST   /console/programmes/adresses                   200 303 303 403 403 403 200
POST   /console/programmes/adresses/{id}/secret       404 303 303 403 403 403 200
POST   /console/programmes/adresses/{id}/retrait      404 303 303 403 403 403 303
POST   /console/programmes/adresses/{id}/renvoi       404 303 303 403 403 403 404
GET    /console/journal                               200 303 303 403 403 403 200
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
        "/api/v1/webhooks/{id}/secret": {"json": {}},
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


def expected(table: str = TABLE, roles: tuple[str, ...] = ROLES) -> dict[tuple[str, str], dict[str, int]]:
    """A table."""
    rows = {}
    for line in table.strip().splitlines():
        method, path, *statuses = line.split()
        rows[method, path] = {role: int(status) for role, status in zip(roles, statuses, strict=True)}
    return rows


def test_every_route_and_every_role(client: Browser) -> None:
    table, every = expected(), [route for route in routes(client.app) if not of_console(route[1])]
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


def of_console(path: str) -> bool:
    return path == "/console" or path.startswith("/console/")


@dataclass
class Office:
    """Staff of each role, and a result; what a request changes is made for it."""

    desks: dict[str, str]
    result: str
    sitting: str

    def fill(self, client: Browser, method: str, path: str) -> str:
        """The address of a route."""
        runtime = runtime_of(client)
        if "{link}" in path:
            link = new_secret()
            call(client, runtime.write, renew, "linked@hospital.example", link, None)
            return path.replace("{link}", link)
        if path.startswith("/console/invitations/{id}"):
            return path.replace("{id}", call(client, invited, runtime, CODE, None).id)
        if path.startswith("/console/comptes/{id}"):
            login = f"{new_secret()}@hospital.example"
            return path.replace("{id}", employed(client, login, "hr"))
        if path.startswith("/console/programmes/{id}"):
            told = (ORGANISATION, "", "a program", new_id().lower(), SECRET, "results:read")
            return path.replace("{id}", call(client, runtime.write, register, *told))
        if path.startswith("/console/programmes/adresses/"):
            for known in call(client, runtime.read, registered, ORGANISATION):
                call(client, runtime.write, remove, ORGANISATION, known["id"])
            url = f"https://hr.example.org/{new_secret()}"
            return path.replace("{id}", call(client, runtime.write, register_address, ORGANISATION, url))
        if path.startswith("/console/tests/"):
            return path.replace("{id}", str(call(client, runtime.read, latest, CODE)))
        if path.startswith("/console/contestations/"):
            with contextlib.suppress(Problem):  # it is contested already
                call(client, runtime.write, contest, self.result, "Alice", "why")
        filled = path.replace("{id}", self.result).replace("{result}", self.result)
        return filled.replace("{sitting}", self.sitting)


def opened(client: Browser) -> Office:
    """Make staff of every role; a result of each organisation."""
    done = sit(client, invite(client, identifier="M-1"))
    result = client.get("/api/v1/sittings/current/credential", headers=done).json()["result"]["id"]
    employed(client, "linked@hospital.example", "hr")
    every = "hr jury psychometrician operator"
    desks = {
        "nobody": "",
        "stranger": at_desk(
            client, employed(client, "s@else.example", every, "ELSEWHERE"), organisation="ELSEWHERE"
        ),
    }
    for role in every.split():
        desks[role] = at_desk(client, employed(client, f"{role}@hospital.example", role))
    desks["waiting"] = at_desk(client, employed(client, "w@hospital.example", every), waits=True)
    return Office(desks, result, enter(client, invite(client, identifier="M-2"))[1]["sitting"])


FORMS: dict[str, dict[str, str]] = {
    "/console/invitations/nouvelle": {"family_name": "Martin", "test": CODE, "days": "30"},
    "/console/invitations/liste": {"people": "nom\nMartin", "test": CODE, "days": "30", "geste": "inviter"},
    "/console/resultats/{id}/contestation": {"why": "the picture was missing", "geste": "envoyer"},
    "/console/contestations/{result}": {"outcome": "maintenir", "why": "all is well", "geste": "envoyer"},
    "/console/interruptions/{sitting}": {"outcome": "rien", "why": "no reason", "geste": "envoyer"},
    "/console/compte/second-facteur": {"geste": "debut"},
    "/console/comptes/{id}/roles": {"roles": "jury"},
    "/console/programmes": {"program": "HR", "scopes": "results:read"},
}


def at_console(
    client: Browser, cookie: str, method: str, path: str, address: str, more: Mapping[str, str] | None = None
) -> Any:
    """Send a request to a route of the console, with the form of a page of that session."""
    runtime, form = runtime_of(client), new_form_secret()
    headers = {**(more or {})} | {
        "Accept": "text/html",
        "Sec-Fetch-Site": "same-origin",
        "Cookie": f"{FORM_COOKIE}={form}",
    }
    token = form_token(runtime, form)
    if cookie:
        headers["Cookie"] += f"; {cookie}"
        public = path in ("/console/connexion", "/console/mot-de-passe/{link}")
        if not public:
            token = runtime.mac("console form", digest(cookie.partition("=")[2]))
    data = FORMS.get(path, {}) | {"jeton": token}
    client.cookies.clear()
    told = {"data": data} if method == "POST" else {}
    reply = client.request(method, address, headers=headers, **told)
    client.cookies.clear()
    return reply


def test_every_route_of_the_console_and_every_role(client: Browser) -> None:
    table = expected(CONSOLE, STAFF)
    every = [route for route in routes(client.app) if of_console(route[1])]
    assert sorted(table) == sorted(every)
    office, token = opened(client), bearer(client, ALL)
    deviations, leaked = [], []
    for method, path in every:
        for role in STAFF:
            cookie = office.desks[role]
            if path == "/console/deconnexion" and cookie:  # the session is gone after it
                organisation = "ELSEWHERE" if role == "stranger" else ORGANISATION
                account = employed(client, f"{role}@leaving.example", "hr", organisation)
                cookie = at_desk(client, account, waits=role == "waiting", organisation=organisation)
            FORMS["/console/comptes"] = {"person": "X", "login": f"{new_secret()}@x.example", "roles": "hr"}
            FORMS["/console/programmes/adresses"] = {"url": f"https://hr.example.org/{new_secret()}"}
            reply = at_console(client, cookie, method, path, office.fill(client, method, path))
            if reply.status_code != table[method, path][role]:
                deviations.append(f"{method} {path} as {role}: {reply.status_code}")
            if role in ("stranger", "nobody", "waiting") and "Durand" in reply.text:
                leaked.append(f"{method} {path} as {role}: another organisation's person")
            items_by_name = path.endswith(("/passations", "/questions.csv")) and reply.status_code == 200
            if any(
                word in reply.text for word in SECRET_WORDS if not (items_by_name and word == "BANK-ITEM")
            ):
                leaked.append(f"{method} {path} as {role}: content of the bank")
        program = at_console(client, "", method, path, office.fill(client, method, path), token)
        if program.status_code != table[method, path]["nobody"]:
            deviations.append(f"{method} {path} as a program: {program.status_code}")
    assert deviations == []
    assert leaked == []


def test_the_cookie_of_the_console_opens_nothing_else(client: Browser) -> None:
    cookie = opened(client).desks["hr"]
    for path in ("/api/v1/results", "/api/v1/sittings", "/api/v1/webhooks", "/api/v1/sittings/current"):
        client.cookies.clear()
        assert client.get(path, headers={"Cookie": cookie}).status_code == 401, path


def test_the_scan_finds_what_it_looks_for(client: Browser) -> None:
    world = made(client)
    text = world.headers["candidate"]["Authorization"]
    assert leaks(client, "candidate", "/question", text, world) == []
    for secret in ("RATIONALE-OF 3", "BANK-ITEM-4", '{"theta": 1}', "fr question 99"):
        assert leaks(client, "candidate", "/question", secret, world)
