"""The lease: one holder, a fence that rises, database time."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest
import redis
from django.conf import settings
from psycopg import AsyncConnection

from apps.runs import lease, queue
from tests.making import World
from tests.services.way import running

Line = AsyncConnection[Any]


async def test_a_lease_has_one_holder(world: World, line: Line) -> None:
    sources = world.sources(world.component(), 3)
    first = await lease.take(line, sources, 10)
    assert sorted(first) == sorted(sources)
    assert await lease.take(line, sources, 10) == {}
    await lease.release(line, [first[sources[0]]])
    second = await lease.take(line, sources, 10)
    assert list(second) == sources[:1]
    assert second[sources[0]].fence == first[sources[0]].fence + 1
    assert second[sources[0]].token != first[sources[0]].token
    assert second[sources[0]].lost == 0


async def test_an_expired_lease_is_taken_over_and_the_old_holder_can_do_nothing(
    world: World, line: Line
) -> None:
    """The clock is the database's: a worker whose own clock is wrong takes nothing early."""
    source = world.source(world.component())
    old = (await lease.take(line, [source], 10))[source]
    world.move_clock(9)
    assert await lease.take(line, [source], 10) == {}
    world.move_clock(11)
    new = (await lease.take(line, [source], 10))[source]
    assert new.fence == old.fence + 1
    assert new.lost == lease.CAREFUL_RUNS
    assert await lease.renew(line, [old], 10) == set()
    await lease.release(line, [old])
    assert await lease.take(line, [source], 10) == {}
    assert await lease.renew(line, [new], 10) == {source}


async def test_an_hour_back_steals_nothing(world: World, line: Line) -> None:
    source = world.source(world.component())
    held = (await lease.take(line, [source], 10))[source]
    world.move_clock(-3600)
    assert await lease.take(line, [source], 10) == {}
    assert await lease.renew(line, [held], 10) == {source}


async def test_a_fence_that_repeats_after_a_crash_of_the_server_is_told_apart(
    world: World, line: Line
) -> None:
    """Leases are committed without waiting for the disk: a crash can take the newest fence back."""
    source = world.source(world.component())
    old = (await lease.take(line, [source], 10))[source]
    world.sql("UPDATE actor SET fence = fence - 1, token = 0, until = 'epoch'")
    new = (await lease.take(line, [source], 10))[source]
    assert new.fence == old.fence
    assert await lease.renew(line, [old], 10) == set()


async def test_renewals_and_commits_lock_in_one_order(world: World, line: Line) -> None:
    """Else the two connections of one worker wait for each other."""
    sources = sorted(world.sources(world.component(), 2))
    held = await lease.take(line, sources, 10)
    backwards = [held[source] for source in reversed(sources)]
    async with await psycopg.AsyncConnection.connect(world.dsn) as commits:
        lock = "SELECT FROM actor WHERE source_id = %s FOR NO KEY UPDATE"
        await commits.execute(lock, [sources[0]])
        renewal = asyncio.create_task(lease.renew(line, backwards, 10))
        await asyncio.sleep(0.2)
        # In another order PostgreSQL ends one of the two, which wait for each other.
        await commits.execute(lock, [sources[1]])
        await commits.commit()
    assert await renewal == set(sources)


async def test_the_mailbox_is_read_by_a_snapshot_younger_than_the_lease(
    world: World, line: Line
) -> None:
    source = world.source(world.component())
    for number in range(5):
        world.queue(source, b"%d" % number)
    held = await lease.take(line, [source], 10)
    world.sql("DELETE FROM mailbox WHERE payload = '0'")
    await lease.look(line, held, 3)
    assert [row.payload for row in held[source].rows] == [b"1", b"2", b"3"]
    assert held[source].owner_id == world.owner
    assert held[source].state == "active"


async def test_after_the_release_the_mailbox_is_looked_at_once_more(
    world: World, line: Line
) -> None:
    """F7: a Run that came while the lease was held, and whose hint was wasted on a held lease."""
    busy, idle = world.sources(world.component(), 2)
    held = await lease.take(line, [busy, idle], 10)
    await lease.look(line, held, 10)
    assert held[busy].rows == []
    world.queue(busy)
    assert await lease.release(line, list(held.values())) == [busy]


async def test_rows_are_due_only_when_their_time_has_come(world: World, line: Line) -> None:
    source = world.source(world.component())
    world.queue(source)
    world.sql("UPDATE mailbox SET due_at = app_now() + interval '1 minute'")
    assert await lease.waiting(line, "", 10) == []
    world.move_clock(61)
    assert await lease.waiting(line, "", 10) == [source]


async def test_the_look_for_waiting_sources_finds_each_once_however_deep(
    world: World, line: Line
) -> None:
    sources = sorted(world.sources(world.component(), 7))
    for source in sources:
        for _ in range(5):
            world.queue(source)
    held = await lease.take(line, sources[:2], 10)
    found = await lease.waiting(line, "", 3)
    assert found == sources[2:5]
    assert await lease.waiting(line, found[-1], 3) == sources[5:]
    await lease.release(line, list(held.values()))
    assert await lease.waiting(line, "", 100) == sources


async def test_attempts_are_counted_and_taken_back(world: World, line: Line) -> None:
    source = world.source(world.component())
    row = world.queue(source)
    assert await lease.mark_started(line, [(source, row)]) == {(source, row): 1}
    assert await lease.mark_started(line, [(source, row)]) == {(source, row): 2}
    await lease.spare(line, [(source, row)])
    assert world.one("SELECT attempt FROM mailbox") == 1


@pytest.fixture
def open_door() -> None:
    """What an earlier test broke does not keep this one from hinting."""
    queue._door._closed_until = 0.0


@pytest.mark.usefixtures("open_door")
async def test_one_hint_is_under_way_at_a_time(world: World, streams: redis.Redis) -> None:
    """F7: while a hint is under way another says nothing new; once it was taken, it does."""
    source = world.source(world.component())
    assert queue.hint_sources([source]) == 1
    assert queue.hint_sources([source]) == 0
    client = redis.asyncio.Redis.from_url(settings.REDIS_URL)
    await queue.clear_hints(client, [source])
    await client.aclose()
    assert queue.hint_sources([source]) == 1
    assert 0 < streams.pttl(f"hint:{source}") <= queue.HINT_MS


async def test_a_hint_for_a_source_that_another_holds_keeps_no_later_hint_back(
    world: World, line: Line, streams: redis.Redis
) -> None:
    """F7: the mark goes when the hint is taken, whoever holds the lease."""
    source = world.source(world.component())
    held = await lease.take(line, [source], 60)
    streams.set(f"hint:{source}", 1)
    async with running(world, claim_seconds=60) as runner:
        runner.offer([source])
        async with asyncio.timeout(10):
            while streams.exists(f"hint:{source}"):
                await asyncio.sleep(0.02)
    await lease.release(line, list(held.values()))
