"""One process at a time, on both databases."""

from __future__ import annotations

import asyncio

from api.database.connect import connect
from api.database.lease import give_up, hold

TERM = 60_000_000


def test_one_holds_the_lease_until_it_lets_go_or_the_term_is_over(database_url: str) -> None:
    async def scenario() -> None:
        database = connect(database_url)
        await database.open()
        try:
            held = await asyncio.gather(*(database.write(hold, "duty", str(n), TERM) for n in range(6)))
            assert sum(held) == 1
            holder, other = str(held.index(True)), str(held.index(False))
            assert await database.write(hold, "duty", holder, TERM)
            assert not await database.write(hold, "duty", other, TERM)
            assert await database.write(hold, "another duty", other, TERM)
            await database.write(give_up, "duty", other)  # not theirs to give up
            assert not await database.write(hold, "duty", other, TERM)
            await database.write(give_up, "duty", holder)
            assert await database.write(hold, "duty", other, 1)
            await asyncio.sleep(0.01)  # the term of a microsecond is over
            assert await database.write(hold, "duty", holder, TERM)
        finally:
            await database.close()

    asyncio.run(scenario())
