"""A runtime with a small published test, on either database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from api.app import create_app
from api.runtime import Runtime
from api.settings import Settings
from tests.api.browser import Browser, browser
from tests.api.sample import prepare

T = TypeVar("T")
Scenario = Callable[[Runtime], Coroutine[Any, Any, T]]


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings on a fresh database of either kind."""
    return Settings(database_url, keys=tmp_path / "keys", walk_in=True, connections=4, upkeep=0)


@pytest.fixture
def run(settings: Settings) -> Callable[[Scenario[T]], T]:
    """Run a scenario with an open runtime in which the sample test is published."""

    def run(scenario: Scenario[T]) -> T:
        async def whole() -> T:
            runtime = Runtime.of(settings)
            await runtime.database.open()
            try:
                await prepare(runtime)
                return await scenario(runtime)
            finally:
                await runtime.database.close()

        return asyncio.run(whole())

    return run


@pytest.fixture
def client(settings: Settings) -> Iterator[Browser]:
    """An HTTP client of an application in which the sample test is published.

    The runtime is ``client.app.state.runtime``.
    """
    app = create_app(settings)
    with browser(app, settings.base_url) as client:
        client.portal.call(prepare, app.state.runtime)
        yield client
