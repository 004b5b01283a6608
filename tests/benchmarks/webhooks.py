"""Webhooks: deliveries a second to a receiver on loopback that answers 200, and the time from the
event to its arrival. Beside it a bare client that makes the same POSTs.

The receiver is a process of its own, the same for both. Times are counted from the statement that
stores the event (`stored_at`; its COMMIT follows) until the receiver has the whole request.
"""

from __future__ import annotations

import asyncio
import itertools
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from statistics import quantiles
from typing import Any

import aiohttp
import orjson
import psycopg
import uvloop

from apps.accounts.models import User
from apps.events.items import EventId
from apps.runs import queue
from apps.subscriptions import signing, webhooks
from tests.benchmarks import listening
from tests.benchmarks.fanout import STORE
from tests.benchmarks.house import WORKERS, House, Stack, free_port, wait_for
from tests.benchmarks.making import OWNER
from tests.benchmarks.report import Table, milliseconds, number
from workers.delivery import PER_HOST

# As many as the workers together open to one host.
CONNECTIONS = PER_HOST * WORKERS
BODY = orjson.dumps({"text": "x" * 1000})[:1022] + b'"}'
LOAD = listening.Load("python", 100)

Received = list[tuple[str, float]]


def measure(house: House, scale: float) -> list[Table]:
    posts = max(500, int(10_000 * scale))
    table = Table(
        f"Webhook deliveries to one receiver, 1 KB of JSON, {CONNECTIONS} connections",
        ["What", "POSTs", "a second", "p50 ms", "p99 ms", "sender: CPU µs each",
         "Postgres: CPU µs each"],
    )  # fmt: skip
    with _receiver(house) as port, house.connect() as connection:
        listening.pairs(connection, LOAD.language)
        connection.execute("DELETE FROM subscriptions_subscription")
        webhook_id = _webhook(f"http://127.0.0.1:{port}/")
        bare = _bare(table, port, posts)
        with house.stack("scheduler", "worker") as stack:
            emitter = _subscribe(connection, webhook_id)
            _burst(connection, stack, port, emitter, posts // 10)
            ours = _say_burst(table, connection, stack, port, emitter, posts)
            _say_steady(table, connection, stack, port, max(3.0, 15 * scale))
    house.clear()
    table.notes.append(
        f"{ours / bare:.2f} of the bare client's rate, whose times are those of its POSTs (one"
        " process, no signatures, nothing recorded). Events stored at once: the time of a full"
        " queue. Every event arrived exactly once. Senders, receiver and servers share the cores."
    )
    return [table]


# --- the receiver ----------------------------------------------------------------------------


@contextmanager
def _receiver(house: House) -> Iterator[int]:
    """Its port."""
    port = free_port()
    stack = Stack(house)
    try:
        command = [sys.executable, "-m", "tests.benchmarks.receiver", str(port)]
        stack.start("receiver", command)
        wait_for(lambda: _listens(port), 30, "the receiver listens")
        yield port
    finally:
        stack.stop()


def _listens(port: int) -> bool:
    try:
        _received(port)
    except OSError:
        return False
    return True


def _received(port: int) -> Received:
    """What came since it was asked last."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/")
        found: Received = [(name, at) for name, at in orjson.loads(connection.getresponse().read())]
        return found
    finally:
        connection.close()


# --- the bare client -------------------------------------------------------------------------


def _bare(table: Table, port: int, posts: int) -> float:
    """POSTs a second."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_posts(port, posts // 10))
        before, began = _own(), time.perf_counter()
        times = runner.run(_posts(port, posts))
        took, used = time.perf_counter() - began, _own() - before
    if len(_received(port)) != posts // 10 + posts:
        raise RuntimeError("the receiver has not counted every POST")
    points = quantiles(times, n=100)
    table.add(
        "a bare aiohttp client", f"{posts:,}", number(posts / took), milliseconds(points[49]),
        milliseconds(points[98]), number(used / posts * 1e6), "",
    )  # fmt: skip
    return posts / took


async def _posts(port: int, count: int) -> list[float]:
    """Seconds of each."""
    url = f"http://127.0.0.1:{port}/"
    message = signing.Message("dc_abc123", "", EventId(1700000000000, 0), "", BODY)
    headers = signing.headers(message, [signing.new_secret()], 1700000000)
    left = itertools.repeat(None, count)
    times: list[float] = []

    async def connection(session: aiohttp.ClientSession) -> None:
        for _ in left:
            began = time.perf_counter()
            async with session.post(url, headers=headers, data=BODY) as response:
                await response.read()
            times.append(time.perf_counter() - began)

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(connection(session) for _ in range(CONNECTIONS)))
    return times


def _own() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


# --- ours ------------------------------------------------------------------------------------


def _webhook(url: str) -> str:
    webhook, _ = webhooks.create(User.objects.get(id=OWNER), url, None, None)
    return webhook.id


def _subscribe(connection: psycopg.Connection[Any], webhook_id: str) -> str:
    """Every emitter's events go to the webhook; the id of one of them."""
    connection.execute(
        "INSERT INTO subscriptions_subscription (id, owner_id, emitter_id, listener_id, event_name)"
        " SELECT 'sub_' || substr(md5(id), 1, 10), owner_id, id, %s, '' FROM sources_source",
        [webhook_id],
    )
    connection.execute("VACUUM ANALYZE subscriptions_subscription")
    row = connection.execute("SELECT min(id) FROM sources_source").fetchone()
    assert row is not None
    return str(row[0])


def _burst(
    connection: psycopg.Connection[Any], stack: Stack, port: int, emitter: str, count: int
) -> list[float]:
    """The seconds since the events were stored, of each arrival in order; all in one COMMIT."""
    connection.execute("TRUNCATE mailbox, run, event, fanout_due, delivery")
    connection.execute(STORE, {"source": emitter, "payload": BODY, "count": count})
    queue.hint_fan_out([emitter])
    wait_for(lambda: _delivered(connection) >= count, 300, f"{count} deliveries", every_s=0.1)
    return sorted(_since_stored(connection, _received(port)))


def _say_burst(
    table: Table,
    connection: psycopg.Connection[Any],
    stack: Stack,
    port: int,
    emitter: str,
    count: int,
) -> float:
    """Deliveries a second."""
    before = stack.processor()
    times = _burst(connection, stack, port, emitter, count)
    after = stack.processor()
    rate = count / times[-1]
    points = quantiles(times, n=100)
    each = [(after[kind] - before[kind]) / count * 1e6 for kind in ("worker", "postgres")]
    table.add(
        "deliveries of events stored at once", f"{count:,}", number(rate),
        milliseconds(points[49]), milliseconds(points[98]), *map(number, each),
    )  # fmt: skip
    return rate


def _say_steady(
    table: Table, connection: psycopg.Connection[Any], stack: Stack, port: int, seconds: float
) -> None:
    listening.let_run(connection, stack, LOAD, seconds)
    times = _since_stored(connection, _received(port))
    points = quantiles(times, n=100)
    table.add(
        "deliveries of runs' events, a steady load", f"{len(times):,}", number(LOAD.rate),
        milliseconds(points[49]), milliseconds(points[98]), "", "",
    )  # fmt: skip


def _delivered(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT count(*) FROM delivery WHERE state = 'delivered'").fetchone()
    assert row is not None
    count: int = row[0]
    return count


def _since_stored(connection: psycopg.Connection[Any], received: Received) -> list[float]:
    """RuntimeError unless each event has arrived, and once."""
    rows = connection.execute(
        "SELECT source_id || '_' || ms || '-' || n, extract(epoch FROM stored_at)::float"
        " FROM event WHERE channel = ''"
    ).fetchall()
    stored: dict[str, float] = dict(rows)
    if sorted(name for name, _ in received) != sorted(stored):
        raise RuntimeError(f"{len(stored)} events, {len(received)} arrivals, or others")
    return [at - stored[name] for name, at in received]
