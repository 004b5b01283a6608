"""Deleting events: hidden at once, removed later (F9, REST specification 6.3).

Hiding keeps the row, so that a fan-out that is under way still finds the event; what was delivered
or queued is not recalled, dedupe memory and ids stay. An event scheduled for later whose
`deleted_at` lies before its `due_at` is thereby cancelled: delivery selects visible rows alone.
"""

from __future__ import annotations

from django.db import connection, transaction

from apps.events import stream
from apps.events.items import LAST, EventId

FIRST = EventId(0, 0)

# The set is what is committed when the statement begins, also of an open-ended range: an event
# committed later is not seen by it.
_HIDE = """
WITH hidden AS (
  UPDATE event SET deleted_at = app_now()
  WHERE source_id = %(source)s
    AND (channel = %(channel)s OR (%(channel)s::text IS NULL AND channel NOT LIKE '$%%'))
    AND (ms, n) >= (%(from_ms)s, %(from_n)s) AND (ms, n) <= (%(to_ms)s, %(to_n)s)
    AND deleted_at IS NULL
  RETURNING ms, n
)
SELECT count(*) OVER (), ms, n FROM hidden ORDER BY ms DESC, n DESC LIMIT 1
"""


def hide_events(
    source_id: str,
    *,
    channel: str | None = None,
    start: EventId = FIRST,
    end: EventId = LAST,
) -> int:
    """Hide the closed range of a source's events, whole ledger; returns how many.

    Without `channel`: the default and all custom channels, but not `$errors` and `$logs`.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _HIDE,
            {
                "source": source_id,
                "channel": channel,
                "from_ms": start.ms,
                "from_n": start.n,
                "to_ms": end.ms,
                "to_n": end.n,
            },
        )
        row = cursor.fetchone()
    if row is None:
        return 0
    hidden: int = row[0]
    # Up to the newest that was hidden: what was stored meanwhile stays in the live tail, too.
    newest = str(EventId(row[1], row[2]))
    transaction.on_commit(lambda: stream.forget(source_id, str(start), newest, channel))
    return hidden
