"""The figures of the dashboard: each reads a bounded number of rows along an index.

What would take all rows of a large table is told of the newest of them (`LOOKED_THROUGH`) or
counted so far and no further (`COUNTED`, both of `apps.core.admin_lists`), and the pages say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from django.db import connection

from apps.accounts.models import UNLIMITED
from apps.core import admin_lists

MINUTES = 60
LISTED = 10
# The part of a day's quota from which on a user is listed.
NEAR = 0.8
# Users with a quota of their own that are looked at.
USERS = 2_000

_RUNS = """
SELECT floor(extract(epoch FROM cause_at) / 60)::bigint, state, count(*) FROM (
  SELECT cause_at, state FROM run WHERE cause_at >= %(since)s AND cause_at <= %(now)s
  ORDER BY cause_at DESC LIMIT %(most)s) AS newest
GROUP BY 1, 2 ORDER BY 1
"""
_EVENTS = """
SELECT floor(extract(epoch FROM stored_at) / 60)::bigint, 'stored', count(*) FROM (
  SELECT stored_at FROM event WHERE stored_at >= %(since)s AND stored_at <= %(now)s
  ORDER BY stored_at DESC LIMIT %(most)s) AS newest
GROUP BY 1 ORDER BY 1
"""
_BUSIEST = """
SELECT source_id, count(*), sum(duration_ms) FROM (
  SELECT source_id, duration_ms FROM run WHERE cause_at >= %(since)s AND cause_at <= %(now)s
  ORDER BY cause_at DESC LIMIT %(most)s) AS newest
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %(listed)s
"""
# Each state has its own part of the index run_trouble. Written as a range: of an equation the
# planner knows that it needs no order, and may rather walk run_newest past all that succeeded.
_TROUBLE = """
  (SELECT source_id, cause_at FROM run WHERE state <> 'succeeded'
   AND state BETWEEN '{0}' AND '{0}' AND cause_at >= %(day)s
   ORDER BY state, cause_at DESC LIMIT %(half)s)"""
_FAILING = f"""
SELECT source_id, count(*), max(cause_at) FROM (
{_TROUBLE.format("failed")} UNION ALL {_TROUBLE.format("dead")}) AS newest
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %(listed)s
"""  # noqa: S608 - constants of this file
_EARLIEST = """
SELECT source_id, next_fire_at FROM sources_timer WHERE next_fire_at IS NOT NULL
ORDER BY next_fire_at LIMIT 1
"""
_DEEPEST = """
SELECT source_id, count(*), sum(count(*)) OVER () FROM (
  SELECT source_id FROM mailbox ORDER BY source_id, id LIMIT %(most)s) AS waiting
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %(listed)s
"""
_PENDING = """
SELECT webhook_id, count(*), sum(count(*)) OVER () FROM (
  SELECT webhook_id FROM delivery WHERE state = 'pending'
  ORDER BY webhook_id, next_attempt_at, id LIMIT %(most)s) AS waiting
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %(listed)s
"""
_DEAD = """
SELECT webhook_id, count(*), sum(count(*)) OVER () FROM (
  SELECT webhook_id FROM delivery WHERE state = 'dead' ORDER BY id DESC LIMIT %(most)s) AS newest
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %(listed)s
"""
_FANOUT = """
SELECT count(*) FROM (
  SELECT 1 FROM fanout_due WHERE due_at <= %(now)s ORDER BY due_at LIMIT %(most)s) AS due
"""
_USAGE = """
SELECT * FROM (
  SELECT u.id, u.username,
    d.compute_ms::float8 / greatest(u.daily_compute_time_quota, 1) AS compute,
    d.invocations::float8 / greatest(u.daily_invocations_quota, 1) AS invocations
  FROM (SELECT * FROM accounts_user WHERE daily_compute_time_quota < %(unlimited)s
        OR daily_invocations_quota < %(unlimited)s LIMIT %(users)s) AS u
  JOIN accounts_usageday d ON d.user_id = u.id AND d.day = %(today)s) AS used
WHERE greatest(compute, invocations) >= %(near)s
ORDER BY greatest(compute, invocations) DESC, id LIMIT %(listed)s
"""


@dataclass(frozen=True, slots=True)
class Minutes:
    """What happened in each of the last minutes. `counts[name]` is as long as `at`; `partial`:
    there was more than is looked through, and earlier minutes are left out."""

    at: Sequence[datetime]
    counts: dict[str, list[int]]
    partial: bool

    def total(self, *names: str) -> int:
        return sum(sum(self.counts[name]) for name in names)


@dataclass(frozen=True, slots=True)
class Heap:
    """Rows that wait, by whose they are: the highest heaps first, as (id, count).

    `total` is that of all, counted to the bound: `capped`, when it was reached."""

    highest: Sequence[tuple[str, int]]
    total: int

    @property
    def capped(self) -> bool:
        return self.total >= admin_lists.LOOKED_THROUGH

    def __str__(self) -> str:
        return f"{self.total:,} or more" if self.capped else f"{self.total:,}"


class Figures:
    """At one instant, in the platform's time."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        first = now.replace(second=0, microsecond=0) - timedelta(minutes=MINUTES - 1)
        self._values: dict[str, Any] = {
            "now": now,
            "since": first,
            "day": now - timedelta(days=1),
            "today": now.astimezone(UTC).date(),
            "most": admin_lists.LOOKED_THROUGH,
            "half": admin_lists.LOOKED_THROUGH // 2,
            "listed": LISTED,
            "users": USERS,
            "near": NEAR,
            "unlimited": UNLIMITED,
        }

    def _rows(self, sql: str) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(sql, self._values)
            found: list[Any] = cursor.fetchall()
            return found

    def runs(self) -> Minutes:
        """Those that ended, by state, in the minutes of their causes."""
        return self._minutes(_RUNS, ("succeeded", "failed", "dead", "cancelled"))

    def events(self) -> Minutes:
        """Those of every channel, log lines too."""
        return self._minutes(_EVENTS, ("stored",))

    def _minutes(self, sql: str, names: Sequence[str]) -> Minutes:
        rows = self._rows(sql)
        begin = int(self._values["since"].timestamp()) // 60
        partial = sum(row[2] for row in rows) >= self._values["most"]
        if partial:
            # Of the earliest minute not all was looked at.
            begin = min(rows[0][0] + 1, begin + MINUTES - 1)
        numbers = range(begin, int(self._values["since"].timestamp()) // 60 + MINUTES)
        counts = {name: [0] * len(numbers) for name in names}
        for minute, name, count in rows:
            if minute in numbers and name in counts:
                counts[name][minute - begin] = count
        at = [datetime.fromtimestamp(number * 60, UTC) for number in numbers]
        return Minutes(at, counts, partial)

    def busiest(self) -> list[tuple[str, int, int]]:
        """Source, runs, milliseconds in all: of the last hour."""
        return self._rows(_BUSIEST)

    def failing(self) -> list[tuple[str, int, datetime]]:
        """Source, failed and dead runs, the last one's cause: of the last day."""
        return self._rows(_FAILING)

    def earliest_timer(self) -> tuple[str, datetime] | None:
        """The timer that is due first or most overdue."""
        rows = self._rows(_EARLIEST)
        return rows[0] if rows else None

    @cached_property
    def mailboxes(self) -> Heap:
        return self._heap(_DEEPEST)

    @cached_property
    def pending(self) -> Heap:
        return self._heap(_PENDING)

    @cached_property
    def dead(self) -> Heap:
        return self._heap(_DEAD)

    def _heap(self, sql: str) -> Heap:
        rows = self._rows(sql)
        return Heap([(row[0], row[1]) for row in rows], int(rows[0][2]) if rows else 0)

    def fanout(self) -> Heap:
        """Events that are to be carried to their listeners by now."""
        return Heap((), self._rows(_FANOUT)[0][0])

    def near_quota(self) -> list[tuple[str, str, float, float]]:
        """User, name, used parts of today's compute time and of today's invocations: as far as the
        sweeper has added them up."""
        return self._rows(_USAGE)
