"""An HR system that takes in messages, or fails as told: a real HTTP server."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

__all__ = ["Receiver", "receiving"]


class Receiver:
    """What came, and what to answer next.

    Attributes
    ----------
    answers
        Statuses to give, one after the other; 0 cuts the connection; then 204 for ever.
    met
        Called with each message before it is answered.
    """

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.url = ""
        self.met: Callable[[], None] = lambda: None

    def content(self) -> list[dict[str, Any]]:
        """The bodies."""
        return [json.loads(body) for _, body in self.came]

    def ids(self) -> list[str]:
        """The identifiers under which they came."""
        return [headers["webhook-id"] for headers, _ in self.came]

    def signed_by(self, secret: str) -> list[bool]:
        """Whether one of the signatures of each message fits, as a receiver's library would check."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        fits = []
        for headers, body in self.came:
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
            right = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
            fits.append(f"v1,{right}" in headers["webhook-signature"].split(" "))
        return fits


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver on a port of its own."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            if len(body) < length:  # the sender was killed within it
                return
            receiver.came.append(({k.lower(): v for k, v in self.headers.items()}, body))
            receiver.met()
            status = receiver.answers.pop(0) if receiver.answers else 204
            if status == 0:
                self.connection.close()
                return
            self.send_response(status)
            if status in (301, 302):
                self.send_header("Location", receiver.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hook?from=acquis"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
