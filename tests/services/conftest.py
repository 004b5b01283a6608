"""For the tests of the way (test_way_*): an empty world, its streams, a worker's connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
from django.db import connections
from psycopg import AsyncConnection
from pytest_django import DjangoDbBlocker

from apps.runs import lease
from tests.making import World
from tests.services.way import database_url


@pytest.fixture
def world(test_database: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """An empty database with one owner, committed for all to see; empty again afterwards, and the
    clock put right."""
    made = World(database_url())
    made.begin()
    with django_db_blocker.unblock():
        yield made
        connections.close_all()
    made.clear()
    made.close()


@pytest.fixture
async def line(world: World) -> AsyncIterator[AsyncConnection[Any]]:
    """A worker's connection."""
    async with await psycopg.AsyncConnection.connect(world.dsn, autocommit=True) as opened:
        await opened.execute(lease.SESSION)
        yield opened
