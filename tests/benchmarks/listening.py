"""Event → listener under a steady load: each of many emitters has one listener, and all children
are warm.

Counted from the statement that stores the emitter's event (`stored_at`; its COMMIT follows) to the
start of the listener's run by the worker's clock, and to the statement that stores what it emits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from tests.benchmarks import timers
from tests.benchmarks.fanout import EACH_TO_ONE
from tests.benchmarks.house import House, Stack, wait_for
from tests.benchmarks.making import Sources
from tests.benchmarks.report import Table, milliseconds, number

SOURCES = 1_000
DRAIN_S = 15.0

_SPREAD = """
UPDATE sources_timer t SET interval_seconds = %(interval)s,
  next_fire_at = %(start)s + ((o.i - 1)::float8 / %(count)s * %(interval)s) * interval '1 second'
FROM (SELECT id, row_number() OVER (ORDER BY id) AS i FROM sources_source
      WHERE name LIKE %(tag)s || '-%%') AS o
WHERE o.id = t.source_id
"""

FIGURES = """
WITH times AS (
  SELECT extract(epoch FROM r.started_at - e.stored_at)::float AS start,
         extract(epoch FROM h.stored_at - e.stored_at)::float AS whole
  FROM event e
  JOIN subscriptions_subscription b ON b.emitter_id = e.source_id
  LEFT JOIN run r ON r.source_id = b.listener_id AND r.cause = 'event'
    AND r.key = e.source_id || ':' || e.ms || '-' || e.n || ':0'
  LEFT JOIN event h ON h.source_id = r.source_id AND h.run_id = r.id AND h.channel = ''
  WHERE e.channel = '' AND e.stored_at >= %(begin)s AND e.stored_at < %(end)s
)
SELECT count(*), count(whole),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY start),
       percentile_cont(0.99) WITHIN GROUP (ORDER BY start),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY whole),
       percentile_cont(0.99) WITHIN GROUP (ORDER BY whole)
FROM times
"""


@dataclass(frozen=True, slots=True)
class Load:
    """So many events a second of sources in this language."""

    language: str
    rate: int

    @property
    def interval_s(self) -> int:
        return SOURCES // self.rate


LOADS = (Load("python", 20), Load("python", 200), Load("javascript", 20), Load("javascript", 200))


def measure(house: House, scale: float) -> list[Table]:
    table = Table(
        "Event → listener, warm children",
        ["Listeners", "events/s", "events", "to the start of the run: p50 / p99 ms",
         "to its commit: p50 / p99 ms", "cores busy"],
    )  # fmt: skip
    seconds = max(3.0, 15 * scale)
    with house.connect() as connection:
        for language in ("python", "javascript"):
            pairs(connection, language)
        with house.stack("scheduler", "worker") as stack:
            for load in LOADS:
                events, ended, *figures, busy = steady(connection, stack, load, seconds)
                if ended != events:
                    raise RuntimeError(f"{ended} of {events} events made their listener run")
                first, first99, whole, whole99 = map(milliseconds, figures)
                name = {"python": "Python", "javascript": "JavaScript"}[load.language]
                table.add(
                    name, number(load.rate), f"{events:,}", f"{first} / {first99}",
                    f"{whole} / {whole99}", f"{busy:.2f}",
                )  # fmt: skip
    house.clear()
    table.notes.append(
        f"{SOURCES:,} pairs of an emitter and its listener; an emitter's run and its listener's are"
        " both among what keeps the cores busy. Every event made its listener run once."
    )
    return [table]


def pairs(connection: psycopg.Connection[Any], language: str) -> None:
    """Emitters `<language>-i`, each with its listener `<language>er-i`."""
    for tag in (language, f"{language}er"):
        made = Sources(connection, tag, language)
        made.components(1)
        made.grow(SOURCES, components=1)
    connection.execute(EACH_TO_ONE, {"emitters": language, "listeners": f"{language}er"})
    connection.execute("VACUUM ANALYZE subscriptions_subscription")


def steady(
    connection: psycopg.Connection[Any], stack: Stack, load: Load, seconds: float
) -> tuple[Any, ...]:
    """Let the load run; the row of `FIGURES`, and the cores that were busy meanwhile."""
    begin, end, busy = let_run(connection, stack, load, seconds)
    row = connection.execute(FIGURES, {"begin": begin, "end": end}).fetchone()
    assert row is not None
    return (*row, busy)


def let_run(
    connection: psycopg.Connection[Any], stack: Stack, load: Load, seconds: float
) -> tuple[datetime, datetime, float]:
    """The times between which the load was measured, and the cores that were busy; everything that
    was under way has ended."""
    connection.execute("TRUNCATE mailbox, run, event, fanout_due, delivery, sources_skippedslots")
    start = timers._now(connection) + timedelta(seconds=1)
    values = {"interval": load.interval_s, "count": SOURCES, "start": start, "tag": load.language}
    connection.execute(_SPREAD, values)
    begin = start + timedelta(seconds=timers.SETTLE_S)
    end = begin + timedelta(seconds=seconds)
    timers._sleep_until(connection, begin)
    before = stack.processor()
    timers._sleep_until(connection, end)
    used = sum(stack.processor().values()) - sum(before.values())
    connection.execute("UPDATE sources_timer SET next_fire_at = NULL")
    wait_for(lambda: not _under_way(connection), DRAIN_S, "the end of all runs")
    return begin, end, used / seconds


def _under_way(connection: psycopg.Connection[Any]) -> bool:
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM mailbox) OR EXISTS (SELECT FROM fanout_due)"
        " OR EXISTS (SELECT FROM delivery WHERE state = 'pending')"
    ).fetchone()
    assert row is not None
    return bool(row[0])
