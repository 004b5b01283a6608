"""The answer of `respond` on its way from the worker to the web (F8).

The worker stores it in a short transaction of its own, the first one of a run wins, and pokes
whoever waits; the web reads the row then, and once a second besides, so that a Redis that is not
there costs a second and no answer is lost.

Redis: the run's id (32 hexadecimal digits) is published on the channel `responses`.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson
import redis
from django.conf import settings
from psycopg import AsyncConnection
from redis.asyncio import Redis

from apps.runs.contract import Respond

CHANNEL = "responses"
PAUSE_SECONDS = 1.0

_PUT = """
INSERT INTO http_response (run_id, status, headers, body, created_at)
VALUES (%(run)b, %(status)s, %(headers)b, %(body)b, app_now()) ON CONFLICT (run_id) DO NOTHING
"""
_GET = "SELECT run_id, status, headers, body FROM http_response WHERE run_id = ANY(%(ids)b)"


async def put(
    connection: AsyncConnection[Any], client: Redis, run_id: uuid.UUID, answer: Respond | None
) -> None:
    """Store the run's answer; None: it has ended and there will be none."""
    await connection.execute(
        _PUT,
        {
            "run": run_id,
            "status": answer.status if answer else None,
            "headers": orjson.dumps(answer.headers) if answer else None,
            "body": answer.body if answer else None,
        },
    )
    # Without Redis the web looks for itself.
    with contextlib.suppress(redis.RedisError, OSError):
        await client.publish(CHANNEL, run_id.hex)


async def get(
    connection: AsyncConnection[Any], ids: Sequence[uuid.UUID]
) -> dict[uuid.UUID, Respond | None]:
    """The answers known of these runs; None: it ended, and there is none."""
    cursor = await connection.execute(_GET, {"ids": list(ids)})
    return {
        run: None if status is None else Respond(status, orjson.loads(headers), bytes(body))
        for run, status, headers, body in await cursor.fetchall()
    }


async def pokes() -> AsyncIterator[uuid.UUID]:
    """The runs that have been answered, for ever; some are missed while Redis is away."""
    client = Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, health_check_interval=15)
    try:
        while True:
            try:
                async with client.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(CHANNEL)
                    async for message in channel.listen():
                        yield uuid.UUID(message["data"].decode())
            except (redis.RedisError, OSError):
                await asyncio.sleep(PAUSE_SECONDS)
    finally:
        await client.aclose()
