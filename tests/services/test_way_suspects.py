"""Which run took its worker down: suspects are tried one at a time (F6)."""

from __future__ import annotations

import asyncio

import pytest

from tests.making import World
from tests.services.way import quiet, running

TAKES_LONG = """
import time
from headwater import Source


class Slow(Source):
    name = "Slow"
    version = "0.0.1"

    def run(self, event):
        began = time.time()
        time.sleep({seconds})
        self.emit([began, time.time()])
"""


def under_suspicion(world: World, attempts: int, seconds: float) -> list[str]:
    """Two sources whose runs were under way at so many deaths of a worker, the last of which held
    their leases. A run takes so many seconds."""
    sources = world.sources(world.component(TAKES_LONG.format(seconds=seconds)), 2)
    for source in sources:
        world.queue(source)
        world.sql("UPDATE mailbox SET attempt = %s WHERE source_id = %s", attempts, source)
        world.sql("UPDATE actor SET token = 1 WHERE source_id = %s", source)
    return sources


@pytest.mark.parametrize(("attempts", "beside"), [(1, True), (2, False)])
async def test_f6_two_on_their_last_attempt_are_not_under_way_together(
    world: World, attempts: int, beside: bool
) -> None:
    # Of two that are under way together the second finds its child while the first one sleeps.
    sources = under_suspicion(world, attempts, 4 if beside else 0.5)
    async with running(world) as runner:
        runner.offer(sources)
        await quiet(world)
    runs = [run for source in sources for run in world.runs(source)]
    assert [(run.state, run.attempt) for run in runs] == [("succeeded", attempts + 1)] * 2
    [(_, first_end), (second_begin, _)] = sorted(
        event.payload for source in sources for event in world.events(source)
    )
    assert (second_begin < first_end) == beside


async def test_f6_one_that_waits_for_its_last_attempt_is_not_counted(world: World) -> None:
    """The worker stops while one of two is under way: neither lost an attempt by it."""
    sources = under_suspicion(world, 2, 60)
    async with running(world, grace=0) as runner:
        runner.offer(sources)
        while not world.one("SELECT count(*) FROM mailbox WHERE attempt = 3"):
            await asyncio.sleep(0.02)
        assert world.sql("SELECT attempt FROM mailbox ORDER BY attempt") == [(2,), (3,)]
    assert world.sql("SELECT attempt FROM mailbox") == [(2,), (2,)]
