"""Making, changing and ending webhooks, their secrets, and replaying their deliveries.

A webhook's stored secret is a list, newest first: `{"key": <encrypted>}`, and after a rotation the
one before with `until_ms`: it signs beside the new one for a day, so that a receiver can change
over without refusing anything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from apps.accounts.models import User
from apps.core import errors, secrets
from apps.core.addresses import BadUrl, check_url
from apps.core.clock import AppNow, app_now
from apps.core.http import policy_by_settings
from apps.core.ids import base62
from apps.runs import queue
from apps.sources import activity
from apps.subscriptions import services, signing
from apps.subscriptions.models import Delivery, Webhook

OVERLAP_MS = 24 * 60 * 60 * 1000
STATES = ("pending", "delivered", "dead")
REPLAY_LIMIT = 10_000
# A replay of deliveries repeats messages; one of a source (`rp_…`) makes new ones.
REPLAY_PREFIX = "rd"
_TRIES = 5
# Ids that an activity names, of those that were chosen.
NAMED = 20

# The newest row of each event alone, so that a replay asked for twice repeats nothing that the
# first one put in hand. An event that was deleted or is past its retention is not sent again.
_REPLAY = """
WITH chosen AS (
  SELECT d.* FROM delivery d
  WHERE d.webhook_id = %(webhook)s
    AND CASE WHEN %(ids)s::bigint[] IS NULL THEN d.state = 'dead' ELSE d.id = ANY(%(ids)s) END
    AND (%(ids)s::bigint[] IS NOT NULL OR NOT EXISTS (
         SELECT FROM delivery l WHERE l.webhook_id = d.webhook_id AND l.emitter_id = d.emitter_id
         AND l.ms = d.ms AND l.n = d.n AND l.id > d.id))
  ORDER BY d.id LIMIT %(limit)s
), sendable AS (
  SELECT DISTINCT ON (c.emitter_id, c.ms, c.n) c.* FROM chosen c JOIN event e
    ON e.source_id = c.emitter_id AND e.channel = c.channel AND e.ms = c.ms AND e.n = c.n
   AND e.deleted_at IS NULL
), made AS (
  INSERT INTO delivery (webhook_id, owner_id, emitter_id, channel, ms, n, replay,
                        next_attempt_at, created_at)
  SELECT webhook_id, owner_id, emitter_id, channel, ms, n, %(replay)s, app_now(), app_now()
  FROM sendable ORDER BY emitter_id, ms, n
)
SELECT (SELECT count(*) FROM chosen), (SELECT count(*) FROM chosen WHERE state = 'pending'),
       (SELECT count(*) FROM sendable)
"""

# What was delivered is kept as long as runs are, dead letters as long as the events they need.
# Pending ones of a deleted webhook were inserted by a fan-out while it was being deleted.
_TRIM = """
DELETE FROM delivery d
WHERE (d.state = 'delivered' AND d.ended_at < app_now() - %(delivered)s * interval '1 day')
   OR (d.state = 'dead' AND d.ended_at < app_now() - %(dead)s * interval '1 day')
   OR (d.state = 'pending' AND NOT EXISTS (SELECT FROM subscriptions_webhook w
                                           WHERE w.id = d.webhook_id AND w.deleted_at IS NULL))
"""


def find(owner: User, webhook_id: str) -> Webhook:
    """The caller's own. ApiError 404: no such one, also another's."""
    found = None
    if re.fullmatch(r"wh_[0-9A-Za-z]{1,13}", webhook_id):
        found = Webhook.objects.filter(id=webhook_id, owner=owner, deleted_at=None).first()
    if found is None:
        raise errors.not_found()
    return found


def create(owner: User, url: str, name: str | None, description: str | None) -> tuple[Webhook, str]:
    """The webhook and its secret in clear. ApiError 400 for a URL that must not be called."""
    _check(url)
    secret = signing.new_secret()
    values = {"url": url, "name": name, "description": description or None}
    for _ in range(_TRIES):
        try:
            with transaction.atomic():
                made = Webhook.objects.create(owner=owner, secret=[_stored(secret)], **values)
            made.refresh_from_db()
            return made, secret
        except IntegrityError:
            continue
    raise errors.unavailable("no free id was found; try again")


def change(webhook: Webhook, **values: Any) -> Webhook:
    """Set those of `url`, `name`, `description`, `active` that are not None."""
    given = {name: value for name, value in values.items() if value is not None}
    if "url" in given:
        _check(given["url"])
    if given.get("description") == "":
        given["description"] = None
    if given:
        own = Webhook.objects.filter(id=webhook.id, deleted_at=None)
        if not own.update(**given, updated_at=AppNow()):
            raise errors.not_found()
        webhook.refresh_from_db()
        if given.get("active"):
            queue.hint_deliveries([webhook.id])
    return webhook


@transaction.atomic
def delete(webhook: Webhook) -> None:
    """End it, its subscriptions and rules, and drop what is pending for it."""
    own = Webhook.objects.filter(id=webhook.id, deleted_at=None)
    if own.update(deleted_at=AppNow(), active=False) != 1:
        raise errors.not_found()
    services.forget_webhook(webhook.id)
    Delivery.objects.filter(webhook_id=webhook.id, state="pending").delete()


@transaction.atomic
def rotate(webhook: Webhook) -> tuple[Webhook, str]:
    """A new secret, returned in clear; the one before is good for one more day."""
    locked = Webhook.objects.select_for_update(no_key=True)
    found = locked.filter(id=webhook.id, deleted_at=None).first()
    if found is None:
        raise errors.not_found()
    secret = signing.new_secret()
    until = int(app_now().timestamp() * 1000) + OVERLAP_MS
    stored = [_stored(secret), {"key": found.secret[0]["key"], "until_ms": until}]
    Webhook.objects.filter(id=found.id).update(secret=stored, updated_at=AppNow())
    found.refresh_from_db()
    return found, secret


def keys(stored: Sequence[dict[str, Any]], now_ms: int) -> list[str]:
    """The secrets that sign now, the newest first. Raises `secrets.Undecipherable`."""
    good = (one for one in stored if one.get("until_ms", now_ms) >= now_ms)
    return [str(secrets.decrypt(one["key"])) for one in good]


def replay(webhook: Webhook, delivery_ids: Sequence[int] | None, actor: str) -> int:
    """Send deliveries again, as new rows with the same message ids: those named, or all dead ones.

    `actor` is the `u_` id of who asks. Returns how many. ApiError: 404 for an id that is not this
    webhook's, 409 for one that is still pending, 400 beyond the limit. Nothing is sent then.
    """
    ids = None if delivery_ids is None else sorted(set(delivery_ids))
    made = f"{REPLAY_PREFIX}_{base62(10)}"
    values = {"webhook": webhook.id, "ids": ids, "limit": REPLAY_LIMIT + 1, "replay": made}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_REPLAY, values)
        row = cursor.fetchone()
        assert row is not None
        chosen, pending, sent = row
        if chosen > REPLAY_LIMIT:
            raise errors.bad_request(
                "too_many_deliveries", f"more than {REPLAY_LIMIT} deliveries: name some of them"
            )
        if ids is not None and chosen != len(ids):
            raise errors.not_found()
        if pending:
            raise errors.conflict("a delivery that is still pending cannot be replayed")
        if sent:
            activity.note(
                activity.Kind.REDELIVERY, webhook.id, actor, replay=made, deliveries=sent,
                ids=None if ids is None else ids[:NAMED],
            )  # fmt: skip
        transaction.on_commit(partial(queue.hint_deliveries, [webhook.id]))
    count: int = sent
    return count


def trim() -> None:
    """Remove what is past its retention (hourly, by the sweeper)."""
    values = {"delivered": settings.RUN_RETENTION_DAYS, "dead": settings.EVENT_RETENTION_DAYS}
    with connection.cursor() as cursor:
        cursor.execute(_TRIM, values)


def is_new_message(replay: str) -> bool:
    """Whether this replay is to be taken again by receivers: one of the source is."""
    return bool(replay) and not replay.startswith(f"{REPLAY_PREFIX}_")


def _stored(secret: str) -> dict[str, Any]:
    return {"key": secrets.encrypt(secret)}


def _check(url: str) -> None:
    try:
        check_url(url, policy_by_settings())
    except BadUrl as reason:
        raise errors.invalid("url", f"url {reason}") from None
