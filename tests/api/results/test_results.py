"""Results leave by two doors: the feed, which misses nothing, and the table, which opens in a spreadsheet."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import random
from typing import Any

import pytest

from api.ids import new_code, new_id
from api.results import feed
from api.results.claims import NOTICE, Person
from api.results.table import COLUMNS, row, table
from api.runtime import Runtime
from api.sittings import service
from tests.api.browser import Browser
from tests.api.desk import bearer, call, invite, runtime_of, sit
from tests.api.sample import CODE, ORGANISATION, invited, prepare, right


def cells(content: bytes) -> list[dict[str, str]]:
    """Read a table as a spreadsheet set to French does."""
    assert content.startswith(b"\xef\xbb\xbf")
    text = content.decode("utf-8-sig")
    assert text.count("\r\n") == text.count("\n")
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=";"))


def test_the_table_opens_in_a_french_spreadsheet(client: Browser) -> None:
    sit(client, invite(client))
    reply = client.get("/api/v1/results.csv", headers=bearer(client, "results:read"))
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in reply.headers["content-disposition"]
    (line,) = cells(reply.content)
    assert tuple(line) == COLUMNS
    assert (line["family_name"], line["given_name"]) == ("Durand", "Léa")
    assert line["schema_version"] == "1"
    assert line["status"] == "valid"
    assert "," in line["theta"]
    assert len(line["assessed_on"]) == 10
    assert line["notice"] == ""
    point = client.get(
        "/api/v1/results.csv",
        headers=bearer(client, "results:read"),
        params={"decimal": "point", "language": "en"},
    )
    (other,) = cells(point.content)
    assert float(other["theta"]) == float(line["theta"].replace(",", "."))
    assert (other["assessment_title"], line["assessment_title"]) == ("Sample", "Essai")
    following = client.get(
        "/api/v1/results.csv",
        headers=bearer(client, "results:read"),
        params={"cursor": reply.headers["acquis-cursor"]},
    )
    assert cells(following.content) == []
    read = client.get(
        "/api/v1/results.csv", headers=bearer(client, "results:read"), params={"headings": "words"}
    )
    assert cells(read.content)[0]["Nom"] == "Durand"


def entry(**person: str) -> dict[str, Any]:
    """An entry of the feed with a person's fields."""
    return {
        "id": "R",
        "version": 1,
        "status": "valid",
        "status_at": "2026-11-22T09:00:00Z",
        "person_id": "P",
        "result": {
            "demonstration": True,
            "person": {"identifier": None, "identifier_type": None, "family_name": "", "given_name": ""}
            | person,
            "test": {"code": "T", "version": 1, "title": {"fr": "t"}},
            "decision": None,
            "level": {"code": "L", "label": {"fr": "l"}, "probability": 0.5},
            "score": {
                "points": 1,
                "points_error": 1,
                "theta": -0.5,
                "standard_error": 0.3,
                "scale": "points",
                "scale_low": 0,
                "scale_high": 1,
            },
            "domains": [],
            "assessed": {"until": "2026-11-22T09:00:00Z"},
            "valid_from": "2026-11-22",
            "valid_until": "2027-11-22",
            "log": {"head": "00"},
        },
    }


@pytest.mark.parametrize(
    "name", ["=1+1", "+33", "-2", "@SUM(A1)", "\t=1", "\r=1", "  =HYPERLINK()", "\uff1d1"]
)
def test_a_cell_that_would_be_a_formula_is_defused(name: str) -> None:
    (line,) = cells(table([entry(family_name=name)], "fr", True, "https://x"))
    assert line["family_name"] == f"'{name}"
    assert line["theta"] == "-0,5"  # our own number stays one


def test_names_with_separators_and_quotes_stay_whole() -> None:
    name = 'Le "Grand"; dit l’Autre'
    (line,) = cells(table([entry(family_name=name)], "fr", True, "https://x"))
    assert line["family_name"] == name


def test_people_read_the_table_in_their_language_and_programs_by_names_that_stay() -> None:
    said = [
        cells(
            table([entry(identifier="0042"), erased, decided], language, language == "fr", "https://x", True)
        )
        for erased in [entry() | {"id": "E", "status": "erased", "result": None}]
        for decided in [entry() | {"result": {**entry()["result"], "decision": "L"}}]
        for language in ("fr", "en")
    ]
    french, english = said
    assert [line["Niveau attesté"] for line in french] == ["aucun (non tranché)", "", "l"]
    assert [line["État"] for line in french] == ["valable", "effacé", "valable"]
    assert [line["Status"] for line in english] == ["valid", "erased", "valid"]
    assert (french[0]["Identifiant"], french[0]["Thêta"], english[0]["Theta"]) == ("0042", "-0,5", "-0.5")
    for lines in said:
        assert len(lines[0]) == len(COLUMNS)  # no heading stands twice
    (line,) = cells(table([entry()], "fr", True, "https://x"))
    assert (line["decision"], line["status"]) == ("undecided", "valid")


def test_a_cursor_from_after_a_backup_is_refused_and_not_silent(client: Browser) -> None:
    sit(client, invite(client))
    reader = bearer(client, "results:read")
    cursor = client.get("/api/v1/results", headers=reader).json()["cursor"]
    ahead = f"1-{int(cursor[2:]) + 1:015d}"  # as if the database had been put back
    for door in ("/api/v1/results", "/api/v1/results.csv"):
        assert client.get(door, headers=reader, params={"cursor": cursor}).status_code == 200
        reply = client.get(door, headers=reader, params={"cursor": ahead})
        assert (reply.status_code, reply.json()["code"]) == (409, "cursor_ahead")


def test_demonstration_says_so_in_every_line() -> None:
    (line,) = cells(table([entry()], "fr", True, "https://x"))
    assert line["notice"] == NOTICE == "démonstration, sans valeur"


def test_an_erased_result_leaves_a_tombstone() -> None:
    erased = entry() | {"status": "erased", "result": None}
    values = dict(zip(COLUMNS, row(erased, "fr", True, "https://x"), strict=True))
    assert {name for name, value in values.items() if value} == {
        "schema_version",
        "result_id",
        "result_version",
        "person_id",
        "status",
        "status_on",
    }


def test_the_feed_shows_an_erased_result_once_more_without_content(client: Browser) -> None:
    from sqlalchemy import text

    from api.database.plans import Commit, Plan, Query

    reader = bearer(client, "results:read")
    for n in range(2):
        sit(client, invite(client, identifier=f"M-{n}"))
    first = client.get("/api/v1/results", headers=reader).json()
    erased = first["results"][0]["id"]
    position = Query(text("UPDATE feed SET position = position + 1"))
    erase = Query(
        text(
            "UPDATE result SET status = 'erased', document = NULL, jws = NULL, "
            "feed_position = (SELECT position FROM feed) WHERE id = :id"
        )
    )

    def plan() -> Plan[None]:
        yield []
        return Commit(None, [position(), erase(id=erased)])

    call(client, runtime_of(client).write, plan)
    page = client.get("/api/v1/results", headers=reader, params={"cursor": first["cursor"]}).json()
    (tombstone,) = page["results"]
    assert (tombstone["id"], tombstone["status"]) == (erased, "erased")
    assert (tombstone["credential"], tombstone["badge"], tombstone["result"]) == (None, None, None)
    assert client.get(f"/api/v1/results/{erased}/credential", headers=reader).status_code == 404


def test_a_reader_who_follows_the_cursor_misses_nothing(run: Any) -> None:
    """Many sittings end at once while the feed is read: every result is seen, once."""

    async def scenario(runtime: Runtime) -> None:
        design = {"schema": "acquis/design/1", "stop": {"min": 1, "max": 1}, "cuts": {"values": [0.0]}}
        await prepare(runtime, "SHORT", design=design)
        seen: list[str] = []
        ended: list[str] = []

        async def one(n: int) -> None:
            await asyncio.sleep(random.random() / 5)
            entry = await service.enter(runtime, (await invited(runtime, "SHORT", f"M-{n}")).code)
            view = await service.answer(
                runtime, entry.token, handle=entry.view.handle or "", response=right(entry.view), key="k"
            )
            ended.append(view.sitting)

        async def reader() -> None:
            cursor = ""
            while True:
                over = len(ended) == 60
                page = await runtime.read(feed.page, ORGANISATION, cursor, 0, 7)
                seen.extend(entry["result"]["log"]["sitting"] for entry in page.results)
                cursor = page.cursor
                if over and not page.results:
                    return
                await asyncio.sleep(0.001)

        await asyncio.gather(reader(), *(one(n) for n in range(60)))
        assert len(seen) == len(set(seen))
        assert set(seen) == set(ended)

    run(scenario)


def test_what_is_signed_is_what_the_feed_shows(client: Browser) -> None:
    sit(client, invite(client))
    reader = bearer(client, "results:read")
    (entry,) = client.get("/api/v1/results", headers=reader).json()["results"]
    file = client.get(entry["credential"], headers=reader).json()
    badge = client.get(entry["badge"], headers=reader).json()
    assert badge["id"].endswith(f"/verify#{entry['id']}")
    assert file["result"] == entry["result"]
    claims = entry["result"]
    assert claims["schema"] == "acquis/result/1"
    assert claims["items"] == 7
    assert abs(sum(level["probability"] for level in claims["levels"]) - 1) < 0.01
    assert claims["valid_until"] > claims["valid_from"]
    assert "notice" not in claims


def test_everything_from_the_demonstration_bank_says_so(run: Any) -> None:
    async def scenario(runtime: Runtime) -> None:
        await prepare(runtime, "DEMO", demonstration=True)
        entry = await service.enter(runtime, (await invited(runtime, "DEMO")).code)
        assert entry.view.test.demonstration
        view = entry.view
        while view.phase == "item":
            view = await service.answer(
                runtime, entry.token, handle=view.handle or "", response=right(view), key=view.handle or ""
            )
        result = await service.result(runtime, entry.token)
        assert result.document["notice"] == NOTICE
        assert NOTICE in json.loads(result.credential)["result"]["notice"]

    run(scenario)


def test_a_person_is_invited_again_under_the_same_identifier(run: Any) -> None:
    async def scenario(runtime: Runtime) -> None:
        from api.accounts.invitations import invite as plan

        first = await invited(runtime, identifier="M-1")
        second = await invited(runtime, identifier="M-1")
        other = await invited(runtime, identifier="M-2")
        assert first.person_id == second.person_id != other.person_id
        assert first.code != second.code
        nameless = [
            await runtime.write(plan, ORGANISATION, Person(new_id()), CODE, new_code()) for _ in range(2)
        ]
        assert nameless[0].person_id != nameless[1].person_id

    run(scenario)
