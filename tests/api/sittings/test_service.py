"""A sitting from the invitation to the result, on both databases."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from api.accounts.clients import Client
from api.problems import Problem
from api.runtime import Runtime
from api.sittings import service, supervision
from api.sittings.replay import replay
from api.sittings.view import Entry, View
from cat_engine.session import TIMED_OUT
from tests.api.sample import CODE, ORGANISATION, PICTURE, SECRET_WORDS, invited, prepare, right

Run = Callable[[Any], Any]


async def entered(runtime: Runtime, test: str = CODE, language: str = "fr") -> tuple[str, Entry]:
    invitation = await invited(runtime, test)
    return invitation.code, await service.enter(runtime, invitation.code, language)


async def answered(runtime: Runtime, token: str, view: View, **told: Any) -> View:
    assert view.handle is not None
    return await service.answer(
        runtime, token, **{"handle": view.handle, "response": right(view), "key": view.handle, **told}
    )


async def to_the_end(runtime: Runtime, entry: Entry) -> View:
    view = entry.view
    while view.phase == "item":
        view = await answered(runtime, entry.token, view)
    return view


def code_of(raised: pytest.ExceptionInfo[Problem]) -> str:
    return raised.value.code


def test_a_sitting_from_the_invitation_to_the_result(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        invitation = await invited(runtime)
        card = await service.invitation(runtime, invitation.code)
        assert (card.state, card.test.title["fr"], card.test.least) == ("new", "Essai", 5)
        entry = await service.enter(runtime, invitation.code, "en")
        assert entry.view.item is not None
        assert (entry.view.language, entry.view.position, entry.view.answered) == ("en", 1, 0)
        view = await to_the_end(runtime, entry)
        assert (view.phase, view.reason, view.answered, view.item) == ("finished", "length", 7, None)
        result = await service.result(runtime, entry.token)
        assert result.document["log"]["events"] == view.seq == 1 + 7 + 7 + 1
        assert result.document["person"]["family_name"] == "Durand"
        assert result.document["level"]["code"] == "L1"
        assert (await service.invitation(runtime, invitation.code)).state == "finished"

    run(scenario)


def test_reloading_serves_the_pending_item_again(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        _, entry = await entered(runtime)
        first = await service.current(runtime, entry.token)
        runtime.sittings.forget(first.sitting)
        assert first == entry.view == await service.current(runtime, entry.token)

    run(scenario)


def test_the_same_key_gives_the_same_reply_even_later(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        _, entry = await entered(runtime)
        first = await answered(runtime, entry.token, entry.view, key="k1")
        assert await answered(runtime, entry.token, entry.view, key="k1") == first
        await answered(runtime, entry.token, first, key="k2")
        assert await answered(runtime, entry.token, entry.view, key="k1") == first
        with pytest.raises(Problem) as raised:
            await answered(runtime, entry.token, entry.view, key="k1", response={"RESPONSE": ["C"]})
        assert code_of(raised) == "key_reused"

    run(scenario)


def test_an_item_is_answered_once(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        _, entry = await entered(runtime)
        view = await answered(runtime, entry.token, entry.view, key="k1")
        with pytest.raises(Problem) as raised:
            await answered(runtime, entry.token, entry.view, key="k2")
        assert code_of(raised) == "already_answered"
        with pytest.raises(Problem) as raised:
            await answered(runtime, entry.token, view, handle="made-up")
        assert code_of(raised) == "stale"
        with pytest.raises(Problem) as raised:
            await answered(runtime, entry.token, view, expected_seq=view.seq - 1)
        assert (code_of(raised), raised.value.more["seq"]) == ("stale", view.seq)
        assert (await answered(runtime, entry.token, view, expected_seq=view.seq)).answered == 2

    run(scenario)


def test_of_many_tabs_that_answer_at_once_one_is_heard(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        _, entry = await entered(runtime)
        outcomes = await asyncio.gather(
            *[answered(runtime, entry.token, entry.view, key=f"tab {i}") for i in range(12)],
            return_exceptions=True,
        )
        views = [o for o in outcomes if isinstance(o, View)]
        refusals = [o for o in outcomes if isinstance(o, Problem)]
        assert len(views) == 1
        assert {o.code for o in refusals} == {"already_answered"}
        assert await service.current(runtime, entry.token) == views[0]

    run(scenario)


def test_of_many_copies_of_one_request_all_get_the_same_reply(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        _, entry = await entered(runtime)
        views = await asyncio.gather(
            *[answered(runtime, entry.token, entry.view, key="one") for _ in range(12)]
        )
        assert all(view == views[0] for view in views)

    run(scenario)


def test_another_browser_takes_over_and_the_former_is_told(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        code, first = await entered(runtime)
        second = await service.enter(runtime, code)
        assert second.view.item == first.view.item
        assert second.view.handle == first.view.handle
        for action in (
            service.current(runtime, first.token),
            answered(runtime, first.token, first.view),
            service.interrupt(runtime, first.token),
        ):
            with pytest.raises(Problem) as raised:
                await action
            assert code_of(raised) == "taken_over"
        await answered(runtime, second.token, second.view)

    run(scenario)


@pytest.mark.parametrize("token", ["", "x", "x.y", ".", "01JD.secret", "a" * 500])
def test_a_made_up_token_opens_nothing(run: Run, token: str) -> None:
    async def scenario(runtime: Runtime) -> None:
        with pytest.raises(Problem) as raised:
            await service.current(runtime, token)
        assert code_of(raised) == "unauthenticated"

    run(scenario)


def test_the_secret_of_one_sitting_does_not_open_another(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        _, first = await entered(runtime)
        _, second = await entered(runtime)
        crossed = first.view.sitting + "." + second.token.split(".")[1]
        with pytest.raises(Problem) as raised:
            await service.current(runtime, crossed)
        assert code_of(raised) == "unauthenticated"

    run(scenario)


def test_a_pause_hides_the_item_until_it_is_over(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        _, entry = await entered(runtime)
        paused = await service.interrupt(runtime, entry.token)
        assert (paused.phase, paused.item, paused.handle) == ("interrupted", None, None)
        assert await service.interrupt(runtime, entry.token) == paused
        with pytest.raises(Problem) as raised:
            await answered(runtime, entry.token, entry.view)
        assert code_of(raised) == "interrupted"
        again = await service.resume(runtime, entry.token)
        assert again.item == entry.view.item
        assert again.handle == entry.view.handle

    run(scenario)


@pytest.mark.parametrize(
    "response",
    [
        {"OTHER": ["B"]},
        {"RESPONSE": ["x" * 3000]},
        {"RESPONSE": ["\ud800"]},
        {"É": ["B"]},
    ],
)
def test_a_response_that_does_not_fit_changes_nothing(run: Run, response: dict[str, list[str]]) -> None:
    async def scenario(runtime: Runtime) -> None:
        _, entry = await entered(runtime)
        with pytest.raises(Problem) as raised:
            await answered(runtime, entry.token, entry.view, response=response)
        assert code_of(raised) == "invalid_response"
        assert await service.current(runtime, entry.token) == entry.view

    run(scenario)


def test_an_empty_response_skips_the_item(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        _, entry = await entered(runtime)
        view = await answered(runtime, entry.token, entry.view, response={})
        assert view.answered == 1

    run(scenario)


def test_nothing_of_the_bank_reaches_the_candidate(run: Run) -> None:
    illustrated = {"schema": "acquis/design/1", "stop": {"min": 1, "max": 1}, "cuts": {"values": [0.0]}}

    async def scenario(runtime: Runtime) -> None:
        await prepare(runtime, "SEEN", n_items=1, design=illustrated)
        await pictures_in(runtime, CODE)
        assert await pictures_in(runtime, "SEEN") == 1

    async def pictures_in(runtime: Runtime, test: str) -> int:
        """How many pictures a candidate saw."""
        _, entry = await entered(runtime, test)
        view, pictures = entry.view, 0
        while view.phase == "item":
            text = json.dumps(asdict(view), default=str)
            assert not [word for word in SECRET_WORDS if word in text]
            assert view.item is not None
            if view.item.stimulus is not None:
                name = view.item.stimulus.image["fr"].name
                body, media_type = await service.media(runtime, entry.token, view.handle or "", name)
                assert (body, media_type) == (PICTURE, "image/svg+xml")
                with pytest.raises(Problem):
                    await service.media(runtime, entry.token, view.handle or "", "picture-of-1.svg")
                pictures += 1
            view = await answered(runtime, entry.token, view)
        return pictures

    run(scenario)


def test_a_finished_sitting_can_be_read_again_with_the_code(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        code, entry = await entered(runtime)
        await to_the_end(runtime, entry)
        again = await service.enter(runtime, code)
        assert again.view.phase == "finished"
        assert (await service.result(runtime, again.token)).id == (
            await service.result(runtime, entry.token)
        ).id
        with pytest.raises(Problem) as raised:
            await answered(runtime, again.token, entry.view, key="another")
        assert code_of(raised) == "finished"

    run(scenario)


def test_unknown_and_expired_codes(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        with pytest.raises(Problem) as raised:
            await service.invitation(runtime, "nothing")
        assert code_of(raised) == "code_unknown"
        invitation = await invited(runtime)
        typed = "-".join(invitation.code[i : i + 5] for i in range(0, 20, 5)).lower()
        assert (await service.invitation(runtime, typed)).state == "new"
        runtime.skew = 31 * 86_400 * 1_000_000
        with pytest.raises(Problem) as raised:
            await service.enter(runtime, invitation.code)
        assert code_of(raised) == "code_expired"

    run(scenario)


SECOND = 1_000_000
TIMED = {"limit_s": 600, "grace_s": 10, "silence_s": 100, "give_back_s": 300}


def last_category(runtime: Runtime, view: View) -> int:
    """What the last item counts as."""
    sitting = runtime.sittings.get(view.sitting)
    assert sitting is not None
    return sitting.state.categories[-1]


def test_an_answer_within_the_grace_counts_and_ends_the_sitting(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        await prepare(runtime, "TIMED", time={**TIMED, "silence_s": 10_000})
        _, entry = await entered(runtime, "TIMED")
        runtime.skew = 601 * SECOND
        view = await answered(runtime, entry.token, entry.view)
        assert (view.phase, view.reason, view.answered) == ("finished", "time", 1)
        assert last_category(runtime, view) != TIMED_OUT

    run(scenario)


def test_an_answer_after_the_grace_is_timed_out_and_says_so_again_when_repeated(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        await prepare(runtime, "TIMED", time={**TIMED, "silence_s": 10_000})
        _, entry = await entered(runtime, "TIMED")
        runtime.skew = 611 * SECOND
        view = await answered(runtime, entry.token, entry.view)
        assert (view.phase, view.reason) == ("finished", "time")
        assert last_category(runtime, view) == TIMED_OUT
        assert await answered(runtime, entry.token, entry.view) == view
        assert (await service.result(runtime, entry.token)).document["ended"] == "time"

    run(scenario)


def test_looking_after_the_time_is_up_ends_the_sitting(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        await prepare(runtime, "TIMED", time={**TIMED, "silence_s": 10_000})
        _, entry = await entered(runtime, "TIMED")
        runtime.skew = 700 * SECOND
        assert (await service.current(runtime, entry.token)).phase == "finished"

    run(scenario)


def test_a_clock_that_goes_back_gives_no_time(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        await prepare(runtime, "TIMED", time=TIMED)
        _, entry = await entered(runtime, "TIMED")
        runtime.skew = -3600 * SECOND
        view = await answered(runtime, entry.token, entry.view)
        assert view.deadline == entry.view.deadline
        await service.interrupt(runtime, entry.token)
        runtime.skew = -7200 * SECOND
        view = await service.resume(runtime, entry.token)
        assert (view.phase, view.deadline) == ("item", entry.view.deadline)
        runtime.sittings.forget(view.sitting)
        assert await service.current(runtime, entry.token) == view
        found = await runtime.read(replay, runtime.tests, view.sitting)
        assert found.holds, found.differences

    run(scenario)


def test_a_long_silence_counts_as_an_interruption_and_gives_time_back(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        await prepare(runtime, "TIMED", time=TIMED)
        _, entry = await entered(runtime, "TIMED")
        runtime.skew = 250 * SECOND
        assert (await service.current(runtime, entry.token)).phase == "interrupted"
        view = await service.resume(runtime, entry.token)
        assert view.phase == "item"
        assert view.deadline is not None
        assert entry.view.deadline is not None
        assert 149 * SECOND <= view.deadline - entry.view.deadline <= 190 * SECOND

    run(scenario)


def test_time_comes_back_up_to_the_cap_and_beyond_it_a_person_decides(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        await prepare(runtime, "TIMED", time=TIMED)
        code, entry = await entered(runtime, "TIMED")
        await service.interrupt(runtime, entry.token)
        runtime.skew = 590 * SECOND
        view = await service.resume(runtime, entry.token)
        assert entry.view.deadline is not None
        assert view.deadline == entry.view.deadline + 300 * SECOND
        await service.interrupt(runtime, entry.token)
        runtime.skew = 2000 * SECOND
        view = await service.resume(runtime, entry.token)
        assert view.phase == "awaiting_decision"
        waiting = await service.enter(runtime, code)
        assert waiting.view.phase == "awaiting_decision"
        assert (await service.current(runtime, waiting.token)).phase == "awaiting_decision"
        with pytest.raises(Problem) as raised:
            await answered(runtime, entry.token, entry.view)
        assert code_of(raised) == "awaiting_decision"

    run(scenario)


def test_who_entered_while_a_person_decided_goes_on_in_that_browser(run: Run) -> None:
    """Of several browsers that entered meanwhile, the first one that resumes is the one that may act."""
    proctor = Client("proctor", ORGANISATION, frozenset({"sittings:supervise"}))

    async def scenario(runtime: Runtime) -> None:
        await prepare(runtime, "TIMED", time=TIMED)
        code, entry = await entered(runtime, "TIMED")
        await service.interrupt(runtime, entry.token)
        runtime.skew = 2000 * SECOND
        assert (await service.resume(runtime, entry.token)).phase == "awaiting_decision"
        first, second = [(await service.enter(runtime, code)).token for _ in range(2)]
        assert (await service.resume(runtime, first)).phase == "awaiting_decision"
        await supervision.decide(runtime, proctor, entry.view.sitting, None, "the network failed")
        for token in (first, second, entry.token):
            assert (await service.current(runtime, token)).phase == "interrupted"
        view = await service.resume(runtime, first)
        assert (view.phase, view.handle) == ("item", entry.view.handle)
        for token in (second, entry.token):
            for act in (service.current, service.resume, service.interrupt):
                with pytest.raises(Problem) as raised:
                    await act(runtime, token)
                assert code_of(raised) == "taken_over"
        assert (await answered(runtime, first, view)).answered == 1
        await service.interrupt(runtime, first)  # at the candidate's own wish: nobody else resumes
        with pytest.raises(Problem) as raised:
            await service.resume(runtime, second)
        assert code_of(raised) == "taken_over"
        found = await runtime.read(replay, runtime.tests, entry.view.sitting)
        assert found.holds, found.differences

    run(scenario)


def test_extra_time_of_an_invitation(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        await prepare(runtime, "TIMED", time=TIMED)
        plain = await service.enter(runtime, (await invited(runtime, "TIMED")).code)
        more = await service.enter(runtime, (await invited(runtime, "TIMED", extra=33)).code)
        assert plain.view.deadline is not None
        assert more.view.deadline is not None
        assert 197 * SECOND <= more.view.deadline - plain.view.deadline <= 240 * SECOND

    run(scenario)
