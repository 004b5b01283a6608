"""The edge as a process of its own and a world that it reads, as the tests of the API have them; a
seeded database, as `manage.py seed` makes it, for the tests of one file, and empty after."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection, transaction
from django.test.utils import setup_databases
from pytest_django import DjangoDbBlocker

from apps.panel import seeding
from tests.api.conftest import _shared_edge, start_edge
from tests.api.live import world

__all__ = ["_shared_edge", "start_edge", "world"]  # fixtures

SMALL = seeding.Sizes(
    sources=1_500, events=9_000, runs=6_000, users=5, components=50, webhooks=50,
    deliveries=3_000, subscriptions=1_000, waiting=200,
)  # fmt: skip


@pytest.fixture(scope="module")
def seeded(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[seeding.Sizes]:
    with django_db_blocker.unblock():
        # No test of the session may have asked pytest-django for it.
        if not connection.settings_dict["NAME"].startswith("test_"):
            setup_databases(verbosity=0, interactive=False, aliases={"default": {}})
        with transaction.atomic():
            with connection.cursor() as cursor:
                # The same rows in each run of the tests: of what is rare there might be none.
                cursor.execute("SELECT setseed(0.4)")
            seeding.seed("seed", SMALL)
            yield SMALL
            transaction.set_rollback(True)
