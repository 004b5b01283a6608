"""Receivers that hang, drip, reset, redirect, flood, lie or rebind: capped, retried with the same
id (fault matrix 25, 26), and nobody else waits for them."""

from __future__ import annotations

import asyncio
import gzip
import resource
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from config.celery import app
from tests.faults.fleet import Fleet
from tests.making import World, until
from tests.services.delivering import (
    delivering,
    due,
    emitted,
    event,
    history,
    looping,
    settle,
    states,
    webhook,
)
from tests.services.receivers import (
    Request,
    Writer,
    answer_ok,
    answering,
    drip,
    hang,
    receiving,
    reset,
)


@pytest.fixture
def world(fleet: Fleet) -> World:
    return fleet.world


# --- one bad receiver -----------------------------------------------------------------------------


@pytest.mark.parametrize("behaviour", [hang, drip], ids=["hangs", "drips"])
async def test_8_the_total_time_ends_it(world: World, behaviour: Any) -> None:
    async with receiving(behaviour) as receiver, delivering(world, seconds=0.5) as delivery:
        hook = webhook(world, receiver.url)
        emitted(world, hook)
        await settle(world, delivery)
    (attempt,) = history(world, hook)
    assert attempt["error"] == "timeout"
    assert 400 <= attempt["duration_ms"] < 5_000
    assert states(world, hook) == ["pending"]


async def test_8_a_body_that_drips_is_not_waited_for(world: World) -> None:
    async def endless(_request: Request, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1\r\nx\r\n")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with receiving(endless) as receiver, delivering(world, seconds=0.5) as delivery:
        hook = webhook(world, receiver.url)
        emitted(world, hook)
        await settle(world, delivery)
    assert history(world, hook)[0]["error"] == "timeout"


async def test_8_it_resets(world: World) -> None:
    async with receiving(reset) as receiver, delivering(world) as delivery:
        hook = webhook(world, receiver.url)
        emitted(world, hook)
        await settle(world, delivery)
    assert history(world, hook)[0]["error"] == "connection_failed"
    assert states(world, hook) == ["pending"]


async def test_8_nobody_listens(world: World) -> None:
    async with receiving() as receiver:
        pass
    async with delivering(world) as delivery:
        hook = webhook(world, receiver.url)
        emitted(world, hook)
        await settle(world, delivery)
    assert history(world, hook)[0]["error"] == "connection_failed"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_8_redirects_are_not_followed(world: World, status: int) -> None:
    """Neither in circles nor to a private address."""
    async with receiving() as private:
        places = iter([f"Location: {private.url}", "Location: /hook?a=1"])

        async def redirect(request: Request, writer: Writer) -> None:
            await answering(status, next(places))(request, writer)

        async with receiving(redirect) as receiver, delivering(world) as delivery:
            for _ in range(2):
                hook = webhook(world, receiver.url)
                emitted(world, hook)
                await settle(world, delivery)
                (attempt,) = history(world, hook)
                assert (attempt["status"], attempt["error"]) == (status, "redirect")
        assert len(receiver.got) == 2
        assert private.got == []


async def test_8_a_gzip_bomb_is_neither_inflated_nor_read(world: World) -> None:
    """A gigabyte in a megabyte: nothing of it is wanted."""
    packer = gzip.compress(bytes(1 << 20), 9)
    bomb = packer * 1024
    sent = answering(200, "Content-Encoding: gzip", "Content-Type: text/plain", body=bomb)
    async with receiving(sent) as receiver, delivering(world) as delivery:
        hook = webhook(world, receiver.url)
        emitted(world, hook)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await settle(world, delivery)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert states(world, hook) == ["delivered"]
    assert grown < 64 * 1024


async def test_8_an_endless_answer_costs_its_connection_and_no_more(world: World) -> None:
    async def flood(_request: Request, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n%b\r\n" % bytes(0x10000))
            await writer.drain()

    async with receiving(flood) as receiver, delivering(world) as delivery:
        hook = webhook(world, receiver.url)
        emitted(world, hook)
        await settle(world, delivery)
    assert states(world, hook) == ["delivered"]
    assert history(world, hook)[0]["duration_ms"] < 4_000


@pytest.mark.parametrize(
    "answer",
    [
        b"\0\1\2 nonsense\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000,
    ],
    ids=["nonsense", "no status", "a header of 200 KB"],
)
async def test_8_what_is_no_answer(world: World, answer: bytes) -> None:
    async def lie(_request: Request, writer: Writer) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with receiving(lie) as receiver, delivering(world) as delivery:
        hook = webhook(world, receiver.url)
        emitted(world, hook)
        await settle(world, delivery)
    assert history(world, hook)[0]["error"] in ("bad_answer", "connection_failed")
    assert states(world, hook) == ["pending"]


async def test_8_it_got_it_and_the_reply_was_lost(world: World) -> None:
    behaviours = iter([reset, answer_ok])

    async def lost_once(request: Request, writer: Writer) -> None:
        await next(behaviours)(request, writer)

    async with receiving(lost_once) as receiver, delivering(world) as delivery:
        hook = webhook(world, receiver.url)
        emitted(world, hook)
        await settle(world, delivery)
        world.move_clock(10)
        await settle(world, delivery)
    first, second = receiver.got
    assert first.id == second.id
    assert first.body == second.body
    assert states(world, hook) == ["delivered"]
    assert [attempt.get("status") for attempt in history(world, hook)] == [None, 200]


# --- nobody else waits ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "behaviour", [hang, drip, reset, answering(500)], ids=["hangs", "drips", "resets", "says 500"]
)
async def test_8_it_delays_no_other_delivery(world: World, behaviour: Any) -> None:
    """Far more is due at the bad one, and was due before, than all slots together hold."""
    async with receiving(behaviour) as bad, receiving() as good:
        async with delivering(world, seconds=30, slots=20) as delivery:
            hanging, fine = webhook(world, bad.url), webhook(world, good.url)
            emitted(world, hanging, 100)
            async with looping(delivery):
                await bad.wait(1)
                emitted(world, fine, 30)
                await good.wait(30, within_s=15)
    assert len(good.got) == 30


async def test_8_many_bad_ones_of_one_owner_leave_others_their_share(world: World) -> None:
    async with receiving(hang) as bad, receiving() as good:
        async with delivering(
            world, seconds=30, slots=20, resolve=lambda _host, _port: ["127.0.0.1"]
        ) as delivery:
            source = world.source(world.component())
            event(world, source, 0)
            for number in range(40):
                hook = webhook(world, f"http://bad{number}.example:{bad.port}/")
                due(world, hook, source, [0])
            fine = webhook(world, good.url, world.user())
            async with looping(delivery):
                await bad.wait(5)
                due(world, fine, source, [0])
                await good.wait(1, within_s=15)


async def test_a_host_that_hung_gets_one_slot_until_it_answers(world: World) -> None:
    behaviours = iter([hang])

    async def hangs_once(request: Request, writer: Writer) -> None:
        await next(behaviours, hang)(request, writer)

    async with receiving(hangs_once) as receiver, delivering(world, seconds=0.3) as delivery:
        hook = webhook(world, receiver.url)
        emitted(world, hook)
        await settle(world, delivery)
        emitted(world, hook, 8)
        async with looping(delivery):
            await receiver.wait(2)
            # None, where its time has been over meanwhile.
            assert sum(delivery._of_host.values()) <= 1


# --- the worker dies ------------------------------------------------------------------------------


def test_8_a_worker_killed_mid_delivery_costs_a_lease_and_the_id_stays(
    fleet: Fleet, receiver_thread: Receiving
) -> None:
    world = fleet.world
    hook = webhook(world, receiver_thread.url)
    emitted(world, hook)
    victim = fleet.worker(DELIVERY_SECONDS="2")
    until(lambda: len(receiver_thread.ids) == 1, within_s=60)
    victim.kill()
    receiver_thread.free.set()
    assert states(world, hook) == ["pending"]
    fleet.worker(DELIVERY_SECONDS="2").wait_ready()
    until(lambda: states(world, hook) == ["delivered"])
    assert len(receiver_thread.ids) == 2
    assert len(set(receiver_thread.ids)) == 1


def test_a_hint_through_the_broker_starts_what_no_look_would_find(
    fleet: Fleet, receiver_thread: Receiving
) -> None:
    receiver_thread.free.set()
    fleet.worker(CLAIM_SECONDS="3600").wait_ready()
    first = webhook(fleet.world, receiver_thread.url)
    emitted(fleet.world, first)
    with app.connection_for_write(fleet.servers.environment()["BROKER_URL"]) as broker:
        app.send_task("headwater.deliver", args=[[first]], queue="runs", connection=broker)
    until(lambda: states(fleet.world, first) == ["delivered"])


class Receiving:
    """A receiver in a thread: it keeps its first caller until it is freed, then answers all."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.free = threading.Event()
        self.port = 0
        self._started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()])
        self._stop = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(10)

    def close(self) -> None:
        self.free.set()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        async def behave(request: Request, writer: Writer) -> None:
            self.ids.append(request.id)
            await asyncio.to_thread(self.free.wait)
            await answer_ok(request, writer)

        async with receiving(behave) as receiver:
            self.port = receiver.port
            self._started.set()
            await self._stop.wait()


@pytest.fixture
def receiver_thread() -> Iterator[Receiving]:
    made = Receiving()
    made.start()
    yield made
    made.close()
