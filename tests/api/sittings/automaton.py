"""The real application with one sitting, and a model of it that knows only what the candidate was told.

The model predicts every reply; at the end the log is replayed. What can be done to the sitting is a rule,
which hypothesis calls in any order and a script by its name.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from sqlalchemy import bindparam, select

from api.accounts.clients import Client
from api.accounts.people import erase
from api.catalogue import store
from api.catalogue.neutralisation import neutralise
from api.database import tables
from api.database.plans import Commit, Plan, Query
from api.problems import Problem
from api.runtime import Runtime
from api.settings import Settings
from api.sittings import service, supervision
from api.sittings.contest import contest, review
from api.sittings.replay import replay
from api.sittings.rescoring import rescore
from api.sittings.view import View
from api.upkeep import end_overdue
from item_bank.log import append
from tests.api.sample import CODE, ORGANISATION, invited

__all__ = ["DESIGN", "TIMES", "machine"]

SECOND = 1_000_000
TIMES = {"limit_s": 600, "grace_s": 10, "silence_s": 100, "give_back_s": 120, "abandon_s": 200_000}
DESIGN = {
    "schema": "acquis/design/1",
    "stop": {"min": 4, "max": 4},
    "cuts": {"values": [0.0]},
}
SUPERVISOR = Client("supervisor", ORGANISATION, frozenset({"sittings:supervise"}))

FIRST = ("untimed", "timed", "timed, given time")
"""How a sitting begins."""

LAST = (
    "contested",
    "neutralised",
    *(f"{end}{when}" for end in ("erased", "abandoned") for when in ("", " in a pause", " while it waits")),
)
"""What happens to a sitting in the end."""

_RESULT = Query(
    select(tables.result.c.id).where(
        tables.result.c.session_id == bindparam("session_id"), tables.result.c.current == 1
    )
)


def result_of(session: str) -> Plan[str]:
    """Plan: the current result of a sitting."""
    (rows,) = yield [_RESULT(session_id=session)]
    return Commit(rows[0][0])


def machine(published: Path) -> type[RuleBasedStateMachine]:
    """The state machine over copies of a database with published tests."""
    keys, tests = published.parent / "keys", store.Tests()

    class Sitting(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.folder = Path(tempfile.mkdtemp(prefix="acquis-automaton-"))
            shutil.copy(published, self.folder / "acquis.db")
            self.loop = asyncio.new_event_loop()
            url = f"sqlite:///{self.folder / 'acquis.db'}"
            self.runtime = Runtime.of(Settings(url, keys=keys))
            self.runtime.tests = tests
            self.do(self.runtime.database.open())
            self.sent: list[tuple[str, list[str], str, View]] = []
            self.former: list[str] = []

        def do(self, act: Any) -> Any:
            return self.loop.run_until_complete(act)

        def told(self, act: Any) -> Any:
            """What an act gives, or the code of its refusal."""
            try:
                return self.do(act)
            except Problem as problem:
                return problem.code

        def refused(self, act: Any) -> str:
            told = self.told(act)
            return told if isinstance(told, str) else ""

        def teardown(self) -> None:
            try:
                if hasattr(self, "view"):
                    session = self.view.sitting
                    self.from_outside()
                    self.runtime.sittings.forget(session)
                    found = self.do(self.runtime.database.read(replay, self.runtime.tests, session))
                    assert found.holds, found.differences
            finally:
                self.do(self.runtime.database.close())
                self.loop.close()
                shutil.rmtree(self.folder)

        def from_outside(self) -> None:
            """What is done about a sitting without its candidate's browser: the last thing that happens."""
            if self.last == "contested" and self.seen().phase == "finished":
                self.contested()
            elif self.last == "neutralised" and self.sent:
                self.supervisor_ends()
                self.neutralised()
            elif self.last.startswith(("erased", "abandoned")):
                if self.last.endswith("in a pause"):
                    self.pause()
                elif self.last.endswith("while it waits"):
                    self.cut_off_for_long()
                if self.last.startswith("abandoned"):
                    self.nobody_comes_back()
                else:
                    self.erased()

        def seen(self) -> supervision.Supervised:
            """The sitting as its supervisor sees it."""
            return self.do(supervision.read(self.runtime, SUPERVISOR, self.view.sitting))

        def contested(self) -> None:
            result = self.do(self.runtime.read(result_of, self.view.sitting))
            self.do(self.runtime.write(contest, result, "Al", "the third question"))
            self.do(self.runtime.write(review, result, "Bo", "it is right", revoke=False))

        def erased(self) -> None:
            self.do(self.runtime.write(erase, self.seen().person))

        def abandoned(self) -> None:
            self.nobody_comes_back()
            assert self.seen().reason == "abandoned"

        def time_runs_out(self) -> None:
            """The candidate is there until the end, and does not answer."""
            while self.view.phase == "item":
                self.clock_jumps(99)
                self.take_over()
            assert self.seen().reason == "time"

        def former_browsers_are_out(self) -> None:
            assert self.former
            assert {self.refused(service.current(self.runtime, token)) for token in self.former} == {
                "taken_over"
            }

        def saw(self, view: View) -> None:
            """What was shown at a position stays the same; positions and events only grow."""
            last = self.view
            assert view.seq >= last.seq
            if view.phase == "item" and view.position == self.position:
                assert view.handle == self.handle
            if view.phase == "item":
                self.position, self.handle = view.position, view.handle
            self.view = view

        @initialize(first=st.sampled_from(FIRST), last=st.sampled_from(LAST))
        def start(self, first: str, last: str) -> None:
            self.last = last
            self.code = self.do(invited(self.runtime, CODE if first == "untimed" else "TIMED")).code
            entry = self.do(service.enter(self.runtime, self.code))
            self.token, self.view = entry.token, entry.view
            self.position, self.handle = entry.view.position, entry.view.handle
            if first == "timed, given time":
                self.cut_off_for_long()
                self.supervisor_decides(None)
                self.go_on()

        def answered(self, choice: list[str], key: str) -> Any:
            return service.answer(
                self.runtime,
                self.token,
                handle=self.handle or "",
                response={"RESPONSE": choice},
                key=key,
            )

        @rule(choice=st.sampled_from([["A"], ["B"], []]))
        def answer(self, choice: list[str]) -> None:
            before = self.do(self.looked())
            self.saw(before)
            key = f"key {len(self.sent)} of {self.handle}"
            view = self.told(self.answered(choice, key))
            code = view if isinstance(view, str) else ""
            if before.phase == "finished":
                assert code == "finished"
            elif before.phase == "awaiting_decision":
                assert code == "awaiting_decision"
            elif before.phase == "item":
                assert code == ""
                assert view.answered == before.answered + 1
                self.sent.append((self.handle or "", choice, key, view))
                self.saw(view)
            elif code == "":  # silent for long, but in time
                self.sent.append((self.handle or "", choice, key, view))
                self.saw(view)
            else:  # "already_answered": the item was replaced unseen while the browser was silent
                assert code in ("interrupted", "already_answered")

        def looked(self) -> Any:
            return service.current(self.runtime, self.token)

        @rule()
        def reload(self) -> None:
            self.saw(self.do(self.looked()))

        @precondition(lambda self: self.sent)
        @rule(data=st.data())
        def repeat(self, data: st.DataObject) -> None:
            """A copy of an earlier request, now or long after."""
            handle, choice, key, view = data.draw(st.sampled_from(self.sent))
            again = service.answer(
                self.runtime, self.token, handle=handle, response={"RESPONSE": choice}, key=key
            )
            assert self.told(again) == view
            other = service.answer(
                self.runtime, self.token, handle=handle, response={"RESPONSE": ["D"]}, key=key
            )
            assert self.refused(other) == "key_reused"
            fresh = service.answer(
                self.runtime, self.token, handle=handle, response={"RESPONSE": choice}, key="another key"
            )
            assert self.refused(fresh) in (
                "already_answered",
                "finished",
                "interrupted",
                "awaiting_decision",
            )

        @rule()
        def other_tab_with_an_old_page(self) -> None:
            code = self.refused(
                service.answer(
                    self.runtime,
                    self.token,
                    handle=self.handle or "",
                    response={"RESPONSE": ["C"]},
                    key="old page",
                    expected_seq=1,
                )
            )
            assert code in ("stale", "already_answered", "finished", "interrupted", "awaiting_decision")

        @rule()
        def take_over(self) -> None:
            entry = self.do(service.enter(self.runtime, self.code))
            if entry.view.phase == "item":
                self.former.append(self.token)
            self.token = entry.token
            self.saw(entry.view)

        @precondition(lambda self: self.former)
        @rule(data=st.data())
        def former_browser(self, data: st.DataObject) -> None:
            token = data.draw(st.sampled_from(self.former))
            told = self.told(service.current(self.runtime, token))
            if isinstance(told, View):  # a secret to read with, which holds again
                assert told.phase in ("finished", "awaiting_decision", "interrupted")
            else:
                assert told == "taken_over"

        @rule()
        def pause(self) -> None:
            paused = self.do(service.interrupt(self.runtime, self.token))
            assert paused.phase != "item"
            self.saw(paused)

        @rule()
        def go_on(self) -> None:
            resumed = self.do(service.resume(self.runtime, self.token))
            assert resumed.phase != "interrupted"
            self.saw(resumed)

        @rule(seconds=st.sampled_from([1, 30, 99, 150, 400, 620, 5000, -300, -100_000]))
        def clock_jumps(self, seconds: int) -> None:
            self.runtime.skew += seconds * SECOND

        @rule()
        def cut_off_for_long(self) -> None:
            self.pause()
            self.clock_jumps(5000)
            self.go_on()

        @rule(data=st.data(), ended=st.booleans())
        def a_person_decides_after_a_long_cut(self, data: st.DataObject, ended: bool) -> None:
            self.cut_off_for_long()
            if self.view.phase == "awaiting_decision" and ended:
                self.supervisor_ends()
            elif self.view.phase == "awaiting_decision":
                self.supervisor_decides(data.draw(st.sampled_from([None, 0, 60 * SECOND])))

        @rule()
        def supervisor_sets_aside(self) -> None:
            session = self.view.sitting
            act = supervision.set_aside(self.runtime, SUPERVISOR, session, self.position or 0, "smudged")
            code = self.refused(act)
            assert code in ("", "stale", "finished", "interrupted")

        @rule(give_back=st.sampled_from([None, 0, 60 * SECOND]))
        def supervisor_decides(self, give_back: int | None) -> None:
            before = self.seen()
            act = supervision.decide(self.runtime, SUPERVISOR, self.view.sitting, give_back, "why")
            code = self.refused(act)
            assert code == ("" if before.phase == "awaiting_decision" else "conflict")

        @precondition(lambda self: self.sent or self.view.phase != "item")
        @rule()
        def supervisor_ends(self) -> None:
            ended = self.do(supervision.end(self.runtime, SUPERVISOR, self.view.sitting, "over"))
            assert ended.phase == "finished"

        @precondition(lambda self: self.view.phase == "finished" and self.sent)
        @rule(data=st.data())
        def an_item_is_neutralised(self, data: st.DataObject) -> None:
            self.neutralised(lambda items: data.draw(st.sampled_from(items)))

        def neutralised(self, choose: Callable[[Any], int] = lambda items: items[0]) -> None:
            session = self.view.sitting
            self.runtime.sittings.forget(session)
            self.do(service.enter(self.runtime, self.code))
            sitting = self.runtime.sittings.get(session)
            assert sitting is not None
            test = self.runtime.tests.get(sitting.test)
            assert test is not None
            item = test.items[choose(sitting.state.items)].id
            event = append((), "neutralised", "Bo", "2026", item=item, why="a flaw", requested_by="Al")[-1]
            self.refused(self.runtime.write(neutralise, test.code, (event,)))
            self.do(rescore(self.runtime))

        @rule()
        def sweep(self) -> None:
            self.do(end_overdue(self.runtime))

        @rule()
        def nobody_comes_back(self) -> None:
            """Whatever a sitting waits for, it does not wait for ever."""
            before = self.seen()
            for _ in range(3):  # cut off, left to a person, abandoned
                self.clock_jumps(TIMES["abandon_s"] + 1)
                while self.do(end_overdue(self.runtime)):
                    pass
            after = self.seen()
            assert after.phase == "finished"
            assert before.phase == "finished" or after.reason in ("abandoned", "time")

        @rule()
        def worker_forgets(self) -> None:
            self.runtime.sittings.forget(self.view.sitting)

    return Sitting
