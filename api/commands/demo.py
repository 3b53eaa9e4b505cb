"""``acquis demo``: a server with the demonstration bank, ready to try."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from api.runtime import Runtime

CONSOLE = "console@demonstration.example"
PEOPLE = (("0001", "Durand", "Léa"), ("0002", "N'Diaye", "Awa"), ("0003", "Lefèvre", "Marc"))


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (default 8000)")
    parser.add_argument(
        "--data",
        metavar="DIR",
        default="data",
        help="where everything is kept (default ./data); remove it to begin anew",
    )


def run(args: argparse.Namespace) -> int | None:
    """Prepare, serve, print the addresses."""
    import asyncio

    from api.database.migrate import migrate
    from api.serving import serve
    from api.settings import Settings

    _refuse_taken(args.port)
    data = Path(args.data)
    _make(data)
    settings = Settings(
        database_url=f"sqlite:///{data / 'acquis.db'}",
        base_url=f"http://127.0.0.1:{args.port}",
        keys=data / "keys",
        walk_in=True,
        webhooks_inside=True,  # so that a receiver on this machine can be tried
    )
    migrate(settings.database_url)
    logins = asyncio.run(_prepared(settings, data / "logins.json"))
    os.environ["ACQUIS_LOG_LEVEL"] = os.environ.get("ACQUIS_LOG_LEVEL", "WARNING")

    def ready() -> None:
        print(_told(settings.base_url, data, logins), flush=True)

    serve(settings, "127.0.0.1", args.port, ready=ready)
    return None


def _refuse_taken(port: int) -> None:
    from cat_engine.errors import InputError

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise InputError(
                f"expected a free port, got {port}, which cannot be used ({error}); give another with --port "
                "('make demo PORT=8001')"
            ) from error


def _make(data: Path) -> None:
    from cat_engine.errors import InputError

    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot make the folder {data}: {error.strerror}; give another with --data"
        ) from error


async def _prepared(settings: Any, path: Path) -> dict[str, Any]:
    """Publish the demonstration test and make the logins, both once; note the keys; return the logins."""
    from api.keys.known import remember
    from api.keys.store import key_set, record
    from api.runtime import Runtime

    runtime = Runtime.of(settings)
    await runtime.database.open()
    try:
        logins: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        if logins:
            await _publish(runtime)
        else:
            logins = await _new_logins(runtime)
        if "console" not in logins:
            logins["console"] = {"login": CONSOLE, "password": await _new_account(runtime)}
            path.touch(0o600)
            path.write_text(json.dumps(logins, indent=1))
        await runtime.write(record, runtime.keyring.first.jwk)
        remember(settings.base_url, await runtime.read(key_set))
        return logins
    finally:
        await runtime.database.close()


async def _publish(runtime: Runtime) -> None:
    from time import time_ns

    from api.catalogue import demonstration
    from api.catalogue.store import publish

    document, blobs = demonstration.document()
    await runtime.write(publish, demonstration.CODE, document, blobs, time_ns() // 1000)


async def _new_logins(runtime: Runtime) -> dict[str, Any]:
    from api.accounts.clients import register
    from api.accounts.invitations import ORGANISATION, invite
    from api.catalogue import demonstration
    from api.ids import new_code, new_id, new_secret
    from api.results.claims import Person
    from api.sittings.timing import SECOND

    await _publish(runtime)
    clients = {}
    for id, scopes in (
        ("rh", "results:read invitations:write webhooks:write"),
        ("surveillance", "sittings:supervise"),
    ):
        secret = new_secret()
        await runtime.write(register, ORGANISATION, "Démonstration", id, id, secret, scopes)
        clients[id] = {"secret": secret, "scopes": scopes}
    candidates = {}
    for number, family, given in PEOPLE:
        invited = await runtime.write(
            invite,
            ORGANISATION,
            Person(new_id(), number, "matricule", family, given),
            demonstration.CODE,
            new_code(),
            366 * 86_400 * SECOND,
        )
        candidates[f"{given} {family}"] = invited.code
    return {"clients": clients, "candidates": candidates}


async def _new_account(runtime: Runtime) -> str:
    """Make the account of the console, with every role; return its password."""
    from api.accounts.invitations import ORGANISATION
    from api.accounts.passwords import hashed
    from api.accounts.staff import ROLES, add, choose, remove
    from api.ids import new_secret
    from api.problems import Problem

    link, password = new_secret(), new_secret()[:16]
    with contextlib.suppress(Problem):  # one whose password was not written down
        await runtime.write(remove, CONSOLE, None)
    await runtime.write(add, ORGANISATION, "Camille Morel", CONSOLE, " ".join(ROLES), link, None)
    await runtime.write(choose, link, await hashed(password))
    return password


def _told(base: str, data: Path, logins: dict[str, Any]) -> str:
    rh = logins["clients"]["rh"]
    lines = [
        "",
        "Acquis, démonstration, sans valeur.",
        "",
        f"  Passer le test / sit the test        {base}/",
        "",
        "  Candidats invités / invited candidates",
        *(f"    {name:<34} {base}/i/{code}" for name, code in logins["candidates"].items()),
        "",
        f"  Console des RH / for HR              {base}/console",
        f"    {logins['console']['login']}    {logins['console']['password']}",
        "",
        "  Programmes / programs (OAuth2 client credentials)",
        *(f"    {id:<12} {entry['secret']}   {entry['scopes']}" for id, entry in logins["clients"].items()),
        "",
        "  Résultats / results",
        f"    curl -s -u rh:{rh['secret']} -d grant_type=client_credentials {base}/api/v1/oauth/token",
        f"    {base}/api/v1/results    {base}/api/v1/results.csv",
        f"  Clés publiques / public keys         {base}/.well-known/jwks.json",
        f"  OpenAPI                              {base}/openapi.json",
        "",
        f"  Tout est dans / everything is in     {data.resolve()}",
        "  Ctrl+C arrête / stops" if sys.stdout.isatty() else "",
    ]
    return "\n".join(lines)
