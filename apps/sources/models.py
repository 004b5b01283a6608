"""Sources (deployed components), the ledger of their changes, and their timers."""

from __future__ import annotations

from functools import partial

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.core.clock import AppNow
from apps.core.fields import CompactJSONField
from apps.core.ids import new_id


class Source(models.Model):
    """A deployed component. Its row is what its ledger says (`manage.py verify_ledger`).

    state  `creating` → `active` | `inactive` | `failed`; `active` ⇄ `inactive`; any → `deleted`.
           Runs happen only while `active` (hooks aside). Deleted rows stay as tombstones, so that
           ids are never given again and cursors go on working.
    """

    class State(models.TextChoices):
        CREATING = "creating"
        ACTIVE = "active"
        INACTIVE = "inactive"
        FAILED = "failed"
        DELETED = "deleted"

    id = models.CharField(
        primary_key=True, max_length=16, db_collation="C", default=partial(new_id, "dc")
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sources"
    )
    # Indexed below, in the order in which they are shown.
    component = models.ForeignKey(
        "components.Component", on_delete=models.PROTECT, related_name="sources", db_index=False
    )
    state = models.CharField(max_length=16, choices=State.choices)
    name = models.CharField(max_length=400)
    name_slug = models.CharField(max_length=80)
    # As validated: plain values, app references, the timer as
    # {"cron", "interval_seconds", "timezone"?}.
    configured_props = CompactJSONField(default=dict)
    # Values of `secret: true` props, each encrypted.
    secret_props = CompactJSONField(default=dict)
    # HTTP runs at once; everything else of a source is serial.
    concurrency = models.SmallIntegerField(default=1)
    # HTTP requests a second that are accepted on average; null = any number.
    rate_limit = models.IntegerField(null=True, blank=True)
    endpoint_key = models.CharField(max_length=32, null=True, blank=True, unique=True)
    # Number of the newest ledger entry; what a running child was started with.
    version = models.IntegerField(default=1)
    created_at = models.DateTimeField(db_default=AppNow())
    updated_at = models.DateTimeField(db_default=AppNow())
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "name_slug"],
                condition=~Q(state__in=["deleted", "failed"]),
                name="source_slug_once",
            )
        ]
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="source_listing"),
            # Those of all owners, in the panel.
            models.Index(fields=["-created_at", "-id"], name="source_newest"),
            models.Index(fields=["state", "-created_at", "-id"], name="source_state"),
            models.Index(fields=["component", "-created_at", "-id"], name="source_component"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.id})"


class SourceChange(models.Model):
    """The ledger: one appended entry for every change to a source, written with the row."""

    class Kind(models.TextChoices):
        DEPLOYED = "deployed"
        PROPS_CHANGED = "props_changed"
        CODE_CHANGED = "code_changed"
        ACTIVATED = "activated"
        DEACTIVATED = "deactivated"
        RENAMED = "renamed"
        FAILED = "failed"
        DELETED = "deleted"

    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="changes")
    version = models.IntegerField()
    kind = models.CharField(max_length=16, choices=Kind.choices)
    # `u_…` or `system`.
    actor = models.CharField(max_length=16)
    at = models.DateTimeField(db_default=AppNow())
    # The fields of the row that this change set, with their new values.
    data = CompactJSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "version"], name="source_change_once")
        ]
        indexes = [
            models.Index(fields=["-at", "-id"], name="source_change_newest"),
            models.Index(fields=["kind", "-at", "-id"], name="source_change_kind"),
            models.Index(fields=["actor", "-at", "-id"], name="source_change_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.source_id} v{self.version} {self.kind}"


class Activity(models.Model):
    """What a person did that starts runs or sends events or deliveries again. It changes no row, so
    that it is no entry of a ledger; it is kept as long as events are.

    subject_id  the source; of `redelivery` the webhook
    run_id      of `run_now` and `rerun`: the Run that was queued
    data        of `rerun` {run}, which was run again; of `replay` {replay, events, listeners} and
                what was asked for of {start, end, channel, listener}; of `redelivery` {replay,
                deliveries} and the first of the chosen {ids}; without: all dead ones
    """

    class Kind(models.TextChoices):
        RUN_NOW = "run_now"
        RERUN = "rerun"
        REPLAY = "replay"
        REDELIVERY = "redelivery"

    kind = models.CharField(max_length=16, choices=Kind.choices)
    subject_id = models.CharField(max_length=16, db_collation="C")
    # `u_…`
    actor = models.CharField(max_length=16, db_collation="C")
    at = models.DateTimeField(db_default=AppNow())
    # The same request twice is one Run, and one entry.
    run_id = models.UUIDField(null=True, unique=True)
    data = CompactJSONField(default=dict)

    class Meta:
        verbose_name = "activity entry"
        verbose_name_plural = "activity entries"
        indexes = [
            models.Index(fields=["-at", "-id"], name="activity_newest"),
            models.Index(fields=["subject_id", "-at", "-id"], name="activity_subject"),
            models.Index(fields=["actor", "-at", "-id"], name="activity_actor"),
            models.Index(fields=["kind", "-at", "-id"], name="activity_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.subject_id} by {self.actor}"


class Timer(models.Model):
    """When a source is due. Written by `apps.sources.services` and the scheduler's tick alone.

    `generation` changes with every change of the schedule, so that a slot of an old schedule can
    never be taken for one of the new (design section 1). `next_fire_at` is null while inactive.
    """

    source = models.OneToOneField(
        Source, on_delete=models.CASCADE, primary_key=True, db_constraint=False
    )
    generation = models.IntegerField(default=1)
    interval_seconds = models.IntegerField(null=True, blank=True)
    cron = models.CharField(max_length=200, null=True, blank=True)
    timezone = models.CharField(max_length=64, default="UTC")
    next_fire_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["next_fire_at"],
                name="timer_due",
                condition=Q(next_fire_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return self.source_id


class SkippedSlots(models.Model):
    """A range of timer slots that did not run, and why: none is skipped silently (G5, F18).

    `blocker` is the mailbox row that was still queued or running, or 0 after downtime.
    """

    source_id = models.CharField(max_length=16, db_collation="C")
    generation = models.IntegerField()
    from_ms = models.BigIntegerField()
    to_ms = models.BigIntegerField()
    count = models.IntegerField()
    reason = models.CharField(max_length=32)
    blocker = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = "skipped slot"
        verbose_name_plural = "skipped slots"
        indexes = [models.Index(fields=["source_id", "-to_ms"], name="skipped_slots_listing")]
        constraints = [
            models.UniqueConstraint(
                fields=["source_id", "generation", "reason", "blocker"],
                condition=Q(blocker__gt=0),
                name="skipped_slots_range",
            )
        ]

    def __str__(self) -> str:
        return f"{self.source_id} {self.count} {self.reason}"
