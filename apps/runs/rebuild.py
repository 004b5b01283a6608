"""Writing Redis streams anew from the ledger (G9): each under its source's lease, so that nothing
that is committed meanwhile is lost or doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from psycopg import AsyncConnection
from redis.asyncio import Redis

from apps.events import tail
from apps.events.stream import Stream
from apps.runs import lease

BATCH = 50
LEASE_SECONDS = 30.0
# A source that a worker holds is tried again after this long.
BUSY_SECONDS = 0.2

_ALL = "SELECT source_id FROM actor WHERE source_id > %s ORDER BY source_id LIMIT %s"


async def rebuild(
    dsn: str,
    redis_url: str,
    length: int,
    only: Sequence[str] = (),
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Rebuild the streams of `only`, or of every source. Returns how many were rebuilt.

    `progress` is called with the running total. Raises psycopg and Redis errors as they come:
    what was rebuilt till then is whole.
    """
    connection = await AsyncConnection.connect(dsn, autocommit=True)
    client = Redis.from_url(redis_url)
    stream = Stream(client, length)
    done, after = 0, ""
    try:
        while True:
            if only:
                ids = [source_id for source_id in sorted(only) if source_id > after][:BATCH]
            else:
                cursor = await connection.execute(_ALL, [after, BATCH])
                ids = [row[0] for row in await cursor.fetchall()]
            if not ids:
                return done
            after = ids[-1]
            while ids:
                held = await lease.take(connection, ids, LEASE_SECONDS)
                await _write(connection, stream, length, held)
                done += len(held)
                progress(done)
                ids = await _still_there(connection, [i for i in ids if i not in held])
                if ids:
                    await asyncio.sleep(BUSY_SECONDS)
    finally:
        await client.aclose()
        await connection.close()


async def _write(
    connection: AsyncConnection[Any], stream: Stream, length: int, held: dict[str, lease.Held]
) -> None:
    for h in held.values():
        entries = await tail.after(connection, h.source_id, (0, 0), length)
        await stream.rebuild(h.source_id, f"{h.last[0]}-{h.last[1]}", entries)
        h.published = h.last
    if held:
        await lease.release(connection, list(held.values()))


async def _still_there(connection: AsyncConnection[Any], ids: list[str]) -> list[str]:
    cursor = await connection.execute(
        "SELECT source_id FROM actor WHERE source_id = ANY(%s)", [ids]
    )
    return [row[0] for row in await cursor.fetchall()]
