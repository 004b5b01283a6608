"""Where a delivery may go, and whom it is sure to have reached: names that rebind, addresses that
are private, certificates, proxies."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from apps.core.http import Failed
from tests.certificates import certificate
from tests.making import World
from tests.services.delivering import (
    client,
    delivering,
    emitted,
    history,
    looping,
    settle,
    states,
    webhook,
)
from tests.services.receivers import (
    answering,
    receiving,
)

# --- names ----------------------------------------------------------------------------------------


async def _code(posting: Any) -> str:
    with pytest.raises(Failed) as failed:
        await posting
    return failed.value.code


async def test_a_name_that_rebinds_after_saving_is_blocked(world: World) -> None:
    """Good at its first look, loopback at the second: each connection is decided anew."""
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])
    looked = []

    def resolve(host: str, port: int) -> list[str]:
        looked.append((host, port))
        return next(answers)

    async with receiving(answering(200, "Connection: close")) as receiver:
        async with delivering(world, resolve=resolve) as delivery:
            url = f"http://rebinds.example:{receiver.port}/"
            hook, later = webhook(world, url), webhook(world, url)
            emitted(world, hook)
            await settle(world, delivery)
            emitted(world, later)
            await settle(world, delivery)
    assert states(world, hook) == ["delivered"]
    assert history(world, later)[0]["error"] == "blocked_address"
    assert looked == [("rebinds.example", receiver.port)] * 2
    assert receiver.got[0].headers["host"] == f"rebinds.example:{receiver.port}"


async def test_one_bad_address_of_a_name_blocks_it(world: World) -> None:
    async with receiving() as receiver:
        posting = client(5, resolve=lambda _host, _port: ["127.0.0.1", "10.0.0.1"])
        assert await _code(posting.post(f"http://two.example:{receiver.port}/", {}, b"")) == (
            "blocked_address"
        )
        await posting.close()
    assert receiver.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254"])
async def test_an_address_in_the_url_is_looked_at_when_it_is_called(host: str) -> None:
    posting = client(5, allow=())
    assert await _code(posting.post(f"http://{host}:9/", {}, b"")) == "blocked_address"
    await posting.close()


async def test_a_name_server_that_hangs_holds_up_its_own_receiver_alone(world: World) -> None:
    free = threading.Event()

    def resolve(host: str, _port: int) -> list[str]:
        if host == "hangs.example":
            free.wait(30)
        return ["127.0.0.1"]

    try:
        async with receiving() as receiver, delivering(world, resolve=resolve) as delivery:
            stuck = webhook(world, f"http://hangs.example:{receiver.port}/")
            good = webhook(world, f"http://good.example:{receiver.port}/")
            emitted(world, stuck, 20)
            emitted(world, good)
            async with looping(delivery):
                await receiver.wait(1)
            assert receiver.got[0].headers["host"].startswith("good.example")
    finally:
        free.set()


async def test_a_name_that_is_none(world: World) -> None:
    def resolve(_host: str, _port: int) -> list[str]:
        return []

    async with delivering(world, resolve=resolve) as delivery:
        hook = webhook(world, "http://nowhere.example/")
        emitted(world, hook)
        await settle(world, delivery)
    assert history(world, hook)[0]["error"] == "dns_failed"


async def test_a_url_of_other_times_fails_alone(world: World) -> None:
    async with receiving() as receiver, delivering(world) as delivery:
        odd, good = webhook(world, "gopher://127.1/"), webhook(world, receiver.url)
        emitted(world, odd)
        emitted(world, good)
        await settle(world, delivery)
    assert history(world, odd)[0]["error"] == "bad_url"
    assert states(world, good) == ["delivered"]


# --- TLS ------------------------------------------------------------------------------------------


async def test_tls_is_checked_against_the_name_not_the_address(tmp_path: Path) -> None:
    ca, context = certificate(tmp_path, "good.example")
    named: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: named.append(name)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    posting = client(5, resolve=lambda _host, _port: ["127.0.0.1"], ca=str(ca))
    answer = await posting.post(f"https://good.example:{port}/", {}, b"")
    assert answer.status == 204
    assert await _code(posting.post(f"https://other.example:{port}/", {}, b"")) == "tls_failed"
    assert named == ["good.example", "other.example"]
    untrusting = client(5, resolve=lambda _host, _port: ["127.0.0.1"])
    assert await _code(untrusting.post(f"https://good.example:{port}/", {}, b"")) == "tls_failed"
    await posting.close()
    await untrusting.close()
    server.close()


async def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, receiving() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        posting = client(5)
        assert (await posting.post(receiver.url, {}, b"{}")).status == 200
        await posting.close()
        assert (proxy.connections, receiver.connections) == (0, 1)
