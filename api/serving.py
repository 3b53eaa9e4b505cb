"""Running the application: one process or several, and stopping without cutting anybody off."""

from __future__ import annotations

import asyncio
import gc
import logging
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Any

import uvicorn

from api.gate import Gate
from api.observe import configure_logging
from api.settings import Settings
from cat_engine.errors import InputError

__all__ = ["Server", "serve"]

GRACE = 20
"""Seconds that requests in progress may take once the server stops."""
FROM_PARENT = signal.SIGUSR1
"""What a worker is told by its parent. A service manager often tells every process at once: a worker that
then got the same signal from its parent, any time later, would take it for a second one and not drain."""
KEEP_ALIVE = 75
"""Seconds that an idle connection stays open: longer than proxies keep theirs (nginx: 60), or one sends an
answer into a connection that is being closed."""
BACKLOG = 4096
"""Connections that may wait to be taken; the kernel's own limit (``net.core.somaxconn``) holds as well."""

GARBAGE = (20_000, 5, 1000)
"""How rarely garbage in cycles is looked for, youngest objects first. Sittings that are remembered hold no
cycle and hardly a request leaves one; Python's own pace looks through all of them whenever they have grown
by a quarter, and everyone waits."""

log = logging.getLogger("acquis.server")
_GATES: list[Gate] = []


class Server(uvicorn.Server):
    """A server that drains: told to stop, it first says for a while that it is not ready.

    Parameters
    ----------
    drain
        Seconds between the signal and the end of listening. A second signal ends them.
    ready
        Called once requests are served.
    """

    def __init__(
        self, config: uvicorn.Config, drain: float = 0.0, ready: Callable[[], None] | None = None
    ) -> None:
        super().__init__(config)
        self.drain = drain
        self.ready = ready
        self._draining = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; stop at once at a second signal."""
        if self._draining or self.drain <= 0 or self._gate() is None:
            super().handle_exit(sig, frame)
        else:
            self.begin_to_drain()

    def begin_to_drain(self) -> None:
        """Drain, where that has not begun, and then stop."""
        gate = self._gate()
        if self._draining:
            return
        if self.drain <= 0 or gate is None:
            self._stop()
            return
        self._draining = gate.draining = True
        asyncio.get_event_loop().call_later(self.drain, self._stop)

    def _stop(self) -> None:
        self.should_exit = True

    def _gate(self) -> Gate | None:
        return _GATES[-1] if _GATES else None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets=sockets)
        gc.collect()
        gc.freeze()  # the program and the tests stay: looking for garbage among them made everyone wait
        gc.set_threshold(*GARBAGE)
        if self.started and self.ready is not None:
            self.ready()


def _application() -> Any:
    from api.app import application

    app = application()
    configure_logging(os.environ.get("ACQUIS_LOG_LEVEL", "INFO"))
    _GATES.append(app.state.gate)
    return app


def serve(
    settings: Settings,
    host: str,
    port: int,
    workers: int = 1,
    drain: float = 0.0,
    ready: Callable[[], None] | None = None,
) -> None:
    """Serve until told to stop.

    Raises
    ------
    InputError
        When the port is taken, or several workers are asked of SQLite.
    """
    if workers > 1 and settings.database_url.startswith("sqlite:"):
        raise InputError(
            f"expected one worker with SQLite (one process writes to it), got {workers}; "
            "use PostgreSQL to grow"
        )
    os.environ.update(settings.environment())
    _allow_connections()
    if workers > 1:
        _supervise(host, port, workers, drain)
        return
    server = Server(_config(host, port), drain, ready)
    server.run()
    if not server.started:
        raise SystemExit(1)


def _allow_connections() -> None:
    """Let this process and its workers hold as many connections as the system allows, not the usual 1,024."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _config(host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        "api.serving:_application",
        factory=True,
        host=host,
        port=port,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=True,
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=KEEP_ALIVE,
        backlog=BACKLOG,
    )


def _work(host: str, port: int, drain: float, listening: socket.socket) -> None:
    """One worker process."""
    server = Server(_config(host, port), drain)
    signal.signal(FROM_PARENT, lambda number, frame: server.begin_to_drain())
    server.run([listening])


def _supervise(host: str, port: int, workers: int, drain: float) -> None:
    """Run workers that share one listening socket; start a new one for each that dies.

    A connection that waits in the socket's queue when a worker dies is served by another one.
    """
    listening = _config(host, port).bind_socket()
    told: list[int] = []
    for sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sig, lambda number, frame: told.append(number))
    context = multiprocessing.get_context("spawn")

    def begun() -> SpawnProcess:
        process = context.Process(target=_work, args=(host, port, drain, listening))
        process.start()
        return process

    processes = [begun() for _ in range(workers)]
    started = time.monotonic()
    while not told:
        time.sleep(0.1)
        for i, process in enumerate(processes):
            if process.exitcode is None:
                continue
            if time.monotonic() - started < 5.0:  # it cannot even start: neither would the next one
                told.append(signal.SIGTERM)
                break
            log.warning("a worker died and is replaced", extra={"fields": {"exit": process.exitcode}})
            processes[i] = begun()
            started = time.monotonic()
    for process in processes:
        if process.pid is not None and process.is_alive():
            os.kill(process.pid, FROM_PARENT)  # it drains and stops
    for process in processes:
        process.join()
