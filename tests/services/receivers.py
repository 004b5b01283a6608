"""Receivers of webhooks on loopback: honest ones, and those that do what receivers should not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Writer = asyncio.StreamWriter


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


Behaviour = Callable[[Request, Writer], Awaitable[None]]


@dataclass(slots=True)
class Receiver:
    """What it got, newest last. `connections` counts the sockets that were opened to it."""

    port: int = 0
    got: list[Request] = field(default_factory=list)
    connections: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?a=1"

    async def wait(self, count: int, within_s: float = 20) -> None:
        """Until it got so many requests."""
        async with asyncio.timeout(within_s):
            while len(self.got) < count:
                self.arrived.clear()
                await self.arrived.wait()


async def answer_ok(_request: Request, writer: Writer) -> None:
    writer.write(OK)
    await writer.drain()


def answering(status: int, *headers: str, body: bytes = b"") -> Behaviour:
    """An honest answer with this status."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]

    async def answer(_request: Request, writer: Writer) -> None:
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()

    return answer


async def hang(_request: Request, _writer: Writer) -> None:
    await asyncio.Event().wait()


async def drip(_request: Request, writer: Writer) -> None:
    """One header after another, for ever: never silent, never done."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-Drop: 1\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


async def reset(_request: Request, writer: Writer) -> None:
    """The connection breaks without a word: also what a lost answer looks like."""
    writer.transport.abort()


@asynccontextmanager
async def receiving(behaviour: Behaviour = answer_ok) -> AsyncIterator[Receiver]:
    """A server that reads each request and then behaves so."""
    receiver, serving = Receiver(), set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: Writer) -> None:
        receiver.connections += 1
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        task.add_done_callback(serving.discard)
        try:
            while True:
                request = await _read(reader)
                receiver.got.append(request)
                receiver.arrived.set()
                await behaviour(request, writer)
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, body)
