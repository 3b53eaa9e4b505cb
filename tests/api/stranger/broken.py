"""A server that breaks some promises: what the tool has to find.

Run as ``python -m tests.api.stranger.broken PORT PROMISE ...`` with the product's environment variables.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import uvicorn
from sqlalchemy import bindparam, select

from api.accounts import endpoints as accounts
from api.accounts.clients import SCOPES, Client
from api.app import create_app
from api.cat10 import service
from api.catalogue import endpoints as catalogue
from api.database import tables
from api.database.plans import Query
from api.problems import Problem
from api.results import endpoints as results
from api.results import feed
from api.settings import Settings

__all__ = ["PROMISES"]


def status() -> None:
    """Answer with a status that the document does not have."""

    def refused(tests: Any) -> Any:
        yield []
        raise Problem("conflict")

    catalogue.newest = refused


def body() -> None:
    """Tell more than the document says."""
    sound = results.key_set

    def told() -> Any:
        keys = (yield from sound()).value
        return service.Commit(keys | {"theta": 0.5})

    results.key_set = told


def door() -> None:
    """Let whoever shows a token read results, valid or not."""
    sound = accounts.authorise

    async def anybody(runtime: Any, token: str, scope: str = "") -> Client:
        if scope == "results:read":
            return Client("anybody", "EVERYTHING", frozenset(SCOPES))
        return await sound(runtime, token, scope)

    accounts.authorise = anybody


def walls() -> None:
    """Show a result to every organisation that asks for it by its identifier."""
    anywhere = Query(select(*feed.COLUMNS, tables.result.c.jws).where(tables.result.c.id == bindparam("id")))
    feed._ONE = lambda organisation_id, id: anywhere(id=id)


PROMISES: dict[str, tuple[Callable[[], None], str]] = {
    "status": (status, "Undocumented status code"),
    "body": (body, "Response violates schema"),
    "door": (door, "API accepts invalid authentication"),
    "walls": (walls, "`elsewhere` received the"),
}
"""What breaks each promise, and what the tool says of it."""


if __name__ == "__main__":
    for promise in sys.argv[2:]:
        PROMISES[promise][0]()
    app = create_app(Settings.from_environment())
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="critical")
