"""Time comes from the database, through one function, `app_now()` (F21)."""

from __future__ import annotations

from datetime import datetime

from django.db import connection
from django.db.models import DateTimeField, Func


class AppNow(Func):
    """`app_now()` in the ORM: the start of the current statement, on the database's clock."""

    function = "app_now"
    template = "app_now()"
    output_field = DateTimeField()


def app_now() -> datetime:
    """The database's time now, timezone-aware UTC."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT app_now()")
        row = cursor.fetchone()
        assert row is not None
        now: datetime = row[0]
        return now
