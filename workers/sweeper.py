"""Re-drives every row whose hint was lost, and keeps the house: each step may run anywhere, twice.

Runners find due mailboxes by themselves; what is left for the sweep are sources whose holder died
between COMMIT and XADD, operations nobody was told of, and the slow work of every day.
"""

from __future__ import annotations

from django.conf import settings
from django.db import connection, transaction
from psycopg.sql import SQL

from apps.accounts import connecting, logins
from apps.runs import partitions, processes, queue, suppressed
from apps.sources import activity
from apps.subscriptions import held, webhooks
from workers import packages

LIMIT = 1000

# Committed further than published, or a lease that ran out: the next holder republishes (F2).
_UNPUBLISHED = """
SELECT source_id FROM actor
WHERE until < app_now() AND (token <> 0 OR (pub_ms, pub_n) IS DISTINCT FROM (last_ms, last_n))
LIMIT %s
"""

_WAITING = """
SELECT DISTINCT m.source_id FROM mailbox m
JOIN actor a ON a.source_id = m.source_id AND a.until < app_now()
JOIN sources_source s ON s.id = m.source_id AND s.state = 'active'
WHERE m.due_at < app_now() - %s * interval '1 second' LIMIT %s
"""

_OPERATIONS = """
SELECT source_id FROM operation
WHERE state IN ('queued', 'running') AND source_id IS NOT NULL
  AND created_at < app_now() - %s * interval '1 second' LIMIT %s
"""

# Moving deltas into the day's total is one statement: a reader sees them in one place or the other.
_USAGE = """
WITH taken AS (DELETE FROM accounts_usagedelta WHERE id IN (
                 SELECT id FROM accounts_usagedelta ORDER BY id LIMIT 50000 FOR UPDATE SKIP LOCKED)
               RETURNING user_id, day, compute_ms, invocations)
INSERT INTO accounts_usageday AS d (user_id, day, compute_ms, invocations)
SELECT user_id, day, sum(compute_ms), sum(invocations) FROM taken
GROUP BY user_id, day ORDER BY user_id, day
ON CONFLICT (user_id, day) DO UPDATE
SET compute_ms = d.compute_ms + excluded.compute_ms,
    invocations = d.invocations + excluded.invocations
"""

# Unless a queued Run or a pending Delivery refers to it, or it is still to be carried on (F9).
_UNREFERRED = SQL("""
  NOT EXISTS (SELECT FROM mailbox m WHERE m.emitter_id = e.source_id
              AND m.channel = e.channel AND m.ms = e.ms AND m.n = e.n)
  AND NOT EXISTS (SELECT FROM held_back h WHERE h.emitter_id = e.source_id
                  AND h.channel = e.channel AND h.ms = e.ms AND h.n = e.n)
  AND NOT EXISTS (SELECT FROM delivery d WHERE d.state = 'pending' AND d.emitter_id = e.source_id
                  AND d.channel = e.channel AND d.ms = e.ms AND d.n = e.n)
  AND NOT EXISTS (SELECT FROM fanout_due f WHERE f.due_at <= app_now()
                  AND f.source_id = e.source_id
                  AND f.channel = e.channel AND f.ms = e.ms AND f.n = e.n)
""")

_OLD_EVENTS = SQL("""
DELETE FROM event e WHERE stored_at < app_now() - %s * interval '1 day'
  AND (due_at IS NULL OR due_at < app_now()) AND {}
""").format(_UNREFERRED)

_HIDDEN_EVENTS = SQL("""
DELETE FROM event e WHERE deleted_at < app_now() - interval '1 hour' AND {}
""").format(_UNREFERRED)

# Carried to a listener while it was being deleted.
_STRAY_RUNS = """
DELETE FROM mailbox m USING sources_source s
WHERE s.id = m.source_id AND s.state IN ('deleted', 'failed')
"""

_OLD_RESPONSES = "DELETE FROM http_response WHERE created_at < app_now() - interval '1 day'"
_OLD_KEYS = "DELETE FROM idempotency WHERE created_at < app_now() - interval '1 day'"
_OLD_OPERATIONS = "DELETE FROM operation WHERE ended_at < app_now() - interval '1 day'"
_OLD_SKIPS = """
DELETE FROM sources_skippedslots
WHERE to_ms < (extract(epoch FROM app_now() - %s * interval '1 day') * 1000)::bigint
"""


def step() -> int:
    """Every few seconds: hint what was left behind, let go on what waits for room in a mailbox,
    roll usage up, and the counters of processes that ended. Returns the sources hinted."""
    ids = set(held.release())
    with connection.cursor() as cursor:
        cursor.execute(_UNPUBLISHED, [LIMIT])
        ids |= {row[0] for row in cursor.fetchall()}
        cursor.execute(_WAITING, [settings.SWEEP_SECONDS, LIMIT])
        ids |= {row[0] for row in cursor.fetchall()}
        cursor.execute(_OPERATIONS, [settings.SWEEP_SECONDS, LIMIT])
        ids |= {row[0] for row in cursor.fetchall()}
        cursor.execute(_USAGE)
    processes.fold()
    queue.hint_sources(sorted(ids))
    return len(ids)


def daily() -> None:
    """Every hour: make the partitions of the days to come, drop what is past its retention."""
    partitions.prepare(keep_days=settings.RUN_RETENTION_DAYS)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_OLD_EVENTS, [settings.EVENT_RETENTION_DAYS])
        cursor.execute(_HIDDEN_EVENTS)
        cursor.execute(_OLD_RESPONSES)
        cursor.execute(_OLD_KEYS)
        cursor.execute(_OLD_OPERATIONS)
        cursor.execute(_OLD_SKIPS, [settings.RUN_RETENTION_DAYS])
        cursor.execute(_STRAY_RUNS)
    connecting.forget_old()
    logins.forget_old()
    suppressed.trim()
    webhooks.trim()
    activity.trim()
    packages.forget()
