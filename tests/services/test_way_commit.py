"""Step 3: one transaction for many sources; ids that rise; everything twice has one effect."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from django.conf import settings
from psycopg import AsyncConnection

from apps.events.stream import Stream
from apps.runs import lease
from apps.runs.commit import Drained, commit
from apps.runs.lease import Held
from apps.runs.mailbox import run_id
from apps.runs.record import Finished, NewEvent
from tests.making import World, entries
from workers.committer import Committer
from workers.database import Line as Lines

Line = AsyncConnection[Any]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def finished(source: str, mailbox_id: int | None, key: str, payloads: Sequence[bytes]) -> Finished:
    """A run that emitted these payloads."""
    return Finished(
        mailbox_id=mailbox_id,
        run_id=run_id(source, "manual", key),
        cause="manual",
        key=key,
        cause_at=NOW,
        queued_at=NOW,
        started_ms=1_000,
        ended_ms=2_000,
        duration_ms=1_000,
        state="succeeded",
        attempt=1,
        emitted=len(payloads),
        events=[NewEvent("", payload, b"{}") for payload in payloads],
    )


async def drained(world: World, line: Line, source: str, *payloads: bytes) -> Drained:
    """A leased source with one run that has ended and emitted these payloads."""
    key = uuid.uuid4().hex
    row = world.queue(source, key=key)
    held = (await lease.take(line, [source], 60))[source]
    await lease.look(line, {source: held}, 10)
    return Drained(held, [finished(source, row, key, payloads)], store=b'{"kept":1}')


async def let_go(line: Line, *held: Held) -> None:
    await lease.release(line, held)


async def test_one_commit_ends_the_runs_of_many_sources(world: World, line: Line) -> None:
    sources = world.sources(world.component(), 5)
    batch = [await drained(world, line, source, b"1", b"2") for source in sources]
    committed = await commit(line, batch)
    assert sorted(committed) == sorted(sources)
    assert world.mailbox() == 0
    for source in sources:
        events = world.events(source)
        assert [event.payload for event in events] == [1, 2]
        assert [entry.id for entry in committed[source].entries] == [event.id for event in events]
        assert [run.state for run in world.runs(source)] == ["succeeded"]
        assert world.store(source) == {"kept": 1}
    assert world.sql("SELECT sum(compute_ms), sum(invocations) FROM accounts_usagedelta") == [
        (5_000, 5)
    ]


async def test_ids_rise_strictly_also_when_the_clock_goes_back(world: World, line: Line) -> None:
    """F1."""
    source = world.source(world.component())
    for offset in (0, 3600, -3600, 0, 7200):
        world.move_clock(offset)
        item = await drained(world, line, source, b"1", b"2", b"3")
        await commit(line, [item])
        world.move_clock(0)
        world.sql("UPDATE actor SET token = 0, until = 'epoch'")
    ids = world.sql("SELECT ms, n FROM event WHERE source_id = %s ORDER BY stored_at, n", source)
    assert len(set(ids)) == 15
    in_order = world.sql(
        "SELECT e.ms, e.n, r.ended FROM event e JOIN (SELECT id, row_number() OVER"
        " (ORDER BY xmin::text::bigint) AS ended FROM run) r ON r.id = e.run_id ORDER BY e.ms, e.n"
    )
    assert [row[2] for row in in_order] == sorted(row[2] for row in in_order)


async def test_a_commit_that_is_repeated_has_one_effect(world: World, line: Line) -> None:
    """Its answer was lost (G2)."""
    source = world.source(world.component())
    item = await drained(world, line, source, b"1")
    first = await commit(line, [item])
    second = await commit(line, [item])
    assert len(world.events(source)) == 1
    assert len(world.runs(source)) == 1
    assert world.runs(source)[0].state == "succeeded"
    assert world.one("SELECT sum(invocations) FROM accounts_usagedelta") == 1
    assert second[source].last == first[source].last
    assert second[source].entries == []


async def test_a_lost_lease_drops_its_own_source_and_no_other(world: World, line: Line) -> None:
    """The fence."""
    mine, lost = world.sources(world.component(), 2)
    batch = [await drained(world, line, source, b"1") for source in (mine, lost)]
    world.sql("UPDATE actor SET until = 'epoch' WHERE source_id = %s", lost)
    taken = await lease.take(line, [lost], 60)
    assert list(await commit(line, batch)) == [mine]
    assert len(world.events(mine)) == 1
    assert world.events(lost) == []
    assert world.runs(lost) == []
    assert world.store(lost) == {}
    assert world.mailbox(lost) == 1
    assert taken[lost].token


async def test_a_run_whose_row_is_gone_is_noted_and_emits_nothing(world: World, line: Line) -> None:
    """Its source was deleted meanwhile."""
    source = world.source(world.component())
    item = await drained(world, line, source, b"1")
    world.sql("DELETE FROM mailbox")
    await commit(line, [item])
    assert [run.state for run in world.runs(source)] == ["cancelled"]
    assert world.events(source) == []
    assert world.sql("SELECT * FROM accounts_usagedelta") == []


async def test_log_lines_are_trimmed_when_many_have_come(world: World, line: Line) -> None:
    source = world.source(world.component())
    for start in (0, 120):
        item = await drained(world, line, source)
        lines = [b"%d" % (start + number) for number in range(120)]
        item.runs[0].events = [NewEvent("$logs", text, b"{}") for text in lines]
        await commit(line, [item])
        await let_go(line, item.held)
    kept = [event.payload for event in world.events(source, "$logs")]
    assert kept == list(range(140, 240))


class Bench:
    """A committer whose groups are made one by one."""

    def __init__(self, world: World) -> None:
        client = redis.asyncio.Redis.from_url(settings.REDIS_URL)
        self.lines = (Lines(world.dsn), Lines(world.dsn, asynchronous=True))
        self.gone: list[str] = []
        self.committer = Committer(
            *self.lines,
            Stream(client, 200),
            200,
            lambda held, _: self.gone.extend(h.source_id for h in held),
            lambda: 0,
            1.0,
        )

    async def group(self, *items: Drained) -> None:
        for item in items:
            self.committer.add(item)
        await self.committer.group()
        await self.committer.settle()

    async def close(self) -> None:
        for line in self.lines:
            await line.close()


@pytest.fixture
async def bench(world: World) -> Any:
    made = Bench(world)
    yield made
    await made.close()


async def test_what_is_committed_is_published_and_let_go(
    world: World, line: Line, bench: Bench, streams: redis.Redis
) -> None:
    """G6."""
    sources = world.sources(world.component(), 3)
    await bench.group(*[await drained(world, line, source, b"1") for source in sources])
    assert sorted(bench.gone) == sorted(sources)
    assert world.is_quiet()
    for source in sources:
        assert entries(streams, source) == world.tail(source, 200) != []


async def test_a_commit_whose_answer_was_lost_is_published_whole(
    world: World, line: Line, bench: Bench, streams: redis.Redis
) -> None:
    """6: the repeat brings no entries of its own; those of the first try come from the ledger."""
    source = world.source(world.component())
    item = await drained(world, line, source, b"1", b"2")
    await commit(line, [item])
    await bench.group(item)
    assert world.is_quiet()
    assert [entry[2] for entry in entries(streams, source)] == [b"1", b"2"]
    assert entries(streams, source) == world.tail(source, 200)


async def test_what_cannot_be_stored_holds_up_its_own_source_alone(
    world: World, line: Line, bench: Bench, streams: redis.Redis
) -> None:
    """A channel that PostgreSQL refuses must not come so far; if one does, the rest of its group
    is committed all the same."""
    poisoned, healthy = world.sources(world.component(), 2)
    bad = await drained(world, line, poisoned)
    bad.runs[0].events = [NewEvent("no\x00channel", b"1", b"{}")]
    await bench.group(bad, await drained(world, line, healthy, b"1"))
    assert [event.payload for event in world.events(healthy)] == [1]
    assert world.runs(poisoned) == []
    assert world.mailbox(poisoned) == 1
    assert sorted(bench.gone) == sorted([poisoned, healthy])


async def test_a_holder_whose_lease_is_over_replaces_no_stream(
    world: World, line: Line, bench: Bench, streams: redis.Redis
) -> None:
    """F2: frozen between COMMIT and XADD, it wakes when the next holder has published more."""
    source = world.source(world.component())
    frozen = await drained(world, line, source, b"1")
    committed = await commit(line, [frozen])
    world.sql("UPDATE actor SET until = 'epoch'")
    await bench.group(await drained(world, line, source, b"2"))
    published = entries(streams, source)
    assert [entry[2] for entry in published] == [b"1", b"2"]
    await bench.committer._publish_and_release([frozen], committed)
    assert entries(streams, source) == published
    assert world.is_quiet()
    # It has not come to believe that Redis is broken, either.
    other = world.source(world.component())
    await bench.group(await drained(world, line, other, b"3"))
    assert entries(streams, other) == world.tail(other, 200) != []
