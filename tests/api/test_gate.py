"""Who is taken on, who waits and who is told to come back, in a time that is counted and not waited for."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pytest

from api.gate import KINDS, PATIENCE, Gate, urgency

EACH = 1 / 560
"""Seconds of a worker's processor that a request takes."""
CARRIED = 425.0
"""Answers a second, a worker, of an exam day that is carried."""


class Counted(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to whatever comes next: only what happens in it takes time."""

    def __init__(self) -> None:
        super().__init__()
        self.moment = 0.0

    def time(self) -> float:
        return self.moment

    def _run_once(self) -> None:
        loop: Any = self
        if not loop._ready and loop._scheduled:
            self.moment = max(self.moment, loop._scheduled[0]._when)
        super()._run_once()  # type: ignore[misc]


def counted(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run a scenario in counted time."""
    with asyncio.Runner(loop_factory=Counted) as runner:
        runner.run(scenario())  # type: ignore[arg-type]


class Reply(NamedTuple):
    came: float
    kind: str
    waited: float
    served: bool


def arrivals(rate: float, seconds: float, kind: str = "answer") -> Iterator[tuple[float, str]]:
    """Draw who comes when."""
    draw, now = random.Random(f"{kind} {rate}"), 0.0
    while now < seconds:
        yield now, kind
        now += draw.expovariate(rate)


def day(come: Sequence[tuple[float, str]], limit: int = 32) -> list[Reply]:
    """Return what becomes of those who come to a worker that needs `EACH` for one after the other."""
    replies: list[Reply] = []

    async def scenario() -> None:
        loop, gate, processor = asyncio.get_running_loop(), Gate(limit), asyncio.Lock()

        async def one(came: float, kind: str) -> None:
            await asyncio.sleep(came)
            served = not gate.refuses(kind) and await gate.enter(kind)
            if served:
                async with processor:
                    await asyncio.sleep(EACH)
                gate.leave()
            replies.append(Reply(came, kind, loop.time() - came, served))

        await asyncio.gather(*(one(*each) for each in come))
        assert (gate.in_flight, gate.longest()) == (0, 0.0)
        assert [gate.waiting(kind) for kind in KINDS] == [0, 0, 0]

    counted(scenario)
    return replies


def test_a_crowd_after_the_machine_stood_still_is_served_whole() -> None:
    still = [(3.0 if 2.0 <= came < 3.0 else came, kind) for came, kind in arrivals(CARRIED, 6)]
    replies = day(still)
    assert all(reply.served for reply in replies)
    assert max(reply.waited for reply in replies) < PATIENCE


@pytest.mark.parametrize("times", [2, 4])
def test_of_more_than_can_be_carried_as_many_are_served_and_soon(times: int) -> None:
    replies = day(list(arrivals(times / EACH, 7)))
    served = [reply for reply in replies if reply.served]
    assert len(served) > 0.99 * 7 / EACH
    assert max(reply.waited for reply in served) < PATIENCE + 0.1
    late = [reply.waited for reply in replies if reply.served and reply.came > 5.0]
    assert max(late) < 0.4
    told = [reply.waited for reply in replies if not reply.served and reply.came > 5.0]
    assert max(told) == 0.0  # before anything of them is read


def test_whoever_enters_or_reads_reports_keeps_no_answer_waiting() -> None:
    come = [*arrivals(CARRIED, 8), *arrivals(500.0, 8, "enter"), *arrivals(500.0, 8, "report")]
    replies = day(come)
    answers = [reply for reply in replies if reply.kind == "answer"]
    assert all(reply.served for reply in answers)
    assert max(reply.waited for reply in answers) < 0.1
    served = {kind: sum(reply.served for reply in replies if reply.kind == kind) for kind in KINDS}
    assert served["enter"] > 2 * served["report"] > 0
    assert sum(served.values()) > 0.98 * 8 / EACH


def test_nobody_waits_longer_where_nothing_moves() -> None:
    async def scenario() -> None:
        gate, loop = Gate(1), asyncio.get_running_loop()
        assert await gate.enter("answer")
        told = await asyncio.gather(*(gate.enter(kind) for kind in KINDS))
        assert (told, loop.time()) == ([False] * 3, PATIENCE)
        assert (gate.in_flight, gate.longest()) == (1, 0.0)

    counted(scenario)


def test_places_go_to_the_most_urgent_and_reports_and_entering_leave_some_free() -> None:
    async def scenario() -> None:
        gate, order = Gate(10), list[str]()

        async def come(kind: str) -> None:
            assert await gate.enter(kind)
            order.append(kind)

        for _ in range(10):
            assert await gate.enter("answer")
        tasks = [asyncio.create_task(come(kind)) for kind in ("report", "enter", "answer") * 2]
        await asyncio.sleep(0)
        assert [gate.waiting(kind) for kind in KINDS] == [2, 2, 2]
        expected: list[str] = []
        for left, kind in [
            (1, "answer"),
            (1, "answer"),
            (3, "enter"),
            (1, "enter"),
            (4, "report"),
            (1, "report"),
        ]:
            for _ in range(left):
                assert order == expected
                gate.leave()
                await asyncio.sleep(0)
            expected.append(kind)
        assert (order, gate.in_flight) == (expected, 5)
        await asyncio.gather(*tasks)

    counted(scenario)


def test_whoever_leaves_the_line_takes_no_place() -> None:
    async def scenario() -> None:
        gate = Gate(1)
        assert await gate.enter("answer")
        first, second, third = (asyncio.create_task(gate.enter("answer")) for _ in range(3))
        await asyncio.sleep(0)
        first.cancel()
        gate.leave()  # the place goes to the second, who leaves as it comes
        second.cancel()
        assert await third
        for gone in (first, second):
            with pytest.raises(asyncio.CancelledError):
                await gone
        assert gate.in_flight == 1
        gate.leave()
        assert gate.in_flight == 0

    counted(scenario)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/v1/sittings/current/answers", "answer"),
        ("/api/v1/sittings/current", "answer"),
        ("/ims/cat/v1p0/sections/s/sessions/x/results", "answer"),
        ("/question", "answer"),
        ("/question/image", "answer"),
        ("/pause", "answer"),
        ("/api/v1/sittings", "enter"),
        ("/", "enter"),
        ("/api/v1/invitations/CODE", "enter"),
        ("/api/v1/results", "report"),
        ("/api/v1/sittings/current/credential", "report"),
    ],
)
def test_how_urgent_a_request_is(path: str, kind: str) -> None:
    assert urgency(path) == kind
