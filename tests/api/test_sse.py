"""Live event streams over real HTTP (REST specification 9): frames, resumption, ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import orjson
import psutil
import pytest
import redis

from apps.accounts import keys
from tests.api.conftest import EdgeProcess
from tests.api.following import Tail, following
from tests.api.live import eventually, make_key
from tests.making import World


@pytest.fixture
def base(_shared_edge: EdgeProcess) -> str:
    return _shared_edge.url


@pytest.fixture
def key(world: World) -> str:
    return make_key(world)


@pytest.fixture
def source(world: World) -> str:
    return world.source(world.component())


@pytest.fixture
def tail(world: World, source: str, streams: redis.Redis) -> Tail:
    return Tail(world, source, streams)


Follow = Callable[..., Any]


@pytest.fixture
def follow(base: str, key: str, source: str) -> Follow:
    """Open the source's stream; more of the address and headers as given."""

    def opened(query: str = "", path: str = "/v1/sources/{}/sse", **headers: str) -> Any:
        return following(base + path.format(source) + query, key, **headers)

    return opened


async def test_headers_and_the_first_comment_at_once(follow: Follow) -> None:
    async with follow() as stream:
        assert stream.response.status_code == 200
        headers = stream.response.headers
        assert headers["content-type"] == "text/event-stream; charset=utf-8"
        assert headers["cache-control"] == "no-store"
        assert headers["x-accel-buffering"] == "no"
        assert headers["x-request-id"]
        assert await stream.line() == ":sse-handshake"


async def test_each_event_once_in_order_as_an_expanded_item(
    follow: Follow, tail: Tail, base: str, key: str, source: str
) -> None:
    """Q8: the form is the one of the list."""
    big = orjson.dumps({"text": "ü" * 3000})
    async with follow() as stream:
        first = tail.emit(b'{"b":1.0,"a":"line\\nbreak"}', meta=b'{"id":7,"summary":"s"}')
        second = tail.emit(big)
        one, two = await stream.events(2)
    assert [one.id, two.id] == [first, second]
    assert one.name is None
    listed = httpx.get(
        f"{base}/v1/sources/{source}/event_summaries?expand=event",
        headers={"authorization": f"Bearer {key}"},
    ).json()["data"]
    assert [orjson.loads(two.data), orjson.loads(one.data)] == listed
    assert '"event":{"b":1.0,"a":"line\\nbreak"}' in one.data


async def test_only_new_events_without_a_cursor(follow: Follow, tail: Tail) -> None:
    tail.emit()
    async with follow() as stream:
        new = tail.emit()
        assert [event.id for event in await stream.events(1)] == [new]


@pytest.mark.parametrize("how", ["header", "after", "after in base64"])
async def test_events_since_the_cursor_are_sent_first(follow: Follow, tail: Tail, how: str) -> None:
    ids = [tail.emit() for _ in range(5)]
    ways: dict[str, dict[str, Any]] = {
        "header": {"headers": {"Last-Event-ID": ids[1]}},
        "after": {"query": f"?after={ids[1]}"},
        "after in base64": {"query": f"?after={Tail.base64(ids[1])}"},
    }
    options = ways[how]
    async with follow(options.get("query", ""), **options.get("headers", {})) as stream:
        ids.append(tail.emit())
        assert [event.id for event in await stream.events(4)] == ids[2:]


async def test_an_event_that_redis_lost_is_told_though_no_other_follows(
    follow: Follow, tail: Tail
) -> None:
    """G9: the ledger is looked at, not only the stream."""
    async with follow() as stream:
        for publish in (tail.emit, tail.emit, tail.commit, tail.emit, tail.commit):
            expected = publish()
            assert [event.id for event in await stream.events(1)] == [expected]


async def test_the_header_is_younger_than_the_address(follow: Follow, tail: Tail) -> None:
    ids = [tail.emit() for _ in range(3)]
    async with follow(f"?after={ids[0]}", **{"Last-Event-ID": ids[1]}) as stream:
        assert [event.id for event in await stream.events(1)] == [ids[2]]


async def test_more_than_a_page_and_than_the_stream_keeps_is_read_from_the_ledger(
    follow: Follow, tail: Tail
) -> None:
    ids = [tail.emit() for _ in range(330)]
    async with follow("?after=0-0") as stream:
        assert [event.id for event in await stream.events(330)] == ids


async def test_hidden_events_are_not_sent(follow: Follow, tail: Tail, world: World) -> None:
    ids = [tail.emit() for _ in range(3)]
    world.sql("UPDATE event SET deleted_at = app_now() WHERE n = %s", int(ids[1].split("-")[1]))
    async with follow("?after=0-0") as stream:
        assert [event.id for event in await stream.events(2)] == [ids[0], ids[2]]


async def test_a_cursor_of_the_future_is_no_deafness(follow: Follow, tail: Tail) -> None:
    async with follow("?after=99999999999999-0") as stream:
        new = tail.emit()
        assert [event.id for event in await stream.events(1)] == [new]


@pytest.mark.parametrize(
    ("query", "channels", "names"),
    [
        ("", ["", "self", "$logs", "$errors", ""], [None, None]),
        ("?event_name=", ["", "self"], [None]),
        ("?event_name=self", ["", "self", "self"], ["self", "self"]),
        ("?event_name=$logs", ["$logs", ""], ["$logs"]),
        ("?event_name=*", ["", "self", "$errors"], [None, "self", "$errors"]),
    ],
)
@pytest.mark.parametrize("live", [True, False])
async def test_channels_and_their_event_lines(
    follow: Follow, tail: Tail, query: str, channels: list[str], names: list[str | None], live: bool
) -> None:
    if not live:
        for channel in channels:
            tail.emit(channel=channel)
        query += ("&" if "?" in query else "?") + "after=0-0"
    async with follow(query) as stream:
        if live:
            for channel in channels:
                tail.emit(channel=channel)
        assert [event.name for event in await stream.events(len(names))] == names
        # And nothing between or behind them.
        last = tail.emit(channel=names[-1] or "")
        assert [event.id for event in await stream.events(1)] == [last]


@pytest.mark.parametrize(
    ("path", "channel"),
    [
        ("/sources/{}/sse", ""), ("/v1/sources/{}/sse/", ""), ("/sse/dc/{}/emits", ""),
        ("/v1/sse/dc/{}/emits", ""), ("/sse/dc/{}/observations", "$logs"),
    ],
)  # fmt: skip
async def test_the_other_addresses(follow: Follow, tail: Tail, path: str, channel: str) -> None:
    async with follow(path=path) as stream:
        new = tail.emit(channel=channel)
        assert [event.id for event in await stream.events(1)] == [new]


@pytest.mark.parametrize(
    ("query", "headers", "parameter"),
    [
        ("", {"Last-Event-ID": "nonsense"}, "Last-Event-ID"),
        ("", {"Last-Event-ID": "1-2-3"}, "Last-Event-ID"),
        ("", {"Last-Event-ID": "-1"}, "Last-Event-ID"),
        ("", {"Last-Event-ID": "9" * 40}, "Last-Event-ID"),
        ("?after=nonsense", {}, "after"),
        ("?event_name=$nope", {}, "event_name"),
    ],
)
async def test_bad_parameters_are_400_naming_them(
    follow: Follow, query: str, headers: dict[str, str], parameter: str
) -> None:
    async with follow(query, **headers) as stream:
        assert stream.response.status_code == 400
        body = orjson.loads(await stream.response.aread())
        assert body["details"]["parameter"] == parameter


async def test_401_and_404(base: str, key: str, source: str, world: World) -> None:
    async with following(f"{base}/v1/sources/{source}/sse", keys.generate()) as stream:
        assert stream.response.status_code == 401
    async with following(f"{base}/v1/sources/dc_000000/sse", key) as stream:
        assert stream.response.status_code == 404
    world.sql("UPDATE sources_source SET owner_id = %s", world.user())
    async with following(f"{base}/v1/sources/{source}/sse", key) as stream:
        assert stream.response.status_code == 404


def test_head_has_the_headers_and_ends(base: str, key: str, source: str) -> None:
    headers = {"authorization": f"Bearer {key}"}
    answer = httpx.head(f"{base}/v1/sources/{source}/sse", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")


ENDS = (
    "UPDATE sources_source SET state = 'deleted'",
    *(f"UPDATE accounts_apikey SET {at} = app_now()" for at in ("revoked_at", "expires_at")),
    "UPDATE accounts_user SET is_active = false",
)


@pytest.mark.parametrize("end", ENDS)
async def test_a_deleted_source_or_a_revoked_key_ends_the_stream(
    follow: Follow, world: World, end: str
) -> None:
    async with follow() as stream, follow("?event_name=*") as other:
        world.sql(end)
        await stream.end()
        await other.end()


async def test_clients_of_a_user_are_capped(
    start_edge: Callable[..., EdgeProcess], key: str, source: str, world: World
) -> None:
    edge = start_edge(SSE_CLIENTS="2")
    url = f"{edge.url}/v1/sources/{source}/sse"
    async with following(url, key) as one:
        assert await one.line() == ":sse-handshake"
        async with following(url, key) as two, following(url, key) as three:
            assert two.response.status_code == 200
            assert three.response.status_code == 429
            assert three.response.headers["retry-after"]
            assert orjson.loads(await three.response.aread())["code"] == "too_many_requests"
    # A place that became free can be had again.
    async with asyncio.timeout(10):
        while True:
            async with following(url, key) as again:
                if again.response.status_code == 200:
                    break
            await asyncio.sleep(0.05)


def _holds(edge: EdgeProcess, port: int) -> bool:
    """Whether a process of the edge has an open connection to that port."""
    edges = psutil.Process(edge.process.pid)
    return any(
        connection.raddr and connection.raddr.port == port
        for process in (edges, *edges.children(recursive=True))
        for connection in process.net_connections("tcp")
    )


def _read_to_the_end(connection: socket.socket) -> bytes:
    got = b""
    with suppress(ConnectionResetError):
        while chunk := connection.recv(1 << 20):
            got += chunk
    return got


async def test_a_reader_that_is_too_slow_is_sent_away_and_can_resume(
    start_edge: Callable[..., EdgeProcess], key: str, source: str, tail: Tail
) -> None:
    """By whichever comes first: what waits for it, or the time for which it took nothing."""
    edge = start_edge(STALL_SECONDS="2")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.connect(edge.address)
        port = connection.getsockname()[1]
        request = f"GET /v1/sources/{source}/sse HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}"
        connection.sendall(request.encode() + b"\r\nConnection: close\r\n\r\n")
        connection.settimeout(20)
        head = connection.recv(4096)
        assert b"200 OK" in head
        assert _holds(edge, port)
        # It reads nothing while far more comes than may wait for it.
        ids = []
        for _ in range(120):
            ids += [tail.emit(b'"' + b"x" * 8000 + b'"') for _ in range(25)]
            await asyncio.sleep(0.02)
        await eventually(lambda: not _holds(edge, port))

        received = await asyncio.to_thread(_read_to_the_end, connection)
    # The last frame may have been cut.
    lines = [line for frame in received.split(b"\n\n")[:-1] for line in frame.split(b"\n")]
    seen = [line[4:].decode() for line in lines if line.startswith(b"id: ")]
    assert 0 < len(seen) < len(ids)
    assert seen == ids[: len(seen)]
    url = f"{edge.url}/v1/sources/{source}/sse"
    async with following(url, key, **{"Last-Event-ID": seen[-1]}) as again:
        assert [event.id for event in await again.events(5)] == ids[len(seen) :][:5]
