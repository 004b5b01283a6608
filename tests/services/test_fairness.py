"""Users take turns at the slots of a worker, and none has them all."""

from __future__ import annotations

import asyncio

import redis

from tests.making import World
from tests.services.way import quiet, running

SLEEPS = """
import time

from headwater import Source


class Sleeps(Source):
    name = "Sleeps"
    version = "0.0.1"

    def run(self, event):
        time.sleep({seconds})
"""


def of_another(world: World, code: str) -> str:
    """A source of a second user."""
    first, world.owner = world.owner, world.user()
    source = world.source(world.component(code))
    world.owner = first
    return source


async def test_one_run_of_a_user_does_not_wait_for_all_that_another_has_queued(
    world: World, streams: redis.Redis
) -> None:
    code = SLEEPS.format(seconds=0.05)
    busy = world.sources(world.component(code), 60)
    single = of_another(world, code)
    for source in [*busy, single]:
        world.queue(source)
    async with running(world, slots=2, slots_per_user=2, claim_seconds=60) as runner:
        runner.offer([*busy, single])
        await quiet(world, 60)
    order = [row[0] for row in world.sql("SELECT source_id FROM run ORDER BY started_at, id")]
    # Two began before there was a second user's turn to take; one turn more is a round.
    assert order.index(single) <= 4
    assert sorted(order) == sorted([*busy, single])


async def test_runs_that_do_not_end_leave_slots_to_other_users(
    world: World, streams: redis.Redis
) -> None:
    """Also when all of them were there first, and nothing becomes free."""
    busy = world.sources(world.component(SLEEPS.format(seconds=600)), 6)
    for source in busy:
        world.queue(source)
    async with running(world, grace=0.1, slots=4, claim_seconds=0.1) as runner:
        runner.offer(busy)
        async with asyncio.timeout(20):
            while world.one("SELECT count(*) FROM actor WHERE token <> 0") < 3:
                await asyncio.sleep(0.02)
        single = of_another(world, SLEEPS.format(seconds=0))
        for _ in range(3):
            world.queue(single)
            await quiet_source(world, single)
        assert world.one("SELECT count(*) FROM actor WHERE token <> 0") == 3
    assert len(world.runs(single)) == 3
    assert all(world.runs(source) == [] for source in busy)


async def quiet_source(world: World, source: str) -> None:
    async with asyncio.timeout(20):
        while not world.is_quiet(source):
            await asyncio.sleep(0.02)
