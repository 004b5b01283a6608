"""Steps 1 to 4 together: what one source emits runs the sources that listen to it."""

from __future__ import annotations

import asyncio

import redis

from tests.making import World
from tests.services.way import quiet, running

# Emits its event again, until its number is too high.
RELAY = """
from headwater import Source


class Relay(Source):
    name = "Relay"
    version = "0.0.1"

    def run(self, event):
        self.emit({"number": (event or {}).get("number", 0) + 1})
"""

# Emits a reminder of its event, to be delivered in an hour.
REMINDER = """
import time
from headwater import Source


class Reminder(Source):
    name = "Reminder"
    version = "0.0.1"

    def run(self, event):
        self.emit({"remind": event}, deliver_at=int(time.time() * 1000) + 3_600_000)
        self.emit({"now": event})
"""


async def test_a_listener_runs_once_for_each_event_in_the_emitters_order(
    world: World, streams: redis.Redis
) -> None:
    """G3; 7.2: the listener gets the payload itself, and its run is recorded with its cause."""
    emitter, listener = world.sources(world.component(), 2)
    world.subscribe(emitter, listener)
    for _ in range(30):
        world.queue(emitter)
    async with running(world) as runner:
        runner.offer([emitter])
        await quiet(world)
    assert world.counts(emitter) == list(range(1, 31))
    seen = [event.payload["event"]["count"] for event in world.events(listener)]
    assert seen == list(range(1, 31))
    runs = world.runs(listener)
    assert {run.cause for run in runs} == {"event"}
    ids = [event.id for event in world.events(emitter)]
    assert sorted(run.key for run in runs) == sorted(f"{emitter}:{id}:0" for id in ids)


async def test_two_sources_that_feed_each_other_are_cut_at_the_hop_limit(
    world: World, streams: redis.Redis
) -> None:
    """7.1: above ten hops an event is stored and not carried on, and its emitter is told."""
    first, second = world.sources(world.component(RELAY), 2)
    world.subscribe(first, second)
    world.subscribe(second, first)
    world.queue(first)
    async with running(world) as runner:
        runner.offer([first])
        await quiet(world)
    numbers = [e.payload["number"] for s in (first, second) for e in world.events(s)]
    assert sorted(numbers) == list(range(1, 12))
    [error] = world.events(first, "$errors")
    assert error.payload["error"]["name"] == "Hop Limit Exceeded"
    assert world.events(second, "$errors") == []


async def test_a_source_may_listen_to_itself_by_its_id(world: World, streams: redis.Redis) -> None:
    """7.1: a loop of one, cut like any other."""
    source = world.source(world.component(RELAY))
    world.subscribe(source, source)
    world.queue(source)
    async with running(world) as runner:
        runner.offer([source])
        await quiet(world)
    assert [event.payload["number"] for event in world.events(source)] == list(range(1, 12))


async def test_f10_delivery_ts_is_listed_at_once_and_delivered_at_its_time(
    world: World, streams: redis.Redis
) -> None:
    emitter, listener = world.source(world.component(REMINDER)), world.source(world.component())
    world.subscribe(emitter, listener)
    world.queue(emitter, b"1")
    async with running(world, claim_seconds=0.1) as runner:
        runner.offer([emitter])
        await quiet(world)
        assert [event.payload for event in world.events(emitter)] == [{"remind": 1}, {"now": 1}]
        assert [e.payload["event"] for e in world.events(listener)] == [{"now": 1}]
        world.move_clock(3590)
        await asyncio.sleep(0.5)
        assert len(world.events(listener)) == 1
        world.move_clock(3610)
        async with asyncio.timeout(20):
            while len(world.events(listener)) < 2:
                await asyncio.sleep(0.02)
    assert world.events(listener)[1].payload["event"] == {"remind": 1}


async def test_f12_logs_of_what_logs_caused_are_stored_and_not_carried_on(
    world: World, streams: redis.Redis
) -> None:
    """Two that listen to everybody's `$logs` would feed each other for ever."""
    emitter, *loggers = world.sources(world.component(), 3)
    for logger in loggers:
        world.subscribe("dc_*", logger, "$logs")
    world.queue(emitter)
    async with running(world) as runner:
        runner.offer([emitter])
        await quiet(world)
    lines = len(world.events(emitter, "$logs"))
    assert lines >= 2
    for logger in loggers:
        assert len(world.runs(logger)) == lines
        assert len(world.events(logger, "$logs")) >= 2 * lines
