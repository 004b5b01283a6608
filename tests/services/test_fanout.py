"""Step 4: who gets an event, in which order, what becomes of the rest (REST spec. 7, F9-F12)."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg import AsyncConnection

from apps.core.ids import new_id
from apps.runs.commit import commit
from apps.runs.record import STORED_ONLY, NewEvent
from apps.subscriptions.models import Webhook
from tests.making import World
from tests.services.fanning import carried, due, keys, store
from tests.services.test_way_commit import drained


@pytest.fixture
def component(world: World) -> str:
    return world.component()


def make_webhook(world: World, **fields: Any) -> str:
    webhook = new_id("wh")
    values = {"url": "https://example.org/", "active": True, "secret": "x"} | fields
    world.insert(Webhook, id=webhook, owner_id=world.owner, **values)
    return webhook


async def test_an_event_becomes_a_run_of_each_listener_by_reference(
    world: World, component: str
) -> None:
    emitter, *listeners = world.sources(component, 4)
    for listener in listeners:
        world.subscribe(emitter, listener)
    event = store(world, emitter, hops=3)
    done = await carried(world, emitter)
    assert (done.done, due(world)) == (1, 0)
    assert sorted(done.listeners) == sorted(listeners)
    rows = world.sql(
        "SELECT source_id, cause, key, hops, payload, emitter_id, channel, ms || '-' || n"
        " FROM mailbox ORDER BY source_id"
    )
    key = f"{emitter}:{event}:0"
    assert rows == [
        (listener, "event", key, 4, None, emitter, "", event) for listener in sorted(listeners)
    ]


async def test_7_1_only_the_channel_subscribed_to(world: World, component: str) -> None:
    emitter, plain, named, errors = world.sources(component, 4)
    world.subscribe(emitter, plain)
    world.subscribe(emitter, named, "found")
    world.subscribe(emitter, errors, "$errors")
    store(world, emitter, "found")
    store(world, emitter, "$logs")
    done = await carried(world, emitter)
    assert done.listeners == [named]
    assert world.mailbox() == 1


async def test_7_1_a_glob_means_every_source_of_the_owner_but_the_listener(
    world: World, component: str
) -> None:
    listener, other = world.sources(component, 2)
    world.subscribe("dc_*", listener)
    world.subscribe("p_*", listener)
    owner, world.owner = world.owner, world.user()
    anothers = world.source(world.component())
    world.owner = owner
    later = world.source(component)
    for emitter in (listener, other, later, anothers):
        store(world, emitter)
        await carried(world, emitter)
    emitters = world.sql("SELECT emitter_id FROM mailbox WHERE source_id = %s", listener)
    assert sorted(row[0] for row in emitters) == sorted([other, later])
    assert world.mailbox() == 2


async def test_7_1_a_listener_by_id_and_by_glob_runs_once(world: World, component: str) -> None:
    emitter, listener = world.sources(component, 2)
    world.subscribe(emitter, listener)
    world.subscribe("dc_*", listener)
    store(world, emitter)
    await carried(world, emitter)
    assert world.mailbox(listener) == 1


async def test_7_1_a_source_listens_to_itself_by_its_id(world: World, component: str) -> None:
    source = world.source(component)
    world.subscribe(source, source, "self")
    store(world, source, "self")
    await carried(world, source)
    assert world.mailbox(source) == 1


@pytest.mark.parametrize("state", ["inactive", "creating", "failed", "deleted"])
async def test_7_2_for_a_listener_that_is_not_active_it_is_dropped(
    world: World, component: str, state: str
) -> None:
    emitter, listener = world.source(component), world.source(component, state=state)
    world.subscribe(emitter, listener)
    store(world, emitter)
    await carried(world, emitter)
    assert world.mailbox() == world.one("SELECT count(*) FROM held_back") == due(world) == 0


async def test_an_ended_subscription_carries_nothing(world: World, component: str) -> None:
    emitter, listener = world.sources(component, 2)
    world.subscribe(emitter, listener)
    world.sql("UPDATE subscriptions_subscription SET deleted_at = app_now()")
    store(world, emitter)
    await carried(world, emitter)
    assert (world.mailbox(), due(world)) == (0, 0)


async def test_f11_a_subscription_made_between_commit_and_fan_out_comes_too_late(
    world: World, component: str
) -> None:
    emitter, before, between = world.sources(component, 3)
    world.subscribe(emitter, before)
    store(world, emitter)
    world.subscribe(emitter, between)
    await carried(world, emitter)
    assert (world.mailbox(before), world.mailbox(between)) == (1, 0)
    store(world, emitter)
    await carried(world, emitter)
    assert (world.mailbox(before), world.mailbox(between)) == (2, 1)


async def test_8_webhooks_get_deliveries(world: World, component: str) -> None:
    emitter = world.source(component)
    active, paused = make_webhook(world), make_webhook(world, active=False)
    gone = make_webhook(world)
    world.sql("UPDATE subscriptions_webhook SET deleted_at = app_now() WHERE id = %s", gone)
    for webhook in (active, paused, gone):
        world.subscribe(emitter, webhook)
    world.subscribe("dc_*", active)
    event = store(world, emitter)
    done = await carried(world, emitter)
    assert done.webhooks == [active]
    rows = world.sql(
        "SELECT webhook_id, owner_id, emitter_id, channel, ms || '-' || n, replay, state, attempts,"
        " next_attempt_at <= app_now() FROM delivery"
    )
    assert rows == [(active, world.owner, emitter, "", event, "", "pending", 0, True)]


async def test_order_is_that_of_the_ids_whatever_the_clock_does(
    world: World, component: str
) -> None:
    """7.2: per emitter and listener, in the order of the event ids."""
    emitter, listener = world.sources(component, 2)
    world.subscribe(emitter, listener)
    events = []
    for offset in (5, 3600, -3600, 0, 20):
        world.move_clock(offset)
        world.sql("UPDATE subscriptions_subscription SET created_at = 'epoch'")
        events.append(store(world, emitter))
    await carried(world, emitter)
    assert keys(world, listener) == [f"{emitter}:{event}:0" for event in events]


async def test_f10_a_commit_puts_on_the_list_what_somebody_listens_to(
    world: World, component: str, line: AsyncConnection[Any]
) -> None:
    """What is due at once has no time, and is ordered by its id; what is not has its own."""
    emitter, listener = world.sources(component, 2)
    world.subscribe(emitter, listener)
    item = await drained(world, line, emitter, b"1")
    soon = int(world.one("SELECT extract(epoch FROM app_now()) * 1000")) + 60_000
    item.runs[0].events += [
        NewEvent("", b"2", b"{}", due_ms=soon),
        NewEvent("unheard", b"3", b"{}"),
        NewEvent("", b"4", b"{}", hops=STORED_ONLY),
    ]
    committed = await commit(line, [item])
    assert committed[emitter].fan_out
    rows = world.sql(
        "SELECT e.payload, f.due_at = 'epoch', f.due_at > app_now() FROM fanout_due f"
        " JOIN event e ON e.source_id = f.source_id AND e.ms = f.ms AND e.n = f.n ORDER BY e.n"
    )
    assert [(bytes(r[0]), *r[1:]) for r in rows] == [(b"1", True, False), (b"2", False, True)]


async def test_order_over_many_transactions(world: World, component: str) -> None:
    """More than one may carry, and in the order of ids all the same; `more` says so."""
    emitter, listener = world.sources(component, 2)
    world.subscribe(emitter, listener)
    events = [store(world, emitter) for _ in range(1_100)]
    assert (await carried(world, emitter)).more == [emitter]
    assert (await carried(world, emitter)).more == [emitter]
    assert (await carried(world, emitter)).more == []
    assert keys(world, listener) == [f"{emitter}:{event}:0" for event in events]


async def test_many_emitters_go_in_one_transaction(world: World, component: str) -> None:
    listener, *emitters = world.sources(component, 21)
    for emitter in emitters:
        world.subscribe(emitter, listener)
        store(world, emitter)
    done = await carried(world, *emitters)
    assert (done.done, done.more, done.listeners) == (20, [], [listener])
    assert world.mailbox(listener) == 20


async def test_f9_an_event_hidden_while_it_was_pending_still_goes_out(
    world: World, component: str
) -> None:
    emitter, listener = world.sources(component, 2)
    world.subscribe(emitter, listener)
    store(world, emitter)
    world.sql("UPDATE event SET deleted_at = app_now()")
    await carried(world, emitter)
    assert world.mailbox(listener) == 1


async def test_f10_a_scheduled_event_goes_out_at_its_time(world: World, component: str) -> None:
    emitter, listener = world.sources(component, 2)
    world.subscribe(emitter, listener)
    scheduled = store(world, emitter, due_in=3600)
    at_once = store(world, emitter)
    await carried(world, emitter)
    assert keys(world, listener) == [f"{emitter}:{at_once}:0"]
    world.move_clock(3599)
    assert (await carried(world, emitter)).done == 0
    world.move_clock(3601)
    await carried(world, emitter)
    assert keys(world, listener)[1:] == [f"{emitter}:{scheduled}:0"]


async def test_f9_deleting_a_scheduled_event_cancels_it(world: World, component: str) -> None:
    emitter, listener = world.sources(component, 2)
    world.subscribe(emitter, listener)
    store(world, emitter, due_in=3600)
    world.sql("UPDATE event SET deleted_at = app_now()")
    world.move_clock(3601)
    assert (await carried(world, emitter)).done == 1
    assert (world.mailbox(), due(world)) == (0, 0)


async def test_f9_one_deleted_after_it_was_due_still_goes_out(world: World, component: str) -> None:
    emitter, listener = world.sources(component, 2)
    world.subscribe(emitter, listener)
    store(world, emitter, due_in=60)
    world.move_clock(61)
    world.sql("UPDATE event SET deleted_at = app_now()")
    await carried(world, emitter)
    assert world.mailbox(listener) == 1


async def test_f12_what_is_only_to_be_stored_is_not_carried_on(
    world: World, component: str
) -> None:
    emitter, listener = world.sources(component, 2)
    world.subscribe(emitter, listener, "$errors")
    store(world, emitter, "$errors", hops=-1)
    await carried(world, emitter)
    assert (world.mailbox(), due(world)) == (0, 0)


async def test_f16_what_a_source_emits_while_it_is_created_waits_for_its_success(
    world: World, component: str
) -> None:
    emitter, listener = world.source(component, state="creating"), world.source(component)
    world.subscribe("dc_*", listener)
    store(world, emitter)
    assert (await carried(world, emitter)).more == []
    assert (world.mailbox(), due(world)) == (0, 1)
    world.sql("UPDATE sources_source SET state = 'active' WHERE id = %s", emitter)
    await carried(world, emitter)
    assert (world.mailbox(listener), due(world)) == (1, 0)


@pytest.mark.parametrize("state", ["failed", "deleted"])
async def test_f16_what_is_due_of_a_source_that_is_gone_goes_nowhere(
    world: World, component: str, state: str
) -> None:
    emitter, listener = world.source(component, state=state), world.source(component)
    world.subscribe("dc_*", listener)
    store(world, emitter)
    await carried(world, emitter)
    assert (world.mailbox(), due(world)) == (0, 0)
