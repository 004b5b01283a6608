"""Replay: stored events go once more to those who listen now, from the ledger.

The events are put on the list of the fan-out under the replay's id, behind what is due for the
first time, and take the one way from there: in order, held back by full mailboxes, safe from any
crash. The id is part of the key of each listener's Run and of each Delivery, so that a replay
repeats what was delivered before, and itself is carried out once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from django.db import connection, transaction

from apps.core import errors
from apps.core.ids import new_id
from apps.events.items import LAST, EventId
from apps.events.services import FIRST
from apps.runs import queue
from apps.sources import activity
from apps.sources.models import Source
from apps.subscriptions import matching
from apps.subscriptions.carry import HOPS

EVENTS = 10_000

_LISTENERS = """
SELECT DISTINCT b.event_name, b.listener_id FROM subscriptions_subscription b
WHERE b.owner_id = %(owner)s AND b.deleted_at IS NULL
  AND (b.emitter_id = %(source)s OR (b.emitter_id = 'dc_*' AND b.listener_id <> %(source)s))
  AND (%(listener)s::text IS NULL OR b.listener_id = %(listener)s)
  AND (b.event_name = %(channel)s OR (%(channel)s::text IS NULL AND b.event_name NOT LIKE '$%%'))
  AND (EXISTS (SELECT FROM sources_source s WHERE s.id = b.listener_id AND s.state = 'active')
       OR EXISTS (SELECT FROM subscriptions_webhook w
                  WHERE w.id = b.listener_id AND w.active AND w.deleted_at IS NULL))
"""

# What is hidden, not due yet, or beyond the reach of any listener stays where it is.
_PUT = """
WITH chosen AS (
  SELECT channel, ms, n FROM event
  WHERE source_id = %(source)s AND channel = ANY(%(channels)s)
    AND (ms, n) >= (%(from_ms)s, %(from_n)s) AND (ms, n) <= (%(to_ms)s, %(to_n)s)
    AND deleted_at IS NULL AND (due_at IS NULL OR due_at <= app_now())
    AND hops >= 0 AND hops < %(hops)s
  ORDER BY ms, n LIMIT %(limit)s
)
INSERT INTO fanout_due (source_id, channel, ms, n, due_at, replay, listener_id)
SELECT %(source)s, channel, ms, n, app_now(), %(replay)s, %(listener)s FROM chosen
ORDER BY ms, n
"""

_OWNS = """
SELECT EXISTS (SELECT FROM sources_source
               WHERE id = %(id)s AND owner_id = %(owner)s AND state IN ('active', 'inactive'))
    OR EXISTS (SELECT FROM subscriptions_webhook
               WHERE id = %(id)s AND owner_id = %(owner)s AND deleted_at IS NULL)
"""


@dataclass(frozen=True, slots=True)
class Replay:
    """`events` that go out again, `listeners` that get any of them."""

    id: str
    events: int
    listeners: int


@transaction.atomic
def replay(
    source: Source,
    actor: str,
    *,
    start: EventId,
    end: EventId,
    channel: str | None = None,
    listener_id: str | None = None,
) -> Replay:
    """Put the closed range of a source's events on their way again, for `actor`, a `u_` id.

    Without `channel`: the default and all custom ones, but not `$errors` and `$logs`, as deletion
    has it. Raises ApiError: 400 when it would be more than `EVENTS`, 404 for a listener that is not
    the owner's.
    """
    if listener_id is not None:
        _check_listener(source, listener_id)
    made = new_id("rp")
    asked = {
        "owner": source.owner_id,
        "source": source.id,
        "listener": listener_id,
        "channel": channel,
        "replay": made,
        "from_ms": start.ms,
        "from_n": start.n,
        "to_ms": end.ms,
        "to_n": end.n,
        "hops": HOPS,
        "limit": EVENTS + 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(_LISTENERS, asked)
        pairs = cursor.fetchall()
        cursor.execute(_PUT, {**asked, "channels": sorted({name for name, _ in pairs})})
        events = cursor.rowcount
    if events > EVENTS:
        raise errors.invalid("from", f"from and to must span at most {EVENTS} events")
    transaction.on_commit(partial(queue.hint_fan_out, [source.id]))
    listeners = len({listener for _, listener in pairs})
    if events:
        activity.note(
            activity.Kind.REPLAY, source.id, actor, replay=made, events=events, listeners=listeners,
            start=None if start == FIRST else str(start), end=None if end == LAST else str(end),
            channel=channel, listener=listener_id,
        )  # fmt: skip
    return Replay(made, events, listeners)


def _check_listener(source: Source, listener_id: str) -> None:
    if matching.listener_kind(listener_id) == "workflow":
        raise errors.not_found()
    with connection.cursor() as cursor:
        cursor.execute(_OWNS, {"id": listener_id, "owner": source.owner_id})
        row = cursor.fetchone()
    if not row or not row[0]:
        raise errors.not_found()
