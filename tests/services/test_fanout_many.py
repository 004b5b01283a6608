"""Step 4 at its width: ten thousand listeners of one event."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis
from psycopg import AsyncConnection

from tests.making import World
from tests.services.fanning import carried, store
from tests.services.way import running

NOOP = """
from headwater import Source


class Noop(Source):
    name = "Noop"
    version = "0.0.1"

    def run(self, event):
        pass
"""

LISTENERS = 10_000


def make_listeners(world: World, component: str, emitter: str, count: int) -> None:
    """So many sources, each with a subscription, by a statement each."""
    world.sql(
        "INSERT INTO sources_source (id, owner_id, component_id, state, name, name_slug,"
        " configured_props, secret_props, version, concurrency)"
        " SELECT 'dc_l' || lpad(i::text, 5, '0'), %s, %s, 'active', 'l' || i, 'l' || i,"
        " '{}', '{}', 1, 1 FROM generate_series(0, %s - 1) AS i",
        world.owner, component, count,
    )  # fmt: skip
    world.sql("INSERT INTO actor (source_id) SELECT id FROM sources_source ON CONFLICT DO NOTHING")
    world.sql(
        "INSERT INTO component_state (source_id) SELECT id FROM sources_source"
        " ON CONFLICT DO NOTHING"
    )
    world.sql(
        "INSERT INTO subscriptions_subscription"
        " (id, owner_id, emitter_id, listener_id, event_name)"
        " SELECT 'sub_' || substr(id, 4), %s, %s, id, '' FROM sources_source"
        " WHERE id LIKE 'dc_l%%'",
        world.owner, emitter,
    )  # fmt: skip


@pytest.mark.slow
async def test_ten_thousand_listeners_get_one_event_in_one_transaction(
    world: World, line: AsyncConnection[Any]
) -> None:
    component = world.component()
    emitter = world.source(component)
    make_listeners(world, component, emitter, LISTENERS)
    for _ in range(3):
        store(world, emitter)
        done = await carried(world, emitter)
        assert len(done.listeners) == LISTENERS
    assert world.sql("SELECT DISTINCT count(*) FROM mailbox GROUP BY source_id") == [(3,)]
    payloads = {count for (count,) in world.sql("SELECT count(payload) FROM mailbox")}
    assert payloads == {0}, "all share the one stored copy"
    store(world, emitter)
    done = await carried(world, emitter, cap=3)
    assert (done.listeners, len(done.told)) == ([], LISTENERS)
    assert world.one("SELECT count(*) FROM held_back") == LISTENERS


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_ten_thousand_listeners_run_once_each(world: World, streams: redis.Redis) -> None:
    """With warm children of one component; no hint reaches anybody but this worker."""
    component = world.component(NOOP)
    emitter = world.source(component)
    make_listeners(world, component, emitter, LISTENERS)
    store(world, emitter)
    async with running(world, claim_seconds=0.2):
        async with asyncio.timeout(500):
            while world.mailbox() or world.one("SELECT count(*) FROM fanout_due"):
                await asyncio.sleep(0.5)
    runs = "SELECT count(*), count(DISTINCT source_id), min(state), max(state) FROM run"
    assert world.sql(runs) == [(LISTENERS, LISTENERS, "succeeded", "succeeded")]
