"""Whether a pooled connection still has a server at its other end: the `check` of every pool.

A server that stops or dies closes its sockets, and a closed socket can be read: looking costs no
round trip. What else can be read is told apart by asking the server.

psycopg's pool checks one idle connection at a time and waits longer after each dead one (0, 1, 2,
4 … seconds): with more than four of them, which any restart of the server leaves behind a busy web
process, a request runs into the pool's time-out before it meets a new connection. The first dead
one is taken here as the sign that the server went away, and all idle ones are replaced.
"""

from __future__ import annotations

import select
from typing import Any

from psycopg import AsyncConnection, Connection, OperationalError
from psycopg_pool import AsyncConnectionPool, ConnectionPool


def check(connection: Connection[Any]) -> None:
    """Raises psycopg.OperationalError: it is dead, and the pool's idle ones with it."""
    if _silent(connection):
        return
    try:
        ConnectionPool.check_connection(connection)
    except OperationalError:
        if isinstance(connection._pool, ConnectionPool):
            connection._pool.drain()
        raise


async def check_async(connection: AsyncConnection[Any]) -> None:
    """The same for a pool of an event loop."""
    if _silent(connection):
        return
    try:
        await AsyncConnectionPool.check_connection(connection)
    except OperationalError:
        if isinstance(connection._pool, AsyncConnectionPool):
            await connection._pool.drain()
        raise


def _silent(connection: Connection[Any] | AsyncConnection[Any]) -> bool:
    """Nothing to read. `poll`: `select` refuses descriptors over 1023."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)
