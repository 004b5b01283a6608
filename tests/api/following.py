"""Reading an event stream as a client does, and writing what it shows."""

from __future__ import annotations

import asyncio
import base64
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import redis

from tests.making import World

SECONDS = 20


@dataclass(frozen=True, slots=True)
class Event:
    id: str
    name: str | None
    data: str


class Follower:
    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def line(self) -> str:
        async with asyncio.timeout(SECONDS):
            return await anext(self._lines)

    async def event(self) -> Event:
        """The next one; comments are passed over."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(SECONDS):
            while (line := await self.line()) or not fields:
                if line and not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    assert name not in fields
                    fields[name] = value
        return Event(fields["id"], fields.get("event"), fields["data"])

    async def events(self, count: int) -> list[Event]:
        return [await self.event() for _ in range(count)]

    async def end(self) -> None:
        """Wait until the server ends the stream."""
        async with asyncio.timeout(SECONDS):
            async for _ in self._lines:
                pass


@asynccontextmanager
async def following(url: str, key: str, **headers: str) -> AsyncIterator[Follower]:
    """An open stream, or the answer that refused it."""
    headers = {"Authorization": f"Bearer {key}", **headers}
    async with httpx.AsyncClient(timeout=SECONDS) as client:
        async with client.stream("GET", url, headers=headers) as response:
            yield Follower(response)


class Tail:
    """A source whose events are committed and published by hand, as a worker does it."""

    def __init__(self, world: World, source_id: str, streams: redis.Redis, length: int = 200):
        self._world = world
        self._source = source_id
        self._streams: Any = streams
        self._length = length
        self._n = -1
        self._ms = int(time.time() * 1000)

    def emit(self, payload: bytes = b"{}", *, channel: str = "", meta: bytes = b"{}") -> str:
        """Commit one event and publish it; returns its id."""
        event_id = self.commit(payload, channel=channel, meta=meta)
        self._streams.xadd(
            f"stream:{self._source}",
            {"c": channel, "p": payload, "m": meta},
            id=event_id,
            maxlen=self._length,
            approximate=False,
        )
        return event_id

    def commit(self, payload: bytes = b"{}", *, channel: str = "", meta: bytes = b"{}") -> str:
        """Commit one event, which Redis never learns of; returns its id."""
        self._n += 1
        event_id = f"{self._ms}-{self._n}"
        self._world.sql(
            "WITH moved AS (UPDATE actor SET last_ms = %s, last_n = %s WHERE source_id = %s)"
            " INSERT INTO event (source_id, channel, ms, n, run_id, payload, meta, stored_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, app_now())",
            *(self._ms, self._n, self._source),
            *(self._source, channel, self._ms, self._n, uuid.uuid4(), payload, meta),
        )
        return event_id

    @staticmethod
    def base64(event_id: str) -> str:
        return base64.urlsafe_b64encode(event_id.encode()).decode().rstrip("=")
