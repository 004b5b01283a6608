"""Step 2: one source's queued Runs, in order, in real children, and what they leave behind."""

from __future__ import annotations

import asyncio

import orjson
import redis

from tests.making import COUNTER, World, entries
from tests.services.way import quiet, running

# Keeps and emits, then fails.
HALF_WAY = """
from headwater import Source, Store


class HalfWay(Source):
    name = "Half way"
    version = "0.0.1"
    db = Store()

    def run(self, event):
        for number in range(10):
            self.db.set(f"key {number}", number)
            self.emit({"number": number})
        print("so far")
        raise ValueError("no further")
"""

# Does what its event says to one key, and touches no other.
PER_KEY = """
from headwater import Source, Store


class PerKey(Source):
    name = "Per key"
    version = "0.0.1"
    db = Store()

    def run(self, event):
        if event.get("value") is None:
            self.db.delete(event["key"])
        else:
            self.db.set(event["key"], event["value"])
"""

REFUSED = "a: int = 'not a component'"


async def test_runs_of_a_source_are_done_in_order_once_each(
    world: World, streams: redis.Redis
) -> None:
    source = world.source(world.component())
    for number in range(45):
        world.queue(source, b"%d" % number)
    async with running(world) as runner:
        runner.offer([source])
        await quiet(world)
    assert world.counts(source) == list(range(1, 46))
    assert [event.payload["event"] for event in world.events(source)] == list(range(45))
    assert [run.state for run in world.runs(source)] == ["succeeded"] * 45
    assert world.store(source) == {"count": 45}
    assert entries(streams, source) == world.tail(source, 200)


async def test_what_a_failed_run_did_before_is_kept(world: World, streams: redis.Redis) -> None:
    """F14: each emit and each set is its own frame."""
    source = world.source(world.component(HALF_WAY))
    world.queue(source)
    async with running(world) as runner:
        runner.offer([source])
        await quiet(world)
    assert [event.payload["number"] for event in world.events(source)] == list(range(10))
    assert world.store(source) == {f"key {number}": number for number in range(10)}
    [run] = world.runs(source)
    assert run.state == "failed"
    assert run.error is not None
    assert run.error["name"] == "ValueError"
    [error] = world.events(source, "$errors")
    assert error.payload["error"]["message"] == "no further"
    stored = "SELECT meta FROM event WHERE source_id = %s AND channel = '$errors'"
    assert orjson.loads(world.one(stored, source)) == {"summary": "ValueError: no further"}
    assert "so far" in [event.payload["msg"] for event in world.events(source, "$logs")]


async def test_the_store_changes_key_by_key(world: World, streams: redis.Redis) -> None:
    """F4: values that no run touched keep their bytes, whatever a parser would make of them."""
    source = world.source(world.component(PER_KEY))
    before = b'{"kept":1.0,"big":12345678901234567890,"gone":[1, 2]}'
    world.sql("UPDATE component_state SET store = %s WHERE source_id = %s", before, source)
    world.queue(source, b'{"key":"new","value":{"a":1}}')
    world.queue(source, b'{"key":"gone"}')
    async with running(world) as runner:
        runner.offer([source])
        await quiet(world)
    after = bytes(world.one("SELECT store FROM component_state WHERE source_id = %s", source))
    assert after == b'{"kept":1.0,"big":12345678901234567890,"new":{"a":1}}'


async def test_a_source_whose_code_does_not_load_fails_and_goes_on(
    world: World, streams: redis.Redis
) -> None:
    source, other = world.source(world.component(REFUSED)), world.source(world.component())
    for _ in range(2):
        world.queue(source)
        world.queue(other)
    async with running(world) as runner:
        runner.offer([source, other])
        await quiet(world)
    assert [run.state for run in world.runs(source)] == ["failed"] * 2
    assert len(world.events(source, "$errors")) == 2
    assert world.counts(other) == [1, 2]


async def test_an_idle_runner_finds_work_that_nobody_told_it_of(
    world: World, streams: redis.Redis
) -> None:
    sources = world.sources(world.component(), 10)
    async with running(world, claim_seconds=0.2):
        for source in sources:
            world.queue(source)
        await quiet(world)
    assert [world.counts(source) for source in sources] == [[1]] * 10


async def test_rows_of_an_inactive_source_wait_and_run_after_its_activation(
    world: World, streams: redis.Redis
) -> None:
    """F17."""
    source = world.source(world.component(), state="inactive")
    world.queue(source)
    async with running(world, claim_seconds=0.1) as runner:
        runner.offer([source])
        await asyncio.sleep(0.5)
        assert world.mailbox(source) == 1
        assert world.runs(source) == []
        world.sql("UPDATE sources_source SET state = 'active' WHERE id = %s", source)
        await quiet(world)
    assert world.counts(source) == [1]


async def test_a_run_of_a_source_that_cannot_be_prepared_does_not_stop_the_others(
    world: World, streams: redis.Redis
) -> None:
    """Its props were encrypted with a key that is gone: it fails and says so."""
    broken, healthy = world.source(world.component()), world.source(world.component())
    world.sql(
        "UPDATE components_component SET props = %s WHERE id ="
        " (SELECT component_id FROM sources_source WHERE id = %s)",
        b'[{"name":"token","type":"string","secret":true}]',
        broken,
    )
    secret = b'{"token":"gAAAAAB"}'
    world.sql("UPDATE sources_source SET secret_props = %s WHERE id = %s", secret, broken)
    world.queue(broken)
    world.queue(healthy)
    async with running(world) as runner:
        runner.offer([broken, healthy])
        await quiet(world)
    [run] = world.runs(broken)
    assert run.state == "failed"
    assert world.counts(healthy) == [1]


async def test_a_component_that_takes_its_time_delays_nobody(
    world: World, streams: redis.Redis
) -> None:
    slow = COUNTER.replace("count = self", "__import__('time').sleep(60)\n        count = self")
    sleeper = world.source(world.component(slow))
    world.queue(sleeper)
    source = world.source(world.component())
    world.queue(source)
    async with running(world, grace=0) as runner:
        runner.offer([sleeper, source])
        async with asyncio.timeout(30):
            while not world.is_quiet(source):
                await asyncio.sleep(0.02)
    assert world.counts(source) == [1]
    assert world.counts(sleeper) == []
