"""A runner's connections: one for leases, one for commits, each used by one statement at a time.

A connection that breaks is opened anew by the next who needs it; the caller sees the psycopg error
and decides whether its work may be repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.db import connections
from psycopg import AsyncConnection

from apps.runs import lease

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a service of Django's in a thread, giving its database connection back afterwards."""

    def call() -> T:
        try:
            return function(*args, **kwargs)
        finally:
            connections.close_all()

    return await asyncio.to_thread(call)


# A worker that freezes in the middle of a transaction keeps its locks, and a locked lease is passed
# by: nobody could take its sources over. The server ends such a transaction: by its age, since
# PostgreSQL 18 does not see that one is idle when its last message was the end of a pipeline.
_NO_FROZEN_LOCKS = (
    "SELECT set_config(name, '10s', false) FROM pg_settings WHERE name = 'transaction_timeout'"
)


class Line:
    """One connection and its lock: `async with line as connection: …`.

    asynchronous  COMMIT does not wait for the disk: for leases, which a crash may cost
    session       what is set on each connection, instead of what leases and commits need
    """

    def __init__(
        self, dsn: str, *, asynchronous: bool = False, session: str = lease.SESSION
    ) -> None:
        self._dsn = dsn
        self._session = f"{session}; {_NO_FROZEN_LOCKS}; {settings.DATABASE_SESSION}"
        if asynchronous:
            self._session += "; SET synchronous_commit = off"
        self._lock = asyncio.Lock()
        self._connection: AsyncConnection[Any] | None = None

    async def __aenter__(self) -> AsyncConnection[Any]:
        await self._lock.acquire()
        try:
            if self._connection is None or self._connection.closed:
                self._connection = await self._open()
            return self._connection
        except BaseException:
            self._lock.release()
            raise

    async def _open(self) -> AsyncConnection[Any]:
        connection = await AsyncConnection.connect(self._dsn, autocommit=True)
        try:
            await connection.execute(self._session)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        try:
            # A cancelled statement may still be under way: its connection cannot be trusted.
            if error is not None:
                await self.close()
        finally:
            self._lock.release()

    async def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):
                await self._connection.close()
            self._connection = None
