"""Putting a Run into a source's mailbox.

A Run is named by its cause: (source, cause, key) is unique, and `run_id` is derived from it, so
that whatever happens twice is one run. Keys by cause:

    timer   `<generation of the schedule>:<slot in epoch ms>`: an old schedule's slot is another run
    manual  the request's own random id: two clicks are two runs, a repeated request is one
    http    the id of the accepted request
    event   `<emitter>:<event id>:<replay id or 0>`: the listener is the source itself
"""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from apps.core import errors
from apps.runs import queue
from apps.runs.contract import Cause

_NAMESPACE = uuid.UUID("6f1d6c0e-3d0b-5a53-9a5e-0a2f4b1c7d10")

_INSERT = """
INSERT INTO mailbox (source_id, cause, key, cause_at, due_at, queued_at, payload)
SELECT %(source)s, %(cause)s, %(key)s, app_now(), app_now(), app_now(), %(payload)s
WHERE NOT EXISTS (SELECT FROM run WHERE id = %(run)s AND source_id = %(source)s)
ON CONFLICT (source_id, cause, key) DO NOTHING
"""

# A run that ended between the snapshot of the insert and its look at the unique key left neither a
# row of history that the insert saw nor a conflict. This statement's snapshot is younger.
_TAKE_BACK = """
DELETE FROM mailbox m WHERE m.source_id = %(source)s AND m.cause = %(cause)s AND m.key = %(key)s
  AND EXISTS (SELECT FROM run r WHERE r.id = %(run)s AND r.source_id = %(source)s)
"""

_DEPTH = "SELECT count(*) FROM (SELECT FROM mailbox WHERE source_id = %s LIMIT %s) AS waiting"


def run_id(source_id: str, cause: str, key: str) -> uuid.UUID:
    """The Run's id: uuid5 over what caused it (design section 1)."""
    return uuid.uuid5(_NAMESPACE, f"{source_id}\n{cause}\n{key}")


def ids(source_id: str, cause: str, key: str) -> dict[str, str]:
    """What a line of the log about this Run carries. The key of one that was asked for is the id of
    the request (behind a word, for an app's hook)."""
    found = {"run_id": str(run_id(source_id, cause, key)), "cause": cause}
    if cause in ("http", "manual"):
        found["request_id"] = key.rpartition(":")[2]
    return found


def enqueue(source_id: str, cause: Cause, key: str, payload: bytes) -> uuid.UUID:
    """Queue one Run in the caller's transaction and hint after its COMMIT. Returns the run's id.

    `payload` is the event as compact JSON. Raises ApiError 429 when the mailbox is full
    (`MAILBOX_CAP` rows).
    """
    run = run_id(source_id, cause, key)
    with connection.cursor() as cursor:
        cursor.execute(_DEPTH, [source_id, settings.MAILBOX_CAP])
        row = cursor.fetchone()
        if row and row[0] >= settings.MAILBOX_CAP:
            raise errors.ApiError(
                429, "mailbox_full", f"{settings.MAILBOX_CAP} runs of this source are waiting"
            )
        row_of: dict[str, Any] = {
            "source": source_id,
            "cause": cause,
            "key": key,
            "payload": payload,
            "run": run,
        }
        cursor.execute(_INSERT, row_of)
        if cursor.rowcount:
            cursor.execute(_TAKE_BACK, row_of)
    transaction.on_commit(lambda: queue.hint_sources([source_id]))
    return run
