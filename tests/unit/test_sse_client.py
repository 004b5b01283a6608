"""One reader of a live event stream: order, catching up, stalling (REST specification 9)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apps.api.deferred import EventStream
from apps.api.sse.client import MAX_BYTES, MAX_FRAMES, Client, Topic, framed
from apps.events.stream import Entry


def reader(stall_seconds: float = 30) -> Client:
    return Client(EventStream("u_1", b"", "dc_1", "", (0, 0)), stall_seconds)


def entry(ms: int, payload: bytes = b"{}") -> Entry:
    return Entry(ms, 0, "", payload, b"{}")


async def test_what_the_ledger_gave_already_is_dropped_when_the_stream_tells_of_it() -> None:
    """Committed after the hub was last told, before the page was read."""
    client, topic = reader(), Topic("dc_1", (1, 0))
    sent: list[bytes] = []

    async def page(_source: str, _channel: str | None, after: Any, _limit: int) -> list[Entry]:
        return [e for e in (entry(1), entry(2)) if (e.ms, e.n) > after]

    async def write(data: bytes) -> None:
        sent.append(data)

    task = asyncio.create_task(client.write_on(topic, page, write))
    async with asyncio.timeout(5):
        while client.behind:
            await asyncio.sleep(0)
        client.push([framed("dc_1", e) for e in (entry(2), entry(3))])
        while len(sent) < 3:
            await asyncio.sleep(0)
    task.cancel()
    assert [data.split(b"\n")[0] for data in sent] == [b"id: 1-0", b"id: 2-0", b"id: 3-0"]


async def test_events_that_come_while_a_page_is_read_are_read_too() -> None:
    """The hub told of them when the client could not take them: the ledger is asked again."""
    client, topic = reader(), Topic("dc_1", (1, 0))
    ledger, sent = [entry(1)], []

    async def page(_source: str, _channel: str | None, after: Any, _limit: int) -> list[Entry]:
        found = [e for e in ledger if (e.ms, e.n) > after]
        if topic.cursor == (1, 0):
            ledger.append(entry(2))
            topic.cursor = (2, 0)
        return found

    async def write(data: bytes) -> None:
        sent.append(data)

    task = asyncio.create_task(client.write_on(topic, page, write))
    async with asyncio.timeout(5):
        while client.behind or len(sent) < 2:
            await asyncio.sleep(0)
    task.cancel()
    assert [data.split(b"\n")[0] for data in sent] == [b"id: 1-0", b"id: 2-0"]


async def test_a_reader_that_takes_nothing_is_sent_away_while_it_reads_the_ledger_too() -> None:
    async def page(*_: Any) -> list[Entry]:
        return [entry(1)]

    async def hang(_: bytes) -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(10):
            await reader(stall_seconds=0.05).write_on(Topic("dc_1", (1, 0)), page, hang)


def test_more_than_a_thousand_unsent_frames_or_too_many_bytes_close_it() -> None:
    client = reader()
    client.push([framed("dc_1", entry(ms)) for ms in range(1, MAX_FRAMES + 1)])
    assert not client.closed.is_set()
    client.push([framed("dc_1", entry(MAX_FRAMES + 1))])
    assert client.closed.is_set()
    heavy = reader()
    heavy.push([framed("dc_1", entry(1, b'"%b"' % (b"x" * MAX_BYTES)))])
    assert heavy.closed.is_set()


def test_a_frame_is_one_line_of_data_whatever_white_space_the_payload_has() -> None:
    frame = framed("dc_1", Entry(5, 1, "mine", b'{"a":\r\n1}', b"{}")).frame
    assert frame.startswith(b"event: mine\nid: 5-1\ndata: {")
    assert frame.endswith(b"}\n\n")
    assert frame.count(b"\n") == 4
