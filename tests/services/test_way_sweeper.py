"""The sweep: what was left behind is driven on; usage adds up; tables stay small."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import redis
from django.db import OperationalError, close_old_connections, connection
from psycopg import AsyncConnection

from apps.runs import lease, partitions, queue
from tests.making import World, entries
from tests.services.way import quiet, running
from workers import sweeper


@pytest.fixture(autouse=True)
def _open_door(streams: redis.Redis) -> None:
    """What an earlier test broke does not keep this one from hinting."""
    queue._door._closed_until = 0.0


def hinted(client: redis.Redis) -> int:
    """Messages that wait for a runner."""
    broker = redis.Redis(
        connection_pool=redis.ConnectionPool(
            **{**client.connection_pool.connection_kwargs, "db": 1},
            connection_class=client.connection_pool.connection_class,
        )
    )
    found: Any = broker.llen("runs")
    return int(found)


async def test_what_was_committed_and_not_published_is_driven_on(
    world: World, streams: redis.Redis
) -> None:
    """7: its worker died between COMMIT and XADD."""
    source = world.source(world.component())
    world.queue(source)
    async with running(world) as runner:
        runner.offer([source])
        await quiet(world)
        streams.delete(f"stream:{source}")
        world.sql("UPDATE actor SET pub_ms = 0, pub_n = 0, token = 7, until = 'epoch'")
        assert await asyncio.to_thread(swept) == 1
        assert hinted(streams) == 1
        runner.offer([source])
        await quiet(world)
    assert entries(streams, source) == world.tail(source, 200) != []
    assert world.counts(source) == [1]


def swept() -> int:
    try:
        return sweeper.step()
    finally:
        connection.close()


async def test_runs_that_wait_for_a_sweep_and_more_are_hinted(
    world: World, line: AsyncConnection[Any]
) -> None:
    late, fresh, held, inactive = (
        world.source(world.component()),
        world.source(world.component()),
        world.source(world.component()),
        world.source(world.component(), state="inactive"),
    )
    for source in (late, held, inactive):
        world.queue(source)
    world.move_clock(60)
    world.queue(fresh)
    await lease.take(line, [held], 60)
    assert await asyncio.to_thread(swept) == 1


def test_usage_adds_up_while_commits_and_sweeps_go_on(world: World) -> None:
    """F15: two sweeps at once, and rows that arrive in between; nothing twice, nothing lost."""
    users = [world.user() for _ in range(5)]
    days = [date(2026, 1, 1), date(2026, 1, 2)]
    done = threading.Event()
    failures: list[BaseException] = []

    def commits() -> None:
        writer = World(world.dsn)
        for number in range(200):
            writer.sql(
                "INSERT INTO accounts_usagedelta (user_id, day, compute_ms, invocations)"
                " SELECT u, %s, %s, 1 FROM unnest(%s::text[]) AS u",
                days[number % 2],
                number,
                users if number % 3 else users[::-1],
            )
        writer.close()
        done.set()

    def sweep() -> None:
        try:
            while not done.is_set():
                swept()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=target) for target in (commits, sweep, sweep)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    sweeper.step()
    assert world.one("SELECT count(*) FROM accounts_usagedelta") == 0
    for user in users:
        rows = world.sql(
            "SELECT day, compute_ms, invocations FROM accounts_usageday WHERE user_id = %s"
            " ORDER BY day",
            user,
        )
        assert rows == [
            (days[0], sum(range(0, 200, 2)), 100),
            (days[1], sum(range(1, 200, 2)), 100),
        ]


def names(world: World) -> set[str]:
    rows = world.sql(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'run'::regclass"
    )
    return {row[0] for row in rows}


@pytest.fixture
def plain_run(world: World) -> Any:
    """Leaves the history as it was: one default partition."""
    yield
    for name in names(world) - {"run_default"}:
        world.sql(f"DROP TABLE {name}")


def note(world: World, at: datetime) -> None:
    world.sql(
        "INSERT INTO run (id, source_id, owner_id, component_id, cause, key, cause_at, queued_at,"
        " ended_at, state, attempt, duration_ms, emitted, suppressed)"
        " VALUES (gen_random_uuid(), 'dc_x', 'u_x', 'sc_x', 'manual', '', %s, now(), now(),"
        " 'succeeded', 1, 0, 0, 0)",
        at,
    )


@pytest.mark.usefixtures("plain_run")
def test_partitions_of_the_history_are_made_ahead_and_dropped_when_old(world: World) -> None:
    """F19."""
    today = datetime.now(UTC)
    partitions.prepare(keep_days=3)
    wanted = {f"run_{today + timedelta(days=ahead):%Y%m%d}" for ahead in range(4)}
    assert names(world) == wanted | {"run_default"}
    note(world, today)
    note(world, today - timedelta(days=2))
    note(world, today - timedelta(days=9))
    partitions.prepare(keep_days=3)
    assert world.one("SELECT count(*) FROM run") == 2
    world.move_clock(3 * 86_400)
    partitions.prepare(keep_days=3)
    assert f"run_{today:%Y%m%d}" in names(world)
    world.move_clock(4 * 86_400)
    partitions.prepare(keep_days=3)
    assert f"run_{today:%Y%m%d}" not in names(world)
    assert world.one("SELECT count(*) FROM run") == 0
    note(world, today + timedelta(days=5))
    assert world.one("SELECT count(*) FROM run_default") == 0


@pytest.mark.usefixtures("plain_run")
def test_a_day_that_has_rows_already_stays_in_the_default_partition(world: World) -> None:
    today = datetime.now(UTC)
    note(world, today)
    partitions.prepare(keep_days=3)
    assert f"run_{today:%Y%m%d}" not in names(world)
    assert f"run_{today + timedelta(days=1):%Y%m%d}" in names(world)
    assert world.one("SELECT count(*) FROM run") == 1


@pytest.mark.usefixtures("plain_run")
def test_two_processes_prepare_at_once(world: World) -> None:
    failures: list[BaseException] = []

    def prepare() -> None:
        try:
            partitions.prepare(keep_days=3)
        except BaseException as error:
            failures.append(error)
        finally:
            close_old_connections()
            connection.close()

    threads = [threading.Thread(target=prepare) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert len(names(world)) == 5


@pytest.mark.usefixtures("plain_run")
def test_partitions_do_not_wait_behind_a_reader_with_every_commit_behind_them(
    world: World,
) -> None:
    with World(world.dsn).connect() as reader:
        reader.execute("SELECT count(*) FROM run")
        with pytest.raises(OperationalError):
            partitions.prepare(keep_days=3)
        note(world, datetime.now(UTC))
    partitions.prepare(keep_days=3)
    assert len(names(world)) == 4


@pytest.mark.usefixtures("plain_run")
def test_old_events_and_ranges_of_skipped_slots_go(world: World) -> None:
    source = world.source(world.component())
    for age, due in ((0, None), (31, None), (31, 1), (29, None)):
        world.sql(
            "INSERT INTO event (source_id, channel, ms, n, run_id, payload, meta, stored_at,"
            " due_at) VALUES (%s, '', %s, %s, gen_random_uuid(), '1', '{}',"
            " app_now() - %s * interval '1 day', app_now() + %s * interval '1 day')",
            source, age, due or 0, age, due,
        )  # fmt: skip
        world.sql(
            "INSERT INTO sources_skippedslots (source_id, generation, from_ms, to_ms, count,"
            " reason, blocker) VALUES (%s, 1, 0, (extract(epoch FROM app_now()"
            " - %s * interval '1 day') * 1000)::bigint, 1, 'downtime', 0)",
            source,
            age,
        )
    sweeper.daily()
    kept = {row[0] for row in world.sql("SELECT ms::text || '-' || n FROM event")}
    assert kept == {"0-0", "31-1", "29-0"}
    assert world.one("SELECT count(*) FROM sources_skippedslots") == 1


def test_old_activity_goes(world: World) -> None:
    for age in (0, 29, 31):
        world.sql(
            "INSERT INTO sources_activity (kind, subject_id, actor, at, data)"
            " VALUES ('replay', %s, 'u_ada', app_now() - %s * interval '1 day', '{}')",
            f"dc_{age}",
            age,
        )
    sweeper.daily()
    left = world.sql("SELECT subject_id FROM sources_activity ORDER BY id")
    assert left == [("dc_0",), ("dc_29",)]
