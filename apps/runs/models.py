"""The mailbox, the lease on it, component state, the history of runs, and operations.

The hot tables are made by hand-written SQL (migrations/0001_initial.py): keys, fill factors and
partitions follow measured figures, and Django's admin cannot show composite keys. Only
`apps.runs.commit`, the scheduler's tick and `apps.runs.operations` write them.
"""

from __future__ import annotations

from django.db import models

from apps.core.clock import AppNow
from apps.core.fields import CompactJSONField


class Actor(models.Model):
    """The lease of a source and its counters: narrow, so that each update stays on its page.

    fence, token, until   who holds the source; `until` past and `token` 0 = free
    last_ms, last_n       the newest event id allotted (F1)
    pub_ms, pub_n         the newest event id known to be in the Redis stream (F2)
    lost                  runs that are to be taken one by one after a lost lease (F6)
    """

    source_id = models.CharField(primary_key=True, max_length=16, db_collation="C")
    fence = models.BigIntegerField()
    token = models.BigIntegerField()
    until = models.DateTimeField()
    last_ms = models.BigIntegerField()
    last_n = models.IntegerField()
    pub_ms = models.BigIntegerField()
    pub_n = models.IntegerField()
    lost = models.IntegerField()
    log_lines = models.IntegerField()

    class Meta:
        managed = False
        db_table = "actor"

    def __str__(self) -> str:
        return self.source_id


class ComponentState(models.Model):
    """`$.service.db` of a source (one JSON object) and its dedupe memory (`apps.events.dedupe`)."""

    source_id = models.CharField(primary_key=True, max_length=16, db_collation="C")
    store = models.BinaryField()
    dedupe = models.BinaryField()

    class Meta:
        managed = False
        db_table = "component_state"

    def __str__(self) -> str:
        return self.source_id


class MailboxRow(models.Model):
    """One queued or running Run of a source; deleted by the commit that ends it.

    (source_id, cause, key) is unique: the same cause twice is one run. `due_at` in the future
    parks a row. `attempt` counts lost leases after the child had started (F6). The event is
    `payload`, or that of (emitter_id, channel, ms, n), so that ten thousand listeners share one
    copy. `hops` is how many sources the event came through.
    """

    id = models.BigIntegerField(primary_key=True)
    source_id = models.CharField(max_length=16, db_collation="C")
    cause = models.CharField(max_length=16)
    key = models.CharField(max_length=200)
    cause_at = models.DateTimeField()
    due_at = models.DateTimeField()
    queued_at = models.DateTimeField()
    attempt = models.SmallIntegerField()
    hops = models.SmallIntegerField()
    payload = models.BinaryField(null=True)
    emitter_id = models.CharField(max_length=16, db_collation="C", null=True)
    channel = models.CharField(max_length=64, db_collation="C", null=True)
    ms = models.BigIntegerField(null=True)
    n = models.IntegerField(null=True)

    class Meta:
        managed = False
        db_table = "mailbox"

    def __str__(self) -> str:
        return f"{self.source_id} {self.cause} {self.id}"


class HttpResponse(models.Model):
    """What a run answered to its HTTP request (`apps.runs.responses`); without a status: nothing,
    and it has ended. Kept for a day, for requests that are repeated."""

    run_id = models.UUIDField(primary_key=True)
    status = models.SmallIntegerField(null=True)
    headers = models.BinaryField(null=True)
    body = models.BinaryField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "http_response"

    def __str__(self) -> str:
        return f"answer of run {self.run_id}"


class Run(models.Model):
    """History: one row for each Run that ended. Partitioned by day of the cause (F19)."""

    id = models.UUIDField(primary_key=True)
    source_id = models.CharField(max_length=16, db_collation="C")
    owner_id = models.CharField(max_length=16, db_collation="C")
    component_id = models.CharField(max_length=16, db_collation="C")
    cause = models.CharField(max_length=16)
    key = models.CharField(max_length=200)
    cause_at = models.DateTimeField()
    queued_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField()
    # succeeded, failed, dead, cancelled
    state = models.CharField(max_length=16)
    attempt = models.SmallIntegerField()
    duration_ms = models.IntegerField()
    emitted = models.IntegerField()
    suppressed = models.IntegerField()
    error = models.BinaryField(null=True)

    class Meta:
        managed = False
        db_table = "run"

    def __str__(self) -> str:
        return f"run {self.id}"


class Operation(models.Model):
    """Work that an API call waits for and a runner does: describing code, hooks of a lifecycle.

    kind    without a source `describe`, `fetch` (then describe), `import`, `options`,
            `dry_run`, `connect`; else `create`, `update`, `delete`
    state   `queued` → `running` → `done` | `failed`; `queued` → `cancelled`
    """

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=16)
    state = models.CharField(max_length=16, default="queued")
    source_id = models.CharField(max_length=16, db_collation="C", null=True)
    owner_id = models.CharField(max_length=16, db_collation="C")
    args = CompactJSONField(default=dict)
    result = CompactJSONField(null=True)
    attempt = models.SmallIntegerField(default=0)
    # Lease of an operation without a source; one of a source is held by the source's lease.
    token = models.BigIntegerField(default=0)
    until = models.DateTimeField(db_default=AppNow())
    created_at = models.DateTimeField(db_default=AppNow())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "operation"
        indexes = [
            models.Index(
                fields=["source_id", "id"],
                name="operation_open",
                condition=models.Q(state__in=["queued", "running"]),
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class Process(models.Model):
    """A web, scheduler or worker process, or the counters of those that are no more (kind `past`):
    see `apps.runs.processes`, which alone writes it.

    state    `ok`, what is late, or `stopped`
    facts    what it has and does now: slots, running, children, …
    metrics  what it has counted since its start (`apps.core.metrics`)
    """

    id = models.UUIDField(primary_key=True)
    kind = models.CharField(max_length=16)
    name = models.CharField(max_length=64)
    host = models.CharField(max_length=255)
    pid = models.IntegerField()
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    state = models.CharField(max_length=200)
    facts = CompactJSONField(default=dict)
    metrics = models.BinaryField(default=b"{}")

    class Meta:
        db_table = "process"
        verbose_name_plural = "processes"

    def __str__(self) -> str:
        return f"{self.name} on {self.host}"
