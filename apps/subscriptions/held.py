"""What waits for room in a full mailbox goes on when there is some, in the order it came.

Rows of a listener that is paused wait with its mailbox; those of one that is gone went with it.
"""

from __future__ import annotations

from django.conf import settings
from django.db import connection, transaction

# Of one statement.
LISTENERS = 100
ROWS_PER_LISTENER = 500
_LOCK_KEY = 0x4677_0002

_RELEASE = """
WITH RECURSIVE walk AS (
  (SELECT listener_id FROM held_back ORDER BY listener_id LIMIT 1)
  UNION ALL
  SELECT (SELECT h.listener_id FROM held_back h WHERE h.listener_id > w.listener_id
          ORDER BY h.listener_id LIMIT 1)
  FROM walk w WHERE w.listener_id IS NOT NULL
), rooms AS MATERIALIZED (
  SELECT w.listener_id,
         %(cap)s - (SELECT count(*) FROM (SELECT FROM mailbox b WHERE b.source_id = w.listener_id
                                          LIMIT %(cap)s) AS waiting) AS room
  FROM walk w JOIN sources_source s ON s.id = w.listener_id AND s.state = 'active'
), taken AS MATERIALIZED (
  SELECT h.* FROM (SELECT * FROM rooms WHERE room > 0 LIMIT %(listeners)s) AS r
  CROSS JOIN LATERAL (SELECT * FROM held_back WHERE listener_id = r.listener_id
                      ORDER BY id LIMIT least(r.room, %(rows)s)) AS h
), gone AS (
  DELETE FROM held_back h USING taken WHERE h.id = taken.id
), queued AS (
  INSERT INTO mailbox (source_id, cause, key, cause_at, due_at, queued_at, hops,
                       emitter_id, channel, ms, n)
  SELECT t.listener_id, 'event',
         t.emitter_id || ':' || t.ms || '-' || t.n || ':' || coalesce(nullif(t.replay, ''), '0'),
         CASE WHEN t.replay <> '' THEN app_now() ELSE coalesce(e.due_at, e.stored_at) END,
         app_now(), app_now(), e.hops + 1, t.emitter_id, t.channel, t.ms, t.n
  FROM taken t JOIN event e ON e.source_id = t.emitter_id AND e.channel = t.channel
                           AND e.ms = t.ms AND e.n = t.n
  ORDER BY t.listener_id, t.id
  ON CONFLICT (source_id, cause, key) DO NOTHING
)
SELECT DISTINCT listener_id FROM taken
"""


@transaction.atomic
def release() -> list[str]:
    """Move what has room into the mailboxes. Returns the listeners that got something; empty also
    when another process is at it."""
    values = {
        "cap": settings.MAILBOX_CAP,
        "listeners": LISTENERS,
        "rows": ROWS_PER_LISTENER,
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, 0)", [_LOCK_KEY])
        locked = cursor.fetchone()
        if not locked or not locked[0]:
            return []
        cursor.execute(_RELEASE, values)
        return [row[0] for row in cursor.fetchall()]
