"""Above ten hops an event is stored and not carried on; what the platform says of it (7.1, 7.6)."""

from __future__ import annotations

import orjson
import pytest

from apps.runs import notices
from tests.making import World
from tests.services.fanning import carried, due, store


@pytest.fixture
def component(world: World) -> str:
    return world.component()


async def test_7_1_above_ten_hops_an_event_stays_and_its_emitter_is_told_once_a_minute(
    world: World, component: str
) -> None:
    emitter, listener = world.sources(component, 2)
    world.subscribe(emitter, listener)
    world.subscribe(emitter, listener, "$errors")
    store(world, emitter, hops=9)
    await carried(world, emitter)
    assert world.mailbox(listener) == 1
    for offset in (0, 1, 59):
        world.move_clock(offset)
        store(world, emitter, hops=10)
        await carried(world, emitter)
    assert world.mailbox(listener) == 1
    [error] = world.events(emitter, "$errors")
    assert error.payload["error"]["name"] == "Hop Limit Exceeded"
    assert error.payload["original_context"]["source_id"] == emitter
    assert error.payload["original_context"]["owner_id"] == world.owner
    assert due(world) == 0, "such a notice is stored and never carried on (F12)"
    world.move_clock(70)
    store(world, emitter, hops=10)
    await carried(world, emitter)
    assert len(world.events(emitter, "$errors")) == 2
    ids = world.sql("SELECT ms, n FROM event WHERE source_id = %s", emitter)
    assert len(set(ids)) == len(ids)
    assert (
        max(ids) == world.sql("SELECT last_ms, last_n FROM actor WHERE source_id = %s", emitter)[0]
    )


async def test_7_1_an_event_beyond_the_limit_that_nobody_gets_tells_nobody(
    world: World, component: str
) -> None:
    emitter = world.source(component)
    store(world, emitter, hops=10)
    await carried(world, emitter)
    assert world.events(emitter, "$errors") == []


async def test_a_full_listener_and_an_event_beyond_the_limit_in_one_transaction(
    world: World, component: str
) -> None:
    """Each is told of its own; one source of both, with ids that rise."""
    emitter, listener = world.sources(component, 2)
    world.subscribe(emitter, listener)
    world.subscribe(emitter, emitter, "mine")
    store(world, emitter, "mine")
    store(world, emitter, hops=10)
    done = await carried(world, emitter, cap=0)
    assert sorted(done.told) == [emitter, emitter]
    names = [event.payload["error"]["name"] for event in world.events(emitter, "$errors")]
    assert names == ["Event Queue Full", "Hop Limit Exceeded"]


def test_7_6_the_error_has_the_form_of_every_error(world: World) -> None:
    """What the platform itself says, too."""
    _, ms, n, payload = notices._row(notices.HOP_LIMIT, "dc_a", 10**13, 4, 10**12, "sc_a", "u_a")
    assert (ms, n) == (10**13, 5)
    said = orjson.loads(payload)
    assert list(said) == ["original_event", "original_context", "error"]
    assert list(said["original_context"]) == [
        *("id", "ts", "source_id", "component_id", "owner_id", "platform_version")
    ]
    assert list(said["error"]) == ["code", "name", "message", "stack", "ts"]
