"""What dedupe holds back leaves a light record, written with the run: once, also when the commit is
tried twice."""

from __future__ import annotations

from typing import Any

import redis
from psycopg import AsyncConnection

from apps.runs.commit import commit
from apps.runs.suppressed import Withheld
from tests.making import World
from tests.services.test_way_commit import drained
from tests.services.way import quiet, running

FEED = """
from headwater import Source


class Feed(Source):
    name = "Feed"
    version = "0.0.1"

    def run(self, event):
        for number in range(730):
            self.emit({"number": number}, id=number)
        self.emit({"number": None})
"""


async def test_a_feed_of_730_items_polled_three_times(world: World, streams: redis.Redis) -> None:
    source = world.source(world.component(FEED, dedupe="unique"))
    for _ in range(3):
        world.queue(source)
    async with running(world) as runner:
        runner.offer([source])
        await quiet(world)
    assert len(world.events(source)) == 730
    rows = world.sql(
        "SELECT reason, count(*), min(count), max(count) FROM suppressed GROUP BY reason"
        " ORDER BY reason"
    )
    assert rows == [("missing_id", 1, 3, 3), ("seen", 730, 2, 2)]


async def test_a_commit_that_is_repeated_counts_once(
    world: World, line: AsyncConnection[Any]
) -> None:
    source = world.source(world.component())
    item = await drained(world, line, source)
    item.runs[0].withheld = [Withheld("", "a", "seen"), Withheld("", "a", "seen")]
    await commit(line, [item])
    await commit(line, [item])
    assert world.sql("SELECT source_id, count FROM suppressed") == [(source, 2)]


async def test_a_lost_lease_leaves_no_record(world: World, line: AsyncConnection[Any]) -> None:
    source = world.source(world.component())
    item = await drained(world, line, source)
    item.runs[0].withheld = [Withheld("", "a", "seen")]
    world.sql("UPDATE actor SET fence = fence + 1")
    await commit(line, [item])
    assert world.sql("SELECT * FROM suppressed") == []
