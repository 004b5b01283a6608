"""Deliveries in SQL: which are due, whose they are while they are tried, what became of them.

    pending ──claim──> pending, leased (token, until) ──record──> delivered | dead
       ↑                          │                         └───> pending, due later
       └──── release, or the lease runs out: tried again with the same id

Set-based: one claim takes rows of many webhooks, one record ends many attempts. Only webhooks that
are active and not deleted are looked at: what is pending for a paused one waits until it is active
again, as the mailbox of a paused source does (F17); deleting a webhook drops what is pending.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from psycopg import AsyncConnection

from apps.events.items import EventId
from apps.runs import notices

LOST = notices.Kind(
    "Webhook Delivery Failed",
    "an event could not be delivered to a webhook: it is a dead letter now, and can be replayed",
)

# Webhooks with something due, in id order behind `after`: one index probe each.
_DUE = """
WITH RECURSIVE walk AS (
  (SELECT webhook_id FROM delivery WHERE state = 'pending' AND webhook_id > %(after)s
   ORDER BY webhook_id LIMIT 1)
  UNION ALL
  SELECT (SELECT d.webhook_id FROM delivery d
          WHERE d.state = 'pending' AND d.webhook_id > w.webhook_id ORDER BY d.webhook_id LIMIT 1)
  FROM walk w WHERE w.webhook_id IS NOT NULL
)
SELECT w.webhook_id FROM walk w
WHERE (SELECT h.active AND h.deleted_at IS NULL FROM subscriptions_webhook h
       WHERE h.id = w.webhook_id)
  AND EXISTS (SELECT FROM delivery d WHERE d.webhook_id = w.webhook_id AND d.state = 'pending'
              AND d.next_attempt_at <= app_now() AND d.until < app_now())
LIMIT %(limit)s
"""

_RECEIVERS = """
SELECT id, owner_id, url, secret FROM subscriptions_webhook
WHERE id = ANY(%(ids)b::text[]) AND active AND deleted_at IS NULL
"""

_CLAIM = """
WITH due AS MATERIALIZED (
  SELECT d.* FROM unnest(%(ids)b::text[], %(rooms)b::int[]) AS u(id, room)
  CROSS JOIN LATERAL (
    SELECT * FROM delivery f WHERE f.webhook_id = u.id AND f.state = 'pending'
      AND f.next_attempt_at <= app_now() AND f.until < app_now()
    ORDER BY f.next_attempt_at, f.id LIMIT u.room FOR NO KEY UPDATE SKIP LOCKED) AS d
), mine AS (
  UPDATE delivery d SET token = %(token)s, until = app_now() + %(lease)s * interval '1 second'
  FROM due WHERE d.id = due.id
)
SELECT due.id, due.webhook_id, due.emitter_id, due.channel, due.ms, due.n, due.replay,
       due.attempts, due.history, e.payload, (extract(epoch FROM app_now()) * 1000)::bigint,
       e.run_id, (extract(epoch FROM due.created_at) * 1000)::bigint
FROM due LEFT JOIN event e ON e.source_id = due.emitter_id AND e.channel = due.channel
                          AND e.ms = due.ms AND e.n = due.n
ORDER BY due.next_attempt_at, due.id
"""

# By the key: nothing here lets the planner prove `state = 'pending'`. Where it thinks that few are,
# as after a quiet time, it would read all pending rows through a partial index, for each batch.
_RECORD = """
UPDATE delivery d
SET state = u.state, attempts = u.attempts, history = u.history, token = 0, until = 'epoch',
    next_attempt_at = app_now() + u.wait * interval '1 second',
    ended_at = CASE WHEN u.state <> 'pending' THEN app_now() END
FROM unnest(%(ids)b::bigint[], %(tokens)b::bigint[], %(states)b::text[], %(attempts)b::smallint[],
            %(histories)b::bytea[], %(waits)b::float8[])
  AS u(id, token, state, attempts, history, wait)
WHERE d.id = u.id AND d.token = u.token AND d.state <> ALL ('{delivered,dead}')
RETURNING d.id
"""

# Unless its owner has pointed it somewhere else meanwhile.
_DISABLE = """
UPDATE subscriptions_webhook h SET active = false, updated_at = app_now()
FROM unnest(%(ids)b::text[], %(urls)b::text[]) AS u(id, url)
WHERE h.id = u.id AND h.url = u.url AND h.active AND h.deleted_at IS NULL
"""

_RELEASE = """
UPDATE delivery d SET token = 0, until = 'epoch'
FROM unnest(%(ids)b::bigint[], %(tokens)b::bigint[]) AS u(id, token)
WHERE d.id = u.id AND d.token = u.token AND d.state <> ALL ('{delivered,dead}')
"""


@dataclass(frozen=True, slots=True)
class Receiver:
    """A webhook that may be called. `secret` as stored: see `apps.subscriptions.webhooks.keys`."""

    webhook_id: str
    owner_id: str
    url: str
    secret: Any


@dataclass(frozen=True, slots=True)
class Claimed:
    """One delivery that is ours until its lease runs out. `payload` is None when the event is past
    its retention, and so is `run_id`, that of the emitter; `now_ms` is the database's time of the
    claim, `created_ms` of the delivery's row."""

    id: int
    token: int
    webhook_id: str
    emitter_id: str
    channel: str
    event_id: EventId
    replay: str
    attempts: int
    history: list[dict[str, Any]]
    payload: bytes | None
    now_ms: int
    run_id: uuid.UUID | None
    created_ms: int


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt that has ended. `wait` in seconds; `gone`: the receiver said 410."""

    claimed: Claimed
    url: str
    state: str
    attempt: dict[str, Any]
    wait: float = 0.0
    gone: bool = False


async def due(connection: AsyncConnection[Any], after: str, limit: int) -> list[str]:
    """Webhooks of which something is due, in id order behind `after`."""
    cursor = await connection.execute(_DUE, {"after": after, "limit": limit})
    return [row[0] for row in await cursor.fetchall()]


async def receivers(connection: AsyncConnection[Any], ids: Sequence[str]) -> list[Receiver]:
    """Those of the webhooks that may be called."""
    cursor = await connection.execute(_RECEIVERS, {"ids": list(ids)})
    return [
        Receiver(webhook_id, owner_id, url, orjson.loads(secret))
        for webhook_id, owner_id, url, secret in await cursor.fetchall()
    ]


async def claim(
    connection: AsyncConnection[Any], rooms: Mapping[str, int], lease_seconds: float
) -> list[Claimed]:
    """Lease due deliveries, of each webhook at most as many as it has room for."""
    token = random.getrandbits(62) + 1
    values = {
        "ids": list(rooms),
        "rooms": list(rooms.values()),
        "token": token,
        "lease": lease_seconds,
    }
    cursor = await connection.execute(_CLAIM, values)
    return [_claimed(token, *row) for row in await cursor.fetchall()]


def _claimed(
    token: int,
    delivery_id: int,
    webhook_id: str,
    emitter_id: str,
    channel: str,
    ms: int,
    n: int,
    replay: str,
    attempts: int,
    history: bytes,
    payload: bytes | None,
    now_ms: int,
    run_id: uuid.UUID | None,
    created_ms: int,
) -> Claimed:
    return Claimed(
        id=delivery_id,
        token=token,
        webhook_id=webhook_id,
        emitter_id=emitter_id,
        channel=channel,
        event_id=EventId(ms, n),
        replay=replay,
        attempts=attempts,
        history=orjson.loads(history),
        payload=payload,
        now_ms=now_ms,
        run_id=run_id,
        created_ms=created_ms,
    )


async def record(connection: AsyncConnection[Any], tried: Sequence[Tried]) -> int:
    """Write what became of attempts, in one transaction; returns how many were still ours.

    A dead letter is told on its emitter's `$errors`; a webhook whose receiver is gone is disabled.
    """
    columns: dict[str, Any] = {
        "ids": [t.claimed.id for t in tried],
        "tokens": [t.claimed.token for t in tried],
        "states": [t.state for t in tried],
        "attempts": [t.claimed.attempts + 1 for t in tried],
        "histories": [orjson.dumps([*t.claimed.history, t.attempt]) for t in tried],
        "waits": [t.wait for t in tried],
    }
    async with connection.transaction():
        cursor = await connection.execute(_RECORD, columns)
        ours = {row[0] for row in await cursor.fetchall()}
        if gone := [t for t in tried if t.gone and t.claimed.id in ours]:
            hooks = {"ids": [t.claimed.webhook_id for t in gone], "urls": [t.url for t in gone]}
            await connection.execute(_DISABLE, hooks)
        dead = {t.claimed.emitter_id for t in tried if t.state == "dead" and t.claimed.id in ours}
        await notices.store(connection, LOST, dead)
    return len(ours)


async def release(connection: AsyncConnection[Any], claimed: Sequence[Claimed]) -> None:
    """Give back what was not tried to its end: it is due at once, for whoever comes first."""
    values = {"ids": [c.id for c in claimed], "tokens": [c.token for c in claimed]}
    await connection.execute(_RELEASE, values)
