"""The ledger of what sources emitted. Rows are written by `apps.runs.commit` alone."""

from __future__ import annotations

from django.db import models


class Event(models.Model):
    """One stored event. Its public id is `<ms>-<n>`, unique and rising per source (F1).

    The table's key is (source_id, channel, ms, n); Django is told of `ms` alone, because its
    admin cannot show composite keys. Select by source, channel, ms and n, never by `pk`.
    `payload` is compact UTF-8 JSON, `meta` the emitter's own `id`, `summary`, `ts`, `delivery_ts`
    (on `$errors` a summary by the platform).
    `due_at` is set for events scheduled for later; `deleted_at` hides (F9). `hops` counts the
    sources it came through; -1: stored only, never carried on (F12).
    """

    source_id = models.CharField(max_length=16, db_collation="C")
    channel = models.CharField(max_length=64, db_collation="C")
    ms = models.BigIntegerField(primary_key=True)
    n = models.IntegerField()
    run_id = models.UUIDField()
    payload = models.BinaryField()
    meta = models.BinaryField()
    hops = models.SmallIntegerField()
    stored_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "event"

    @property
    def public_id(self) -> str:
        return f"{self.ms}-{self.n}"

    def __str__(self) -> str:
        return f"{self.source_id} {self.public_id}"
