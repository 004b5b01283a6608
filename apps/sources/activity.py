"""What people did that starts runs or sends things again: who, what of, when (decision 0128).

An entry is written by the service that does it, in its transaction. What set nothing going has
none.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from apps.sources.models import Activity

Kind = Activity.Kind

# A few at a time, along activity_newest: what is left waits for the next hour.
_TRIM = """
DELETE FROM sources_activity WHERE id IN (
  SELECT id FROM sources_activity WHERE at < app_now() - %s * interval '1 day'
  ORDER BY at LIMIT 100000)
"""


def note(
    kind: Activity.Kind, subject_id: str, actor: str, *, run_id: UUID | None = None, **data: Any
) -> None:
    """Write one entry, none for a Run that has one. `data` is as in `Activity`, without None."""
    told = {name: value for name, value in data.items() if value is not None}
    entry = Activity(kind=kind, subject_id=subject_id, actor=actor, run_id=run_id, data=told)
    Activity.objects.bulk_create([entry], ignore_conflicts=True)


def trim() -> None:
    """Remove what is past its retention (hourly, by the sweeper)."""
    with connection.cursor() as cursor:
        cursor.execute(_TRIM, [settings.EVENT_RETENTION_DAYS])
