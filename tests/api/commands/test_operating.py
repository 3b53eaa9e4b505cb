"""The operator's commands: tests, clients, invitations; what they refuse, in one sentence."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.command import main
from item_bank import demo
from item_bank.bank import Bank
from item_bank.publication import Targets, approve, request
from item_bank.store import Store

DESIGN = """
schema = "acquis/design/1"
[stop]
min = 4
max = 5
[cuts]
values = [0.0]
"""
TEST = """
schema = "acquis/test-definition/1"
code = "NURSES"
languages = ["fr", "en"]
[title]
fr = "Essai"
en = "Sample"
[[level]]
code = "L0"
fr = "bas"
en = "low"
[[level]]
code = "L1"
fr = "haut"
en = "high"
"""


@functools.cache
def bank(flags: tuple[str, ...] = ()) -> Bank:
    """Ten items that may be served; only for provisional ones is it said that they are demonstration."""
    whole = demo.load().bank()
    plain = [one for one in whole.items if not one.stimulus and not one.enemies and one.n_cat == 2][:10]
    rows = [
        {"id": one.id, "model": "2pl", "a": 1.0, "b": (n - 5) / 3, "scale": "s", "flags": list(flags)}
        for n, one in enumerate(plain)
    ]
    access = (("textual",), ("textual", "visual"))
    items = tuple(replace(one, status="operational", access=access[n % 2]) for n, one in enumerate(plain))
    return Bank(items, {}, whole.framework, whole.media, tuple(rows))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> Path:
    """A folder with a published bank, a design and a definition, and a SQLite file.

    The operator's guide (`tests.journeys.test_operator`) does the same on PostgreSQL.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACQUIS_DATABASE_URL", sqlite_url)
    published = bank()
    store = Store.create("bank", published)
    _, log = request(store.draft(), store.log, "Al", "2026-11-22", Targets())
    version, log = approve(store.draft(), log, "Bo", "2026-11-22")
    store.publish(version, store.draft(), log)
    Path("design.toml").write_text(DESIGN)
    Path("test.toml").write_text(TEST)
    return tmp_path


def said(capsys: Any, *words: str, status: int = 0) -> Any:
    """Run a command; return the JSON it prints, or its one sentence."""
    capsys.readouterr()
    assert main([*words, "--json"]) == status, capsys.readouterr().err
    out, err = capsys.readouterr()
    if status:
        assert err.count("\n") == 1, err
        return err
    return json.loads(out)


PUBLISH = ("test", "publish", "test.toml", "--bank", "bank@1", "--design", "design.toml")


def test_a_test_is_published_once_and_a_change_makes_a_version(desk: Path, capsys: Any) -> None:
    first = said(capsys, *PUBLISH)
    assert (first["code"], first["version"], first["demonstration"]) == ("NURSES", 1, False)
    assert said(capsys, *PUBLISH)["id"] == first["id"]
    Path("design.toml").write_text(DESIGN.replace("max = 5", "max = 6"))
    assert said(capsys, *PUBLISH)["version"] == 2
    assert [row["version"] for row in said(capsys, "test", "list")] == [1, 2]


@pytest.mark.parametrize(
    ("file", "before", "after", "told"),
    [
        ("test.toml", "acquis/test-definition/1", "acquis/test/1", "put that line first"),
        ("test.toml", "languages", "langages", "did you mean 'languages'?"),
        ("test.toml", 'en = "Sample"', "", "in each language"),
        ("test.toml", 'code = "L1"', "code = 1", "expected 'code' to be a text"),
        ("test.toml", '["fr", "en"]', '["fr", "de"]', "none in de"),
        ("test.toml", '[[level]]\ncode = "L0"\nfr = "bas"\nen = "low"\n', "", "2 levels"),
        ("test.toml", "[title]", "[time]\nlimit_s = -5\n[title]", "at least 0"),
        ("design.toml", "min = 4", "mni = 4", "did you mean 'min'?"),
        ("design.toml", "max = 5", "max = 11", "expected a bank that can give this test"),
    ],
)
def test_what_does_not_fit_is_refused(
    desk: Path, capsys: Any, file: str, before: str, after: str, told: str
) -> None:
    text = Path(file).read_text()
    assert before in text
    Path(file).write_text(text.replace(before, after))
    assert told in said(capsys, *PUBLISH, status=2)
    assert said(capsys, "test", "list") == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("test", "publish", "test.toml", "--bank", "bank", "--design", "design.toml"), "FOLDER@1"),
        (("test", "publish", "test.toml", "--bank", "bank@2", "--design", "design.toml"), "version from 1"),
        (("test", "publish", "none.toml", "--bank", "bank@1", "--design", "design.toml"), "none.toml"),
        ((*PUBLISH, "--exposure", "e.json"), "--exposure"),
        (("test", "neutralise", "NURSES", "--bank", "bank"), "two people"),
        (("client", "add", "--organisation", "CHU", "--name", "x"), "--role"),
        (("client", "add", "--organisation", "CHU", "--name", "x", "--scope", "all"), "all"),
        (("client", "renew", "nobody"), "acquis client list"),
        (("invite", "NURSES", "--organisation", "NONE"), "acquis client add"),
        (("webhook", "retry", "none"), "acquis webhook dead"),
    ],
)
def test_bad_use_is_one_sentence(desk: Path, capsys: Any, words: tuple[str, ...], told: str) -> None:
    assert told in said(capsys, *words, status=2)


def test_provisional_parameters_make_a_demonstration_alone(desk: Path, capsys: Any) -> None:
    import tomllib
    from datetime import date

    from api.catalogue.publication import Definition, document
    from cat_engine.errors import InputError
    from item_bank.publication import judge

    provisional = bank(flags=("provisional",))
    definition = Definition.from_mapping(tomllib.loads(TEST))
    told = (provisional, definition, tomllib.loads(DESIGN), date(2026, 11, 22))
    with pytest.raises(InputError, match="provisional"):
        document(*told)
    assert document(*told, demonstration=True)[0]["demonstration"] is True
    assert judge(provisional, Targets(), date(2026, 11, 22), True).passed


def test_clients_are_added_renewed_and_shut_out(desk: Path, capsys: Any) -> None:
    made = said(capsys, "client", "add", "--organisation", "CHU", "--name", "SIRH", "--role", "hr")
    assert made["scopes"] == ["invitations:write", "results:read", "webhooks:write"]
    again = ("client", "add", "--organisation", "CHU", "--name", "x", "--role", "hr", "--id", made["id"])
    assert "already" in said(capsys, *again, status=2)
    assert said(capsys, "client", "renew", made["id"])["secret"] != made["secret"]
    (row,) = said(capsys, "client", "list")
    assert (row["name"], row["disabled_at"]) == ("SIRH", None)
    assert "secret" not in str(row)
    said(capsys, "client", "disable", made["id"])
    assert said(capsys, "client", "list")[0]["disabled_at"] is not None


def test_a_list_of_people_is_invited_whole_or_not_at_all(desk: Path, capsys: Any) -> None:
    said(capsys, *PUBLISH)
    said(capsys, "client", "add", "--organisation", "CHU", "--name", "SIRH", "--role", "hr")
    people = Path("people.csv")
    people.write_text("identifier,family_name,extra_time_percent\n1,Martin,0\n2,Diallo,33\n")
    invite = (
        "invite",
        "NURSES",
        "--organisation",
        "CHU",
        "--people",
        "people.csv",
        "--base-url",
        "https://x/",
    )
    rows = said(capsys, *invite)
    assert [row["identifier"] for row in rows] == ["1", "2"]
    assert rows[0]["link"] == f"https://x/i/{rows[0]['code']}"
    for text, told in (
        ("identifier\n1\n3\n3\n", "'3' twice"),
        ("badge\n1\n", "got 'badge'"),
        ("identifier,extra_time_percent\n1,much\n", "0 to 200"),
    ):
        people.write_text(text)
        assert told in said(capsys, *invite, status=2)
    assert said(capsys, "test", "list")[0]["sittings"] == 0


def test_people_are_invited_for_a_need_that_the_design_offers(desk: Path, capsys: Any) -> None:
    Path("design.toml").write_text(DESIGN + '[accommodation]\nneeds = ["no-visual"]\nmax = 5\n')
    said(capsys, *PUBLISH)
    assert [row["needs"] for row in said(capsys, "test", "list")] == [["no-visual"]]
    said(capsys, "client", "add", "--organisation", "CHU", "--name", "SIRH", "--role", "hr")
    invite = ("invite", "NURSES", "--organisation", "CHU")
    Path("people.csv").write_text("identifier;need\n1;no-visual\n2;\n")
    rows = said(capsys, *invite, "--people", "people.csv")
    rows += said(capsys, *invite, "--identifier", "3", "--need", "no-visual")
    assert [row["identifier"] for row in rows] == ["1", "2", "3"]
    assert "no-visual" not in str(rows)
    refused = said(capsys, *invite, "--identifier", "4", "--need", "no-sight", status=2)
    assert "offered for ('no-visual'), got another" in refused
