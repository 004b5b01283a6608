"""Who listens to whom: subscriptions, rules that make them, webhooks and their deliveries."""

from __future__ import annotations

from functools import partial

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.core.clock import AppNow
from apps.core.fields import CompactJSONField
from apps.core.ids import new_id
from apps.core.showing import line


class Subscription(models.Model):
    """Carries the events of one channel of an emitter to a listener.

    emitter_id   `dc_…`, or a glob (`dc_*`, `p_*`): each source of the owner, save the listener
    listener_id  `dc_…` or `wh_…`
    Deleted rows stay as tombstones, so that cursors go on working.
    """

    id = models.CharField(
        primary_key=True, max_length=16, db_collation="C", default=partial(new_id, "sub")
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="subscriptions"
    )
    emitter_id = models.CharField(max_length=16, db_collation="C")
    listener_id = models.CharField(max_length=16, db_collation="C")
    event_name = models.CharField(max_length=64, db_collation="C", blank=True)
    created_at = models.DateTimeField(db_default=AppNow())
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            # Leads with what a commit and a fan-out look for.
            models.UniqueConstraint(
                fields=["emitter_id", "event_name", "owner", "listener_id"],
                condition=Q(deleted_at__isnull=True),
                name="subscription_once",
            )
        ]
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="subscription_listing"),
            models.Index(fields=["listener_id"], name="subscription_listener"),
            # Those of all owners, in the panel; deleted ones too.
            models.Index(fields=["-created_at", "-id"], name="subscription_newest"),
            models.Index(fields=["emitter_id"], name="subscription_emitter"),
        ]

    def __str__(self) -> str:
        return f"{self.emitter_id} → {self.listener_id} {self.event_name}".rstrip()


class AutoSubscription(models.Model):
    """A rule: each source that its owner creates from now on gets a subscription (REST 7.5)."""

    id = models.CharField(
        primary_key=True, max_length=16, db_collation="C", default=partial(new_id, "asub")
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="auto_subscriptions"
    )
    listener_id = models.CharField(max_length=16, db_collation="C")
    event_name = models.CharField(max_length=64, db_collation="C")
    created_at = models.DateTimeField(db_default=AppNow())
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "event_name", "listener_id"],
                condition=Q(deleted_at__isnull=True),
                name="auto_subscription_once",
            )
        ]
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="auto_subscription_listing"),
            models.Index(fields=["-created_at", "-id"], name="auto_subscription_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.event_name} → {self.listener_id}"


class Webhook(models.Model):
    """An address that receives the events of the subscriptions whose listener it is."""

    id = models.CharField(
        primary_key=True, max_length=16, db_collation="C", default=partial(new_id, "wh")
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="webhooks"
    )
    url = models.TextField()
    name = models.CharField(max_length=400, null=True, blank=True)
    description = models.TextField(null=True, blank=True)
    active = models.BooleanField(default=True)
    # The signing secret, encrypted (`apps.core.secrets`); in clear only in the answers of
    # create and rotate.
    secret = CompactJSONField()
    created_at = models.DateTimeField(db_default=AppNow())
    updated_at = models.DateTimeField(db_default=AppNow())
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="webhook_listing"),
            models.Index(fields=["-created_at", "-id"], name="webhook_newest"),
        ]

    def __str__(self) -> str:
        return f"{line(self.url)} ({self.id})"


class Delivery(models.Model):
    """One event on its way to one webhook (table by hand-written SQL: see the migration).

    state     `pending` → `delivered` | `dead`; a replay makes a new row
    replay    `""`, or the id of the replay that asked for it: (webhook, event, replay) is unique
    attempts  how many were made; `history` has them: [{at_ms, status?, error?, duration_ms}]
    until     lease of the worker that is delivering it, with `token`
    """

    id = models.BigIntegerField(primary_key=True)
    webhook_id = models.CharField(max_length=16, db_collation="C")
    owner_id = models.CharField(max_length=16, db_collation="C")
    emitter_id = models.CharField(max_length=16, db_collation="C")
    channel = models.CharField(max_length=64, db_collation="C")
    ms = models.BigIntegerField()
    n = models.IntegerField()
    replay = models.CharField(max_length=32, db_collation="C")
    state = models.CharField(max_length=16)
    attempts = models.SmallIntegerField()
    next_attempt_at = models.DateTimeField()
    token = models.BigIntegerField()
    until = models.DateTimeField()
    history = CompactJSONField()
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "delivery"
        verbose_name_plural = "deliveries"

    def __str__(self) -> str:
        return f"{self.emitter_id} {self.ms}-{self.n} → {self.webhook_id}"


class FanoutDue(models.Model):
    """The work list of the fan-out: one row for each event that somebody listens to, inserted by
    the commit that stored the event and deleted by the transaction that fanned it out.

    due_at       the epoch: at once, so that the order is that of the ids whatever the clock does;
                 else when the event is to be delivered (F10), or when a replay was asked for
    replay       `""`, or the id of the replay that put it here
    listener_id  of a replay: for this listener alone
    """

    id = models.BigIntegerField(primary_key=True)
    source_id = models.CharField(max_length=16, db_collation="C")
    due_at = models.DateTimeField()
    channel = models.CharField(max_length=64, db_collation="C")
    ms = models.BigIntegerField()
    n = models.IntegerField()
    replay = models.CharField(max_length=32, db_collation="C")
    listener_id = models.CharField(max_length=16, db_collation="C", null=True)

    class Meta:
        managed = False
        db_table = "fanout_due"
        verbose_name = "event to fan out"
        verbose_name_plural = "events to fan out"

    def __str__(self) -> str:
        return f"{self.source_id} {self.ms}-{self.n}"


class HeldBack(models.Model):
    """An event that waits for room in its listener's mailbox: a subscription waits, in order,
    and nothing is dropped (DESIGN section 7, mailbox cap)."""

    id = models.BigIntegerField(primary_key=True)
    listener_id = models.CharField(max_length=16, db_collation="C")
    subscription_id = models.CharField(max_length=16, db_collation="C")
    emitter_id = models.CharField(max_length=16, db_collation="C")
    channel = models.CharField(max_length=64, db_collation="C")
    ms = models.BigIntegerField()
    n = models.IntegerField()
    replay = models.CharField(max_length=32, db_collation="C")

    class Meta:
        managed = False
        db_table = "held_back"
        verbose_name = "event held back"
        verbose_name_plural = "events held back"

    def __str__(self) -> str:
        return f"{self.emitter_id} {self.ms}-{self.n} → {self.listener_id}"
