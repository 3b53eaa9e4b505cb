"""Where badges stand in the public lists, on either database."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from api.credentials import lists
from api.credentials.document import Place
from api.credentials.lists import PLACES, bits, placed, positions, withdrawn
from api.keys.signing import BadSignature
from api.problems import Problem
from api.runtime import Runtime
from api.sittings import service
from tests.api.sample import invited, right


async def results(runtime: Runtime, n: int) -> list[str]:
    """Sit the sample test `n` times; return the results' identifiers."""
    found = []
    for k in range(n):
        entry = await service.enter(runtime, (await invited(runtime, identifier=f"M-{k}")).code)
        view = entry.view
        while view.phase == "item":
            view = await service.answer(
                runtime, entry.token, handle=view.handle or "", response=right(view), key=view.handle or ""
            )
        found.append((await service.result(runtime, entry.token)).id)
    return found


def test_asked_for_at_once_a_badge_has_one_place(run: Any) -> None:
    async def scenario(runtime: Runtime) -> None:
        (id,) = await results(runtime, 1)
        with pytest.raises(Problem, match="no such list"):
            await runtime.read(withdrawn, 1)
        found = await asyncio.gather(*(runtime.write(placed, id) for _ in range(8)))
        assert len(set(found)) == 1
        assert await runtime.write(placed, id) == found[0]
        assert found[0].list == 1
        assert (await runtime.read(withdrawn, 1)).positions == ()

    run(scenario)


def test_a_place_that_is_taken_is_not_given_again(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(runtime: Runtime) -> None:
        first, second, third = await results(runtime, 3)
        drawn = iter([7] * lists.DRAWS)
        monkeypatch.setattr(lists.secrets, "randbelow", lambda most: next(drawn, 9))
        assert await runtime.write(placed, first) == Place(1, 7)
        drawn = iter([7] * (lists.DRAWS - 1))
        assert await runtime.write(placed, second) == Place(1, 9)
        drawn = iter([7, 9] * lists.DRAWS)  # none is free: another list begins
        assert await runtime.write(placed, third) == Place(2, 7)
        assert await runtime.write(placed, first) == Place(1, 7)

    run(scenario)


def test_places_say_nothing_of_the_order(run: Any) -> None:
    """12 places drawn by chance stand in one of the two orders once in 240 million times."""

    async def scenario(runtime: Runtime) -> None:
        drawn = [await runtime.write(placed, id) for id in await results(runtime, 12)]
        found = [place.position for place in drawn]
        assert {place.list for place in drawn} == {1}
        assert all(0 <= position < PLACES for position in found)
        assert found not in (sorted(found), sorted(found, reverse=True))

    run(scenario)


def test_bits_stand_where_the_standard_has_them() -> None:
    """The first bit is the highest of the first byte (Bitstring Status List 1.0, 3.2)."""
    content = positions(bits([0, 9, PLACES - 1]))
    assert (content[0], content[1], content[-1]) == (0x80, 0x40, 0x01)
    assert sum(byte.bit_count() for byte in content) == 3
    assert len(content) * 8 == PLACES == 131_072
    assert bits([0, 9]) == bits([9, 0])


@pytest.mark.parametrize("encoded", ["u", "uAAAA", "u====", "uH4sIAAAAAAAAAwMAAAAAAAAAAAA", "u\u00e9"])
def test_what_is_no_list(encoded: str) -> None:
    with pytest.raises(BadSignature):
        positions(encoded)


def test_a_list_that_would_fill_the_memory_is_read_no_further() -> None:
    import base64
    import gzip

    bomb = "u" + base64.urlsafe_b64encode(gzip.compress(bytes(50_000_000))).rstrip(b"=").decode()
    with pytest.raises(BadSignature, match="places"):
        positions(bomb)
