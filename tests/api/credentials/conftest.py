"""A service with results of every kind, and the badges that it made of them."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from api.accounts.people import erase, find
from api.app import create_app
from api.database.plans import Commit, Plan
from api.results.issue import withdrawn
from api.settings import Settings
from tests.api.browser import Browser, browser
from tests.api.desk import answer, bearer, call, enter, invite, runtime_of
from tests.api.sample import ORGANISATION, prepare

HOST = "https://tests.example.org:8443"
BASE = f"{HOST}/acquis"
DID = "did:web:tests.example.org%3A8443:acquis"


@dataclass
class World:
    """A service below a path of its host, as behind a proxy that takes the path away.

    Attributes
    ----------
    badges
        As they were handed out, by what became of their results: ``decided``, ``undecided``,
        ``demonstration``, ``nameless``; ``revoked``, ``superseded``, ``erased``.
    claims
        Of the same results.
    """

    client: Browser
    reader: dict[str, str]
    badges: dict[str, dict[str, Any]]
    claims: dict[str, dict[str, Any]]

    def badge(self, id: str, language: str = "fr") -> Any:
        """Ask for the badge of a result as a program of HR does."""
        return self.client.get(
            f"/api/v1/results/{id}/badge", headers=self.reader, params={"language": language}
        )

    def list(self) -> dict[str, Any]:
        """The status list as it is now."""
        return self.client.get("/verify/lists/1").json()

    def pages(self) -> dict[str, Any]:
        """What stands at the public addresses, as others fetch it."""
        return {
            f"{BASE}/did.json": self.client.get("/did.json").json(),
            f"{BASE}/verify/lists/1": self.list(),
        }


def sat(client: Browser, code: str, choices: str) -> dict[str, Any]:
    """Sit a test with these choices, over and over; return the claims of the result."""
    headers, sitting = enter(client, code)
    n = 0
    while sitting["phase"] == "item":
        sitting = answer(client, headers, sitting, choices[n % len(choices)]).json()
        n += 1
    claims: dict[str, Any] = client.get("/api/v1/sittings/current/credential", headers=headers).json()[
        "result"
    ]
    return claims


def withdraw(client: Browser, id: str, to: Any) -> None:
    """Withdraw a result."""

    def plan() -> Plan[None]:
        yield []
        return Commit(None, withdrawn(id, to, 1))

    call(client, runtime_of(client).write, plan)


def forget(client: Browser, identifier: str) -> None:
    """Erase a person."""
    ((person,),) = (call(client, runtime_of(client).read, find, ORGANISATION, identifier),)
    call(client, functools.partial(runtime_of(client).write, erase, person.id, True))


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("badges")
    settings = Settings(f"sqlite:///{folder}/acquis.db", BASE, folder / "keys", upkeep=0)
    with browser(create_app(settings), HOST) as client:
        call(client, prepare, runtime_of(client))
        call(client, functools.partial(prepare, runtime_of(client), "DEMO", demonstration=True))
        design = {"schema": "acquis/design/1", "stop": {"min": 5, "max": 5}}
        sure = {**design, "cuts": {"values": [0.0], "confidence": 0.9999}}
        call(client, functools.partial(prepare, runtime_of(client), "STRICT", design=sure))
        sittings = {
            "decided": ("SAMPLE", "M-1", "B"),
            "undecided": ("STRICT", "M-2", "BA"),
            "demonstration": ("DEMO", "M-3", "B"),
            "nameless": ("SAMPLE", None, "A"),
            "revoked": ("SAMPLE", "M-4", "B"),
            "superseded": ("SAMPLE", "M-5", "B"),
            "erased": ("SAMPLE", "M-6", "B"),
        }
        claims = {
            name: sat(client, invite(client, test, identifier), choices)
            for name, (test, identifier, choices) in sittings.items()
        }
        world = World(client, bearer(client, "results:read"), {}, claims)
        for name, said in claims.items():
            world.badges[name] = world.badge(said["id"]).json()
        withdraw(client, claims["revoked"]["id"], "revoked")
        withdraw(client, claims["superseded"]["id"], "superseded")
        forget(client, "M-6")
        yield world
