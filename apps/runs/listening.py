"""What the life of a source means for who listens: rules apply when it is made, and all that names
it ends with it.

The tables are those of `apps.subscriptions`, which stands above this package and may not be
imported here; a source and its subscriptions must come and go in one transaction all the same. So
this is plain SQL on them, as the commit's look at them is: nothing to register, nothing that a
process might have forgotten to load.
"""

from __future__ import annotations

from django.db import connection

from apps.core.ids import new_id

# Shared locks: whoever ends a rule waits for us, and then sees what it made.
_RULES = """
SELECT listener_id, event_name FROM subscriptions_autosubscription
WHERE owner_id = %s AND deleted_at IS NULL ORDER BY id FOR SHARE
"""

_SUBSCRIBE = """
INSERT INTO subscriptions_subscription
  (id, owner_id, emitter_id, listener_id, event_name, created_at)
SELECT u.id, %(owner)s, %(source)s, u.listener_id, u.event_name, app_now()
FROM unnest(%(ids)s::text[], %(listeners)s::text[], %(names)s::text[])
  AS u(id, listener_id, event_name)
ON CONFLICT DO NOTHING
"""

# Rules first: none may make a subscription after those are ended. What is on its way from the
# source goes too (REST specification 5.5); what others' mailboxes hold of it still runs.
_FORGET = (
    "UPDATE subscriptions_autosubscription SET deleted_at = app_now()"
    " WHERE listener_id = %(source)s AND deleted_at IS NULL",
    "UPDATE subscriptions_subscription SET deleted_at = app_now()"
    " WHERE (emitter_id = %(source)s OR listener_id = %(source)s) AND deleted_at IS NULL",
    "DELETE FROM fanout_due WHERE source_id = %(source)s",
    "DELETE FROM held_back WHERE listener_id = %(source)s OR emitter_id = %(source)s",
    "DELETE FROM delivery WHERE state = 'pending' AND emitter_id = %(source)s",
    "DELETE FROM suppressed WHERE source_id = %(source)s",
)


def apply_rules(owner_id: str, source_id: str) -> None:
    """Give a new source the subscriptions of its owner's rules (REST specification 7.5)."""
    with connection.cursor() as cursor:
        cursor.execute(_RULES, [owner_id])
        rules = cursor.fetchall()
        if rules:
            cursor.execute(
                _SUBSCRIBE,
                {
                    "owner": owner_id,
                    "source": source_id,
                    "ids": [new_id("sub") for _ in rules],
                    "listeners": [listener_id for listener_id, _ in rules],
                    "names": [event_name for _, event_name in rules],
                },
            )


def forget(source_id: str) -> None:
    """End everything that names a source which is gone."""
    with connection.cursor() as cursor:
        for statement in _FORGET:
            cursor.execute(statement, {"source": source_id})
