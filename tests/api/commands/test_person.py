"""`acquis person`: show, export, erase, on the command line."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from api.command import main
from api.runtime import Runtime
from api.settings import Settings
from api.sittings import service
from tests.api.sample import ORGANISATION, SECRET_WORDS, invited, prepare, right

NAMES = ("Durand", "Léa", "M-1")


async def sat(runtime: Runtime, name: str = "M-1") -> str:
    """Sit the sample test; return the sitting."""
    entry = await service.enter(runtime, (await invited(runtime, identifier=name)).code)
    view = entry.view
    while view.phase == "item":
        view = await service.answer(
            runtime, entry.token, handle=view.handle or "", response=right(view), key=view.handle or ""
        )
    return view.sitting


@pytest.fixture
def person(settings: Settings, capsys: Any) -> Any:
    """Run `acquis person`; return the status and what it said."""

    def person(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        where = ["--organisation", ORGANISATION, "--database-url", settings.database_url]
        status = main(["person", *words, *where])
        out, err = capsys.readouterr()
        assert status == 0 or (out, err.count("\n")) == ("", 1)
        return status, out or err

    return person


def test_an_export_holds_what_is_stored_in_plain_names(run: Any, person: Any, tmp_path: Path) -> None:
    sitting = run(sat)
    status, text = person("export", "M-1")
    assert status == 0
    content = json.loads(text)
    assert content["schema"] == "acquis/personal-data/1"
    assert [content["person"][name] for name in ("family_name", "given_name", "identifier")] == list(NAMES)
    (invitation,), (one,), (result,) = (content[name] for name in ("invitations", "sittings", "results"))
    assert (invitation["extra_time_percent"], invitation["need"]) == (0, None)
    assert (one["id"], result["sitting"], result["status"]) == (sitting, sitting, "valid")
    assert result["content"]["person"]["family_name"] == "Durand"
    kinds = [event["what"] for event in one["events"]]
    assert (kinds[0], kinds[-1], kinds.count("answered")) == ("started", "finished", 7)
    answers = [event for event in one["events"] if event["what"] == "answered"]
    assert [event["position"] for event in answers] == list(range(1, 8))
    assert answers[0]["response"] == {"RESPONSE": ["B"]}
    for name in (
        *SECRET_WORDS,
        "categor",
        "criterion",
        '"seed"',
        '"device"',
        "handle",
        '"key"',
        "parameters",
    ):
        assert name not in text
    assert set(one["events"][1]) == {"number", "at", "what", "position"}  # served: not which item
    path = tmp_path / "export.json"
    assert person("export", "M-1", "--out", str(path))[0] == 0
    assert json.loads(path.read_text())["person"] == content["person"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    status, told = person("export", "M-1", "--out", str(path))
    assert (status, "give another --out" in told) == (2, True)


def test_a_person_is_shown_in_short(run: Any, person: Any) -> None:
    sitting = run(sat)
    _, text = person("show", "M-1")
    for part in ("Léa Durand", "SAMPLE version 1", sitting, "valid", "invitation"):
        assert part in text
    held = json.loads(person("show", "M-1", "--json")[1])
    for name in (held["person"]["id"], held["results"][0]["id"]):
        assert person("show", name)[1] == text


def test_without_yes_it_tells_and_erases_nothing(run: Any, person: Any) -> None:
    run(sat)
    shown = person("show", "M-1")[1]
    status, text = person("erase", "M-1")
    assert (status, "would be erased" in text, "add --yes" in text) == (0, True, True)
    assert person("show", "M-1")[1] == shown


@pytest.mark.parametrize("answers", [False, True])
def test_erased_the_person_is_a_number(
    run: Any, person: Any, settings: Settings, capsys: Any, answers: bool
) -> None:
    sitting = run(sat)
    number = json.loads(person("show", "M-1", "--json")[1])["person"]["id"]
    status, text = person("erase", "M-1", "--yes", *["--answers"] * answers)
    assert (status, number in text) == (0, True)
    assert [name for name in NAMES if name in text] == []
    assert person("show", "M-1")[0] == 2
    left = json.loads(person("export", number)[1])
    assert left["person"]["erased_at"]
    assert [name for name in NAMES if name in json.dumps(left, ensure_ascii=False)] == []
    assert (left["invitations"], len(left["sittings"])) == ([], 0 if answers else 1)
    assert [(one["status"], one["content"], one["signature"]) for one in left["results"]] == [
        ("erased", None, None)
    ]
    assert main(["replay", "--all", "--database-url", settings.database_url]) == 0
    said = capsys.readouterr().out
    assert (sitting in said, "the person was erased" in said) == (not answers, not answers)


def test_whom_it_cannot_tell_apart_it_does_not_erase(run: Any, person: Any) -> None:
    async def two(runtime: Runtime) -> None:
        from api.accounts.invitations import invite
        from api.ids import new_code, new_id
        from api.results.claims import Person

        for kind in ("rpps", "matricule"):
            one = Person(new_id(), "7", kind)
            await runtime.write(invite, ORGANISATION, one, "SAMPLE", new_code())

    run(two)
    status, told = person("erase", "7", "--yes")
    assert (status, "expected one person, got 2" in told, "rpps 7" in told) == (2, True, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("erase",), "--older-than"),
        (("erase", "M-1", "--older-than", "5"), "one of the two"),
        (("erase", "--older-than", "0"), "at least 1 day"),
        (("show", "nobody"), "got nobody"),
    ],
)
def test_bad_use_is_one_sentence(run: Any, person: Any, words: tuple[str, ...], told: str) -> None:
    run(prepare)
    status, text = person(*words)
    assert (status, told in text) == (2, True)


def test_people_of_long_ago_are_erased_together(run: Any, person: Any) -> None:
    from sqlalchemy import text

    from api.database.plans import Commit, Plan, Query

    async def long_ago(runtime: Runtime) -> None:
        def plan() -> Plan[None]:
            yield []
            tables = {"person": "created_at", "invitation": "expires_at", "session": "changed_at"}
            return Commit(
                None,
                [
                    Query(text(f"UPDATE {name} SET {column} = {column} - 40 * 86400000000"))()
                    for name, column in tables.items()
                ],
            )

        for name in ("M-1", "M-2"):
            await sat(runtime, name)
        await runtime.write(plan)
        await sat(runtime, "M-3")

    run(long_ago)
    assert len(json.loads(person("erase", "--older-than", "9", "--json")[1])) == 2
    assert person("show", "M-2")[0] == 0
    person("erase", "--older-than", "9", "--yes")
    assert [person("show", f"M-{n}")[0] for n in (1, 2, 3)] == [2, 2, 0]
    assert "nobody is to be erased" in person("erase", "--older-than", "9", "--yes")[1]
