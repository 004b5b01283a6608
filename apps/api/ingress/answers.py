"""Waiting for what a run answers to its request (F8): no thread, no connection for each caller.

One task of the web process hears the pokes of the workers and reads the answers that are there;
once a second it reads for everybody who waits, so that a poke that was lost costs a second.
"""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial

import psycopg
from django.conf import settings
from psycopg_pool import PoolTimeout

from apps.api.connections import Pool, using
from apps.api.replies import Headers, Reply
from apps.core import errors
from apps.core.about import apart
from apps.core.errors import ApiError
from apps.runs import responses
from apps.runs.contract import Respond

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
# Callers that wait in one process, of all sources.
MAX_WAITING = 5000

OPEN: Headers = [(b"access-control-allow-origin", b"*")]
# Whatever it holds, it acts for nobody: no script, no form, no origin.
INERT: Headers = [(b"x-content-type-options", b"nosniff"), (b"content-security-policy", b"sandbox")]

# What a component may not set: of the connection, of the length, or of the whole site.
_DROPPED = frozenset(
    (
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te"),
        *("trailer", "transfer-encoding", "upgrade", "content-length", "date", "server"),
        *("content-security-policy", "content-security-policy-report-only", "set-cookie"),
        *("strict-transport-security", "x-content-type-options", "clear-site-data", "alt-svc"),
        *("service-worker-allowed", "nel", "report-to", "reporting-endpoints", "x-request-id"),
    )
)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Answers:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting: dict[uuid.UUID, list[asyncio.Future[Respond | None]]] = {}
        self._of_source: dict[str, int] = {}
        self._count = 0
        self._poked: set[uuid.UUID] = set()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @contextmanager
    def expect(self, source_id: str, run: uuid.UUID) -> Iterator[Callable[[], Awaitable[Reply]]]:
        """Entered before the run is stored, so that no poke is missed; gives what waits for it.

        Raises 429 when too many wait; the wait raises 400 (the run ended without one) and 504.
        """
        of_source = self._of_source.get(source_id, 0)
        if of_source >= settings.RESPOND_WAITERS or self._count >= MAX_WAITING:
            raise errors.too_many("too many callers wait for this source", retry_after=5)
        self._begin()
        future: asyncio.Future[Respond | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(run, []).append(future)
        self._of_source[source_id] = of_source + 1
        self._count += 1
        try:
            yield partial(self._within, future)
        finally:
            self._count -= 1
            self._leave(source_id, run, future)

    async def _within(self, future: asyncio.Future[Respond | None]) -> Reply:
        # A repeated request may have been answered long ago.
        self._wake.set()
        try:
            async with asyncio.timeout(settings.RESPOND_SECONDS):
                return _reply(await future)
        except TimeoutError:
            raise ApiError(504, "no_response", "the source gave no response in time") from None

    def _leave(
        self, source_id: str, run: uuid.UUID, future: asyncio.Future[Respond | None]
    ) -> None:
        self._of_source[source_id] -= 1
        if not self._of_source[source_id]:
            del self._of_source[source_id]
        left = [other for other in self._waiting.get(run, []) if other is not future]
        if left:
            self._waiting[run] = left
        else:
            self._waiting.pop(run, None)
        future.cancel()

    def _begin(self) -> None:
        if not self._tasks:
            self._tasks = [
                apart(asyncio.create_task, self._listen(), name="pokes"),
                apart(asyncio.create_task, self._read_on(), name="answers"),
            ]

    async def _listen(self) -> None:
        async for run in responses.pokes():
            if run in self._waiting:
                self._poked.add(run)
                self._wake.set()

    async def _read_on(self) -> None:
        loop = asyncio.get_running_loop()
        look_at = 0.0
        while True:
            await self._sleep(look_at - loop.time())
            ids = [run for run in self._poked if run in self._waiting]
            self._poked.clear()
            if loop.time() >= look_at:
                ids, look_at = list(self._waiting), loop.time() + LOOK_SECONDS
            try:
                await self._read(ids)
            except (psycopg.Error, PoolTimeout, OSError) as error:
                logger.warning("answers could not be read, looking again: %s", error)
                await asyncio.sleep(LOOK_SECONDS)
            except Exception:  # all who wait here hang on this loop
                logger.exception("answers could not be read")
                await asyncio.sleep(LOOK_SECONDS)

    async def _sleep(self, seconds: float) -> None:
        """Until somebody is poked; at most so long while somebody waits."""
        try:
            async with asyncio.timeout(max(0.0, seconds) if self._waiting else None):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def _read(self, ids: list[uuid.UUID]) -> None:
        if not ids:
            return
        async with using(self._pool) as connection:
            found = await responses.get(connection, ids)
        for run, answer in found.items():
            for future in self._waiting.get(run, []):
                if not future.done():
                    future.set_result(answer)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []


def _reply(answer: Respond | None) -> Reply:
    """The run's own answer; whatever it says, it cannot act for this site."""
    if answer is None:
        raise ApiError(400, "no_response", "the source's code ended without giving a response")
    headers: Headers = [
        (name.lower().encode(), _value(value))
        for name, value in answer.headers.items()
        if name.lower() not in _DROPPED and _NAME.fullmatch(name) and not _CONTROL.search(value)
    ]
    headers += INERT
    if not any(name == b"access-control-allow-origin" for name, _ in headers):
        headers += OPEN
    return Reply(answer.status, headers, answer.body)


def _value(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode(errors="replace")
