"""Reading a channel's listed events from the ledger (REST specification 6.1, 6.2).

Listed are the newest `LISTED_EVENTS` of a channel, and beside them every event that is scheduled
for later (F10). Hidden (deleted) events are not. Always selected by (source_id, channel, ms, n),
the table's key.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db import connection

from apps.events.items import SHOWN_BYTES, EventId, Stored

ERRORS, LOGS = "$errors", "$logs"

_PAGE = """
WITH listed AS MATERIALIZED (
  (SELECT ms, n FROM event
   WHERE source_id = %(source)s AND channel = %(channel)s AND deleted_at IS NULL
     AND (due_at IS NULL OR due_at <= app_now())
   ORDER BY ms DESC, n DESC LIMIT %(listed)s)
  UNION ALL
  (SELECT ms, n FROM event
   WHERE source_id = %(source)s AND channel = %(channel)s AND deleted_at IS NULL
     AND due_at > app_now())
), page AS (
  SELECT ms, n FROM listed
  WHERE (%(after_ms)s::bigint IS NULL OR (ms, n) < (%(after_ms)s, %(after_n)s))
    AND (%(before_ms)s::bigint IS NULL OR (ms, n) > (%(before_ms)s, %(before_n)s))
  ORDER BY CASE WHEN %(backwards)s THEN ms END, CASE WHEN %(backwards)s THEN n END,
           ms DESC, n DESC
  LIMIT %(limit)s
)
SELECT total, event.ms, event.n, octet_length(payload),
       CASE WHEN %(expand)s THEN payload ELSE substring(payload FROM 1 FOR %(shown)s) END, meta
FROM (SELECT count(*) AS total FROM listed) AS counted
LEFT JOIN (page JOIN event ON event.source_id = %(source)s AND event.channel = %(channel)s
                          AND event.ms = page.ms AND event.n = page.n) ON true
ORDER BY event.ms DESC, event.n DESC
"""


@dataclass(frozen=True, slots=True)
class EventPage:
    """Newest first. `total` counts all that are listed, whatever the cursor."""

    items: list[Stored]
    total: int


def read_page(
    source_id: str,
    channel: str,
    *,
    limit: int,
    after: EventId | None = None,
    before: EventId | None = None,
    expand: bool = False,
) -> EventPage:
    """The newest `limit` events strictly older than `after` and newer than `before`; with `before`
    alone, the `limit` nearest to it. Without `expand` payloads are cut at `SHOWN_BYTES`."""
    with connection.cursor() as cursor:
        cursor.execute(
            _PAGE,
            {
                "source": source_id,
                "channel": channel,
                "listed": settings.LISTED_EVENTS,
                "limit": limit,
                "after_ms": after.ms if after else None,
                "after_n": after.n if after else None,
                "before_ms": before.ms if before else None,
                "before_n": before.n if before else None,
                "backwards": before is not None and after is None,
                "expand": expand,
                "shown": SHOWN_BYTES,
            },
        )
        rows = cursor.fetchall()
    items = [
        Stored(source_id, channel, EventId(ms, n), bytes(payload), size, bytes(meta))
        for _, ms, n, size, payload, meta in rows
        if ms is not None
    ]
    return EventPage(items, rows[0][0] if rows else 0)
