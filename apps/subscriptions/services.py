"""Making and ending subscriptions and the rules that make them. The only writer of these tables.

A subscription carries what is stored from now on, and misses nothing of it (F11). So it is made
while the emitters' counter rows are locked: a commit that is under way ends before and is too
early, one that begins after sees the subscription. Deleted rows stay as tombstones for cursors.
"""

from __future__ import annotations

from django.db import IntegrityError, connection, transaction

from apps.accounts.models import User
from apps.core import errors
from apps.core.clock import AppNow
from apps.runs.lifecycle import LISTED
from apps.subscriptions import matching
from apps.subscriptions.models import AutoSubscription, Subscription

_TRIES = 3

# In the order in which a commit takes them.
_LOCK_EMITTERS = """
SELECT FROM actor WHERE source_id IN (
  SELECT id FROM sources_source WHERE owner_id = %(owner)s
    AND (id = %(emitter)s OR %(emitter)s = 'dc_*') AND state <> 'deleted')
ORDER BY source_id FOR NO KEY UPDATE
"""


@transaction.atomic
def subscribe(owner: User, emitter_id: str, listener_id: str, event_name: str) -> Subscription:
    """The subscription of this triple: the one that stands, or a new one.

    Raises ApiError: 400 for a word that can never be right, 404 for an id that is not the owner's.
    """
    emitter, listener = matching.emitter_kind(emitter_id), matching.listener_kind(listener_id)
    matching.check_channel(event_name)
    if "workflow" in (emitter, listener):
        raise errors.not_found()
    sources = {emitter_id} if emitter == "source" else set()
    _lock_parties(owner, listener_id, sources)
    triple = {"emitter_id": emitter_id, "listener_id": listener_id, "event_name": event_name}
    if found := _standing(owner, **triple):
        return found
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_EMITTERS, {"owner": owner.id, "emitter": emitter_id})
    for _ in range(_TRIES):
        try:
            with transaction.atomic():
                return Subscription.objects.create(owner=owner, **triple)
        except IntegrityError:
            if found := _standing(owner, **triple):
                return found
    raise errors.conflict("this subscription is being made at the same time")


def unsubscribe(owner: User, emitter_id: str, listener_id: str, event_name: str) -> None:
    """End the subscription of this triple, a glob taken literally. ApiError 404: there is none.

    What waits in the listener's mailbox still runs; what waited for room there goes with it.
    """
    matching.emitter_kind(emitter_id)
    matching.listener_kind(listener_id)
    matching.check_channel(event_name)
    with transaction.atomic():
        found = _standing(owner, emitter_id, listener_id, event_name)
        if found is None or not _end(found.id):
            raise errors.not_found()
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM held_back WHERE subscription_id = %s", [found.id])


@transaction.atomic
def add_rule(owner: User, listener_id: str, event_name: str) -> AutoSubscription:
    """The rule by which each source made from now on is subscribed to, standing or new.

    `apps.runs.lifecycle` applies it. Raises ApiError as `subscribe` does; the default channel has
    no rules (7.5).
    """
    kind = matching.listener_kind(listener_id)
    if not matching.check_channel(event_name):
        raise errors.invalid("event_name", "event_name must not be empty")
    if kind == "workflow":
        raise errors.not_found()
    _lock_parties(owner, listener_id, set())
    for _ in range(_TRIES):
        if found := _rule(owner, listener_id, event_name):
            return found
        try:
            with transaction.atomic():
                return AutoSubscription.objects.create(
                    owner=owner, listener_id=listener_id, event_name=event_name
                )
        except IntegrityError:
            continue
    raise errors.conflict("this rule is being made at the same time")


def remove_rule(owner: User, listener_id: str, event_name: str) -> None:
    """End a rule; the subscriptions it made stay (7.5). ApiError 404: there is none."""
    matching.listener_kind(listener_id)
    matching.check_channel(event_name)
    found = _rule(owner, listener_id, event_name)
    ended = found and AutoSubscription.objects.filter(id=found.id, deleted_at=None).update(
        deleted_at=AppNow()
    )
    if not ended:
        raise errors.not_found()


def forget_webhook(webhook_id: str) -> None:
    """End what names a webhook that is deleted, in the caller's transaction."""
    Subscription.objects.filter(listener_id=webhook_id, deleted_at=None).update(deleted_at=AppNow())
    AutoSubscription.objects.filter(listener_id=webhook_id, deleted_at=None).update(
        deleted_at=AppNow()
    )


# --- parts -----------------------------------------------------------------------------------


def _lock_parties(owner: User, listener_id: str, source_ids: set[str]) -> None:
    """Keep these sources and the webhook from being deleted before our COMMIT. 404 without them."""
    if "\x00" in listener_id or any("\x00" in source_id for source_id in source_ids):
        raise errors.not_found()
    if listener_id.startswith("dc_"):
        source_ids = source_ids | {listener_id}
    elif not _lock_webhook(owner, listener_id):
        raise errors.not_found()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM sources_source WHERE id = ANY(%s) AND owner_id = %s AND state = ANY(%s)"
            " ORDER BY id FOR SHARE",
            [sorted(source_ids), owner.id, [str(state) for state in LISTED]],
        )
        if len(cursor.fetchall()) != len(source_ids):
            raise errors.not_found()


def _lock_webhook(owner: User, webhook_id: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT FROM subscriptions_webhook WHERE id = %s AND owner_id = %s"
            " AND deleted_at IS NULL FOR SHARE",
            [webhook_id, owner.id],
        )
        return cursor.fetchone() is not None


def _standing(
    owner: User, emitter_id: str, listener_id: str, event_name: str
) -> Subscription | None:
    return Subscription.objects.filter(
        owner=owner,
        emitter_id=emitter_id,
        listener_id=listener_id,
        event_name=event_name,
        deleted_at=None,
    ).first()


def _end(subscription_id: str) -> bool:
    standing = Subscription.objects.filter(id=subscription_id, deleted_at=None)
    return standing.update(deleted_at=AppNow()) == 1


def _rule(owner: User, listener_id: str, event_name: str) -> AutoSubscription | None:
    return AutoSubscription.objects.filter(
        owner=owner, listener_id=listener_id, event_name=event_name, deleted_at=None
    ).first()
