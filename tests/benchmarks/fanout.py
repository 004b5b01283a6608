"""One event to ten thousand listeners: until all mailboxes are filled, beside a plain INSERT.

All mailboxes are filled by one transaction, so they are when its COMMIT is seen. Each round looks
at what came of it: each listener has exactly one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

import psycopg

from apps.subscriptions import carry
from tests.benchmarks.house import House, wait_for
from tests.benchmarks.making import Sources, make
from tests.benchmarks.report import Table, milliseconds, number

ROUNDS = 7
LIVE_ROUNDS = 3
CAP = 10_000
PAYLOAD = b'{"text":"one event for all"}'

# The sources of one tag listen to one source of another; or each to that of the same number.
TO_ONE = """
INSERT INTO subscriptions_subscription (id, owner_id, emitter_id, listener_id, event_name)
SELECT 'sub_' || substr(md5(l.id), 1, 10), l.owner_id, e.id, l.id, ''
FROM sources_source l JOIN sources_source e ON e.name = %(emitters)s || '-1'
WHERE l.name LIKE %(listeners)s || '-%%'
"""
EACH_TO_ONE = """
INSERT INTO subscriptions_subscription (id, owner_id, emitter_id, listener_id, event_name)
SELECT 'sub_' || substr(md5(l.id), 1, 10), l.owner_id, e.id, l.id, ''
FROM sources_source l
JOIN sources_source e ON e.name = replace(l.name, %(listeners)s || '-', %(emitters)s || '-')
WHERE l.name LIKE %(listeners)s || '-%%'
"""

# `count` events as a commit stores them, and their rows on the work list of the fan-out.
STORE = """
WITH e AS (
  INSERT INTO event (source_id, channel, ms, n, run_id, payload, meta, hops, stored_at)
  SELECT %(source)s, '', (extract(epoch FROM app_now()) * 1000)::bigint, i, gen_random_uuid(),
    %(payload)s, '{}', 0, app_now()
  FROM generate_series(1, %(count)s) AS i
  RETURNING source_id, channel, ms, n
)
INSERT INTO fanout_due (source_id, channel, ms, n, due_at)
SELECT source_id, channel, ms, n, 'epoch' FROM e
"""

_ROWS = """
source_id, cause, key, cause_at, due_at, queued_at, attempt, hops, emitter_id, channel, ms, n
"""

_SEEN = """
SELECT app_now() FROM sources_source s WHERE s.id = %(listener)s
  AND (EXISTS (SELECT FROM mailbox m WHERE m.source_id = s.id AND m.cause = 'event')
       OR EXISTS (SELECT FROM run r WHERE r.source_id = s.id AND r.cause = 'event'))
"""


@dataclass(frozen=True, slots=True)
class Live:
    """Seconds from the emitter's event (`stored_at`), by running workers."""

    filled: float
    ran: float


def measure(house: House, scale: float) -> list[Table]:
    listeners = max(500, int(10_000 * scale))
    table = Table(
        f"One event to {listeners:,} listening sources",
        ["What", "ms, median", "fastest – slowest", "rows/s", "times the plain INSERT"],
    )
    with house.connect() as connection:
        emitter = _prepare(connection, listeners)
        plain, alone = asyncio.run(_alone(house, connection, emitter, listeners))
        _say(table, "the same rows by one plain INSERT … SELECT", listeners, plain, plain)
        _say(table, "the fan-out's transaction, nothing else at work", listeners, alone, plain)
        connection.execute("TRUNCATE mailbox, run, event, fanout_due")
        with house.stack("scheduler", "worker"):
            live = [_live(connection, emitter, listeners) for _ in range(1 + LIVE_ROUNDS)][1:]
    house.clear()
    filled = [done.filled for done in live]
    _say(table, "emitter's event → all mailboxes filled, running workers", listeners, filled, plain)
    ran = [done.ran for done in live]
    _say(table, "emitter's event → every listener has run", listeners, ran, plain)
    table.notes.append(
        "Rounds of the first two take turns. In each round each listener had exactly one row, and"
        " with running workers ran exactly once. “All mailboxes filled” is one COMMIT; it is looked"
        " for every few milliseconds, while the first of the listeners run already."
    )
    return [table]


def _prepare(connection: psycopg.Connection[Any], listeners: int) -> str:
    """The id of the emitter."""
    made = make(connection, "wide", "python", 1, components=1)
    hearing = Sources(connection, "hear")
    hearing.components(1)
    hearing.grow(listeners, components=1)
    assert made.count == 1
    connection.execute(TO_ONE, {"emitters": "wide", "listeners": "hear"})
    connection.execute("VACUUM ANALYZE subscriptions_subscription")
    return str(_one(connection, "SELECT id FROM sources_source WHERE name = 'wide-1'"))


async def _alone(
    house: House, connection: psycopg.Connection[Any], emitter: str, listeners: int
) -> tuple[list[float], list[float]]:
    """Seconds of each round: the plain INSERT, the fan-out."""
    plain, ours = [], []
    own = await psycopg.AsyncConnection.connect(house.postgres.url, autocommit=True)
    async with own:
        await own.execute(carry.SESSION)
        for number_of_round in range(ROUNDS + 1):
            connection.execute(
                STORE, {"source": emitter, "payload": PAYLOAD, "count": 1}, prepare=False
            )
            began = time.perf_counter()
            carried = await carry.carry(own, [emitter], CAP)
            took = time.perf_counter() - began
            if len(carried.listeners) != listeners:
                raise RuntimeError(f"{len(carried.listeners)} of {listeners} got the event")
            _each_has_one(connection, listeners)
            if not number_of_round:
                # Caches and catalogues are read for the first time, and the rows are kept.
                connection.execute(f"CREATE TABLE bench_rows AS SELECT {_ROWS} FROM mailbox")
                connection.execute("TRUNCATE mailbox")
                _plain(connection)
                continue
            ours.append(took)
            connection.execute("TRUNCATE mailbox")
            plain.append(_plain(connection))
    connection.execute("DROP TABLE bench_rows")
    return plain, ours


def _plain(connection: psycopg.Connection[Any]) -> float:
    """Seconds until the rows of a round are in the empty mailbox, and that they are gone again."""
    began = time.perf_counter()
    connection.execute(f"INSERT INTO mailbox ({_ROWS}) SELECT {_ROWS} FROM bench_rows")
    took = time.perf_counter() - began
    connection.execute("TRUNCATE mailbox")
    return took


def _each_has_one(connection: psycopg.Connection[Any], listeners: int) -> None:
    row = connection.execute("SELECT count(*), count(DISTINCT source_id) FROM mailbox").fetchone()
    if row != (listeners, listeners):
        raise RuntimeError(f"rows and listeners that have some: {row}, not {listeners} each")


def _live(connection: psycopg.Connection[Any], emitter: str, listeners: int) -> Live:
    """The emitter's timer is due once; what its event brings about is waited for."""
    connection.execute("TRUNCATE mailbox, run, event, fanout_due")
    last = _one(connection, "SELECT max(id) FROM sources_source WHERE name LIKE 'hear-%'")
    connection.execute(
        "UPDATE sources_timer SET next_fire_at = app_now(), interval_seconds = 3600"
        " WHERE source_id = %s", [emitter],
    )  # fmt: skip
    seen: datetime | None = None

    def filled() -> bool:
        nonlocal seen
        row = connection.execute(_SEEN, {"listener": last}).fetchone()
        seen = row[0] if row else None
        return row is not None

    wait_for(filled, 60, "the mailboxes filled", every_s=0.002)
    wait_for(_ended(connection, listeners), 180, f"{listeners} listeners' runs", every_s=0.1)
    figures = connection.execute(
        "SELECT stored_at, (SELECT max(stored_at) FROM event e JOIN run r ON r.id = e.run_id"
        " AND r.source_id = e.source_id WHERE r.cause = 'event' AND e.channel = '')"
        " FROM event WHERE source_id = %s AND channel = ''", [emitter],
    ).fetchone()  # fmt: skip
    assert figures is not None
    assert seen is not None
    stored, ended = figures
    counted = connection.execute(
        "SELECT count(*), count(DISTINCT source_id), min(state), max(state) FROM run"
        " WHERE cause = 'event'"
    ).fetchone()
    if counted != (listeners, listeners, "succeeded", "succeeded"):
        raise RuntimeError(f"runs of listeners: {counted}, not {listeners} that succeeded")
    return Live((seen - stored).total_seconds(), (ended - stored).total_seconds())


def _ended(connection: psycopg.Connection[Any], listeners: int) -> Callable[[], bool]:
    query = "SELECT count(*) FROM run WHERE cause = 'event'"
    return lambda: bool(_one(connection, query) >= listeners)


def _one(connection: psycopg.Connection[Any], query: str) -> Any:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def _say(table: Table, what: str, rows: int, taken: list[float], plain: list[float]) -> None:
    middle = median(taken)
    table.add(
        what, milliseconds(middle), f"{milliseconds(min(taken))} – {milliseconds(max(taken))}",
        number(rows / middle), f"{middle / median(plain):.2f}",
    )  # fmt: skip
