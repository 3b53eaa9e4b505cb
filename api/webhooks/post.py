"""One POST to an address that somebody else has named.

An address is resolved once and the connection goes to what was found: a name that changes its mind in
between reaches nothing inside (DNS rebinding). Addresses inside (loopback, private, link-local, ...) are
refused unless the deployment allows them, and redirects are not followed.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from urllib.parse import SplitResult, urlsplit

__all__ = ["Refused", "checked", "post"]

TIMEOUT = 10.0
"""Seconds for the whole exchange, however slowly a receiver answers."""


class Refused(Exception):
    """An address that nothing is sent to; the message says why."""


def checked(url: str, private: bool) -> SplitResult:
    """Return the parts of an address that may be registered.

    Parameters
    ----------
    private
        Whether addresses inside, and plain http, are allowed.

    Raises
    ------
    Refused
        For another scheme, credentials or a fragment in the address, a port that is none.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Refused(f"it is no address: {error}") from None
    if parts.scheme != "https" and not (private and parts.scheme == "http"):
        raise Refused("it does not begin with https://")
    if not parts.hostname or not parts.hostname.isascii() or parts.username is not None or parts.fragment:
        raise Refused("it is not like https://hr.example.org/path")
    if not url.isascii() or not url.isprintable() or " " in url or port == 0:
        raise Refused("it holds characters that no address has")
    if not private and _inside(parts.hostname):
        raise Refused("it leads inside")
    return parts


def _inside(host: str) -> bool:
    """Whether `host` is an address that leads inside; names are looked up when something is sent."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return not _public(host)
    except ValueError:
        return False


def _public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    found = mapped or found
    return found.is_global and not found.is_multicast


def post(url: str, body: bytes, headers: Mapping[str, str], private: bool) -> int:
    """Send `body` and return the status of the reply.

    Raises
    ------
    Refused
        When the address may not be used.
    OSError, http.client.HTTPException
        When it does not answer.
    """
    end = time.monotonic() + TIMEOUT
    parts = checked(url, private)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    found = [info[4][0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not private and not all(_public(str(address)) for address in found):
        raise Refused("its name leads inside")
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    try:
        connection.sock = socket.create_connection((str(found[0]), port), TIMEOUT)
        with _cut_off_at(end, connection.sock):
            if parts.scheme == "https":
                context = ssl.create_default_context()
                connection.sock = context.wrap_socket(connection.sock, server_hostname=host)
            target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            connection.request("POST", target, body, dict(headers))
            return connection.getresponse().status
    finally:
        connection.close()


@contextlib.contextmanager
def _cut_off_at(end: float, connected: socket.socket) -> Iterator[None]:
    """Cut a connection off at a moment of the monotonic clock: who waits on it meets its end."""
    line = connected.dup()  # for TLS takes the socket over

    def cut() -> None:
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    late = threading.Timer(max(0.0, end - time.monotonic()), cut)
    late.daemon = True
    late.start()
    try:
        yield
    finally:
        late.cancel()
        line.close()
