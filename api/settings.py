"""What a deployment decides, from the command line or the environment.

Every setting has a variable of the environment, so that containers and several workers are configured
alike; the options of ``acquis serve`` set the same variables.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit

from cat_engine.errors import InputError

__all__ = ["Settings"]

_PREFIX = "ACQUIS_"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one server.

    Attributes
    ----------
    database_url
        ``sqlite:///path/to/file.db`` or ``postgresql://user@host/name``.
    base_url
        The public address, without a slash at the end: it is the issuer of results, and decides
        whether cookies are for https alone.
    keys
        Folder of the signing key and the server's secret; all servers of a deployment share it. What is
        missing is made.
    walk_in
        Whether anybody may start the demonstration test without an invitation.
    connections
        Connections to PostgreSQL, a worker.
    waiting
        How many requests may wait for the database, a worker; further ones get 503.
    in_flight
        How many requests a worker works on at once; the others wait, the less urgent behind (`api.gate`).
    sittings
        How many sittings a worker keeps in memory; more cost one longer read.
    upkeep
        Seconds between two looks at what the server does by itself (`api.upkeep`); 0: it does nothing.
    webhooks_inside
        Whether messages may go to addresses inside (loopback, private networks) and by plain http.
    """

    database_url: str
    base_url: str = "http://127.0.0.1:8000"
    keys: Path = Path("keys")
    walk_in: bool = False
    connections: int = 8
    waiting: int = 256
    in_flight: int = 32
    sittings: int = 10_000
    upkeep: int = 2
    webhooks_inside: bool = False

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.netloc or self.base_url.endswith("/"):
            raise InputError(
                "expected the base address to be like https://tests.example.org, without a slash at the end, "
                f"got '{self.base_url}'"
            )

    @property
    def secure(self) -> bool:
        """Whether the public address is https."""
        return self.base_url.startswith("https://")

    def environment(self) -> dict[str, str]:
        """Return the variables that say the same."""
        return {f"{_PREFIX}{f.name.upper()}": str(getattr(self, f.name)) for f in fields(self)}

    @staticmethod
    def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
        """Return the settings that the environment says.

        Raises
        ------
        InputError
            When one of them is missing or cannot be read.
        """
        values: dict[str, object] = {}
        for f in fields(Settings):
            name = f"{_PREFIX}{f.name.upper()}"
            text = environment.get(name)
            if text is None:
                continue
            match f.type:
                case "bool":
                    if text not in ("True", "False", "1", "0"):
                        raise InputError(f"expected {name} to be 1 or 0, got '{text}'")
                    values[f.name] = text in ("True", "1")
                case "int":
                    if not text.isdecimal():
                        raise InputError(f"expected {name} to be a whole number, got '{text}'")
                    values[f.name] = int(text)
                case "Path":
                    values[f.name] = Path(text)
                case _:
                    values[f.name] = text
        if "database_url" not in values:
            raise InputError(
                "expected the address of a database, got none; "
                f"set {_PREFIX}DATABASE_URL or give --database-url"
            )
        return Settings(**values)  # type: ignore[arg-type]
