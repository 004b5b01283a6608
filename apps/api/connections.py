"""The asynchronous connections of the web process: what its event loop asks Postgres itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from django.conf import settings
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from apps.core.postgresql.checks import check_async

Pool = AsyncConnectionPool[AsyncConnection[Any]]

WAIT_SECONDS = 10.0
# Plans made while a table is small would walk it from end to end for as long as they are kept.
_SESSION = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off"


def open_pool(most: int) -> Pool:
    """Not open yet: its first user opens it (`async with using(pool)`)."""
    return AsyncConnectionPool(
        settings.DATABASE_URL,
        min_size=0,
        max_size=most,
        kwargs={"autocommit": True},
        configure=_configure,
        check=check_async,
        timeout=WAIT_SECONDS,
        # A pool that cannot connect waits ever longer between its attempts, up to this.
        reconnect_timeout=WAIT_SECONDS,
        open=False,
    )


async def _configure(connection: AsyncConnection[Any]) -> None:
    await connection.execute(f"{_SESSION}; {settings.DATABASE_SESSION}")


@asynccontextmanager
async def using(pool: Pool) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection of the pool, which is opened when nobody has done so; at once.

    Raises psycopg.Error, PoolTimeout.
    """
    if pool.closed:
        await pool.open()
    async with pool.connection() as connection:
        yield connection
