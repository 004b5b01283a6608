"""Step 1 of the way: due timers become Runs in the mailboxes of their sources.

One statement a thousand timers: lock what is due, move each to its next slot, queue a Run for the
newest slot that has passed, and note every other slot as skipped with its reason (G5). Timers under
a cron expression need Python for their next instant and go the same way in a second transaction.

`step()` is called by beat's one static tick, and by the scheduler's own clock when no tick comes
(a broker that is down delays nothing). Of two schedulers at once one fires a slot: it locks the
timer's row, and who gets at the row later sees that it was moved on. SKIP LOCKED only saves
waiting, so that they share the work. The key of a slot is unique beside that, while its run is
queued.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.db import connection, transaction

from apps.runs import queue
from apps.sources import schedule

BATCH = 1000

# `slot` is the newest slot that has passed, `missed` how many before it went by unnoticed.
# While a timer Run of the source waits or runs, the slot is skipped (F18); its row names the range,
# so that a run of an hour costs one row and not two hundred.
_INTERVALS = """
WITH due AS (
  SELECT t.source_id, t.generation, t.interval_seconds AS step, t.next_fire_at AS first,
         floor(extract(epoch FROM app_now() - t.next_fire_at) / t.interval_seconds)::int AS missed
  FROM sources_timer t
  WHERE t.next_fire_at <= app_now() AND t.interval_seconds IS NOT NULL
  ORDER BY t.next_fire_at LIMIT %(batch)s FOR NO KEY UPDATE SKIP LOCKED
), slots AS (
  SELECT d.*, d.first + d.missed * d.step * interval '1 second' AS slot,
         (SELECT min(m.id) FROM mailbox m WHERE m.source_id = d.source_id AND m.cause = 'timer')
           AS blocker
  FROM due d
), moved AS (
  UPDATE sources_timer t SET next_fire_at = s.slot + s.step * interval '1 second'
  FROM slots s WHERE t.source_id = s.source_id
), queued AS (
  INSERT INTO mailbox (source_id, cause, key, cause_at, due_at, queued_at, payload)
  SELECT source_id, 'timer',
         generation || ':' || floor(extract(epoch FROM slot) * 1000)::bigint,
         slot, app_now(), app_now(),
         convert_to('{"timestamp":' || floor(extract(epoch FROM slot))::bigint
                    || ',"interval_seconds":' || step || '}', 'UTF8')
  FROM slots WHERE blocker IS NULL
  ON CONFLICT (source_id, cause, key) DO NOTHING
  RETURNING source_id
), after_downtime AS (
  INSERT INTO sources_skippedslots (source_id, generation, from_ms, to_ms, count, reason, blocker)
  SELECT source_id, generation, floor(extract(epoch FROM first) * 1000)::bigint,
         floor(extract(epoch FROM slot - step * interval '1 second') * 1000)::bigint, missed,
         'downtime', 0
  FROM slots WHERE missed > 0 AND blocker IS NULL
), behind_a_run AS (
  INSERT INTO sources_skippedslots AS k
         (source_id, generation, from_ms, to_ms, count, reason, blocker)
  SELECT source_id, generation, floor(extract(epoch FROM first) * 1000)::bigint,
         floor(extract(epoch FROM slot) * 1000)::bigint, missed + 1, 'previous_run', blocker
  FROM slots WHERE blocker IS NOT NULL
  ON CONFLICT (source_id, generation, reason, blocker) WHERE blocker > 0
  DO UPDATE SET to_ms = excluded.to_ms, count = k.count + excluded.count
)
SELECT (SELECT count(*) FROM slots), array(SELECT source_id FROM queued)
"""

_CRON_DUE = """
SELECT t.source_id, t.generation, t.cron, t.timezone, t.next_fire_at, app_now(),
       (SELECT min(m.id) FROM mailbox m WHERE m.source_id = t.source_id AND m.cause = 'timer')
FROM sources_timer t
WHERE t.next_fire_at <= app_now() AND t.cron IS NOT NULL
ORDER BY t.next_fire_at LIMIT %(batch)s FOR NO KEY UPDATE OF t SKIP LOCKED
"""

_CRON_MOVE = """
UPDATE sources_timer t SET next_fire_at = h.next
FROM unnest(%(ids)s::text[], %(next)s::timestamptz[]) AS h(id, next) WHERE t.source_id = h.id
"""

_CRON_QUEUE = """
INSERT INTO mailbox (source_id, cause, key, cause_at, due_at, queued_at, payload)
SELECT h.id, 'timer', h.key, h.slot, app_now(), app_now(), h.payload
FROM unnest(%(ids)s::text[], %(keys)s::text[], %(slots)s::timestamptz[], %(payloads)s::bytea[])
  AS h(id, key, slot, payload)
ON CONFLICT (source_id, cause, key) DO NOTHING RETURNING source_id
"""

_CRON_SKIP = """
INSERT INTO sources_skippedslots AS k
       (source_id, generation, from_ms, to_ms, count, reason, blocker)
SELECT * FROM unnest(%(ids)s::text[], %(generations)s::int[], %(from_ms)s::bigint[],
                     %(to_ms)s::bigint[], %(counts)s::int[], %(reasons)s::text[],
                     %(blockers)s::bigint[])
ON CONFLICT (source_id, generation, reason, blocker) WHERE blocker > 0
DO UPDATE SET to_ms = excluded.to_ms, count = k.count + excluded.count
"""


# A limit of a thousand makes the planner expect a thousand due timers, and read all there are.
_PLANNER = (
    "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off;"
    " SET LOCAL enable_mergejoin = off"
)


def step() -> int:
    """Queue what is due now, and hint. Returns how many timers were due (0 = nothing to do)."""
    total = 0
    while True:
        with transaction.atomic():
            due, queued = _intervals()
            transaction.on_commit(partial(queue.hint_sources, queued, fresh=True))
        total += due
        if due < BATCH:
            break
    while True:
        with transaction.atomic():
            due, queued = _crons()
            transaction.on_commit(partial(queue.hint_sources, queued, fresh=True))
        total += due
        if due < BATCH:
            return total


def _intervals() -> tuple[int, list[str]]:
    with connection.cursor() as cursor:
        cursor.execute(_PLANNER)
        cursor.execute(_INTERVALS, {"batch": BATCH})
        row = cursor.fetchone()
        assert row is not None
        return row[0], row[1]


def _crons() -> tuple[int, list[str]]:
    with connection.cursor() as cursor:
        cursor.execute(_PLANNER)
        cursor.execute(_CRON_DUE, {"batch": BATCH})
        due = cursor.fetchall()
        if not due:
            return 0, []
        plans = [_plan(*row) for row in due]
        cursor.execute(
            _CRON_MOVE, {"ids": [p["id"] for p in plans], "next": [p["next"] for p in plans]}
        )
        queued = _queue(cursor, [p for p in plans if p["blocker"] is None])
        _skip(cursor, [p for p in plans if p["count"]])
        return len(due), queued


def _plan(
    source_id: str,
    generation: int,
    cron: str,
    timezone: str,
    first: datetime,
    now: datetime,
    blocker: int | None,
) -> dict[str, Any]:
    """What becomes of one due cron timer: which slot runs, which were skipped and why."""
    passed = schedule.slots_passed(cron, timezone, first, now)
    skipped = passed.count if blocker is not None else passed.count - 1
    return {
        "id": source_id,
        "generation": generation,
        "slot": passed.newest,
        "next": passed.next,
        "blocker": blocker,
        "count": skipped,
        "from_ms": _ms(first),
        "to_ms": _ms(passed.newest if blocker is not None else passed.before_newest),
        "payload": schedule.cron_event(passed.newest, cron, timezone),
    }


def _queue(cursor: Any, plans: list[dict[str, Any]]) -> list[str]:
    if not plans:
        return []
    cursor.execute(
        _CRON_QUEUE,
        {
            "ids": [p["id"] for p in plans],
            "keys": [f"{p['generation']}:{_ms(p['slot'])}" for p in plans],
            "slots": [p["slot"] for p in plans],
            "payloads": [p["payload"] for p in plans],
        },
    )
    return [row[0] for row in cursor.fetchall()]


def _skip(cursor: Any, plans: list[dict[str, Any]]) -> None:
    if not plans:
        return
    blocked = [p["blocker"] is not None for p in plans]
    cursor.execute(
        _CRON_SKIP,
        {
            "ids": [p["id"] for p in plans],
            "generations": [p["generation"] for p in plans],
            "from_ms": [p["from_ms"] for p in plans],
            "to_ms": [p["to_ms"] for p in plans],
            "counts": [p["count"] for p in plans],
            "reasons": ["previous_run" if b else "downtime" for b in blocked],
            "blockers": [p["blocker"] or 0 for p in plans],
        },
    )


def _ms(instant: datetime) -> int:
    return int(instant.astimezone(UTC).timestamp() * 1000)
