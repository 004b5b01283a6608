"""The lease of a source, in SQL: take, look into the mailbox, renew, release.

Whoever holds a lease has the source to itself: its fence and token stand in `actor`, and the commit
of a run demands that they still do. Time is the database's. All statements take many sources at
once; they run on a connection with asynchronous commit, since losing a lease in a crash of the
server costs one lease, not data (a fence can repeat after such a crash: hence the token).
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

# The worker's connections: plans made while the queue is empty would walk the wrong index.
SESSION = (
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off"
)

_TAKE = """
UPDATE actor a
SET fence = a.fence + 1, token = %(token)s, until = app_now() + %(lease)s * interval '1 second',
    lost = CASE WHEN a.token <> 0 THEN %(careful)s ELSE a.lost END
FROM (SELECT source_id FROM actor WHERE source_id = ANY(%(ids)s) AND until < app_now()
      FOR NO KEY UPDATE SKIP LOCKED) AS free
WHERE a.source_id = free.source_id
RETURNING a.source_id, a.fence, a.token, a.lost, a.last_ms, a.last_n, a.pub_ms, a.pub_n
"""

# A second statement, so that its snapshot is younger than the lease: else a run that the holder
# before us has just finished would come back.
_FACTS = """
SELECT s.id, s.owner_id, s.component_id, s.version, s.state, c.store, c.dedupe,
       s.configured_props, s.secret_props, s.endpoint_key, s.concurrency
FROM sources_source s JOIN component_state c ON c.source_id = s.id WHERE s.id = ANY(%(ids)s)
"""

_ROWS = """
SELECT m.source_id, m.id, m.cause, m.key, m.cause_at, m.queued_at, m.attempt,
       coalesce(m.payload, e.payload, 'null'), m.hops, coalesce(m.channel, ''), e.run_id
FROM unnest(%(ids)b::text[]) AS u(id)
JOIN sources_source s ON s.id = u.id AND s.state = 'active'
CROSS JOIN LATERAL (
  SELECT * FROM mailbox WHERE source_id = u.id AND due_at <= app_now() ORDER BY id LIMIT %(rows)s
) AS m
LEFT JOIN event e ON e.source_id = m.emitter_id AND e.channel = m.channel
                 AND e.ms = m.ms AND e.n = m.n
ORDER BY m.source_id, m.id
"""

# While `activate` runs: what its provider sends already (F4).
_HTTP_ROWS = """
SELECT id, cause, key, cause_at, queued_at, attempt, payload FROM mailbox
WHERE source_id = %(id)s AND cause = 'http' AND due_at <= app_now() ORDER BY id LIMIT 20
"""

# For a source that takes several requests at once. Runs of another cause, and changes of the
# source, wait for the turn to end: then it must.
_MORE_HTTP_ROWS = """
SELECT id, cause, key, cause_at, queued_at, attempt, payload FROM mailbox
WHERE source_id = %(id)s AND cause = 'http' AND due_at <= app_now() AND id <> ALL(%(known)s)
  AND EXISTS (SELECT FROM sources_source WHERE id = %(id)s AND state = 'active')
  AND NOT EXISTS (SELECT FROM operation WHERE source_id = %(id)s AND state IN ('queued', 'running'))
  AND NOT EXISTS (SELECT FROM mailbox WHERE source_id = %(id)s AND cause <> 'http'
                  AND due_at <= app_now())
ORDER BY id LIMIT %(limit)s
"""

_OPERATIONS = """
SELECT source_id, id FROM operation
WHERE source_id = ANY(%(ids)s) AND state IN ('queued', 'running') ORDER BY source_id, id
"""

_RENEW = """
UPDATE actor a SET until = app_now() + %(lease)s * interval '1 second'
FROM unnest(%(ids)b::text[], %(fences)b::bigint[], %(tokens)b::bigint[]) AS h(id, fence, token)
WHERE a.source_id = h.id AND a.fence = h.fence AND a.token = h.token
RETURNING a.source_id
"""

_RELEASE = """
UPDATE actor a SET token = 0, until = 'epoch', pub_ms = h.pub_ms, pub_n = h.pub_n
FROM unnest(%(ids)b::text[], %(fences)b::bigint[], %(tokens)b::bigint[],
            %(pub_ms)b::bigint[], %(pub_n)b::int[]) AS h(id, fence, token, pub_ms, pub_n)
WHERE a.source_id = h.id AND a.fence = h.fence AND a.token = h.token
"""

_MORE = """
SELECT u.id FROM unnest(%(ids)b::text[]) AS u(id)
WHERE EXISTS (SELECT FROM sources_source s WHERE s.id = u.id AND s.state = 'active'
              AND EXISTS (SELECT FROM mailbox m WHERE m.source_id = u.id AND m.due_at <= app_now()))
   OR EXISTS (SELECT FROM operation o
              WHERE o.source_id = u.id AND o.state IN ('queued', 'running'))
"""

# Walks the mailbox from source to source, one index probe each, however deep the mailboxes are. The
# conditions are scalar subqueries, so that no join may change the order of the walk: the caller's
# cursor depends on it, and the walk ends as soon as there are enough.
_WAITING = """
WITH RECURSIVE walk AS (
  (SELECT source_id FROM mailbox WHERE source_id > %(after)s ORDER BY source_id LIMIT 1)
  UNION ALL
  SELECT (SELECT m.source_id FROM mailbox m WHERE m.source_id > w.source_id
          ORDER BY m.source_id LIMIT 1)
  FROM walk w WHERE w.source_id IS NOT NULL
)
SELECT w.source_id FROM walk w
WHERE (SELECT a.until < app_now() FROM actor a WHERE a.source_id = w.source_id)
  AND (SELECT s.state = 'active' FROM sources_source s WHERE s.id = w.source_id)
  AND (SELECT m.id FROM mailbox m WHERE m.source_id = w.source_id AND m.due_at <= app_now() LIMIT 1)
      IS NOT NULL
LIMIT %(limit)s
"""

_WAITING_OPERATIONS = """
SELECT o.source_id FROM operation o JOIN actor a ON a.source_id = o.source_id
WHERE o.source_id IS NOT NULL AND o.state IN ('queued', 'running') AND a.until < app_now()
ORDER BY o.id LIMIT %(limit)s
"""

_OWNERS = "SELECT id, owner_id FROM sources_source WHERE id = ANY(%(ids)s)"

_STARTED = """
UPDATE mailbox m SET attempt = m.attempt + 1
WHERE m.source_id = ANY (%(sources)b::text[]) AND m.id = ANY (%(ids)b::bigint[])
RETURNING m.source_id, m.id, m.attempt
"""

_SPARED = """
UPDATE mailbox m SET attempt = m.attempt - 1
WHERE m.source_id = ANY (%(sources)b::text[]) AND m.id = ANY (%(ids)b::bigint[]) AND m.attempt > 0
"""

_IS_OURS = """
SELECT FROM actor WHERE source_id = %(id)s AND fence = %(fence)s AND token = %(token)s
  AND until > app_now()
"""

# After a lost lease this many runs of the source are taken one by one, each counted before its
# child starts: as many as one drain may have held, so that the one that took the worker down is
# found wherever it stood, and no other is blamed (F6).
CAREFUL_RUNS = 20


@dataclass(slots=True)
class Row:
    """One Run of the mailbox. `payload` is the event, compact JSON; `channel` the one on which it
    was emitted by the run `emitted_by`, `hops` how many sources it came through; `began`: when it
    was given to a child, on this worker's monotonic clock."""

    id: int
    cause: str
    key: str
    cause_at: datetime
    queued_at: datetime
    attempt: int
    payload: bytes
    hops: int = 0
    channel: str = ""
    emitted_by: uuid.UUID | None = None
    began: float = 0.0


@dataclass(slots=True)
class Held:
    """A source under our lease, with all that its runs need."""

    source_id: str
    fence: int
    token: int
    lost: int
    last: tuple[int, int]
    published: tuple[int, int]
    owner_id: str = ""
    component_id: str = ""
    version: int = 0
    state: str = ""
    store: bytes = b"{}"
    dedupe: bytes = b"{}"
    configured_props: bytes = b"{}"
    secret_props: bytes = b"{}"
    endpoint_key: str | None = None
    concurrency: int = 1
    rows: list[Row] = field(default_factory=list)
    operations: list[int] = field(default_factory=list)


async def take(
    connection: AsyncConnection[Any], ids: Sequence[str], lease_seconds: float
) -> dict[str, Held]:
    """Take the free ones of these leases. Their mailboxes are read by `look`."""
    token = secrets.randbits(62) + 1
    cursor = await connection.execute(
        _TAKE,
        {"token": token, "lease": lease_seconds, "ids": list(ids), "careful": CAREFUL_RUNS},
    )
    return {
        r[0]: Held(r[0], r[1], r[2], r[3], (r[4], r[5]), (r[6], r[7]))
        for r in await cursor.fetchall()
    }


async def look(connection: AsyncConnection[Any], held: dict[str, Held], rows: int) -> None:
    """Fill in facts, open operations, and the first `rows` due Runs of each mailbox."""
    ids = {"ids": list(held), "rows": rows}
    async with connection.pipeline():
        facts = await connection.execute(_FACTS, ids)
        mailbox = await connection.execute(_ROWS, ids)
        operations = await connection.execute(_OPERATIONS, ids)
    for r in await facts.fetchall():
        h = held[r[0]]
        h.owner_id, h.component_id, h.version, h.state = r[1:5]
        h.store, h.dedupe = bytes(r[5]), bytes(r[6])
        h.configured_props, h.secret_props = bytes(r[7]), bytes(r[8])
        h.endpoint_key, h.concurrency = r[9], r[10]
    for r in await mailbox.fetchall():
        held[r[0]].rows.append(Row(*r[1:]))
    for source_id, operation_id in await operations.fetchall():
        held[source_id].operations.append(operation_id)


async def http_rows(connection: AsyncConnection[Any], source_id: str) -> list[Row]:
    """The HTTP Runs of a source that we hold, whether it is active yet or not."""
    cursor = await connection.execute(_HTTP_ROWS, {"id": source_id})
    return [Row(*r) for r in await cursor.fetchall()]


async def more_http_rows(
    connection: AsyncConnection[Any], source_id: str, known: Sequence[int], limit: int
) -> list[Row]:
    """The oldest HTTP Runs of a source that we hold besides these, unless its turn must end."""
    values = {"id": source_id, "known": list(known), "limit": limit}
    cursor = await connection.execute(_MORE_HTTP_ROWS, values)
    return [Row(*r) for r in await cursor.fetchall()]


def _names(held: Sequence[Held]) -> dict[str, Any]:
    """`held` must be sorted: rows are locked in this order, as a commit locks them, else the
    two connections of one worker would wait for each other."""
    return {
        "ids": [h.source_id for h in held],
        "fences": [h.fence for h in held],
        "tokens": [h.token for h in held],
    }


def _sorted(held: Sequence[Held]) -> list[Held]:
    return sorted(held, key=lambda h: h.source_id)


async def renew(
    connection: AsyncConnection[Any], held: Sequence[Held], lease_seconds: float
) -> set[str]:
    """Prolong; returns the sources that are still ours (F5)."""
    values = {**_names(_sorted(held)), "lease": lease_seconds}
    cursor = await connection.execute(_RENEW, values)
    return {r[0] for r in await cursor.fetchall()}


async def release(connection: AsyncConnection[Any], held: Sequence[Held]) -> list[str]:
    """Let go, and note how far each stream is published. Returns the sources that have more to do:
    the mailbox is looked at once more after the lease is free (F7)."""
    ordered = _sorted(held)
    values = {
        **_names(ordered),
        "pub_ms": [h.published[0] for h in ordered],
        "pub_n": [h.published[1] for h in ordered],
    }
    async with connection.pipeline() as pipeline:
        await connection.execute(_RELEASE, values)
        await pipeline.sync()  # the release is committed before the look
        more = await connection.execute(_MORE, {"ids": values["ids"]})
    return [r[0] for r in await more.fetchall()]


async def waiting(connection: AsyncConnection[Any], after: str, limit: int) -> list[str]:
    """Sources with something due and a free lease, in id order behind `after`."""
    cursor = await connection.execute(_WAITING, {"after": after, "limit": limit})
    return [r[0] for r in await cursor.fetchall()]


async def owners(connection: AsyncConnection[Any], source_ids: Sequence[str]) -> dict[str, str]:
    """Source → owner, of those that exist."""
    cursor = await connection.execute(_OWNERS, {"ids": list(source_ids)})
    return {r[0]: r[1] for r in await cursor.fetchall()}


async def waiting_operations(connection: AsyncConnection[Any], limit: int) -> list[str]:
    """Sources with an open operation and a free lease."""
    cursor = await connection.execute(_WAITING_OPERATIONS, {"limit": limit})
    return [r[0] for r in await cursor.fetchall()]


async def mark_started(
    connection: AsyncConnection[Any], rows: Sequence[tuple[str, int]]
) -> dict[tuple[str, int], int]:
    """Count an attempt of these Runs: their child has started (F6). Returns the new counts."""
    values = {"sources": [r[0] for r in rows], "ids": [r[1] for r in rows]}
    cursor = await connection.execute(_STARTED, values)
    return {(r[0], r[1]): r[2] for r in await cursor.fetchall()}


async def spare(connection: AsyncConnection[Any], rows: Sequence[tuple[str, int]]) -> None:
    """Take a counted attempt back: the run was ended by us, not by the death of its worker."""
    await connection.execute(
        _SPARED, {"sources": [r[0] for r in rows], "ids": [r[1] for r in rows]}
    )


async def is_ours(connection: AsyncConnection[Any], held: Held) -> bool:
    """Whether the lease stands, by the database's clock: asked before a stream is replaced."""
    cursor = await connection.execute(
        _IS_OURS, {"id": held.source_id, "fence": held.fence, "token": held.token}
    )
    return await cursor.fetchone() is not None
