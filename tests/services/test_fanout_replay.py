"""A replay on its way: marked, in order, to those who listen now, each listener once."""

from __future__ import annotations

from typing import Any

from apps.core.ids import new_id
from apps.events.items import LAST, EventId
from apps.events.services import FIRST
from apps.sources.models import Source
from apps.subscriptions.models import Webhook
from apps.subscriptions.replay import Replay, replay
from tests.making import World
from tests.services.fanning import carried_now, keys, store


def again(emitter: str, start: EventId = FIRST, **asked: Any) -> Replay:
    return replay(Source.objects.get(id=emitter), "u_ada", start=start, end=LAST, **asked)


def test_29_a_listener_gets_marked_runs_behind_what_comes_for_the_first_time(
    world: World,
) -> None:
    emitter, listener, late = world.sources(world.component(), 3)
    world.subscribe(emitter, listener)
    old = [store(world, emitter) for _ in range(3)]
    carried_now(world, emitter)
    world.sql("DELETE FROM mailbox")
    world.subscribe(emitter, late)
    made = again(emitter)
    new = store(world, emitter)
    carried_now(world, emitter)
    assert (made.events, made.listeners) == (3, 2)
    wanted = [f"{emitter}:{new}:0", *(f"{emitter}:{event}:{made.id}" for event in old)]
    assert keys(world, listener) == keys(world, late) == wanted


def test_29_the_run_of_a_replay_belongs_to_its_own_day(world: World) -> None:
    """History is kept by the time of the cause: a month-old event must not have a run that is
    dropped at once."""
    emitter, listener = world.sources(world.component(), 2)
    world.subscribe(emitter, listener)
    store(world, emitter)
    world.sql("UPDATE event SET stored_at = stored_at - interval '29 days'")
    world.sql("DELETE FROM fanout_due")
    again(emitter)
    carried_now(world, emitter)
    assert world.one("SELECT cause_at > app_now() - interval '1 minute' FROM mailbox")


def test_29_deliveries_are_marked_and_made_once(world: World) -> None:
    emitter, webhook = world.source(world.component()), new_id("wh")
    world.insert(
        Webhook, id=webhook, owner_id=world.owner, url="https://example.org/", active=True,
        secret="x",
    )  # fmt: skip
    world.subscribe(emitter, webhook)
    store(world, emitter)
    carried_now(world, emitter)
    first, second = again(emitter), again(emitter)
    carried_now(world, emitter)
    assert sorted(row[0] for row in world.sql("SELECT replay FROM delivery")) == sorted(
        ["", first.id, second.id]
    )


def test_29_a_full_listener_holds_a_replay_back(world: World) -> None:
    emitter, listener, other = world.sources(world.component(), 3)
    world.subscribe(emitter, listener)
    world.subscribe(emitter, other)
    for _ in range(3):
        store(world, emitter)
    world.sql("DELETE FROM fanout_due")
    made = again(emitter, listener_id=listener)
    carried_now(world, emitter, cap=2)
    assert (world.mailbox(listener), world.mailbox(other)) == (2, 0)
    assert world.sql("SELECT listener_id, replay FROM held_back") == [(listener, made.id)]
