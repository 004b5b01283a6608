"""Step 4 of the way, in SQL: what is due of some emitters goes to everybody who listens.

One transaction: take the emitters' advisory locks (tried, not waited for), so that each is carried
by one at a time; then one statement reads the due events in order, finds their listeners, inserts
the Runs of sources and the Deliveries of webhooks, and deletes the due rows. Killed half way,
nothing has happened; done twice, the unique keys keep one. A listener gets each emitter's events in
their order, since its mailbox is read in the order of its rows' ids.

Who gets an event: subscriptions of its (source, channel), or of `dc_*`, that stood when it was
stored (F11; a replay asks who listens now), whose listener is active; a glob never means the
listener itself. An event beyond the hop limit goes nowhere, and its emitter is told. A listener
whose mailbox is full gets nothing: what is for it waits in `held_back`, and so does all that
comes after, until `apps.subscriptions.held` finds room. A hidden event still goes out (F9), unless
it was hidden before it was due: that cancels it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import AsyncConnection

from apps.core.crash import crash
from apps.runs import notices

# The most sources an event may have come through; what would exceed it is not carried on.
HOPS = 10
# Rows of one transaction, roughly: so many listeners times events.
ROWS = 20_000
EVENTS = 500
# With so many listeners the mailboxes are looked at as a whole before each is.
WIDE = 500
# Rows looked through for emitters whose events had a time.
TIMED_ROWS = 1000
# First key of the advisory locks; the second is a hash of the emitter's id.
LOCKS = 0x4677_0001

# For the connection that carries: the lease's settings forbid the joins that ten thousand
# listeners need.
SESSION = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off"

# Emitters with something due at once, in id order behind `after`: one index probe each, however
# much is due of one. A source that is being created shows nothing yet (F16).
_AT_ONCE = """
WITH RECURSIVE walk AS (
  (SELECT source_id FROM fanout_due WHERE due_at = 'epoch' AND source_id > %(after)s
   ORDER BY source_id LIMIT 1)
  UNION ALL
  SELECT (SELECT d.source_id FROM fanout_due d
          WHERE d.due_at = 'epoch' AND d.source_id > w.source_id ORDER BY d.source_id LIMIT 1)
  FROM walk w WHERE w.source_id IS NOT NULL
)
SELECT w.source_id FROM walk w
WHERE (SELECT s.state <> 'creating' FROM sources_source s WHERE s.id = w.source_id)
LIMIT %(limit)s
"""

# What had a time that has come. What is to come, be it ever so much, is not looked at.
_TIMED = """
SELECT DISTINCT d.source_id
FROM (SELECT source_id FROM fanout_due WHERE due_at > 'epoch' AND due_at <= app_now()
      ORDER BY due_at LIMIT %(rows)s) AS d
JOIN sources_source s ON s.id = d.source_id AND s.state <> 'creating'
"""

_LOCK = """
SELECT u.id, (SELECT count(*) FROM subscriptions_subscription b
              WHERE b.emitter_id = u.id AND b.deleted_at IS NULL)
           + (SELECT count(*) FROM subscriptions_subscription b
              WHERE b.emitter_id = 'dc_*' AND b.owner_id = s.owner_id AND b.deleted_at IS NULL)
FROM unnest(%(ids)b::text[]) AS u(id)
JOIN sources_source s ON s.id = u.id AND s.state <> 'creating'
WHERE pg_try_advisory_xact_lock(%(locks)s, hashtext(u.id))
"""

# A second statement, so that its snapshot is younger than the locks. Whoever names an emitter by
# its id owns it, so the owner is compared for globs alone (see `apps.runs.commit`). Of many
# listeners one look may tell that all mailboxes together hold less than one may: then none is
# counted.
_CARRY = """
WITH due AS MATERIALIZED (
  SELECT d.id, d.source_id, d.due_at, d.channel, d.ms, d.n, d.replay, d.listener_id AS only_for,
         s.owner_id, e.hops, e.stored_at,
         CASE WHEN d.replay <> '' THEN d.due_at ELSE coalesce(e.due_at, e.stored_at) END
           AS cause_at,
         s.state IN ('active', 'inactive') AND e.hops >= 0
           AND (e.deleted_at IS NULL OR e.due_at IS NULL OR e.deleted_at >= e.due_at) AS goes
  FROM unnest(%(ids)b::text[]) AS u(id)
  JOIN sources_source s ON s.id = u.id
  CROSS JOIN LATERAL (SELECT * FROM fanout_due f WHERE f.source_id = u.id AND f.due_at <= app_now()
                      ORDER BY f.due_at, f.ms, f.n LIMIT %(events)s) AS d
  LEFT JOIN event e ON e.source_id = d.source_id AND e.channel = d.channel
                   AND e.ms = d.ms AND e.n = d.n
), matched AS MATERIALIZED (
  SELECT d.*, b.listener_id, b.id AS subscription_id
  FROM due d JOIN subscriptions_subscription b
    ON b.emitter_id = d.source_id AND b.event_name = d.channel
   AND b.deleted_at IS NULL AND (d.replay <> '' OR b.created_at <= d.stored_at)
  WHERE d.goes AND (d.only_for IS NULL OR b.listener_id = d.only_for)
  UNION ALL
  SELECT d.*, b.listener_id, b.id
  FROM due d JOIN subscriptions_subscription b
    ON b.emitter_id = 'dc_*' AND b.event_name = d.channel AND b.owner_id = d.owner_id
   AND b.deleted_at IS NULL AND (d.replay <> '' OR b.created_at <= d.stored_at)
   AND b.listener_id <> d.source_id
  WHERE d.goes AND (d.only_for IS NULL OR b.listener_id = d.only_for)
), to_sources AS MATERIALIZED (
  SELECT m.*, row_number() OVER (PARTITION BY m.listener_id
                                 ORDER BY m.source_id, m.due_at, m.ms, m.n, m.replay) AS place
  FROM (SELECT DISTINCT ON (listener_id, id) * FROM matched
        WHERE hops < %(hops)s AND listener_id LIKE 'dc\\_%%') AS m
  JOIN sources_source l ON l.id = m.listener_id AND l.state = 'active'
), calm AS MATERIALIZED (
  SELECT %(wide)s AND %(most)s
         + (SELECT count(*) FROM (SELECT FROM mailbox LIMIT %(cap)s) AS b) <= %(cap)s AS fits_all
), rooms AS MATERIALIZED (
  SELECT listener_id,
         CASE WHEN EXISTS (SELECT FROM held_back h WHERE h.listener_id = t.listener_id) THEN 0
         WHEN (SELECT fits_all FROM calm) THEN %(most)s
         ELSE %(cap)s - (SELECT count(*) FROM (SELECT FROM mailbox b
                         WHERE b.source_id = t.listener_id LIMIT %(cap)s) AS waiting) END AS room
  FROM (SELECT DISTINCT listener_id FROM to_sources) AS t
), placed AS MATERIALIZED (
  SELECT t.*, t.place <= r.room AS fits
  FROM to_sources t JOIN rooms r ON r.listener_id = t.listener_id
), queued AS (
  INSERT INTO mailbox (source_id, cause, key, cause_at, due_at, queued_at, hops,
                       emitter_id, channel, ms, n)
  SELECT listener_id, 'event',
         source_id || ':' || ms || '-' || n || ':' || coalesce(nullif(replay, ''), '0'),
         cause_at, app_now(), app_now(), hops + 1, source_id, channel, ms, n
  FROM placed WHERE fits
  ORDER BY listener_id, source_id, due_at, placed.ms, placed.n, replay
  ON CONFLICT (source_id, cause, key) DO NOTHING
  RETURNING source_id
), held AS (
  INSERT INTO held_back (listener_id, subscription_id, emitter_id, channel, ms, n, replay)
  SELECT listener_id, subscription_id, source_id, channel, ms, n, replay
  FROM placed WHERE NOT fits
  ORDER BY listener_id, source_id, due_at, placed.ms, placed.n, replay
  RETURNING listener_id
), delivered AS (
  INSERT INTO delivery (webhook_id, owner_id, emitter_id, channel, ms, n, replay,
                        next_attempt_at, created_at)
  SELECT m.listener_id, m.owner_id, m.source_id, m.channel, m.ms, m.n, m.replay,
         app_now(), app_now()
  FROM matched m JOIN subscriptions_webhook w
    ON w.id = m.listener_id AND w.active AND w.deleted_at IS NULL
  WHERE m.hops < %(hops)s AND m.listener_id LIKE 'wh\\_%%'
  ORDER BY m.listener_id, m.source_id, m.due_at, m.ms, m.n, m.replay
  ON CONFLICT (webhook_id, emitter_id, ms, n, replay) DO NOTHING
  RETURNING webhook_id
), gone AS (
  DELETE FROM fanout_due f USING due WHERE f.id = due.id RETURNING f.id
)
SELECT (SELECT count(*) FROM gone),
       array(SELECT DISTINCT source_id FROM queued),
       array(SELECT DISTINCT webhook_id FROM delivered),
       array(SELECT DISTINCT listener_id FROM held),
       array(SELECT DISTINCT source_id FROM matched WHERE hops >= %(hops)s)
"""

_STILL_DUE = """
SELECT u.id FROM unnest(%(ids)b::text[]) AS u(id)
JOIN sources_source s ON s.id = u.id AND s.state <> 'creating'
WHERE EXISTS (SELECT FROM fanout_due d WHERE d.source_id = u.id AND d.due_at <= app_now())
"""


@dataclass(slots=True)
class Carried:
    """What one transaction did: due rows done away with; sources and webhooks that got something;
    sources that were told of a limit; emitters that have more."""

    done: int = 0
    listeners: list[str] = field(default_factory=list)
    webhooks: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    more: list[str] = field(default_factory=list)


async def due(
    connection: AsyncConnection[Any], after: str, limit: int
) -> tuple[list[str], list[str]]:
    """Emitters of which something is due: at once, in id order behind `after`, at most `limit`; and
    those whose events had a time that has come."""
    async with connection.pipeline():
        at_once = await connection.execute(_AT_ONCE, {"after": after, "limit": limit})
        timed = await connection.execute(_TIMED, {"rows": TIMED_ROWS})
    return [r[0] for r in await at_once.fetchall()], [r[0] for r in await timed.fetchall()]


async def carry(connection: AsyncConnection[Any], emitter_ids: Sequence[str], cap: int) -> Carried:
    """Carry on what is due of those emitters that nobody else is carrying; `cap` is the number of
    Runs that may wait in one mailbox. Emitters that were passed over for want of room in one
    transaction, or whose next event came meanwhile, are in `more`."""
    carried = Carried()
    async with connection.transaction():
        cursor = await connection.execute(_LOCK, {"ids": sorted(emitter_ids), "locks": LOCKS})
        locked: dict[str, int] = dict(await cursor.fetchall())
        ids, listeners = _first(locked)
        if ids:
            events = max(1, min(EVENTS, ROWS // listeners))
            # What one listener may get of all these.
            most = events * len(ids)
            values = {"ids": ids, "events": events, "most": most, "cap": cap}
            await _carry(connection, carried, {**values, "wide": listeners >= WIDE})
    if locked:
        # After the locks are free: what was committed while we held them found them taken.
        cursor = await connection.execute(_STILL_DUE, {"ids": list(locked)})
        carried.more = [row[0] for row in await cursor.fetchall()]
    return carried


def _first(locked: dict[str, int]) -> tuple[list[str], int]:
    """As many of these emitters as fit into one transaction by the number of their listeners, and
    that number."""
    ids: list[str] = []
    total = 0
    for emitter_id, listeners in locked.items():
        if ids and total + listeners > ROWS:
            break
        ids.append(emitter_id)
        total += listeners
    return ids, max(1, total)


async def _carry(
    connection: AsyncConnection[Any], carried: Carried, values: dict[str, Any]
) -> None:
    cursor = await connection.execute(_CARRY, {**values, "hops": HOPS})
    row = await cursor.fetchone()
    assert row is not None
    carried.done, carried.listeners, carried.webhooks, full, beyond = row
    crash("before_fan_out")
    if full and beyond:
        await notices.lock(connection, [*full, *beyond])
    carried.told = [
        *await notices.store(connection, notices.QUEUE_FULL, full),
        *await notices.store(connection, notices.HOP_LIMIT, beyond),
    ]
