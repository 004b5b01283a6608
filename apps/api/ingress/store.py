"""Accepted requests into the mailbox: those that come while one is being written go together.

One INSERT, one COMMIT and one flush to disk for many requests: the first one is written at once,
and while it is on its way the next ones gather. Each caller is told after the COMMIT of its own
(G1).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from apps.api.connections import Pool, using
from apps.core import errors

# Statements under way at once; requests in one.
AT_ONCE = 2
ROWS = 256
BYTES = 4 * 1024 * 1024

# `creating`: providers call the endpoint while `activate` tells them of it (F4).
_INSERT = """
INSERT INTO mailbox (source_id, cause, key, cause_at, due_at, queued_at, payload)
SELECT s.id, 'http', u.name, app_now(), app_now(), app_now(), u.payload
FROM unnest(%(keys)b::text[], %(names)b::text[], %(payloads)b::bytea[])
  WITH ORDINALITY AS u(key, name, payload, place)
JOIN sources_source s ON s.endpoint_key = u.key AND s.state IN ('active', 'creating')
ORDER BY u.place
ON CONFLICT (source_id, cause, key) DO NOTHING RETURNING key
"""

# The key's row and the Run are there together or not at all. Who comes second waits for the first
# one's COMMIT at the unique key, and finds the name under which it was accepted.
_INSERT_ONCE = """
WITH source AS (
  SELECT id FROM sources_source WHERE endpoint_key = %(key)s AND state IN ('active', 'creating')
), kept AS (
  INSERT INTO idempotency AS i (scope, key, asked, created_at, name)
  SELECT id, %(hash)b, %(asked)b, app_now(), %(name)s FROM source
  ON CONFLICT (scope, key) DO UPDATE
    SET asked = excluded.asked, created_at = excluded.created_at, name = excluded.name
    WHERE i.created_at < app_now() - interval '1 day'
  RETURNING name
)
INSERT INTO mailbox (source_id, cause, key, cause_at, due_at, queued_at, payload)
SELECT source.id, 'http', kept.name, app_now(), app_now(), app_now(), %(payload)b FROM source, kept
RETURNING key
"""

_ACCEPTED_BEFORE = """
SELECT i.name, i.asked FROM sources_source s JOIN idempotency i ON i.scope = s.id
WHERE s.endpoint_key = %(key)s AND s.state IN ('active', 'creating') AND i.key = %(hash)b
"""


@dataclass(slots=True)
class Accepted:
    """key  the endpoint; name  the request's id; event  its payload; repeated, asked  the hashes of
    its Idempotency-Key and of what it asks for."""

    key: str
    name: str
    event: bytes
    repeated: bytes | None = None
    asked: bytes | None = None


class Store:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting: list[tuple[Accepted, asyncio.Future[str | None]]] = []
        self._writing: set[asyncio.Task[None]] = set()

    async def put(self, accepted: Accepted) -> str | None:
        """Store it, committed; returns the name under which it is known, None: the source accepts
        nothing. Raises psycopg.Error, PoolTimeout: it is not known to be stored."""
        if accepted.repeated is not None:
            return await self._put_once(accepted)
        future: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((accepted, future))
        if len(self._writing) < AT_ONCE:
            task = asyncio.create_task(self._write())
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)
        return await future

    async def _write(self) -> None:
        while self._waiting:
            group = self._take()
            try:
                stored = await self._insert([item for item, _ in group])
            except BaseException as error:
                for _, future in group:
                    if not future.done():
                        future.set_exception(error)
                if not isinstance(error, Exception):
                    raise
                continue
            for item, future in group:
                if not future.done():
                    future.set_result(item.name if item.name in stored else None)

    def _take(self) -> list[tuple[Accepted, asyncio.Future[str | None]]]:
        size = count = 0
        for item, _ in self._waiting[:ROWS]:
            size += len(item.event)
            count += 1
            if size >= BYTES:
                break
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        return group

    async def _insert(self, items: list[Accepted]) -> set[str]:
        async with using(self._pool) as connection:
            cursor = await connection.execute(
                _INSERT,
                {
                    "keys": [item.key for item in items],
                    "names": [item.name for item in items],
                    "payloads": [item.event for item in items],
                },
            )
            return {row[0] for row in await cursor.fetchall()}

    async def _put_once(self, accepted: Accepted) -> str | None:
        values = {
            "key": accepted.key,
            "hash": accepted.repeated,
            "asked": accepted.asked,
            "name": accepted.name,
            "payload": accepted.event,
        }
        async with using(self._pool) as connection:
            cursor = await connection.execute(_INSERT_ONCE, values)
            if await cursor.fetchone() is not None:
                return accepted.name
            cursor = await connection.execute(_ACCEPTED_BEFORE, values)
            row = await cursor.fetchone()
        if row is None:
            return None
        name, asked = row
        if bytes(asked) != accepted.asked:
            raise errors.key_reused()
        return str(name)
