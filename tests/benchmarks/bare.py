"""The least that could accept a request durably: a view that commits one row, on the same server
(Granian), driver and database as the platform's own."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

from psycopg_pool import AsyncConnectionPool

CONNECTIONS = 6
_pool: AsyncConnectionPool[Any] | None = None


async def application(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    global _pool
    if scope["type"] != "http":
        return
    if _pool is None:
        dsn = os.environ["DATABASE_URL"]
        kwargs = {"autocommit": True}
        _pool = AsyncConnectionPool(dsn, max_size=CONNECTIONS, kwargs=kwargs, open=False)
    if _pool.closed:
        await _pool.open()
    body = b""
    if scope["method"] == "POST":
        body = (await receive())["body"]
        async with _pool.connection() as connection:
            await connection.execute("INSERT INTO bare (payload) VALUES (%b)", [body])
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})
