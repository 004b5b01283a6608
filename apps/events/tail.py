"""What of the ledger belongs into a source's Redis stream or live tail, read from Postgres."""

from __future__ import annotations

from typing import Any

from psycopg import AsyncConnection

from apps.events.stream import Entry

_AFTER = """
SELECT ms, n, channel, payload, meta FROM (
  SELECT ms, n, channel, payload, meta FROM event
  WHERE source_id = %(source)s AND (ms, n) > (%(ms)s, %(n)s) AND deleted_at IS NULL
  ORDER BY ms DESC, n DESC LIMIT %(limit)s) AS newest
ORDER BY ms, n
"""

_PAGE = """
SELECT ms, n, channel, payload, meta FROM event
WHERE source_id = %(source)s AND channel = %(channel)s AND (ms, n) > (%(ms)s, %(n)s)
  AND deleted_at IS NULL
ORDER BY ms, n LIMIT %(limit)s
"""

# The table's key is by channel: the channels are walked, and of each the oldest are taken.
_PAGE_OF_ALL = """
WITH RECURSIVE walk AS (
  (SELECT channel FROM event WHERE source_id = %(source)s ORDER BY channel LIMIT 1)
  UNION ALL
  SELECT (SELECT e.channel FROM event e WHERE e.source_id = %(source)s AND e.channel > w.channel
          ORDER BY e.channel LIMIT 1)
  FROM walk w WHERE w.channel IS NOT NULL
)
SELECT e.ms, e.n, e.channel, e.payload, e.meta FROM walk w CROSS JOIN LATERAL (
  SELECT ms, n, channel, payload, meta FROM event
  WHERE source_id = %(source)s AND channel = w.channel AND (ms, n) > (%(ms)s, %(n)s)
    AND deleted_at IS NULL
  ORDER BY ms, n LIMIT %(limit)s
) AS e
ORDER BY e.ms, e.n LIMIT %(limit)s
"""


async def after(
    connection: AsyncConnection[Any], source_id: str, cursor: tuple[int, int], limit: int
) -> list[Entry]:
    """The newest `limit` visible events behind `cursor`, oldest first, over all channels."""
    found = await connection.execute(
        _AFTER, {"source": source_id, "ms": cursor[0], "n": cursor[1], "limit": limit}
    )
    return [Entry(r[0], r[1], r[2], bytes(r[3]), bytes(r[4])) for r in await found.fetchall()]


async def page(
    connection: AsyncConnection[Any],
    source_id: str,
    channel: str | None,
    cursor: tuple[int, int],
    limit: int,
) -> list[Entry]:
    """The oldest `limit` visible events behind `cursor`, oldest first; None = of all channels."""
    values = {
        "source": source_id,
        "channel": channel,
        "ms": cursor[0],
        "n": cursor[1],
        "limit": limit,
    }
    found = await connection.execute(_PAGE if channel is not None else _PAGE_OF_ALL, values)
    return [Entry(r[0], r[1], r[2], bytes(r[3]), bytes(r[4])) for r in await found.fetchall()]
