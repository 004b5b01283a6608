"""The only door to Celery, and to the keys on which the web waits.

A message carries ids and is a hint: losing it delays work until an idle runner looks for itself
(`CLAIM_SECONDS`), and loses nothing. So a broker that fails is noted and left alone for a while;
no caller ever waits for it or fails because of it.

Keys in Redis
    hint:<source id>   a hint for this source is under way; cleared by the runner that got it
                       before it takes the lease (F7); expires by itself
    op:<operation id>  a list with one element, pushed when the operation ended; expires by itself
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence

import redis
import redis.asyncio
from asgiref.sync import sync_to_async
from django.conf import settings
from kombu.exceptions import OperationalError

from apps.runs.models import Operation
from config.celery import app

logger = logging.getLogger(__name__)

IDS_PER_MESSAGE = 50
HINT_MS = 5_000
POKE_SECONDS = 60
_AFTER_FAILURE_SECONDS = 2.0
_FAILURES = (OperationalError, redis.RedisError, OSError)


class _Door:
    """Remembers that the other side failed, so that nobody pays for it twice in two seconds."""

    def __init__(self) -> None:
        self._closed_until = 0.0
        self.redis = redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1
        )

    def is_open(self) -> bool:
        return time.monotonic() >= self._closed_until

    def failed(self, what: str, error: BaseException) -> None:
        self._closed_until = time.monotonic() + _AFTER_FAILURE_SECONDS
        logger.warning("%s failed, the sweep will do it: %s", what, error)


_door = _Door()


def hint_sources(source_ids: Sequence[str], *, fresh: bool = False) -> int:
    """Tell the runners that these sources have something to do. Returns the messages sent.

    `fresh`: the caller knows that no hint is under way for them (the tick), so that the marks
    need not be asked.
    """
    if not source_ids or not _door.is_open():
        return 0
    try:
        ids = list(source_ids) if fresh else _unmarked(source_ids)
        return _send("headwater.hint", ids)
    except _FAILURES as error:
        _door.failed("hint", error)
        return 0


def hint_operations(operation_ids: Sequence[int]) -> int:
    """Tell the runners of operations that belong to no source. Returns the messages sent."""
    if not operation_ids or not _door.is_open():
        return 0
    try:
        return _send("headwater.operate", list(operation_ids))
    except _FAILURES as error:
        _door.failed("hint", error)
        return 0


def hint_fan_out(emitter_ids: Sequence[str]) -> int:
    """Tell the workers that events of these sources are due. Returns the messages sent."""
    if not emitter_ids or not _door.is_open():
        return 0
    try:
        return _send("headwater.fanout", list(emitter_ids))
    except _FAILURES as error:
        _door.failed("hint", error)
        return 0


def hint_deliveries(webhook_ids: Sequence[str]) -> int:
    """Tell the workers that deliveries to these webhooks are due. Returns the messages sent."""
    if not webhook_ids or not _door.is_open():
        return 0
    try:
        return _send("headwater.deliver", list(webhook_ids))
    except _FAILURES as error:
        _door.failed("hint", error)
        return 0


def redis_answers() -> bool:
    """Whether the Redis of hints and streams answers now; waits a second for it at most."""
    try:
        return bool(_door.redis.ping())
    except _FAILURES:
        return False


def _unmarked(source_ids: Sequence[str]) -> list[str]:
    pipe = _door.redis.pipeline(transaction=False)
    for source_id in source_ids:
        pipe.set(f"hint:{source_id}", 1, nx=True, px=HINT_MS)
    return [source_id for source_id, new in zip(source_ids, pipe.execute(), strict=True) if new]


def _send(task: str, ids: Sequence[str | int]) -> int:
    chunks = [ids[i : i + IDS_PER_MESSAGE] for i in range(0, len(ids), IDS_PER_MESSAGE)]
    with app.producer_pool.acquire(block=True, timeout=2) as producer:
        for chunk in chunks:
            app.send_task(task, args=[list(chunk)], queue="runs", producer=producer)
    return len(chunks)


def poke_operation(operation_id: int) -> None:
    """Wake whoever waits for this operation; who misses it re-reads the row within a second."""
    if not _door.is_open():
        return
    try:
        pipe = _door.redis.pipeline()
        pipe.lpush(f"op:{operation_id}", 1)
        pipe.expire(f"op:{operation_id}", POKE_SECONDS)
        pipe.execute()
    except _FAILURES as error:
        _door.failed("poke", error)


async def wait_operation(operation_id: int, timeout: float) -> bool:
    """Wait until the operation has ended, at most `timeout` seconds, holding no thread (F8).

    True: it has ended. The poked key is only a wake-up; the row is what counts, and is read once
    a second.
    """
    deadline = time.monotonic() + timeout
    client = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1)
    try:
        while True:
            if await sync_to_async(_has_ended)(operation_id):
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            await _nap(client, f"op:{operation_id}", min(1.0, left))
    finally:
        await client.aclose()


async def _nap(client: redis.asyncio.Redis, key: str, seconds: float) -> None:
    try:
        await client.blpop([key], timeout=seconds)
    except _FAILURES:
        await asyncio.sleep(seconds)


def _has_ended(operation_id: int) -> bool:
    return not Operation.objects.filter(id=operation_id, state__in=["queued", "running"]).exists()


async def clear_hints(client: redis.asyncio.Redis, source_ids: Iterable[str]) -> None:
    """Called when hints have come, before leases are taken and mailboxes read (F7): also for
    sources that another worker holds; it looks once more after its release."""
    keys = [f"hint:{source_id}" for source_id in source_ids]
    if keys:
        await client.delete(*keys)
