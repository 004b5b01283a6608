"""A live event stream and a real runner, while Redis is flushed, restarted and away: nothing is
lost, nothing comes twice (REST specification 9; G9, F3)."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import redis

from stack.places import Places
from stack.valkey import Valkey
from tests.api.conftest import EdgeProcess
from tests.api.following import Follower, Tail, following
from tests.api.live import eventually, make_key
from tests.making import World
from tests.servers import Server
from workers.runner import Runner
from workers.runtime.pool import Runtime
from workers.settings import runner_settings, runtime_settings


@pytest.fixture
def river() -> Iterator[Server]:
    """A Redis of its own, to be hurt; durable, as the platform runs it."""
    places = Places(Path(tempfile.mkdtemp(prefix="hw-river-")))
    places.prepare()
    server = Server(Valkey.at(places))
    server.start()
    yield server
    server.stop()
    shutil.rmtree(places.data, ignore_errors=True)


@pytest.fixture
async def runner(world: World, river: Server) -> Runner:
    settings = replace(
        runner_settings(), database_url=world.dsn, redis_url=river.url, claim_seconds=0.05
    )
    return Runner(settings, Runtime(runtime_settings()))


async def _run(world: World, source: str, times: int) -> None:
    """So many more runs, one after the other, each of which emits its number."""
    for _ in range(times):
        world.queue(source)
        await eventually(lambda: world.mailbox(source) == 0)


async def _counts(stream: Follower, count: int) -> list[int]:
    events = await stream.events(count)
    return [httpx.Response(200, text=event.data).json()["event"]["count"] for event in events]


async def test_flushed_restarted_and_away(
    world: World,
    river: Server,
    runner: Runner,
    start_edge: Callable[..., EdgeProcess],
) -> None:
    edge = start_edge(REDIS_URL=river.url)
    source, key = world.source(world.component()), make_key(world)
    url = f"{edge.url}/v1/sources/{source}/sse"
    await runner.start()
    try:
        async with following(url, key) as stream:
            await _run(world, source, 3)
            assert await _counts(stream, 3) == [1, 2, 3]

            redis.Redis.from_url(river.url).flushall()
            await _run(world, source, 3)
            assert await _counts(stream, 3) == [4, 5, 6]

            river.kill()
            await _run(world, source, 3)
            # While it is away the ledger tells.
            assert await _counts(stream, 3) == [7, 8, 9]

            river.start()
            await _run(world, source, 3)
            assert await _counts(stream, 3) == [10, 11, 12]

            redis.Redis.from_url(river.url).flushall()
            async with following(f"{url}?after=0-0", key) as other:
                assert await _counts(other, 12) == list(range(1, 13))
                await _run(world, source, 1)
                assert await _counts(other, 1) == [13]
            assert await _counts(stream, 1) == [13]
    finally:
        await runner.stop(5)


async def test_more_came_than_the_stream_keeps_while_the_web_process_was_frozen(
    world: World, river: Server, start_edge: Callable[..., EdgeProcess]
) -> None:
    """The entries in between were trimmed: the ledger has them."""
    edge = start_edge(REDIS_URL=river.url)
    source, key = world.source(world.component()), make_key(world)
    tail = Tail(world, source, redis.Redis.from_url(river.url), length=50)
    async with following(f"{edge.url}/v1/sources/{source}/sse", key) as stream:
        first = tail.emit()
        assert [event.id for event in await stream.events(1)] == [first]
        os.killpg(edge.process.pid, signal.SIGSTOP)
        try:
            ids = [tail.emit() for _ in range(120)]
        finally:
            os.killpg(edge.process.pid, signal.SIGCONT)
        assert [event.id for event in await stream.events(120)] == ids


async def test_many_clients_of_many_sources_under_load_with_flushes(
    world: World,
    river: Server,
    runner: Runner,
    start_edge: Callable[..., EdgeProcess],
) -> None:
    """Each of twelve readers of four sources gets each event once, in order, by whatever way."""
    edge = start_edge(REDIS_URL=river.url)
    key, sources = make_key(world), world.sources(world.component(), 4)
    client = redis.Redis.from_url(river.url)

    async def read(source: str) -> list[int]:
        async with following(f"{edge.url}/v1/sources/{source}/sse?after=0-0", key) as stream:
            return await _counts(stream, 60)

    await runner.start()
    try:
        readers = [asyncio.create_task(read(source)) for source in sources * 3]
        for _ in range(6):
            for source in sources:
                for _ in range(10):
                    world.queue(source)
            await eventually(lambda: world.mailbox() == 0)
            client.flushall()
        assert [await reader for reader in readers] == [list(range(1, 61))] * 12
    finally:
        await runner.stop(5)
