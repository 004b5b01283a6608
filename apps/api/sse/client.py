"""One reader of a live event stream: what waits to be sent to it, and how it catches up."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from apps.api.deferred import EventStream
from apps.events.items import EventId, Stored, render
from apps.events.stream import Entry

COMMENT = b":sse-handshake\n\n"
COMMENT_SECONDS = 15.0
# Beyond it the reader is too slow, and is sent away: it can resume where it was.
MAX_FRAMES = 1000
MAX_BYTES = 32 * 1024 * 1024
# Events read from the ledger at a time; bytes handed to the server at a time.
PAGE = 50
BATCH_BYTES = 64 * 1024

Id = tuple[int, int]
Write = Callable[[bytes], Awaitable[None]]
ReadPage = Callable[[str, str | None, Id, int], Awaitable[list[Entry]]]


@dataclass(slots=True)
class Topic:
    """A source that somebody follows. `cursor`: up to here its clients have been told."""

    source_id: str
    cursor: Id
    clients: set[Client] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Framed:
    id: Id
    channel: str
    frame: bytes


def framed(source_id: str, entry: Entry) -> Framed:
    """As it goes over the wire: `data` is the list item, expanded, on one line."""
    event_id = EventId(entry.ms, entry.n)
    item = render(
        Stored(source_id, entry.channel, event_id, entry.payload, len(entry.payload), entry.meta),
        expand=True,
    )
    data = b"{%b}" % b",".join(b'"%b":%b' % (k.encode(), v) for k, v in item.items())
    if b"\n" in data or b"\r" in data:  # only between the tokens of JSON
        data = data.replace(b"\r", b" ").replace(b"\n", b" ")
    # Published clients handle unnamed messages only: the default channel has no name (section 9).
    name = b"event: %b\n" % entry.channel.encode() if entry.channel else b""
    return Framed(
        event_id, entry.channel, b"%bid: %b\ndata: %b\n\n" % (name, entry.id.encode(), data)
    )


class Client:
    """position  every event up to it is sent or queued; behind  the ledger is to be read first.

    One that takes nothing for `stall_seconds` is sent away too, also while it reads the ledger.
    """

    def __init__(self, stream: EventStream, stall_seconds: float) -> None:
        self.stream = stream
        self._stall_seconds = stall_seconds
        self.position: Id = (0, 0)
        self.behind = True
        self.closed = asyncio.Event()
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()

    def wants(self, channel: str) -> bool:
        return self.stream.channel in ("*", channel)

    def push(self, events: Sequence[Framed]) -> None:
        """Queue what is new to it; a reader that is too slow is closed."""
        for event in events:
            if event.id > self.position and self.wants(event.channel):
                self._queue.append(event.frame)
                self._bytes += len(event.frame)
                self.position = event.id
        if len(self._queue) > MAX_FRAMES or self._bytes > MAX_BYTES:
            self.close()
        self._wake.set()

    def fall_behind(self) -> None:
        self.behind = True
        self._wake.set()

    def close(self) -> None:
        self.closed.set()

    async def write_on(self, topic: Topic, read_page: ReadPage, send: Write) -> None:
        """Send what comes, and a comment every 15 s, until cancelled or the reader stalls."""

        async def write(data: bytes) -> None:
            async with asyncio.timeout(self._stall_seconds):
                await send(data)

        loop = asyncio.get_running_loop()
        comment_at = loop.time() + COMMENT_SECONDS
        while True:
            await self._drain(write)
            if self.behind:
                await self._catch_up(topic, read_page, write)
                continue
            if loop.time() >= comment_at:
                await write(COMMENT)
                comment_at = loop.time() + COMMENT_SECONDS
            try:
                async with asyncio.timeout(comment_at - loop.time()):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

    async def _drain(self, write: Write) -> None:
        while self._queue:
            count = size = 0
            for frame in self._queue:
                count, size = count + 1, size + len(frame)
                if size >= BATCH_BYTES:
                    break
            await write(b"".join([self._queue[i] for i in range(count)]))
            # Only now are they no longer unsent.
            for _ in range(count):
                self._bytes -= len(self._queue.popleft())

    async def _catch_up(self, topic: Topic, read_page: ReadPage, write: Write) -> None:
        """Send the ledger's events behind `position`, until nothing came while they were read."""
        channel = None if self.stream.channel == "*" else self.stream.channel
        while True:
            seen = topic.cursor
            entries = await read_page(topic.source_id, channel, self.position, PAGE)
            for entry in entries:
                await write(framed(topic.source_id, entry).frame)
                self.position = (entry.ms, entry.n)
            if len(entries) == PAGE:
                continue
            # What the hub had told of when the page was read was committed, and is in it.
            self.position = max(self.position, seen)
            if topic.cursor == seen:
                self.behind = False
                return
