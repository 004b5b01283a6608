"""What people did that starts runs or sends things again: who, what of, when (decision 0128).

An entry is written by the service that does it, in its transaction. What set nothing going has
none.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from apps.sources.models import Deed

Kind = Deed.Kind

# A few at a time, along deed_newest: what is left waits for the next hour.
_TRIM = """
DELETE FROM sources_deed WHERE id IN (
  SELECT id FROM sources_deed WHERE at < app_now() - %s * interval '1 day'
  ORDER BY at LIMIT 100000)
"""


def note(
    kind: Deed.Kind, subject_id: str, actor: str, *, run_id: UUID | None = None, **data: Any
) -> None:
    """Write one entry; none for a Run that has one. `data` as `Deed` says, without what is None."""
    told = {name: value for name, value in data.items() if value is not None}
    deed = Deed(kind=kind, subject_id=subject_id, actor=actor, run_id=run_id, data=told)
    Deed.objects.bulk_create([deed], ignore_conflicts=True)


def trim() -> None:
    """Remove what is past its retention (hourly, by the sweeper)."""
    with connection.cursor() as cursor:
        cursor.execute(_TRIM, [settings.EVENT_RETENTION_DAYS])
