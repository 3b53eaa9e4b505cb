"""An item past its shelf life is said where tests are listed; a test published anew is without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from api.command import main
from api.commands import test as command
from item_bank.publication import Targets, approve, request
from item_bank.store import Store
from tests.item_bank.test_publication import ready

DESIGN = """schema = "acquis/design/1"
[select]
criterion = "mfi"
evaluate = "table"
[stop]
min = 2
max = 3
"""
TEST = """schema = "acquis/test-definition/1"
code = "SHELF"
languages = ["fr"]
[title]
fr = "T"
[[level]]
code = "N1"
fr = "N"
"""


@pytest.fixture
def acquis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_url: str, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACQUIS_DATABASE_URL", sqlite_url)
    Path("design.toml").write_text(DESIGN)
    Path("test.toml").write_text(TEST)

    def run(*words: str) -> str:
        capsys.readouterr()
        assert main(list(words)) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return run


def test_a_test_that_holds_expired_items_says_so(
    acquis: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = ready(expires="2027-12-31")
    store = Store.create("bank", bank)
    _, log = request(bank, (), "Al", "2026-11-22T00:00:00+00:00", Targets())
    version, log = approve(bank, log, "Bo", "2026-11-22T00:00:00+00:00")
    store.publish(version, bank, log)
    monkeypatch.setattr(command, "_today", lambda: date(2027, 12, 31))
    acquis("test", "publish", "test.toml", "--bank", "bank@1", "--design", "design.toml")
    assert "shelf life" not in acquis("test", "list")
    monkeypatch.setattr(command, "_today", lambda: date(2028, 1, 1))
    assert "4 of its items are past their shelf life" in acquis("test", "list")
    (row,) = json.loads(acquis("test", "list", "--json"))
    assert row["expired"] == [item.id for item in bank.items]
