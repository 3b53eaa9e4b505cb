"""What an organisation has when the stranger comes, so that there is something to reach, and to keep in."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.accounts.clients import SCOPES, Client
from api.accounts.people import erase
from api.cat10 import service as sections
from api.results import feed
from api.sittings.timing import SECOND
from tests.api.browser import Browser
from tests.api.desk import call, enter, runtime_of, sit
from tests.api.sample import CODE, invited

__all__ = ["SEEN", "TIMED", "Office", "furnish"]

TIMED = {"limit_s": 600, "give_back_s": 0}
"""Time rules of a test in which an interruption that is long enough waits for somebody's decision."""

SEEN: dict[str, Any] = {
    "n_items": 1,
    "design": {
        "schema": "acquis/design/1",
        "stop": {"min": 1, "max": 1},
        "cuts": {"values": [0.0]},
    },
}
"""A test of one item, which has a picture."""

_FILLED = {
    "read_invitation": {"path.code": "code"},
    "enter": {"body.code": "code"},
    "answer": {"body.handle": "handle"},
    "media": {"path.handle": "illustrated", "path.name": "picture"},
    "read_result": {"path.id": "results"},
    "read_credential": {"path.id": "results"},
    "read_supervised": {"path.id": "open"},
    "set_aside": {"path.id": "open", "body.position": "position"},
    "decide": {"path.id": "waiting"},
    "end_sitting": {"path.id": "tired"},
    "createSection": {"body.sectionConfiguration": "configuration"},
    "getSection": {"path.section": "section"},
    "createSession": {"path.section": "section"},
    "submitResults": {
        "path.section": "playing",
        "path.session": "session",
        "body.sessionState": "state",
        "body.assessmentResult.itemResult[*].identifier": "items",
    },
    "endSession": {"path.section": "closing", "path.session": "tired_session"},
    "endSection": {"path.section": "tired_section"},
}
"""What a parameter is filled in with, by operation: what one has ended is not what another needs."""


@dataclass(frozen=True, slots=True)
class Office:
    """What people there know.

    Attributes
    ----------
    known
        What they can look up, by the names of `_FILLED`.
    candidate, viewer, graduate
        What somebody shows who is sitting the test, has an item with a picture before them, or has sat it.
    """

    known: Mapping[str, Sequence[str | int]]
    candidate: str
    viewer: str
    graduate: str

    def config(self) -> str:
        """Return a ``schemathesis.toml``: requests that are made up name what is there."""
        lines = [
            f"[dictionaries.{name}]\nvalues = {json.dumps(values)}" for name, values in self.known.items()
        ]
        for operation, parameters in _FILLED.items():
            lines += ["[[operations]]", f'include-operation-id = "{operation}"']
            lines += [
                f'parameters."{where}" = {{ dictionary = "{name}" }}' for where, name in parameters.items()
            ]
        return "\n".join([*lines, ""])


def furnish(client: Browser, organisation: str) -> Office:
    """Let people of an organisation sit; open a section for another test player."""
    runtime = runtime_of(client)
    boss = Client("boss", organisation, frozenset(SCOPES))

    def invite(name: str, test: str = CODE) -> Any:
        return call(client, invited, runtime, test, name, 0, None, organisation)

    def begun(name: str, test: str = CODE) -> tuple[str, Any]:
        headers, sitting = enter(client, invite(name, test).code)
        return headers["Authorization"], sitting

    def section() -> str:
        return str(call(client, runtime.write, sections.create_section, boss, CODE, "{}"))

    def session(of: str) -> Any:
        return call(client, runtime.write, sections.create_session, runtime, boss, of, None).body

    graduate = sit(client, invite("G-1").code)["Authorization"]
    erased = invite("G-2")
    sit(client, erased.code)
    call(client, runtime.write, erase, erased.person_id)
    page = call(client, runtime.read, feed.page, organisation, "", 0, 10)
    candidate, sitting = begun("C-1")
    viewer, seen = begun("V-1", "SEEN")
    illustrated, picture = seen["item"]["stimulus"]["image"]["address"].split("/")[-2:]
    playing, closing = section(), section()
    running = session(playing)
    known = {
        "code": [invite("I-1").code],
        "handle": [sitting["handle"]],
        "illustrated": [illustrated],
        "picture": [picture],
        "results": [one["id"] for one in page.results],
        "open": [begun("O-1")[1]["sitting"]],
        "position": [1],
        "waiting": [_waiting(client, invite("W-1", "TIMED").code)],
        "tired": [begun("T-1")[1]["sitting"]],
        "configuration": [base64.b64encode(json.dumps({"test": CODE}).encode()).decode()],
        "section": [section()],
        "playing": [playing],
        "closing": [closing],
        "session": [running["sessionIdentifier"]],
        "state": [running["sessionState"]],
        "items": running["nextItems"]["itemIdentifiers"],
        "tired_session": [session(closing)["sessionIdentifier"]],
        "tired_section": [section()],
    }
    return Office(known, candidate, viewer, graduate)


def _waiting(client: Browser, code: str) -> str:
    """Interrupt a sitting for longer than it gives back; it."""
    runtime = runtime_of(client)
    runtime.skew = -2000 * SECOND
    headers, sitting = enter(client, code)
    client.post("/api/v1/sittings/current/interruption", headers=headers)
    runtime.skew = 0
    reply = client.post("/api/v1/sittings/current/resumption", headers=headers)
    assert reply.json()["phase"] == "awaiting_decision", reply.text
    return str(sitting["sitting"])
