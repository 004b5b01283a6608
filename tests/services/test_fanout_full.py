"""A full mailbox: its subscriptions wait, in order, and nothing is dropped (DESIGN section 7)."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest
from django.test import override_settings

from apps.subscriptions import held
from tests.making import World
from tests.services.fanning import carried_now, keys, store

CAP = 3


@pytest.fixture(autouse=True)
def _small_mailboxes() -> Iterator[None]:
    with override_settings(MAILBOX_CAP=CAP):
        yield


@pytest.fixture
def pair(world: World) -> tuple[str, str]:
    emitter, listener = world.sources(world.component(), 2)
    world.subscribe(emitter, listener)
    return emitter, listener


def waiting(world: World) -> int:
    found: int = world.one("SELECT count(*) FROM held_back")
    return found


def test_what_finds_no_room_waits_and_comes_in_order(world: World, pair: tuple[str, str]) -> None:
    emitter, listener = pair
    events = [f"{emitter}:{store(world, emitter)}:0" for _ in range(8)]
    carried_now(world, emitter, cap=CAP)
    assert (keys(world, listener), waiting(world)) == (events[:3], 5)
    seen: list[str] = []
    while batch := keys(world, listener):
        seen += batch
        world.sql("DELETE FROM mailbox")
        held.release()
    assert seen == events
    assert waiting(world) == 0


def test_later_events_queue_up_behind_those_that_wait(world: World, pair: tuple[str, str]) -> None:
    """Also when there is room again by then."""
    emitter, listener = pair
    events = [f"{emitter}:{store(world, emitter)}:0" for _ in range(4)]
    carried_now(world, emitter, cap=CAP)
    world.sql("DELETE FROM mailbox")
    events.append(f"{emitter}:{store(world, emitter)}:0")
    carried_now(world, emitter, cap=CAP)
    assert keys(world, listener) == []
    assert held.release() == [listener]
    assert keys(world, listener) == events[3:]
    assert held.release() == []


def test_a_full_listener_delays_no_other(world: World, pair: tuple[str, str]) -> None:
    emitter, listener = pair
    other = world.source(world.component())
    world.subscribe(emitter, other)
    for _ in range(CAP):
        world.queue(listener)
    store(world, emitter)
    done = carried_now(world, emitter, cap=CAP)
    assert done.listeners == [other]
    assert waiting(world) == 1


def test_the_listener_is_told_once_a_minute_and_that_is_not_carried_on(
    world: World, pair: tuple[str, str]
) -> None:
    emitter, listener = pair
    world.subscribe(listener, emitter, "$errors")
    for offset in (0, 30, 59):
        world.move_clock(offset)
        for _ in range(5):
            store(world, emitter)
        carried_now(world, emitter, cap=CAP)
    [error] = world.events(listener, "$errors")
    assert error.payload["error"]["name"] == "Event Queue Full"
    meta = orjson.loads(world.one("SELECT meta FROM event WHERE source_id = %s", listener))
    assert meta["summary"].startswith("Event Queue Full: the mailbox is full")
    assert world.events(emitter, "$errors") == []
    assert world.one("SELECT count(*) FROM fanout_due") == 0
    world.move_clock(61)
    store(world, emitter)
    assert (carried_now(world, emitter, cap=CAP)).told == [listener]
    assert len(world.events(listener, "$errors")) == 2


def test_rows_of_a_paused_listener_wait_with_its_mailbox(
    world: World, pair: tuple[str, str]
) -> None:
    emitter, listener = pair
    for _ in range(CAP + 1):
        store(world, emitter)
    carried_now(world, emitter, cap=CAP)
    world.sql("DELETE FROM mailbox")
    world.sql("UPDATE sources_source SET state = 'inactive' WHERE id = %s", listener)
    assert held.release() == []
    world.sql("UPDATE sources_source SET state = 'active' WHERE id = %s", listener)
    assert held.release() == [listener]
    assert (world.mailbox(listener), waiting(world)) == (1, 0)


def test_a_release_goes_on_only_as_far_as_there_is_room(
    world: World, pair: tuple[str, str]
) -> None:
    emitter, listener = pair
    for _ in range(CAP + 2):
        store(world, emitter)
    carried_now(world, emitter, cap=CAP)
    assert held.release() == []
    world.sql("DELETE FROM mailbox WHERE id IN (SELECT id FROM mailbox ORDER BY id LIMIT 1)")
    assert held.release() == [listener]
    assert (world.mailbox(listener), waiting(world)) == (CAP, 1)
