"""What the console stands on in the database, on both kinds."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from api.accounts.staff_sessions import ATTEMPTS, WINDOW
from api.database.migrate import engine_for
from tests.api.browser import Browser
from tests.api.console.office import PASSWORD, Desk, employed, with_password
from tests.api.console.test_signing import LOGIN, audit, sign_in
from tests.api.desk import call, runtime_of


def test_attempts_are_limited_for_known_and_unknown_alike(
    client: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ATTEMPTS, "account", 3)
    with_password(client, LOGIN)
    for login in (LOGIN, "nobody@chu.example"):
        desk = Desk(client)
        for _ in range(ATTEMPTS["account"]):
            assert "adresse ou le mot de passe" in sign_in(desk, login, "wrong").text
        for password in ("wrong", PASSWORD):
            assert "Trop d" in sign_in(desk, login, password).text
    runtime_of(client).skew += WINDOW
    assert sign_in(Desk(client)).status_code == 303


def test_the_audit_log_cannot_be_changed(client: Browser) -> None:
    employed(client, LOGIN, "hr")
    engine = engine_for(runtime_of(client).settings.database_url)
    for statement in ("UPDATE audit SET action = 'nothing'", "DELETE FROM audit"):
        with engine.connect() as connection, pytest.raises(Exception, match="only appended to"):
            connection.execute(text(statement))
    engine.dispose()
    assert call(client, runtime_of(client).read, audit) == [("account.added", None)]
