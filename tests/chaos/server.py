"""The server of the chaos tests: the product's, or one that is broken on purpose (a control).

Run as ``python -m tests.chaos.server PORT CONTROL ...`` with the product's environment variables.
"""

from __future__ import annotations

import random
import sys
from typing import Any

import uvicorn

from api.app import create_app
from api.database import postgres
from api.settings import Settings
from api.sittings import service, view

__all__ = ["CONTROLS"]


def weak() -> None:
    """Do not look at the database's durability."""
    postgres.check_postgres = lambda settings: None


def redrawing() -> None:
    """Draw the open item whenever it is shown, instead of showing the one that is stored."""
    sound = view.shown

    def shown(test: Any, sitting: Any, pending: Any, language: str) -> Any:
        return sound(test, sitting, pending._replace(item=random.choice(test.items).id), language)

    view.shown = shown


def unrevoked() -> None:
    """Let every browser act that ever had the sitting."""
    service.authenticate = lambda runtime, sitting, token: None


CONTROLS = {"no synchronous commit": weak, "redrawing": redrawing, "unrevoked": unrevoked}
"""What breaks the server; other controls are made in the database alone."""


def main(port: int, controls: list[str]) -> None:
    """Serve until killed."""
    for control in CONTROLS.keys() & controls:
        CONTROLS[control]()
    app = create_app(Settings.from_environment())
    uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, log_level="critical", backlog=512)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
