"""Step 5: what is due is posted, signed, recorded, tried again or given up (G4)."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from standardwebhooks import Webhook as Standard

from apps.subscriptions import retries, webhooks
from apps.subscriptions.signing import new_secret
from tests.making import World
from tests.services.delivering import (
    MS,
    delivering,
    due,
    emitted,
    event,
    history,
    looping,
    settle,
    states,
    webhook,
)
from tests.services.receivers import Request, Writer, answer_ok, answering, hang, receiving
from workers.delivery import Delivery


async def test_8_an_event_arrives_signed_with_its_ids(world: World) -> None:
    secret = new_secret()
    async with receiving() as receiver, delivering(world) as delivery:
        hook = webhook(world, receiver.url, secret=secret)
        source = world.source(world.component())
        event(world, source, 7, {"z": 1, "a": "é\0"}, channel="new")
        due(world, hook, source, [7], channel="new")
        await settle(world, delivery)
    (request,) = receiver.got
    assert (request.method, request.path) == ("POST", "/hook?a=1")
    assert request.body == orjson.dumps({"z": 1, "a": "é\0"})
    assert Standard(secret).verify(request.body, request.headers) == {"z": 1, "a": "é\0"}
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-pd-emitter-id"] == source
    assert request.headers["x-pd-event-id"] == f"{MS}-7"
    assert request.headers["x-pd-event-name"] == "new"
    assert len(request.headers["x-pd-emit-id"]) == 27
    assert states(world, hook) == ["delivered"]
    (attempt,) = history(world, hook)
    assert attempt["status"] == 200
    assert set(attempt) == {"at_ms", "status", "duration_ms"}


async def test_g4_failures_are_retried_on_the_schedule_with_the_same_id_then_a_dead_letter(
    world: World,
) -> None:
    async with receiving(answering(500)) as receiver, delivering(world) as delivery:
        hook = webhook(world, receiver.url)
        source = emitted(world, hook)
        moved, waits = 0.0, []
        for number in range(1, retries.ATTEMPTS + 1):
            before = world.one("SELECT app_now()")
            await settle(world, delivery)
            assert len(receiver.got) == number
            if states(world, hook) == ["dead"]:
                break
            next_at, now = world.sql("SELECT next_attempt_at, app_now() FROM delivery")[0]
            # It was told to wait at some moment between the two.
            waits.append(((next_at - before).total_seconds(), (next_at - now).total_seconds()))
            moved += waits[-1][1] + 1
            world.move_clock(moved)
    assert len({request.id for request in receiver.got}) == 1
    assert len(receiver.got) == 10
    assert states(world, hook) == ["dead"]
    for (longest, shortest), published in zip(waits, retries.WAITS, strict=True):
        assert longest >= published
        assert shortest <= published * 1.2
    assert [attempt["status"] for attempt in history(world, hook)] == [500] * 10
    (told,) = world.events(source, "$errors")
    assert told.payload["error"]["name"] == "Webhook Delivery Failed"
    hops = world.one("SELECT hops FROM event WHERE source_id = %s AND channel = '$errors'", source)
    assert hops == -1


async def test_dead_letters_are_told_once_a_minute(world: World) -> None:
    async with receiving(answering(410)) as receiver, delivering(world) as delivery:
        hook = webhook(world, receiver.url)
        source = emitted(world, hook)
        await settle(world, delivery)
        world.sql("UPDATE subscriptions_webhook SET active = true")
        event(world, source, 5)
        due(world, hook, source, [5])
        await settle(world, delivery)
    assert states(world, hook) == ["dead", "dead"]
    assert len(world.events(source, "$errors")) == 1


@pytest.mark.parametrize("status", [429, 503, 500])
async def test_retry_after_is_honoured(world: World, status: int) -> None:
    behaviour = answering(status, "Retry-After: 4000")
    async with receiving(behaviour) as receiver, delivering(world) as delivery:
        hook = webhook(world, receiver.url)
        emitted(world, hook)
        await settle(world, delivery)
        world.move_clock(3900)
        await settle(world, delivery)
        assert len(receiver.got) == 1
        world.move_clock(4100)
        await settle(world, delivery)
        assert len(receiver.got) == 2


async def test_410_disables_the_webhook_and_what_is_pending_waits(world: World) -> None:
    async with receiving(answering(410)) as receiver, delivering(world) as delivery:
        hook = webhook(world, receiver.url)
        source = emitted(world, hook)
        await settle(world, delivery)
        assert states(world, hook) == ["dead"]
        assert world.one("SELECT active FROM subscriptions_webhook") is False
        event(world, source, 1)
        due(world, hook, source, [1])
        await _steps(delivery, 3)
        assert len(receiver.got) == 1
        assert states(world, hook) == ["dead", "pending"]


async def test_410_leaves_a_webhook_that_was_pointed_elsewhere_meanwhile(world: World) -> None:
    async def gone(_request: Any, writer: Any) -> None:
        world.sql("UPDATE subscriptions_webhook SET url = 'http://127.0.0.1:9/new'")
        await answering(410)(_request, writer)

    async with receiving(gone) as receiver, delivering(world) as delivery:
        hook = webhook(world, receiver.url)
        emitted(world, hook)
        await settle(world, delivery)
    assert world.one("SELECT active FROM subscriptions_webhook") is True


async def test_a_paused_webhook_gets_what_waited_once_it_is_active(world: World) -> None:
    async with receiving() as receiver, delivering(world) as delivery:
        hook = webhook(world, receiver.url, active=False)
        emitted(world, hook, 3)
        delivery.offer([hook])
        await _steps(delivery, 3)
        assert receiver.got == []
        world.sql("UPDATE subscriptions_webhook SET active = true")
        await settle(world, delivery)
    assert states(world, hook) == ["delivered"] * 3


async def test_f9_a_hidden_event_still_goes_out(world: World) -> None:
    async with receiving() as receiver, delivering(world) as delivery:
        hook = webhook(world, receiver.url)
        emitted(world, hook)
        world.sql("UPDATE event SET deleted_at = app_now()")
        await settle(world, delivery)
    assert len(receiver.got) == 1


async def test_an_event_past_its_retention_is_a_dead_letter(world: World) -> None:
    async with receiving() as receiver, delivering(world) as delivery:
        hook = webhook(world, receiver.url)
        emitted(world, hook)
        world.sql("DELETE FROM event")
        await settle(world, delivery)
    assert receiver.got == []
    assert states(world, hook) == ["dead"]
    assert history(world, hook)[0]["error"] == "event_gone"


def test_old_deliveries_go_dead_letters_stay_as_long_as_their_events(world: World) -> None:
    hook, gone = webhook(world, "http://a.example/"), webhook(world, "http://b.example/")
    emitted(world, hook, 3)
    emitted(world, gone)
    for n, state in enumerate(("delivered", "dead", "pending")):
        world.sql(
            "UPDATE delivery SET state = %s,"
            " ended_at = CASE WHEN %s <> 'pending' THEN app_now() END"
            " WHERE webhook_id = %s AND n = %s", state, state, hook, n,
        )  # fmt: skip
    # Inserted by a fan-out while its webhook was being deleted.
    world.sql("UPDATE subscriptions_webhook SET deleted_at = app_now() WHERE id = %s", gone)
    webhooks.trim()
    assert states(world, hook) == ["delivered", "dead", "pending"]
    assert states(world, gone) == []
    world.move_clock(4 * 86_400)
    webhooks.trim()
    assert states(world, hook) == ["dead", "pending"]
    world.move_clock(31 * 86_400)
    webhooks.trim()
    assert states(world, hook) == ["pending"]


async def test_two_workers_share_the_work_and_each_delivery_goes_once(world: World) -> None:
    async with receiving() as receiver, delivering(world) as one, delivering(world) as other:
        hook = webhook(world, receiver.url)
        emitted(world, hook, 60)
        async with looping(one), looping(other):
            await receiver.wait(60)
            await _until_recorded(world, hook)
    assert len(receiver.got) == len({request.id for request in receiver.got}) == 60


async def test_what_is_under_way_is_leased(world: World) -> None:
    async with receiving(hang) as receiver, delivering(world) as one, delivering(world) as other:
        hook = webhook(world, receiver.url)
        emitted(world, hook)
        await _steps(one, 2)
        await receiver.wait(1)
        await _steps(other, 3)
        assert len(receiver.got) == 1
        # Its worker is gone for longer than the lease: the other takes it over.
        world.move_clock(one._settings.lease_seconds + 1)
        await _steps(other, 3)
        await receiver.wait(2)
    assert receiver.got[0].id == receiver.got[1].id


async def test_who_lost_the_lease_records_nothing(world: World) -> None:
    """A worker that was frozen wakes with its failure while another one is delivering."""
    first, second = asyncio.Event(), asyncio.Event()
    behaviours = iter([(first, answering(410)), (second, answer_ok)])

    async def held(request: Request, writer: Writer) -> None:
        free, answer = next(behaviours)
        await free.wait()
        await answer(request, writer)

    async with receiving(held) as receiver:
        async with delivering(world) as one, delivering(world) as other:
            hook = webhook(world, receiver.url)
            source = emitted(world, hook)
            await _steps(one, 2)
            await receiver.wait(1)
            world.move_clock(one._settings.lease_seconds + 1)
            await _steps(other, 2)
            await receiver.wait(2)
            first.set()
            await one.stop(5)
            assert states(world, hook) == ["pending"]
            second.set()
            await settle(world, other)
    assert states(world, hook) == ["delivered"]
    assert [attempt["status"] for attempt in history(world, hook)] == [200]
    assert world.events(source, "$errors") == []
    assert world.one("SELECT active FROM subscriptions_webhook") is True


async def test_g7_stop_records_what_ends_in_time_and_releases_the_rest(world: World) -> None:
    async with receiving() as quick, receiving(hang) as slow, delivering(world) as delivery:
        good, bad = webhook(world, quick.url), webhook(world, slow.url)
        emitted(world, good)
        emitted(world, bad)
        await _steps(delivery, 2)
        await quick.wait(1)
        await slow.wait(1)
        await delivery.stop(2)
        assert states(world, good) == ["delivered"]
        assert states(world, bad) == ["pending"]
        row = world.sql("SELECT token, attempts, next_attempt_at <= app_now() FROM delivery"
                        " WHERE webhook_id = %s", bad)  # fmt: skip
        assert row == [(0, 0, True)]
        async with delivering(world) as next_worker:
            await _steps(next_worker, 2)
            await slow.wait(2)


async def test_a_hint_wakes_before_the_next_look(world: World) -> None:
    async with receiving() as receiver, delivering(world, claim_seconds=3600) as delivery:
        hook = webhook(world, receiver.url)
        async with looping(delivery):
            await _looked(delivery)
            emitted(world, hook)
            delivery.offer([hook])
            await receiver.wait(1)


async def test_a_lost_hint_costs_one_look(world: World) -> None:
    async with receiving() as receiver, delivering(world) as delivery:
        hook = webhook(world, receiver.url)
        async with looping(delivery):
            await _looked(delivery)
            emitted(world, hook)
            await receiver.wait(1)


async def test_many_webhooks_of_many_owners_all_get_theirs(world: World) -> None:
    async with receiving() as receiver, delivering(world) as delivery:
        source = world.source(world.component())
        for n in range(3):
            event(world, source, n)
        hooks = [webhook(world, receiver.url, world.user()) for _ in range(120)]
        for hook in hooks:
            due(world, hook, source, range(3))
        await settle(world, delivery)
    assert len(receiver.got) == 360
    assert receiver.connections < 100


async def _steps(delivery: Delivery, count: int) -> None:
    for _ in range(count):
        await delivery.step()


async def _until_recorded(world: World, hook: str) -> None:
    async with asyncio.timeout(10):
        while set(states(world, hook)) != {"delivered"}:
            await asyncio.sleep(0.02)


async def _looked(delivery: Delivery) -> None:
    """Until its first look has found nothing."""
    async with asyncio.timeout(10):
        while delivery._look_at == 0:
            await asyncio.sleep(0.01)
