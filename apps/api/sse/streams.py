"""Server-sent events of a source (REST specification 9): `GET /v1/sources/{id}/sse`.

The view authenticates, finds the source and reads the parameters in a thread, as any other, and
hands back an `EventStream`; from there on the edge serves it, and no thread or connection is held:
`hub` feeds all streams of the process from one reader of Redis, `client` is one reader's
queue. A stream ends when its client goes or is too slow, its source is deleted, its key revoked
or, of those that the panel opens, its session ended.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass

import psycopg
from django.conf import settings
from django.http import HttpResponse
from psycopg_pool import PoolTimeout
from rest_framework.request import Request

from apps.accounts import keys
from apps.api.deferred import EventStream
from apps.api.events import read_channel, read_cursor
from apps.api.replies import Headers, Receive, Send, reply_for, send_reply
from apps.api.scopes import READ, needs
from apps.api.sse.client import COMMENT, Client
from apps.api.sse.hub import Hub
from apps.api.views import ApiView
from apps.core import errors
from apps.core.errors import invalid
from apps.events.items import EventId, parse_id
from apps.events.reading import LOGS
from apps.sources.reading import check_owner

END_SECONDS = 1.0


class SourceStream(ApiView):
    """`channel` is set by the route of `observations`, the stream of a source's log."""

    channel: str | None = None

    @needs(READ)
    def get(self, request: Request, source_id: str) -> HttpResponse:
        check_owner(self.user.id, source_id)
        params = self.params()
        channel = self.channel or read_channel(params) or ""
        # What a client sends when it comes back is younger than its address.
        after = _last_event_id(request.headers.get("Last-Event-ID")) or read_cursor(params, "after")
        digest = keys.digest(self.caller.key)
        return EventStream(self.user.id, digest, source_id, channel, after)


class SourceLogStream(SourceStream):
    channel = LOGS


def _last_event_id(text: str | None) -> EventId | None:
    if not text:
        return None
    found = parse_id(text.strip())
    if found is None:
        raise invalid("Last-Event-ID", "Last-Event-ID must be an event id such as 1589486981597-0")
    return found


@dataclass(frozen=True, slots=True)
class Opening:
    """A stream to be served, under the headers that the view layer gave to its answer."""

    stream: EventStream
    headers: Headers


class Streams:
    """All event streams of one web process."""

    def __init__(self) -> None:
        self._hub: Hub | None = None
        self._of_user: Counter[str] = Counter()

    def __len__(self) -> int:
        return sum(self._of_user.values())

    async def serve(self, opening: Opening, receive: Receive, send: Send) -> None:
        """Until one side ends it. 429 when the user has too many open, 503 without a database."""
        stream = opening.stream
        if self._of_user[stream.user_id] >= settings.SSE_CLIENTS:
            refused = errors.too_many("too many event streams are open", retry_after=30)
            await _refuse(send, refused, opening.headers)
            return
        self._of_user[stream.user_id] += 1
        try:
            await self._open(opening, receive, send)
        finally:
            self._of_user[stream.user_id] -= 1
            if not self._of_user[stream.user_id]:
                del self._of_user[stream.user_id]

    async def _open(self, opening: Opening, receive: Receive, send: Send) -> None:
        # Made here, in the loop that it lives in.
        hub = self._hub = self._hub or Hub()
        client = Client(opening.stream, settings.STALL_SECONDS)
        try:
            topic = await hub.join(client)
        except (psycopg.Error, PoolTimeout):
            error = errors.unavailable("the database does not answer")
            await _refuse(send, error, opening.headers)
            return

        async def write(data: bytes) -> None:
            await send({"type": "http.response.body", "body": data, "more_body": True})

        async def work() -> None:
            await send(
                {"type": "http.response.start", "status": 200, "headers": _head(opening.headers)}
            )
            await write(COMMENT)
            await client.write_on(topic, hub.page, write)

        # Whichever ends first: a write may hang for ever when nobody reads.
        ends = [
            asyncio.create_task(work()),
            asyncio.create_task(_gone(receive)),
            asyncio.create_task(client.closed.wait()),
        ]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hub.leave(client, topic)
            for task in ends:
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        # In form, where somebody still reads.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def close(self) -> None:
        if self._hub is not None:
            await self._hub.close()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _head(headers: Headers) -> Headers:
    kept = [header for header in headers if header[0] != b"content-length"]
    return [*kept, (b"x-accel-buffering", b"no")]


async def _refuse(send: Send, error: errors.ApiError, headers: Headers) -> None:
    reply = reply_for(error)
    own = {name for name, _ in reply.headers} | {b"content-type", b"content-length"}
    reply.headers += [header for header in headers if header[0] not in own]
    await send_reply(send, reply, head=False)
