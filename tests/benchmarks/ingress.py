"""Accepted HTTP events: each is answered after its COMMIT. Beside it a bare view that commits one
row, and what idle event streams cost the API."""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import quantiles

import orjson
import psycopg

from apps.accounts import services
from apps.accounts.models import User
from tests.benchmarks import api
from tests.benchmarks.house import House, Stack
from tests.benchmarks.making import OWNER, make
from tests.benchmarks.report import Table, milliseconds, number

# So many that no mailbox is full before the time is up.
SOURCES = 64
STREAMS = 1000
OPENED_AT_ONCE = 50
BODY = orjson.dumps({"text": "x" * 1000})[:1024]
PROPS = b'[{"name":"http","type":"$.interface.http"}]'
BARE = "python -m granian --interface asgi --no-ws --port {} tests.benchmarks.bare:application"


def measure(house: House, scale: float) -> list[Table]:
    seconds = max(1.0, 5 * scale)
    with house.connect() as connection:
        keys = _prepare(connection)
        accepted = _accepted(house, connection, keys, seconds)
        streams = _streams(house, connection, max(1.0, 5 * scale))
    house.clear()
    return [accepted, streams]


def _prepare(connection: psycopg.Connection[object]) -> list[str]:
    """The endpoint keys of sources that wait for no worker."""
    make(connection, "ingress", "python", SOURCES, components=1)
    connection.execute("UPDATE components_component SET props = %s", [PROPS])
    connection.execute("UPDATE sources_source SET endpoint_key = substr(md5(id), 1, 32)")
    connection.execute("CREATE TABLE IF NOT EXISTS bare (id bigserial PRIMARY KEY, payload bytea)")
    rows = connection.execute("SELECT endpoint_key FROM sources_source").fetchall()
    return [str(row[0]) for row in rows if isinstance(row, tuple)]


def _accepted(
    house: House, connection: psycopg.Connection[object], keys: list[str], seconds: float
) -> Table:
    table = Table(
        f"Accepted HTTP events, 1 KB of JSON, {api.CONNECTIONS} connections, durable",
        ["What", "requests/s", "p50 ms", "p99 ms", "web: CPU µs each", "Postgres: CPU µs each"],
    )
    with _bare(house) as stack:
        bare = _say(table, "a bare view that commits one row", stack, "bare", house.port,
                    [_post("/", BODY)], seconds)  # fmt: skip
    requests = [_post(f"/h/{key}", BODY) for key in keys]
    with house.stack("web") as stack:
        ours = _say(table, "endpoints of sources", stack, "web", house.port, requests, seconds)
    row = connection.execute("SELECT count(*) FROM mailbox").fetchone()
    assert isinstance(row, tuple)
    table.notes.append(
        f"{ours / bare:.2f} of the bare view's. Every answered request was found in a mailbox"
        f" afterwards ({row[0]:,}). Client, server and database share the cores."
    )
    return table


@contextmanager
def _bare(house: House) -> Iterator[Stack]:
    stack = Stack(house)
    try:
        stack.start("bare", [sys.executable, *BARE.format(house.port).split()[1:]])
        deadline = time.monotonic() + 30
        while True:
            try:
                api._run(api._load(house.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0.1))
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield stack
    finally:
        stack.stop()


def _post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _say(
    table: Table,
    what: str,
    stack: Stack,
    name: str,
    port: int,
    requests: list[bytes],
    seconds: float,
) -> float:
    api._run(_rounds(port, requests, 1.0))
    before = stack.processor()
    times = api._run(_rounds(port, requests, seconds))[0]
    after = stack.processor()
    points = quantiles(times, n=100)
    each = {kind: (after[kind] - before[kind]) / len(times) * 1e6 for kind in (name, "postgres")}
    rate = len(times) / seconds
    table.add(
        what, number(rate), milliseconds(points[49]), milliseconds(points[98]),
        number(each[name]), number(each["postgres"]),
    )  # fmt: skip
    return rate


async def _rounds(port: int, requests: list[bytes], seconds: float) -> api.Answers:
    until = time.perf_counter() + seconds
    cycle = itertools.cycle(requests)

    async def connection() -> list[float]:
        times: list[float] = []
        while (left := until - time.perf_counter()) > 0:
            # For a quarter of a second to one source, then to the next.
            times += await _one_source(port, next(cycle), min(left, 0.25))
        return times

    lists = await asyncio.gather(*(connection() for _ in range(api.CONNECTIONS)))
    return [taken for times in lists for taken in times], 0


async def _one_source(port: int, request: bytes, seconds: float) -> list[float]:
    until = time.perf_counter() + seconds
    times, _ = await api._connection(port, request, lambda: time.perf_counter() < until)
    return times


def _streams(house: House, connection: psycopg.Connection[object], seconds: float) -> Table:
    table = Table(
        f"The API beside {STREAMS:,} idle event streams, {api.CONNECTIONS} connections",
        ["GET /v1/users/me", "requests/s", "p50 ms", "p99 ms", "bytes", "web: cores",
         "client: cores"],
    )  # fmt: skip
    _, key = services.create_key(User.objects.get(id=OWNER))
    row = connection.execute("SELECT array_agg(id) FROM sources_source").fetchone()
    assert isinstance(row, tuple)
    ids: list[str] = row[0]
    with house.stack("web") as stack:
        api._say(table, "/v1/users/me", stack, house.port, key, seconds)
        before = stack.processor()["web"]
        with _open(house.port, key, ids):
            table.notes.append(
                f"Opening {STREAMS:,} streams cost the web process"
                f" {stack.processor()['web'] - before:.2f} s of CPU."
            )
            idle = stack.processor()["web"]
            time.sleep(seconds)
            idle = (stack.processor()["web"] - idle) / seconds
            api._say(table, "/v1/users/me", stack, house.port, key, seconds)
        table.notes.append(f"Left alone, they take {idle * 100:.1f} % of one core.")
    for cells, what in zip(table.rows, ("without", "beside them"), strict=True):
        table.rows[table.rows.index(cells)] = [what, *cells[1:]]
    return table


@contextmanager
def _open(port: int, key: str, ids: list[str]) -> Iterator[None]:
    """So many streams over all the sources, open in the background of a loop that stands still."""
    with asyncio.Runner() as runner:
        writers = runner.run(_open_all(port, key, ids))
        try:
            yield
        finally:
            for writer in writers:
                writer.transport.abort()


async def _open_all(port: int, key: str, ids: list[str]) -> list[asyncio.StreamWriter]:
    async def one(source_id: str) -> asyncio.StreamWriter:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"GET /v1/sources/{source_id}/sse HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}"
        writer.write(f"{head}\r\n\r\n".encode())
        if b" 200 " not in await reader.readline():
            raise RuntimeError("an event stream was refused")
        await reader.readuntil(b":sse-handshake")
        return writer

    sources = itertools.islice(itertools.cycle(ids), STREAMS)
    writers: list[asyncio.StreamWriter] = []
    while some := list(itertools.islice(sources, OPENED_AT_ONCE)):
        writers += await asyncio.gather(*map(one, some))
    return writers
