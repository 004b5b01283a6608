"""Running once more what failed or died: a new Run of the same cause with the same event.

History keeps no payloads. The event of a subscription still stands in its emitter's ledger, and
every run that failed or died left its own on the source's `$errors` (REST specification 7.6).
"""

from __future__ import annotations

import hashlib
import re
import uuid
from datetime import datetime

from django.db import connection, transaction

from apps.core import errors
from apps.events.items import EventId
from apps.runs import lifecycle, mailbox
from apps.runs.contract import Cause
from apps.runs.reading import RunView
from apps.runs.record import ERRORS
from apps.sources import activity
from apps.sources.models import Source

AGAIN = ":again:"
_KEY_CHARACTERS = 170
_CAUSES: dict[str, Cause] = {
    "timer": "timer",
    "http": "http",
    "event": "event",
    "manual": "manual",
}
_EVENT_KEY = re.compile(r"(dc_\w+):(\d+)-(\d+):\w+")
# What stands around the event on `$errors` (apps.runs.record). No text in the error after it can
# look so: there a quote has a backslash before it.
_HEAD, _TAIL = b'{"original_event":', b',"original_context":'

_ON_ERRORS = """
SELECT payload FROM event
WHERE source_id = %s AND channel = %s AND run_id = %s AND ms >= %s ORDER BY ms LIMIT 1
"""

# The Run gets the event by reference, so that its hops and its channel count on.
_REFER = """
UPDATE mailbox m SET payload = NULL, emitter_id = e.source_id, channel = e.channel, ms = e.ms,
       n = e.n, hops = e.hops + 1
FROM event e
WHERE m.source_id = %(source)s AND m.cause = 'event' AND m.key = %(key)s
  AND e.source_id = %(emitter)s AND e.ms = %(ms)s AND e.n = %(n)s
"""


def can_rerun(state: str, cause: str) -> bool:
    """Whether a run that ended so can be run again."""
    return state in ("dead", "failed") and cause in _CAUSES


@transaction.atomic
def rerun(run: RunView, actor: str, once: str | None = None) -> uuid.UUID:
    """Queue it again for `actor`, a `u_` id; every call is one run more, but those of the same
    `once` are one. Returns the new Run's id.

    Raises ApiError: 409 unless it is `dead` or `failed`, was no hook, and its event is still
    stored; 400 when the source is inactive; 429 when its mailbox is full.
    """
    cause = _CAUSES.get(run.position.cause)
    if cause is None or not can_rerun(run.state, cause):
        raise errors.conflict("only a run that is dead or failed can be run again")
    source = lifecycle.locked(run.source_id, alone=False)
    if source.state != Source.State.ACTIVE:
        raise errors.bad_request("source_inactive", "the source is inactive: activate it first")
    first_key = run.position.key.partition(AGAIN)[0]
    turn = hashlib.sha256(once.encode()).hexdigest() if once else uuid.uuid4().hex
    key = f"{first_key[:_KEY_CHARACTERS]}{AGAIN}{turn[:12]}"
    payload = original_event(run.source_id, run.id, run.queued_at)
    made = mailbox.enqueue(source.id, cause, key, payload or b"null")
    referred = cause == "event" and _refer(source.id, key, first_key)
    if payload is None and not referred:
        raise errors.conflict("the event of this run is no longer stored")
    activity.note(activity.Kind.RERUN, source.id, actor, run_id=made, run=str(run.id))
    return made


def causing_event(key: str) -> tuple[str, EventId] | None:
    """Emitter and id of the event that a run's key names, if its cause was one."""
    named = _EVENT_KEY.fullmatch(key.partition(AGAIN)[0])
    return (named[1], EventId(int(named[2]), int(named[3]))) if named else None


def original_event(source_id: str, run_id: uuid.UUID, queued_at: datetime) -> bytes | None:
    """The event that a failed run was given, byte for byte, from what it left on `$errors`."""
    begun_ms = int(queued_at.timestamp() * 1000)
    with connection.cursor() as cursor:
        cursor.execute(_ON_ERRORS, [source_id, ERRORS, run_id, begun_ms])
        row = cursor.fetchone()
    left = bytes(row[0]) if row else b""
    end = left.rfind(_TAIL)
    return left[len(_HEAD) : end] if left.startswith(_HEAD) and end > 0 else None


def _refer(source_id: str, key: str, first_key: str) -> bool:
    named = causing_event(first_key)
    if named is None:
        return False
    emitter, (ms, n) = named
    values: dict[str, int | str] = {
        "source": source_id,
        "key": key,
        "emitter": emitter,
        "ms": ms,
        "n": n,
    }
    with connection.cursor() as cursor:
        cursor.execute(_REFER, values)
        return bool(cursor.rowcount)
