"""What became of each slot of a source's timer: it ran, it ran late, or it was skipped and why.

Three places know: the history of runs, the mailbox (a slot whose run waits or is going on), and the
ranges of skipped slots (F18). Newest first by (the slot, a tag that tells entries of one slot
apart), which stays the same when a run moves from the mailbox into the history.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from psycopg.sql import SQL

from apps.runs.mailbox import run_id

# A run that began this long after its slot is called late.
LATE_MS = 1000


class Position(NamedTuple):
    """Where a tick stands in the order of its source."""

    to_ms: int
    tag: str


@dataclass(frozen=True, slots=True)
class Tick:
    """What became of a slot, or of a range of slots that were skipped.

    outcome  `ran`, `late` or `skipped`
    lag_ms   from the slot to the start of its run; of a run that still waits, so far
    reason   why it was skipped; `waiting` or `running` of a run that has not ended
    """

    position: Position
    from_ms: int
    count: int
    outcome: str
    lag_ms: int | None = None
    reason: str | None = None
    run_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class TickPage:
    items: list[Tick]
    total: int


# A run that was asked for again keeps its cause and has a longer key: it is no slot of its own.
_RAN = SQL("""
SELECT slot AS to_ms, 'r' || key AS tag, slot AS from_ms, 1 AS count, key,
       greatest(0, (extract(epoch FROM started_at) * 1000)::bigint - slot) AS lag, '' AS reason
FROM (SELECT *, split_part(key, ':', 2)::bigint AS slot FROM run
      WHERE source_id = %(source)s AND cause = 'timer' AND key NOT LIKE '%%:%%:%%') AS ended
""")
# Under a lease the run is going on, as far as anybody can tell. What has only just been queued has
# no outcome yet.
_WAITING = SQL("""
SELECT slot, 'r' || key, slot, 1, key, CASE WHEN NOT held THEN lag END,
       CASE WHEN held THEN 'running' ELSE 'waiting' END
FROM (SELECT q.*, (extract(epoch FROM app_now()) * 1000)::bigint - slot AS lag
      FROM (SELECT m.key, split_part(m.key, ':', 2)::bigint AS slot, a.until > app_now() AS held
            FROM mailbox m JOIN actor a ON a.source_id = m.source_id
            WHERE m.source_id = %(source)s AND m.cause = 'timer'
              AND m.key NOT LIKE '%%:%%:%%') AS q) AS queued
WHERE held OR lag >= %(late)s
""")
_SKIPPED = SQL("""
SELECT to_ms, 's' || id, from_ms, count, NULL, NULL, reason
FROM sources_skippedslots WHERE source_id = %(source)s
""")
_PAGE = SQL("""
SELECT to_ms, tag, from_ms, count, key, lag, reason
FROM (({ran}) UNION ALL ({waiting}) UNION ALL ({skipped})) AS ticks
WHERE (%(after_ms)s::bigint IS NULL
       OR (to_ms, tag COLLATE "C") < (%(after_ms)s, %(after_tag)s COLLATE "C"))
  AND (%(before_ms)s::bigint IS NULL
       OR (to_ms, tag COLLATE "C") > (%(before_ms)s, %(before_tag)s COLLATE "C"))
ORDER BY to_ms {direction}, tag COLLATE "C" {direction} LIMIT %(limit)s
""")
_TOTAL = SQL("SELECT count(*) FROM (({ran}) UNION ALL ({waiting}) UNION ALL ({skipped})) AS ticks")
_PARTS = {"ran": _RAN, "waiting": _WAITING, "skipped": _SKIPPED}


def read_page(
    source_id: str, *, limit: int, after: Position | None = None, before: Position | None = None
) -> TickPage:
    """A page of a source's ticks; cursors as in `apps.events.reading.read_page`."""
    direction = SQL("ASC" if before and not after else "DESC")
    values: dict[str, Any] = {"source": source_id, "limit": limit, "late": LATE_MS}
    for name, position in (("after", after), ("before", before)):
        values[f"{name}_ms"], values[f"{name}_tag"] = position or (None, "")
    with connection.cursor() as cursor:
        cursor.execute(_PAGE.format(direction=direction, **_PARTS), values)
        rows = cursor.fetchall()
        cursor.execute(_TOTAL.format(**_PARTS), values)
        counted = cursor.fetchone()
    assert counted is not None
    items = sorted((_tick(source_id, *row) for row in rows), key=lambda t: t.position)
    return TickPage(items[::-1], counted[0])


def _tick(
    source_id: str,
    to_ms: int,
    tag: str,
    from_ms: int,
    count: int,
    key: str | None,
    lag: int | None,
    reason: str,
) -> Tick:
    position = Position(to_ms, tag)
    if key is None:
        return Tick(position, from_ms, count, "skipped", reason=reason)
    outcome = "late" if lag is not None and lag >= LATE_MS else "ran"
    return Tick(
        position, from_ms, count, outcome, lag, reason or None, run_id(source_id, "timer", key)
    )
