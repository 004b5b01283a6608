"""Step 4 when something goes wrong: killed half way, twice at once, subscribed meanwhile."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.db import connection

from apps.accounts.models import User
from apps.events.services import hide_events
from apps.runs import listening
from apps.subscriptions import carry, services
from tests.making import World
from tests.services.fanning import carried, carried_now, due, keys, store
from tests.services.way import running
from workers import sweeper

ROOT = Path(__file__).resolve().parents[2]

PARTITIONS = (
    "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'run'::regclass"
    " AND inhrelid <> 'run_default'::regclass"
)

DIES = """
import asyncio, sys
import django
django.setup()
from psycopg import AsyncConnection
from apps.subscriptions import carry

async def main(dsn, emitter):
    async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute(carry.SESSION)
        await carry.carry(connection, [emitter], 10_000)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def plain_run(world: World) -> Iterator[None]:
    """Leaves the history as it was: one default partition."""
    yield
    for (name,) in world.sql(PARTITIONS):
        world.sql(f"DROP TABLE {name}")


async def test_killed_between_insert_and_commit_nothing_has_happened(
    world: World, server_environment: dict[str, str]
) -> None:
    """G3: the next one carries the same events, once."""
    emitter, *listeners = world.sources(world.component(), 4)
    for listener in listeners:
        world.subscribe(emitter, listener)
    event = store(world, emitter)
    died = subprocess.run(
        [sys.executable, "-c", DIES, world.dsn, emitter],
        cwd=ROOT,
        env={**os.environ, **server_environment, "CRASH_AT": "before_fan_out"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert died.returncode == 137, died.stderr
    assert (world.mailbox(), due(world)) == (0, 1)
    while (await carried(world, emitter)).done == 0:
        await asyncio.sleep(0.05)  # the server has yet to see that its client is dead
    assert {tuple(keys(world, listener)) for listener in listeners} == {(f"{emitter}:{event}:0",)}
    assert due(world) == 0


async def test_two_at_once_carry_each_event_once_and_in_order(world: World) -> None:
    """F2: one per emitter at a time, whoever else tries leaves it alone."""
    emitter, listener = world.sources(world.component(), 2)
    world.subscribe(emitter, listener)
    events = [f"{emitter}:{store(world, emitter)}:0" for _ in range(2_000)]

    async def worker() -> None:
        while due(world):
            await carried(world, emitter)

    await asyncio.gather(*(worker() for _ in range(4)))
    assert keys(world, listener) == events


async def test_while_one_carries_the_other_leaves_the_emitter_alone(world: World) -> None:
    emitter, other, listener = world.sources(world.component(), 3)
    world.subscribe("dc_*", listener)
    for source in (emitter, other):
        store(world, source)
    with world.connect() as holding:
        holding.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [carry.LOCKS, emitter])
        assert (await carried(world, emitter, other)).done == 1
        assert keys(world, listener)[0].startswith(other)
        store(world, emitter)
        holding.rollback()
    assert (await carried(world, emitter)).done == 2


async def test_what_is_committed_while_a_group_is_carried_is_looked_for_afterwards(
    world: World,
) -> None:
    """F7, for step 4: whoever found the lock taken went away; its holder looks once more."""
    emitter, listener = world.sources(world.component(), 2)
    world.subscribe(emitter, listener)
    event = store(world, emitter)
    with world.connect() as blocking:
        # Whoever inserts the same Run waits for us: so the first is held up in its statement.
        blocking.execute(
            "INSERT INTO mailbox (source_id, cause, key, cause_at, due_at, queued_at)"
            " VALUES (%s, 'event', %s, app_now(), app_now(), app_now())",
            [listener, f"{emitter}:{event}:0"],
        )
        first = asyncio.create_task(carried(world, emitter))
        async with asyncio.timeout(10):
            while not world.one("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.02)
        store(world, emitter)
        assert (await carried(world, emitter)).done == 0
        blocking.rollback()
        done = await first
    assert (done.done, done.more) == (1, [emitter])


def test_f11_a_subscription_waits_for_a_commit_that_is_under_way(world: World) -> None:
    """The commit looked for listeners before there was one: its events are not for this one, and
    they are all stored before it. None that comes later can miss it."""
    emitter, listener = world.sources(world.component(), 2)
    made: list[str] = []

    def subscribe() -> None:
        owner = User.objects.get(id=world.owner)
        made.append(services.subscribe(owner, emitter, listener, "").id)
        connection.close()

    thread = threading.Thread(target=subscribe)
    with world.connect() as committing:
        committing.execute("SELECT FROM actor WHERE source_id = %s FOR NO KEY UPDATE", [emitter])
        thread.start()
        thread.join(0.5)
        assert made == []
        committing.commit()
    thread.join(10)
    [(created, now)] = world.sql("SELECT created_at, app_now() FROM subscriptions_subscription")
    assert created <= now
    assert len(made) == 1


async def test_an_idle_worker_carries_on_what_nobody_told_it_of(
    world: World, streams: redis.Redis
) -> None:
    """Every hint is lost: a look each second finds what is due."""
    emitter, listener = world.sources(world.component(), 2)
    world.subscribe(emitter, listener)
    async with running(world, claim_seconds=0.2):
        store(world, emitter, payload=b'{"a":1}')
        async with asyncio.timeout(30):
            while not world.events(listener):
                await asyncio.sleep(0.02)
    assert [event.payload["event"] for event in world.events(listener)] == [{"a": 1}]


@pytest.mark.usefixtures("plain_run")
def test_f9_what_a_queued_run_refers_to_is_kept(world: World) -> None:
    emitter, listener = world.sources(world.component(), 2)
    world.subscribe(emitter, listener)
    store(world, emitter)
    carried_now(world, emitter)
    assert hide_events(emitter) == 1
    world.move_clock(86_400 * 40)
    sweeper.daily()
    assert world.one("SELECT count(*) FROM event") == 1
    world.sql("DELETE FROM mailbox")
    sweeper.daily()
    assert world.one("SELECT count(*) FROM event") == 0


def test_5_5_what_was_on_its_way_from_or_to_a_deleted_source_goes_with_it(
    world: World,
) -> None:
    emitter, listener = world.sources(world.component(), 2)
    world.subscribe(emitter, listener)
    store(world, emitter)
    carried_now(world, emitter, cap=0)
    store(world, emitter)
    assert world.one("SELECT count(*) FROM held_back") == 1
    listening.forget(listener)
    assert world.one("SELECT count(*) FROM held_back") == 0
    carried_now(world, emitter)
    assert world.mailbox() == 0
    store(world, emitter)
    listening.forget(emitter)
    assert due(world) == 0


@pytest.mark.usefixtures("plain_run")
def test_runs_that_came_while_their_source_was_deleted_are_swept(world: World) -> None:
    source, gone = world.source(world.component()), world.source(world.component(), "deleted")
    world.queue(source)
    world.queue(gone)
    sweeper.daily()
    assert (world.mailbox(source), world.mailbox(gone)) == (1, 0)
