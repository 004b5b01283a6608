"""The mailbox: the same cause is one run, now and later (F7, F17)."""

from __future__ import annotations

import asyncio
import threading

import pytest
import redis
from django.db import connection, transaction

from apps.accounts.models import User
from apps.core.errors import ApiError
from apps.runs import lifecycle, mailbox
from apps.runs.lifecycle import Changes
from apps.runs.models import MailboxRow, Run
from apps.sources.models import Source
from tests.making import COUNTER, World
from tests.services import making
from tests.services.way import quiet, running

pytestmark = pytest.mark.usefixtures("streams")


def enqueue(source: str, key: str, payload: bytes = b"null") -> None:
    with transaction.atomic():
        mailbox.enqueue(source, "http", key, payload)
    connection.close()


def test_the_same_cause_is_one_run(world: World) -> None:
    source, other = world.sources(world.component(), 2)
    for _ in range(2):
        enqueue(source, "a")
    enqueue(source, "b")
    enqueue(other, "a")
    assert world.mailbox(source) == 2
    assert world.mailbox(other) == 1
    assert mailbox.run_id(source, "http", "a") != mailbox.run_id(other, "http", "a")
    assert mailbox.run_id(source, "http", "a") != mailbox.run_id(source, "manual", "a")


def test_the_same_cause_from_many_sides_is_one_run(world: World) -> None:
    source = world.source(world.component())
    start = threading.Barrier(4)

    def repeat() -> None:
        start.wait(10)
        for number in range(10):
            enqueue(source, str(number))

    threads = [threading.Thread(target=repeat) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert world.mailbox(source) == 10


async def test_a_cause_whose_run_has_ended_is_not_run_again(world: World) -> None:
    source = world.source(world.component())
    world.queue(source, cause="http", key="a")
    async with running(world) as runner:
        runner.offer([source])
        await quiet(world)
    thread = threading.Thread(target=enqueue, args=(source, "a"))
    thread.start()
    thread.join(10)
    assert world.mailbox(source) == 0
    assert world.counts(source) == [1]


def test_a_run_that_ends_between_the_look_and_the_insert_is_not_run_again(world: World) -> None:
    """The insert waits for the transaction that ends the run; its snapshot is older."""
    source = world.source(world.component())
    world.queue(source, cause="http", key="a")
    run = mailbox.run_id(source, "http", "a")
    with World(world.dsn).connect() as commit:
        commit.execute("DELETE FROM mailbox WHERE source_id = %s", [source])
        commit.execute(
            "INSERT INTO run (id, source_id, owner_id, component_id, cause, key, cause_at,"
            " queued_at, ended_at, state, attempt, duration_ms, emitted, suppressed) VALUES"
            " (%s, %s, 'u_x', 'sc_x', 'http', 'a', now(), now(), now(), 'succeeded', 1, 0, 0, 0)",
            [run, source],
        )
        thread = threading.Thread(target=enqueue, args=(source, "a"))
        thread.start()
        while not world.waits_for_a_lock("INSERT INTO mailbox"):
            assert thread.is_alive()
        commit.commit()
    thread.join(10)
    assert world.mailbox(source) == 0


def test_a_full_mailbox_refuses(world: World, settings: object) -> None:
    settings.MAILBOX_CAP = 3  # type: ignore[attr-defined]
    source = world.source(world.component())
    for number in range(3):
        enqueue(source, str(number))
    with pytest.raises(ApiError) as refused:
        enqueue(source, "one more")
    assert refused.value.status == 429


@pytest.fixture
def deployed(world: World) -> Source:
    """A source as the services make it, without a timer."""
    owner = User.objects.get(id=world.owner)
    return making.source(owner, making.component(owner, code=COUNTER))


def test_accepted_then_paused_then_run(deployed: Source, world: World) -> None:
    """F17."""
    lifecycle.run_now(deployed, b"1", "u_ada", "a")
    paused = lifecycle.update(deployed, Changes(active=False), world.owner)
    assert paused.operation_id is None
    assert MailboxRow.objects.filter(source_id=deployed.id).count() == 1
    lifecycle.update(paused.source, Changes(active=True), world.owner)
    assert MailboxRow.objects.filter(source_id=deployed.id).count() == 1
    with pytest.raises(ApiError):
        lifecycle.run_now(
            lifecycle.update(deployed, Changes(active=False), world.owner).source,
            b"1",
            "u_ada",
            "b",
        )


def test_a_deletion_drops_what_waits(deployed: Source, world: World) -> None:
    """F17: the one exception to G1."""
    lifecycle.run_now(deployed, b"1", "u_ada", "a")
    assert lifecycle.delete(deployed, world.owner).operation_id is None
    assert world.mailbox(deployed.id) == 0
    assert Run.objects.filter(source_id=deployed.id).count() == 0


async def test_a_source_that_is_deleted_while_it_runs_leaves_nothing(
    deployed_row: str, world: World, streams: redis.Redis
) -> None:
    """27."""
    world.queue(deployed_row)
    async with running(world, lease_seconds=1) as runner:
        runner.offer([deployed_row])
        while deployed_row not in runner._holding.work:
            await asyncio.sleep(0.02)
        world.sql("DELETE FROM mailbox WHERE source_id = %s", deployed_row)
        world.sql("UPDATE sources_source SET state = 'deleted' WHERE id = %s", deployed_row)
        healthy = world.source(world.component())
        world.queue(healthy)
        runner.offer([healthy])
        await quiet(world)
    assert world.counts(deployed_row) == []
    assert [run.state for run in world.runs(deployed_row)] == ["cancelled"]
    assert streams.exists(f"stream:{deployed_row}") == 0
    assert world.counts(healthy) == [1]


@pytest.fixture
def deployed_row(world: World) -> str:
    slow = COUNTER.replace("count = self", "__import__('time').sleep(1)\n        count = self")
    return world.source(world.component(slow))
