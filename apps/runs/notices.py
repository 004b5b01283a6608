"""What the platform itself has to say on a source's `$errors`: a limit that was reached.

Such an event is stored and never carried on (F12), and one of a kind comes at most once a minute,
however often its reason arises. This is the one door for it: nobody need hold the source's lease,
since ids are allotted from the counter row, locked to COMMIT as a commit locks it (F1). The next
holder of the lease publishes the event; the sweep finds one.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from psycopg import AsyncConnection

from apps.runs.record import PLATFORM_VERSION, STORED_ONLY, error_meta

QUIET_MS = 60_000
# The `run_id` of a notice names its kind: no run caused it.
_NAMESPACE = uuid.UUID("b1ad2a3c-52c8-5d1c-8e0e-5f3c0c6a7f11")

_LOCK = """
SELECT a.source_id, a.last_ms, a.last_n, (extract(epoch FROM app_now()) * 1000)::bigint,
       s.component_id, s.owner_id
FROM actor a JOIN sources_source s ON s.id = a.source_id AND s.state IN ('active', 'inactive')
WHERE a.source_id = ANY(%(ids)b::text[]) ORDER BY a.source_id FOR NO KEY UPDATE OF a
"""

# A statement of its own, behind the lock: it sees what the one before us has stored.
_SAID = """
SELECT source_id FROM event
WHERE source_id = ANY(%(ids)b::text[]) AND channel = '$errors' AND run_id = %(kind)s
  AND ms > (extract(epoch FROM app_now()) * 1000)::bigint - %(quiet)s
"""

_STORE = """
WITH new AS (
  SELECT * FROM unnest(%(ids)b::text[], %(ms)b::bigint[], %(n)b::int[], %(payloads)b::bytea[])
    AS u(source_id, ms, n, payload)
), counted AS (
  UPDATE actor a SET last_ms = new.ms, last_n = new.n FROM new WHERE a.source_id = new.source_id
)
INSERT INTO event (source_id, channel, ms, n, run_id, payload, meta, hops, stored_at)
SELECT source_id, '$errors', ms, n, %(kind)s, payload, %(meta)s, %(hops)s, app_now() FROM new
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """`name` is the error's; `message` says it in one line."""

    name: str
    message: str

    @property
    def run_id(self) -> uuid.UUID:
        return uuid.uuid5(_NAMESPACE, self.name)


QUEUE_FULL = Kind(
    "Event Queue Full", "the mailbox is full: events wait until there is room, none is lost"
)
HOP_LIMIT = Kind(
    "Hop Limit Exceeded", "the event came through too many sources: it is stored, not carried on"
)


async def lock(connection: AsyncConnection[Any], source_ids: Iterable[str]) -> None:
    """For a transaction that stores several kinds: lock all its counters at once, in the one order,
    so that it and another never wait for each other."""
    await connection.execute(_LOCK, {"ids": sorted(set(source_ids))})


async def store(
    connection: AsyncConnection[Any], kind: Kind, source_ids: Iterable[str]
) -> list[str]:
    """Put one notice on `$errors` of each of these sources that had none of its kind in the last
    minute, in the caller's transaction. Returns which: hinted of, they are published at once."""
    ids = sorted(set(source_ids))
    if not ids:
        return []
    async with connection.pipeline():
        locked = await connection.execute(_LOCK, {"ids": ids})
        said = await connection.execute(_SAID, {"ids": ids, "kind": kind.run_id, "quiet": QUIET_MS})
    recent = {row[0] for row in await said.fetchall()}
    rows = [_row(kind, *row) for row in await locked.fetchall() if row[0] not in recent]
    if rows:
        names = ("ids", "ms", "n", "payloads")
        columns: dict[str, Any] = {name: [row[i] for row in rows] for i, name in enumerate(names)}
        meta = error_meta(kind.name, kind.message)
        columns |= {"kind": kind.run_id, "meta": meta, "hops": STORED_ONLY}
        await connection.execute(_STORE, columns)
    return [row[0] for row in rows]


def _row(
    kind: Kind,
    source_id: str,
    last_ms: int,
    last_n: int,
    now_ms: int,
    component_id: str,
    owner_id: str,
) -> tuple[str, int, int, bytes]:
    """The event with its id; the payload has the form of every error (REST specification 7.6)."""
    ms = max(last_ms, now_ms)
    error = {
        "code": None, "name": kind.name, "message": kind.message, "stack": None, "ts": now_ms
    }  # fmt: skip
    context = {
        "id": str(kind.run_id),
        "ts": datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(),
        "source_id": source_id,
        "component_id": component_id,
        "owner_id": owner_id,
        "platform_version": PLATFORM_VERSION,
    }
    payload = {"original_event": None, "original_context": context, "error": error}
    return source_id, ms, last_n + 1 if ms == last_ms else 0, orjson.dumps(payload)
