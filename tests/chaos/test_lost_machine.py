"""The machine with the database is lost in mid-load; the commands are those of docs/operator.md."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from api.command import main
from api.database.postgres import PostgreSQL
from api.sittings import service
from tests.api.database.test_pool import lose_patience
from tests.chaos.machines import Machine, machines, recipes
from tests.chaos.sitters import Answers, Crowd, all_there, opened

ARCHIVE, COPY, RESTORE, STANDBY, NAME, PROMOTE = recipes()
PLAIN = ("fsync = on", "shared_buffers = 32MB")


@pytest.fixture
def machine() -> Iterator[Callable[[int], Machine]]:
    """A way to get machines, by port."""
    with machines() as get:
        yield get


async def all_are_refused(crowd: Crowd, primary: Machine) -> None:
    """While the standby is away everybody is refused, in both ways, and no answer is acknowledged."""
    crowd.refusals.clear()
    async with asyncio.timeout(200):
        while crowd.refusals.keys() != {"unavailable", "busy"} or await waiting(primary) < 4:
            await asyncio.sleep(0.05)
    before = len(crowd.acknowledged)
    assert await waiting(primary) == 4  # one a connection, however often candidates try again
    stopped = await asyncio.to_thread(
        primary.ask, f"SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE {WAITING}"
    )
    assert int(stopped) > 0
    await asyncio.sleep(1.0)  # what they wrote is there by now, for all to read, on one machine
    assert len(crowd.acknowledged) == before


WAITING = "backend_type = 'client backend' AND wait_event = 'SyncRep'"


async def waiting(primary: Machine) -> int:
    """How many commits wait for the standby."""
    return int(await asyncio.to_thread(primary.ask, f"SELECT count(*) FROM pg_stat_activity WHERE {WAITING}"))


def stored(url: str) -> Answers:
    """Every answer in a database."""
    with psycopg.connect(url) as connection:
        return set(
            connection.execute("SELECT session_id, idempotency_key FROM event WHERE kind = 'answered'")
        )


def unfinished(url: str) -> set[str]:
    """The sittings that go on."""
    with psycopg.connect(url) as connection:
        return {id for (id,) in connection.execute("SELECT id FROM session WHERE status <> 'finished'")}


def test_an_archive_brings_back_any_moment(
    machine: Callable[[int], Machine], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = machine(6001).made(*PLAIN)
    elsewhere = str(one.folder / "elsewhere")
    one.run("createdb acquis")
    url = one.uri("acquis")

    def restored(moment: str) -> Answers:
        one.run(RESTORE, ELSEWHERE=elsewhere, MOMENT=moment)
        assert main(["replay", "--all", "--database-url", url]) == 0
        return stored(url)

    async def scenario() -> None:
        one.run(ARCHIVE, ELSEWHERE=elsewhere)
        runtime = await opened(url, tmp_path / "keys")
        try:
            crowd = Crowd(runtime)
            crowd.come()
            await crowd.more(20)
            await asyncio.to_thread(one.run, COPY, ELSEWHERE=elsewhere)
            await crowd.more(40)
            before = crowd.acknowledged
            moment = await asyncio.to_thread(one.ask, "SELECT clock_timestamp()")
            sent_before = crowd.sent
            await crowd.more(40)
            archived = crowd.acknowledged
            segment = await asyncio.to_thread(one.ask, "SELECT pg_walfile_name(pg_switch_wal())")
            reached = f"SELECT last_archived_wal >= '{segment}' FROM pg_stat_archiver"
            await asyncio.to_thread(one.wait, reached, "True")
            await asyncio.to_thread(one.ask, "ALTER SYSTEM SET archive_command = 'false'")  # out of reach
            await asyncio.to_thread(one.ask, "SELECT pg_reload_conf()")
            await crowd.more(40)
            await asyncio.to_thread(one.lose)
            await crowd.leave()
            at_the_end = crowd.acknowledged

            found = await asyncio.to_thread(restored, "")
            assert archived <= found <= crowd.sent
            lost = at_the_end - found
            assert lost, "nothing was answered after the last archived moment: the test shows too little"
            for sitter in crowd.sitters:  # of each sitting the last ones, if any
                stays = [answer in found for answer in sitter.acknowledged]
                assert stays == sorted(stays, reverse=True)

            await asyncio.to_thread(one.lose)
            found = await asyncio.to_thread(restored, moment)
            assert before <= found <= sent_before

            begun = await asyncio.to_thread(unfinished, url)
            open_then = [sitter for sitter in crowd.sitters if sitter.token.split(".")[0] in begun]
            assert open_then
            for sitter in open_then:  # the same server goes on with who was in the middle
                view = await sitter.insist(lambda sitter=sitter: service.current(runtime, sitter.token))
                assert view.answered == len(found & sitter.sent)
                sitter.acknowledged = list(found & sitter.sent)
                assert (await sitter.go_on(view)).phase == "finished"
            await all_there(runtime, open_then)
        finally:
            await runtime.database.close()

    asyncio.run(scenario())
    assert " holds: " in capsys.readouterr().out


def with_standby(machine: Callable[[int], Machine]) -> tuple[Machine, Machine]:
    """A primary and its standby, made as the guide says."""
    primary = machine(6001).made(*PLAIN)
    primary.run("createdb acquis")
    standby = machine(6002)
    make, start = STANDBY.strip().splitlines()
    standby.run(make, PRIMARY=primary.told)
    standby.run(f'echo "port = {standby.port}" >>"$PGDATA/postgresql.conf"')  # both are on this machine
    standby.run(start)
    primary.wait("SELECT state FROM pg_stat_replication", "streaming")
    return primary, standby


def both(primary: Machine, standby: Machine) -> str:
    """The address that names both servers."""
    hosts, ports = f"{primary.folder},{standby.folder}", f"{primary.port},{standby.port}"
    return f"postgresql://postgres@/acquis?host={hosts}&port={ports}&target_session_attrs=read-write"


SYNC = "SELECT sync_state FROM pg_stat_replication"


@pytest.mark.parametrize("waited_for", [True, False])
def test_a_standby_that_commits_wait_for_has_every_acknowledged_answer(
    machine: Callable[[int], Machine], tmp_path: Path, waited_for: bool
) -> None:
    """With the control: where commits do not wait for the standby, the same check finds answers lost."""
    primary, standby = with_standby(machine)

    async def scenario() -> None:
        if waited_for:
            primary.run(NAME)
            primary.wait(SYNC, "sync")
        runtime = await opened(both(primary, standby), tmp_path / "keys")
        assert isinstance(runtime.database, PostgreSQL)
        pool = runtime.database.pool
        pool.patience = 0.5
        lose_patience(pool, 0.5)
        try:
            crowd = Crowd(runtime)
            crowd.come()
            await crowd.more(60)
            await asyncio.to_thread(standby.run, "pg_ctl stop --mode=immediate")
            if waited_for:
                await all_are_refused(crowd, primary)
                await asyncio.to_thread(standby.start)
                await crowd.more(20)
            else:
                await crowd.more(20)
            await asyncio.to_thread(primary.lose)
            if not waited_for:
                await asyncio.to_thread(standby.start)
            await asyncio.to_thread(standby.run, PROMOTE)
            found = stored(standby.uri("acquis"))
            lost = crowd.acknowledged - found
            if not waited_for:
                assert lost, "the control lost nothing"
                await crowd.leave()
                return
            assert not lost
            await crowd.more(30)
            assert set(crowd.refusals) <= {"unavailable", "busy"}
            await crowd.end()
            lose_patience(pool, 100.0)
            await all_there(runtime, crowd.sitters)
        finally:
            await runtime.database.close()

    asyncio.run(scenario())
