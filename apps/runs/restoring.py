"""A database that was restored from a backup, before anything runs on it.

Its leases were held by workers of another place, and its published cursors tell of another Redis.
A copy that is *held* does nothing by itself: its sources are paused, each with its ledger entry and
without its hooks, since what those would undo belongs to the original.
"""

from __future__ import annotations

from django.db import connection, transaction

from apps.core.clock import AppNow
from apps.runs.models import Operation
from apps.sources import services
from apps.sources.models import Source

# A run that was under way when the backup was taken has lost no worker (F6).
_SPARE = """
UPDATE mailbox m SET attempt = m.attempt - 1 FROM actor a
WHERE a.source_id = m.source_id AND a.token <> 0 AND m.attempt > 0
"""
# With its cursor at the beginning, the sweep has each stream written anew (F2).
_FREE = """
UPDATE actor SET token = 0, until = 'epoch', pub_ms = 0, pub_n = 0
WHERE token <> 0 OR last_ms > 0
"""


@transaction.atomic
def let_go() -> int:
    """Free every lease, and have every stream published anew. Returns the sources concerned."""
    with connection.cursor() as cursor:
        cursor.execute(_SPARE)
        cursor.execute(_FREE)
        freed: int = cursor.rowcount
    return freed


@transaction.atomic
def hold() -> int:
    """Pause every active source, and give up what the API was waiting for. Returns how many were
    paused. Their queued runs wait (F17)."""
    Operation.objects.filter(state__in=["queued", "running"]).update(
        state="cancelled", ended_at=AppNow()
    )
    for source in Source.objects.filter(state=Source.State.CREATING):
        services.failed(source)
    held = 0
    for source in Source.objects.filter(state=Source.State.ACTIVE).iterator():
        services.deactivate(source, services.SYSTEM)
        held += 1
    return held
