"""`acquis contest`: contested results are noted in the log, and answered by a person."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.accounts.people import erase, find
from api.command import main
from api.results import feed
from api.runtime import Runtime
from api.settings import Settings
from tests.api.commands.test_person import sat
from tests.api.sample import ORGANISATION


@pytest.fixture
def contest(settings: Settings, capsys: Any) -> Any:
    """Run `acquis contest`; return the status and what it said."""

    def contest(*words: str, by: str = "Bo") -> tuple[int, str]:
        capsys.readouterr()
        said = ["--by", by, "--why", "the picture was missing"] if words[0] != "list" else []
        status = main(["contest", *words, *said, "--json", "--database-url", settings.database_url])
        out, err = capsys.readouterr()
        return status, out or err

    return contest


async def standing(runtime: Runtime) -> list[tuple[str, str]]:
    """Every result and its status, as HR sees it."""
    page = await runtime.read(feed.page, ORGANISATION, "", 0, 10)
    return [(entry["id"], entry["status"]) for entry in page.results]


@pytest.mark.parametrize(("outcome", "status"), [("--keep", "valid"), ("--revoke", "revoked")])
def test_a_contest_is_noted_and_answered_in_the_log(
    run: Any, contest: Any, settings: Settings, capsys: Any, outcome: str, status: str
) -> None:
    sitting = run(sat)
    ((result, _),) = run(standing)
    assert json.loads(contest("list")[1]) == []
    assert json.loads(contest("note", result)[1]) == {"result": result, "sitting": sitting}
    (noted,) = json.loads(contest("list", "--organisation", ORGANISATION)[1])
    assert (noted["result"], noted["by"], noted["why"]) == (result, "Bo", "the picture was missing")
    assert noted["answer"] is None
    assert "answer it" in contest("note", result)[1]
    assert run(standing) == [(result, "valid")]
    assert contest("answer", result, outcome, by="Al")[0] == 0
    assert run(standing) == [(result, status)]
    (noted,) = json.loads(contest("list")[1])
    assert (noted["answer"]["by"], noted["answer"]["outcome"]) == (
        "Al",
        "kept" if status == "valid" else status,
    )
    assert json.loads(contest("list", "--organisation", "OTHER")[1]) == []
    assert "note it first" in contest("answer", result, outcome)[1]
    assert contest("note", result)[0] == 0  # it can be contested again
    assert main(["replay", sitting, "--database-url", settings.database_url]) == 0
    capsys.readouterr()


def test_a_contest_changes_no_score_and_a_later_rescore_still_follows(run: Any, contest: Any) -> None:
    from api.catalogue.neutralisation import neutralise
    from api.sittings.replay import replay
    from api.sittings.rescoring import rescore
    from item_bank.log import append

    sitting = run(sat)
    ((first, _),) = run(standing)
    contest("note", first)

    async def renewed(runtime: Runtime) -> Any:
        for n in range(1, 13):
            decided = append(
                (),
                "neutralised",
                "Bo",
                "2026-11-22",
                item=f"BANK-ITEM-{n}",
                why="two keys",
                requested_by="Al",
            )
            await runtime.write(neutralise, "SAMPLE", decided)
            await rescore(runtime)
            if len(await standing(runtime)) > 1:
                break
        return await runtime.read(replay, runtime.tests, sitting)

    found = run(renewed)
    assert found.holds, found.differences
    assert found.results == 2
    told = json.loads(contest("answer", first, "--revoke")[1])
    assert told["result"] != first  # the version in force
    assert dict(run(standing)) == {first: "superseded", told["result"]: "revoked"}


def test_what_was_said_goes_with_the_person(run: Any, contest: Any) -> None:
    run(sat)
    ((result, _),) = run(standing)
    contest("note", result)
    contest("answer", result, "--keep")

    async def erased(runtime: Runtime) -> str:
        from tests.api.accounts.test_erasing import everything

        (person,) = await runtime.read(find, ORGANISATION, "M-1")
        await runtime.write(erase, person.id)
        return await runtime.read(everything)

    assert "picture was missing" not in run(erased)
    (noted,) = json.loads(contest("list")[1])
    assert (noted["why"], noted["answer"]["outcome"]) == (None, "kept")
    assert contest("note", result)[0] == 2


def test_what_does_not_fit_is_refused(run: Any, contest: Any) -> None:
    run(sat)
    ((result, _),) = run(standing)
    for words in (("note", "NONE"), ("answer", result), ("answer", result, "--keep", "--revoke")):
        status, told = contest(*words)
        assert (status, told.count("\n")) == (2, 1)
