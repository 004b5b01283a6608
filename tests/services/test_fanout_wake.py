"""Who is told that something is due: hints only, each of which may be lost."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import redis
from psycopg import AsyncConnection

from apps.subscriptions import carry
from tests.making import World
from tests.services.fanning import due, store
from tests.services.way import running
from workers.runner import Runner

LONG = 3600


async def looked(runner: Runner) -> None:
    """Its first look is over: the next one is far off."""
    async with asyncio.timeout(20):
        while not runner._fan_out._look_at:
            await asyncio.sleep(0.02)


async def test_a_commit_wakes_its_own_worker(world: World, streams: redis.Redis) -> None:
    """No look, no broker: the listener runs at once."""
    emitter, listener = world.sources(world.component(), 2)
    world.subscribe(emitter, listener)
    async with running(world, claim_seconds=LONG) as runner:
        await looked(runner)
        world.queue(emitter)
        runner.offer([emitter])
        async with asyncio.timeout(30):
            while not world.events(listener):
                await asyncio.sleep(0.02)


async def test_a_hint_wakes_it_for_what_others_put_on_the_list(
    world: World, streams: redis.Redis
) -> None:
    emitter, listener = world.sources(world.component(), 2)
    world.subscribe(emitter, listener)
    async with running(world, claim_seconds=LONG) as runner:
        await looked(runner)
        store(world, emitter)
        await asyncio.sleep(0.5)
        assert due(world) == 1
        runner.fan_out_threadsafe([emitter])
        async with asyncio.timeout(30):
            while not world.events(listener):
                await asyncio.sleep(0.02)


async def test_a_look_finds_emitters_by_what_is_due_of_them(
    world: World, line: AsyncConnection[Any]
) -> None:
    """F10: by pages of what is due at once; what had a time, when it has come; what is not due, or
    of a source that is being created (F16), not at all."""
    component = world.component()
    emitters = sorted(world.sources(component, 5))
    for emitter in emitters[:3]:
        for _ in range(5):
            store(world, emitter)
    store(world, emitters[3], due_in=60)
    creating = world.source(component, "creating")
    store(world, creating)
    store(world, creating, due_in=-1)
    assert await carry.due(line, "", 2) == (emitters[:2], [])
    assert await carry.due(line, emitters[1], 2) == (emitters[2:3], [])
    world.move_clock(61)
    assert await carry.due(line, emitters[2], 2) == ([], [emitters[3]])


async def test_a_slow_fan_out_delays_no_lease_and_no_run(
    world: World, streams: redis.Redis
) -> None:
    """It has a connection of its own: here it waits for another's lock, and a source runs on."""
    emitter, listener, other = world.sources(world.component(), 3)
    world.subscribe(emitter, listener)
    event = store(world, emitter)
    with world.connect() as blocking:
        blocking.execute(
            "INSERT INTO mailbox (source_id, cause, key, cause_at, due_at, queued_at)"
            " VALUES (%s, 'event', %s, app_now(), app_now(), app_now())",
            [listener, f"{emitter}:{event}:0"],
        )
        async with running(world, claim_seconds=0.1, lease_seconds=2.5) as runner:
            async with asyncio.timeout(30):
                while not world.one("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                    await asyncio.sleep(0.02)
                begun = time.monotonic()
                for number in range(1, 4):
                    world.queue(other)
                    runner.offer([other])
                    while len(world.events(other)) < number:
                        await asyncio.sleep(0.02)
                    await asyncio.sleep(max(0.0, begun + number - time.monotonic()))
            assert due(world) == 1
            blocking.rollback()
            async with asyncio.timeout(30):
                while not world.events(listener):
                    await asyncio.sleep(0.02)
    assert [run.attempt for run in world.runs(other)] == [1, 1, 1]
