"""Candidates who do not give up, and write down all that they were told."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.wire import Reply, exchange, request

__all__ = ["ACTS", "Acknowledged", "Diary", "candidate"]

ACTS = ("reload", "pause", "other browser", "two tabs")
"""What candidates do out of the ordinary."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """An answer of which a whole reply said that it counts."""

    session: str
    position: int
    handle: str
    choice: str
    key: str


@dataclass(slots=True)
class Diary:
    """What candidates were told.

    Attributes
    ----------
    acknowledged
        Every acknowledged answer.
    shown
        (session, position) -> every (handle, content) that was shown there: it must be one.
    receipts
        The number of the latest event that was told of each sitting, and the receipt for it.
    refused
        Replies with status 500 and above, by status and code.
    heeded
        What a browser could still do after another one had taken its sitting over: it must be nothing.
    done
        How often candidates did what is out of the ordinary.
    finished
        How many sittings were brought to their end.
    stuck
        Why candidates gave up.
    """

    acknowledged: list[Acknowledged] = field(default_factory=list)
    shown: dict[tuple[str, int], set[tuple[str, str]]] = field(default_factory=dict)
    receipts: dict[str, tuple[int, str]] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    without_retry_after: int = 0
    heeded: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    finished: int = 0
    stuck: list[str] = field(default_factory=list)

    def saw(self, sitting: dict[str, Any]) -> None:
        """Note what was shown, and the receipt for it."""
        session, seq = sitting["sitting"], sitting["seq"]
        if seq >= self.receipts.get(session, (0, ""))[0]:
            self.receipts[session] = seq, sitting["receipt"]
        if sitting["phase"] == "item":
            content = json.dumps(sitting["item"], sort_keys=True)
            place = (sitting["sitting"], sitting["position"])
            self.shown.setdefault(place, set()).add((sitting["handle"], content))

    def heard(self, reply: Reply | None) -> None:
        """Note a refusal."""
        if reply is None or reply.status < 500:
            return
        code = f"{reply.status} {json.loads(reply.body).get('code')}"
        self.refused[code] = self.refused.get(code, 0) + 1
        if "retry-after" not in reply.headers:
            self.without_retry_after += 1

    @property
    def redrawn(self) -> list[tuple[str, int]]:
        """Where more than one item was shown."""
        return [place for place, items in self.shown.items() if len(items) > 1]

    @property
    def redrawn_in_place(self) -> bool:
        """Whether one serving, under one handle, was shown with more than one content."""
        return any(len(items) > len({handle for handle, _ in items}) for items in self.shown.values())


class GivenUp(Exception):
    """The candidate's patience is over."""


async def _until_told(port: int, message: bytes, diary: Diary, tries: int = 300) -> Reply:
    """Repeat a request until a whole reply tells something other than to try again."""
    reply, failures = None, 0
    for attempt in range(tries):
        reply = await exchange(port, message)
        diary.heard(reply)
        failures = failures + 1 if reply is not None and reply.status == 500 else 0
        if failures > 5:
            break
        if reply is not None and reply.status < 500:
            return reply
        await asyncio.sleep(min(0.05 * 1.3**attempt, 0.8))
    raise GivenUp(f"after {attempt + 1} tries, the last reply: {reply}")


async def _entered(port: int, code: str, diary: Diary) -> tuple[str, dict[str, Any]]:
    reply = await _until_told(port, request("POST", "/api/v1/sittings", {}, {"code": code}), diary)
    if reply.status != 201:
        raise GivenUp(f"entering was refused: {reply.status} {reply.body[:200]!r}")
    told = reply.json()
    diary.saw(told["sitting"])
    return told["token"], told["sitting"]


def _answer(token: str, handle: str, choice: str, key: str) -> bytes:
    return request(
        "POST",
        "/api/v1/sittings/current/answers",
        {"Authorization": f"Bearer {token}", "Idempotency-Key": key},
        {"handle": handle, "response": {"RESPONSE": [choice]}},
    )


async def candidate(port: int, code: str, diary: Diary, draw: random.Random) -> None:
    """Sit a whole test through whatever happens, sometimes with two tabs, two browsers, reloads, pauses."""
    try:
        await _sit(port, code, diary, draw)
    except GivenUp as reason:
        diary.stuck.append(str(reason))


async def _sit(port: int, code: str, diary: Diary, draw: random.Random) -> None:
    token, sitting = await _entered(port, code, diary)
    rounds = 0
    while sitting["phase"] == "item":
        rounds += 1
        if rounds > 30 * sitting["most"]:
            raise GivenUp(f"{rounds - 1} rounds have led to question {sitting['position']}")
        if draw.random() < 0.1:
            diary.done["reload"] += 1
            reply = await _until_told(port, _current(token), diary)
            if reply.status == 200:
                diary.saw(reply.json())
        if draw.random() < 0.05:
            diary.done["pause"] += 1
            for address in ("interruption", "resumption"):
                reply = await _until_told(port, _told(token, address), diary)
                if reply.status == 200:
                    diary.saw(reply.json())
        if draw.random() < 0.05:
            diary.done["other browser"] += 1
            former, (token, sitting) = token, await _entered(port, code, diary)
            if sitting["phase"] != "item":
                break
            late = _answer(former, sitting["handle"], draw.choice("ABCD"), f"late {draw.random()}")
            for message in (late, _current(former)):
                reply = await _until_told(port, message, diary)
                if reply.status not in (401, 409):
                    diary.heeded.append(f"{sitting['sitting']}: the former browser got {reply.status}")
        tabs = 2 if draw.random() < 0.1 else 1
        diary.done["two tabs"] += tabs - 1
        sent = [(draw.choice("ABCD"), f"{sitting['handle']}-{n}-{draw.random()}") for n in range(tabs)]
        replies = await asyncio.gather(
            *(
                _until_told(port, _answer(token, sitting["handle"], choice, key), diary)
                for choice, key in sent
            )
        )
        told = None
        for (choice, key), reply in zip(sent, replies, strict=True):
            if reply.status == 200:
                told = reply.json()
                diary.saw(told)
                diary.acknowledged.append(
                    Acknowledged(sitting["sitting"], sitting["position"], sitting["handle"], choice, key)
                )
            elif reply.status not in (401, 409):
                raise GivenUp(f"an answer got {reply.status}: {reply.body[:200]!r}")
        if told is None:  # another copy of a request took the sitting over, or the other tab was heard
            token, told = await _entered(port, code, diary)
        sitting = told
    diary.finished += 1


def _told(token: str, address: str) -> bytes:
    return request("POST", f"/api/v1/sittings/current/{address}", {"Authorization": f"Bearer {token}"})


def _current(token: str) -> bytes:
    return request("GET", "/api/v1/sittings/current", {"Authorization": f"Bearer {token}"})
