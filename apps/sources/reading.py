"""Looking at sources where the row itself is not needed."""

from __future__ import annotations

from django.db import connection

from apps.core import errors

_MAY_READ = """
SELECT FROM sources_source
WHERE id = %s AND owner_id = %s AND state IN ('active', 'inactive')
"""


def check_owner(owner_id: str, source_id: str) -> None:
    """404 unless the owner has this source and it is not being created, failed or deleted.

    For reads of what hangs on a source: loading the row would load its component's code with it.
    """
    if "\0" not in source_id:
        with connection.cursor() as cursor:
            cursor.execute(_MAY_READ, [source_id, owner_id])
            if cursor.fetchone() is not None:
                return
    raise errors.not_found()
