"""Timers by the thousand under a steady load, and how fast due ones are claimed.

lag         from the slot to the Run in the mailbox (`queued_at`)
end to end  from the slot to the event stored by a commit (`stored_at`)
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from tests.benchmarks.house import House, Stack
from tests.benchmarks.making import Sources
from tests.benchmarks.report import Table, milliseconds, number
from workers import scheduler

# Seconds before a load is measured: plans, caches and the first children are made.
SETTLE_S = 3.0
DRAIN_S = 15.0
# Timers that are set going in a second, with room to spare.
PREPARED_A_SECOND = 20_000
TAG = "timers"

# Spread over the interval by their number, so that as many are due in each second.
_SPREAD = """
UPDATE sources_timer t SET interval_seconds = %(interval)s,
  next_fire_at = %(start)s + ((o.i - 1)::float8 / %(count)s * %(interval)s) * interval '1 second'
FROM (SELECT source_id, row_number() OVER (ORDER BY source_id) AS i FROM sources_timer) AS o
WHERE o.source_id = t.source_id
"""

# Those that `_SPREAD` lets be due first.
_OWN_COMPONENTS = """
UPDATE sources_source s SET component_id = 'sc_' || substr(md5('own' || o.i), 1, 10)
FROM (SELECT source_id, row_number() OVER (ORDER BY source_id) AS i
      FROM sources_timer ORDER BY source_id LIMIT %(count)s) AS o
WHERE s.id = o.source_id
"""

_FIGURES = """
WITH slots AS (
  SELECT source_id, cause_at, queued_at, id FROM run WHERE cause = 'timer'
    AND cause_at >= %(begin)s AND cause_at < %(end)s
  UNION ALL
  SELECT source_id, cause_at, queued_at, NULL FROM mailbox WHERE cause = 'timer'
    AND cause_at >= %(begin)s AND cause_at < %(end)s
), times AS (
  SELECT extract(epoch FROM s.queued_at - s.cause_at)::float AS lag,
         extract(epoch FROM e.stored_at - s.cause_at)::float AS whole, e.stored_at
  FROM slots s LEFT JOIN event e ON e.source_id = s.source_id AND e.run_id = s.id
    AND e.channel = ''
)
SELECT count(*), count(whole),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY lag),
       percentile_cont(0.99) WITHIN GROUP (ORDER BY lag),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY whole),
       percentile_cont(0.99) WITHIN GROUP (ORDER BY whole),
       (SELECT count(*) FROM event WHERE channel = ''
          AND stored_at >= %(begin)s AND stored_at < %(end)s)
FROM times
"""


@dataclass(frozen=True, slots=True)
class Load:
    """So many timer sources, each of the interval in seconds, over so many seconds."""

    label: str
    sources: int
    interval_s: int
    seconds: float

    @property
    def due(self) -> float:
        """Slots a second."""
        return self.sources / self.interval_s


def measure(house: House, scale: float) -> list[Table]:
    table = Table(
        "Timers under a steady load",
        ["Timer sources", "due/s", "slots", "lag p50 / p99 ms", "end to end p50 / p99 ms",
         "events/s", "left after it", "cores busy"],
    )  # fmt: skip
    seconds = max(3.0, 20 * scale)
    loads = [
        Load("1,000, each 15 s", 1_000, 15, seconds),
        Load("10,000, each 60 s", 10_000, 60, seconds),
        Load("100,000, each 500 s", 100_000, 500, seconds),
    ]
    with house.connect() as connection:
        made = Sources(connection, TAG)
        made.components(1)
        with house.stack("scheduler", "worker") as stack:
            for load in loads:
                made.grow(load.sources, components=1)
                _say(table, load, _steady(connection, stack, load))
            own = Load("100,000, each its own component", 100_000, 500, max(3.0, 12 * scale))
            due = int(own.due * (own.seconds + SETTLE_S + 5))
            made.components(due, "own")
            connection.execute(_OWN_COMPONENTS, {"count": due})
            _say(table, own, _steady(connection, stack, own))
        claim = _claim(connection, made)
    house.clear()
    table.notes.append(
        f"Measured after {SETTLE_S:g} s of the same load. “Left after it”: slots whose Run had not"
        f" ended {DRAIN_S:g} s after the last one. With a component of its own each source needs a"
        " new child at each of its slots, 500 s apart."
    )
    return [table, claim]


def _say(table: Table, load: Load, figures: tuple[Any, ...]) -> None:
    slots, ended, lag50, lag99, whole50, whole99, stored, busy = figures
    table.add(
        load.label, number(load.due), f"{slots:,}",
        f"{milliseconds(lag50)} / {milliseconds(lag99)}",
        f"{milliseconds(whole50)} / {milliseconds(whole99)}",
        number(stored / load.seconds), f"{slots - ended:,}", f"{busy:.2f}",
    )  # fmt: skip


def _steady(connection: psycopg.Connection[Any], stack: Stack, load: Load) -> tuple[Any, ...]:
    """Let the load run; the row of `_FIGURES`, and the cores that were busy meanwhile."""
    connection.execute("TRUNCATE mailbox, run, event, sources_skippedslots")
    # The first slot lies ahead of the end of this statement.
    start = _now(connection) + timedelta(seconds=1 + load.sources / PREPARED_A_SECOND)
    connection.execute(
        _SPREAD, {"interval": load.interval_s, "count": load.sources, "start": start}
    )
    begin = start + timedelta(seconds=SETTLE_S)
    end = begin + timedelta(seconds=load.seconds)
    _sleep_until(connection, begin)
    before = stack.processor()
    _sleep_until(connection, end)
    used = sum(stack.processor().values()) - sum(before.values())
    connection.execute("UPDATE sources_timer SET next_fire_at = NULL")
    deadline = time.monotonic() + DRAIN_S
    while _open(connection) and time.monotonic() < deadline:
        time.sleep(0.1)
    row = connection.execute(_FIGURES, {"begin": begin, "end": end}).fetchone()
    assert row is not None
    connection.execute("TRUNCATE mailbox")
    return (*row, used / load.seconds)


def _claim(connection: psycopg.Connection[Any], made: Sources) -> Table:
    """All timers due at once, the scheduler's step called here, no other process at work."""
    connection.execute("TRUNCATE mailbox, run, event, sources_skippedslots")
    connection.execute("UPDATE sources_timer SET next_fire_at = app_now(), interval_seconds = 3600")
    connection.execute("VACUUM ANALYZE sources_timer")
    began = time.perf_counter()
    claimed = scheduler.step()
    took = time.perf_counter() - began
    if claimed != made.count:
        raise RuntimeError(f"{claimed} of {made.count} timers were claimed")
    table = Table("Claiming due timers", ["What", "Rate"])
    table.add(f"{claimed:,} timers due at once, 1,000 a transaction", f"{number(claimed / took)}/s")
    table.notes.append("Slot moved on, Run queued, hint sent; one process, nothing else at work.")
    return table


def _open(connection: psycopg.Connection[Any]) -> bool:
    row = connection.execute("SELECT EXISTS (SELECT FROM mailbox)").fetchone()
    assert row is not None
    return bool(row[0])


def _now(connection: psycopg.Connection[Any]) -> datetime:
    row = connection.execute("SELECT app_now()").fetchone()
    assert row is not None
    now: datetime = row[0]
    return now


def _sleep_until(connection: psycopg.Connection[Any], instant: datetime) -> None:
    time.sleep(max(0.0, (instant - _now(connection)).total_seconds()))
