"""A worker's loop: names that nobody answers for hold up no call to where the address is known."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.hosts import Hosts
from tests.services.delivering import client
from tests.services.receivers import receiving
from workers.loop import RESOLVERS, Loop
from workers.runtime.egress import Policy
from workers.runtime.packages.door import Door, door


@pytest.fixture
def silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Looking up a name without a dot hangs until somebody writes to this pipe: the resolver reads
    the file of aliases first. No name server takes part."""
    pipe = tmp_path / "aliases"
    os.mkfifo(pipe)
    monkeypatch.setenv("HOSTALIASES", str(pipe))
    return pipe


@asynccontextmanager
async def looking(pipe: Path, count: int) -> AsyncIterator[list[asyncio.Future[object]]]:
    """So many look-ups that hang; they end with the block."""
    loop = asyncio.get_running_loop()
    asked: list[asyncio.Future[object]] = [
        asyncio.ensure_future(loop.getaddrinfo(f"nowhere{n}", 80, type=socket.SOCK_STREAM))
        for n in range(count)
    ]
    await asyncio.sleep(0)
    try:
        yield asked
    finally:
        while not all(one.done() for one in asked):
            with contextlib.suppress(OSError):  # nobody reads it just now
                os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
            await asyncio.sleep(0.01)
        await asyncio.gather(*asked, return_exceptions=True)


def on(loop: Callable[[], asyncio.AbstractEventLoop], main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main)


def test_a_post_to_an_address_waits_for_no_name(silent: Path) -> None:
    async def main() -> None:
        calling = client(20)
        async with receiving() as receiver, looking(silent, 4) as asked:
            answer = await calling.post(receiver.url, {}, b"{}")
            assert answer.status == 200
            assert not any(one.done() for one in asked)
        await calling.close()

    on(Loop, main())


def test_code_is_fetched_from_a_settled_name_while_every_thread_waits_for_names(
    silent: Path, tmp_path: Path
) -> None:
    async def main(hosts: Hosts) -> None:
        calling = hosts.client()
        async with looking(silent, RESOLVERS + 1) as asked:
            page = await calling.get("https://example.org/a.js", longest=10, redirects=0)
            assert page.body == b"1"
            assert not any(one.done() for one in asked)
        await calling.close()

    with Hosts(tmp_path, "example.org") as hosts:
        hosts.serve("example.org", "/a.js", "1")
        on(Loop, main(hosts))


def test_addresses_and_names_are_answered_as_the_system_does() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for host, port in (("127.0.0.1", 80), ("::1", 443), ("localhost", 80)):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            assert found == socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("localhost", 80, flags=socket.AI_NUMERICHOST)

    on(Loop, main())


def test_an_installing_tool_has_each_name_looked_up_once() -> None:
    """Dozens of connections at a time; a name that was not found is asked for again."""
    asked: list[str] = []

    class Counting(Loop):
        async def getaddrinfo(self, host: Any, port: Any, **more: Any) -> list[Any]:
            asked.append(host)
            return await super().getaddrinfo(host, port, **more)

    async def connect(way: Door, place: str) -> str:
        reader, writer = await asyncio.open_connection(*way.address.split(":"))
        writer.write(f"CONNECT {place} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        line = (await reader.readline()).decode()
        writer.close()
        return line

    async def main() -> None:
        async with receiving() as receiver:
            place = f"localhost:{receiver.port}"
            async with door(Policy(()), [f"http://{place}"]) as way:
                lines = await asyncio.gather(*[connect(way, place) for _ in range(20)])
                assert all(" 200 " in line for line in lines), lines
                for _ in range(2):
                    assert " 502 " in await connect(way, "nowhere.invalid:80")

    on(Counting, main())
    assert asked.count("localhost") == 1
    assert asked.count("nowhere.invalid") == 2
