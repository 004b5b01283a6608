"""The whole way: a run emits, the commit stores, the fan-out queues, the webhook is called."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import redis

from tests.making import World
from tests.services.delivering import states, webhook
from tests.services.receivers import answering, hang, receiving
from tests.services.way import running


async def test_g3_what_a_run_emits_arrives_at_the_webhook(
    world: World, streams: redis.Redis, settings: Any
) -> None:
    settings.EGRESS_ALLOW = ("127.0.0.1/32",)
    async with receiving() as receiver, running(world) as runner:
        source, hook = world.source(world.component()), webhook(world, receiver.url)
        world.subscribe(source, hook)
        for _ in range(3):
            world.queue(source)
        runner.offer([source])
        await receiver.wait(3)
    assert sorted(orjson.loads(request.body)["count"] for request in receiver.got) == [1, 2, 3]
    stored = {event.id for event in world.events(source)}
    assert {request.headers["x-pd-event-id"] for request in receiver.got} == stored
    assert states(world, hook) == ["delivered"] * 3


async def test_the_fan_out_wakes_it_without_a_look_or_a_broker(
    world: World, streams: redis.Redis, settings: Any
) -> None:
    settings.EGRESS_ALLOW = ("127.0.0.1/32",)
    settings.CLAIM_SECONDS = 3600
    async with receiving() as receiver, running(world) as runner:
        source, hook = world.source(world.component()), webhook(world, receiver.url)
        world.subscribe(source, hook)
        world.queue(source)
        runner.offer([source])
        await receiver.wait(1)


async def test_f12_a_dead_letter_goes_to_no_listener_of_errors(
    world: World, streams: redis.Redis, settings: Any
) -> None:
    settings.EGRESS_ALLOW = ("127.0.0.1/32",)
    async with receiving(answering(410)) as bad, receiving() as listener:
        async with running(world) as runner:
            source = world.source(world.component())
            hook, watching = webhook(world, bad.url), webhook(world, listener.url)
            world.subscribe(source, hook)
            world.subscribe(source, watching, "$errors")
            world.queue(source)
            runner.offer([source])
            async with asyncio.timeout(20):
                while states(world, hook) != ["dead"] or not world.events(source, "$errors"):
                    await asyncio.sleep(0.02)
                # As the sweep does: it is not in the stream yet.
                runner.offer([source])
                while not world.is_quiet():
                    await asyncio.sleep(0.02)
    assert states(world, watching) == []
    assert listener.got == []


async def test_g7_a_runner_that_stops_gives_back_what_is_under_way(
    world: World, streams: redis.Redis, settings: Any
) -> None:
    settings.EGRESS_ALLOW = ("127.0.0.1/32",)
    async with receiving(hang) as receiver:
        async with running(world, grace=0.2) as runner:
            source, hook = world.source(world.component()), webhook(world, receiver.url)
            world.subscribe(source, hook)
            world.queue(source)
            runner.offer([source])
            await receiver.wait(1)
    assert world.sql("SELECT state, token, attempts FROM delivery") == [("pending", 0, 0)]
