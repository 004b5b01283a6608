"""`manage.py release`: the database's shape and what an installation needs, before anything serves.

What `migrate` and `bootstrap` do, one process at a time: of several on one database the first does
it, and the others wait and then find nothing left to do. A process that dies frees its place.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

PAUSE_SECONDS: Final = 0.2
# Tried and not waited for: a statement that waits has a snapshot, and `CREATE INDEX CONCURRENTLY`
# of who has the lock would wait for that. Of a session: a migration has transactions of its own.
_TRY = "SELECT pg_try_advisory_lock(hashtext('headwater release'))"


class Command(BaseCommand):
    help = "Bring the database to this version's shape, and make what is missing."
    requires_system_checks = []

    def handle(self, *_args: Any, verbosity: int, **_options: Any) -> None:
        with self._alone():
            call_command(
                "migrate",
                interactive=False,
                verbosity=verbosity,
                skip_checks=False,
                stdout=self.stdout,
                stderr=self.stderr,
            )
            call_command("bootstrap", stdout=self.stdout, stderr=self.stderr)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """On a connection of its own, which is idle meanwhile and has no transaction open."""
        with psycopg.connect(settings.DATABASE_URL, autocommit=True) as connection:
            told = False
            while connection.execute(_TRY).fetchone() != (True,):
                if not told:
                    self.stderr.write("another release is at this database: waiting for it")
                    told = True
                time.sleep(PAUSE_SECONDS)
            yield
