"""A port of this machine for a server of a test, which no other program is given meanwhile."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

__all__ = ["reserved"]


@contextlib.contextmanager
def reserved() -> Iterator[int]:
    """Hold a port while this lasts: a server may listen on it, be killed, and listen on it again.

    A socket that is bound and does not listen keeps the system from choosing the port for anybody, be it to
    listen or to connect from. Servers ask for it by its number, with SO_REUSEADDR, and get it.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])
