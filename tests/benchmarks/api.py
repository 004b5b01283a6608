"""Reads of the API over HTTP: kept-alive connections, each one request at a time.

The client runs on the same cores as the server, so its own share of them is shown.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Callable, Coroutine
from statistics import quantiles

import psycopg
import uvloop

from apps.accounts import services
from apps.accounts.models import User
from tests.benchmarks.house import House, Stack
from tests.benchmarks.making import OWNER, make
from tests.benchmarks.report import Table, milliseconds, number

CONNECTIONS = 16
SOURCES = 500
LISTED = 100

_EVENTS = """
INSERT INTO event (source_id, channel, ms, n, run_id, payload, meta, stored_at)
SELECT %s, '', 1700000000000 + i, 0, gen_random_uuid(),
  convert_to('{"text":"' || repeat('x', 400) || '"}', 'UTF8'), '{"summary":"s"}', app_now()
FROM generate_series(1, %s) AS i
"""


def measure(house: House, scale: float) -> list[Table]:
    table = Table(
        f"Reads of the API, {CONNECTIONS} connections",
        ["Request", "requests/s", "p50 ms", "p99 ms", "bytes", "web: cores", "client: cores"],
    )
    seconds = max(1.0, 5 * scale)
    with house.connect() as connection:
        path = f"/v1/sources/{_prepare(connection)}/event_summaries"
        _, key = services.create_key(User.objects.get(id=OWNER))
        with house.stack("web") as stack:
            for target in ("/v1/users/me/sources", path, f"{path}?limit=100", "/v1/users/me"):
                _say(table, target, stack, house.port, key, seconds)
    house.clear()
    table.notes.append(
        f"{SOURCES} sources, {LISTED} listed events of 400 bytes; one web process, as in the"
        " Procfile. Client, server and database share the cores."
    )
    return [table]


def _prepare(connection: psycopg.Connection[object]) -> str:
    """The id of a source that has events."""
    made = make(connection, "api", "python", SOURCES, components=1)
    row = connection.execute("SELECT id FROM sources_source LIMIT 1").fetchone()
    assert isinstance(row, tuple)
    assert made.count == SOURCES
    source_id: str = row[0]
    connection.execute(_EVENTS, [source_id, LISTED])
    connection.execute("VACUUM ANALYZE event")
    return source_id


def _say(table: Table, target: str, stack: Stack, port: int, key: str, seconds: float) -> None:
    head = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\r\n"
    _run(_load(port, head.encode(), 0.5))
    before, own = stack.processor()["web"], _own()
    times, size = _run(_load(port, head.encode(), seconds))
    web, client = stack.processor()["web"] - before, _own() - own
    points = quantiles(times, n=100)
    shown = target if len(target) < 30 else "/v1/sources/{id}/" + target.rpartition("/")[2]
    table.add(
        f"GET {shown}", number(len(times) / seconds), milliseconds(points[49]),
        milliseconds(points[98]), f"{size:,}", f"{web / seconds:.2f}", f"{client / seconds:.2f}",
    )  # fmt: skip


def _own() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


Answers = tuple[list[float], int]


def _run(load: Coroutine[object, object, Answers]) -> Answers:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(load)


async def _load(port: int, request: bytes, seconds: float) -> Answers:
    """The time of every answer and the bytes of one body."""
    until = time.perf_counter() + seconds
    done = await asyncio.gather(
        *(
            _connection(port, request, lambda: time.perf_counter() < until)
            for _ in range(CONNECTIONS)
        )
    )
    return [taken for times, _ in done for taken in times], done[0][1]


async def _connection(port: int, request: bytes, go_on: Callable[[], bool]) -> Answers:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    times, size = [], 0
    try:
        while go_on():
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            size = _length(head)
            await reader.readexactly(size)
            times.append(time.perf_counter() - began)
    finally:
        writer.close()
    return times, size


def _length(head: bytes) -> int:
    """Of the body; RuntimeError when it is not the answer that is measured."""
    status, *lines = head.decode().lower().split("\r\n")
    if status.split()[1] != "200":
        raise RuntimeError(f"answered {status}")
    for line in lines:
        name, _, value = line.partition(":")
        if name == "content-length":
            return int(value)
    raise RuntimeError("an answer without Content-Length")
