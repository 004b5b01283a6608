"""The one way out of an installing tool: a forward proxy on loopback, for as long as it runs.

The tool may dial this door and nothing else. Names are resolved here, as the worker resolves them
(inside the wall only TCP name servers would do), and the address is what is decided on: public
ones, those of EGRESS_ALLOW, and those of the registries that the operator's settings name.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import structlog

from workers.runtime.egress import Policy

_log = structlog.get_logger(__name__)
_HEAD_BYTES: Final = 64 * 1024
_CHUNK: Final = 64 * 1024
_CONNECT_S: Final = 10.0
_HOP_BY_HOP: Final = (b"proxy-", b"connection:", b"keep-alive:")


@dataclass(slots=True)
class Door:
    """`address` is `127.0.0.1:<port>`; `unreached` are hosts that may not be dialled, or did not
    answer."""

    address: str = ""
    unreached: list[str] = field(default_factory=list)


@asynccontextmanager
async def door(policy: Policy, registries: Iterable[str]) -> AsyncIterator[Door]:
    """`registries` are http addresses whose hosts are always open."""
    allow = await asyncio.to_thread(entries_for, tuple(registries))
    opened = Door()
    passage = _Passage(policy.widened(tuple(allow)), opened)
    server = await asyncio.start_server(passage.serve, "127.0.0.1", 0, limit=_HEAD_BYTES)
    try:
        host, port = server.sockets[0].getsockname()[:2]
        opened.address = f"{host}:{port}"
        yield opened
    finally:
        server.close()
        await passage.end()


class _Passage:
    def __init__(self, policy: Policy, door: Door) -> None:
        self._policy = policy
        self._door = door
        self._tasks: set[asyncio.Task[None]] = set()
        self._names: dict[tuple[str, int], asyncio.Task[list[str]]] = {}

    async def end(self) -> None:
        tasks = [*self._tasks, *self._names.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._pass_on(reader, writer)
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked sees a closed connection
        finally:
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        line, _, fields = head.partition(b"\r\n")
        method, target, version = line.decode("ascii").split(" ")
        tunnel = method == "CONNECT"
        parts = urlsplit(f"//{target}" if tunnel else target)
        if parts.hostname is None or (not tunnel and parts.scheme != "http"):
            raise ValueError("not a request to a proxy")
        try:
            far = await self._dial(parts.hostname, parts.port or (443 if tunnel else 80))
        except OSError as error:
            _log.warning("install.refused", host=parts.hostname, error=str(error))
            self._door.unreached.append(parts.hostname)
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        far_reader, far_writer = far
        try:
            if tunnel:
                writer.write(b"HTTP/1.1 200 Connection Established\r\n\r\n")
            else:
                path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                far_writer.write(f"{method} {path} {version}\r\n".encode() + _own(fields))
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, far_writer))
                group.create_task(_copy(far_reader, writer))
        except* OSError:
            pass
        finally:
            far_writer.close()

    async def _dial(
        self, host: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Raises OSError when no address of the host is permitted and answers."""
        failure = OSError("not permitted")
        for address in await self._addresses(host, port):
            if not self._policy.permits(address, port):
                continue
            try:
                async with asyncio.timeout(_CONNECT_S):
                    return await asyncio.open_connection(address, port)
            except OSError as error:
                failure = error
        raise failure

    async def _addresses(self, host: str, port: int) -> list[str]:
        """Looked up once for all connections of the tool, which opens dozens at a time: name
        servers drop what comes in such bursts, and a dropped question costs five seconds. A
        failure is not kept. Raises OSError."""
        looking = self._names.get((host, port))
        if looking is None:
            looking = asyncio.create_task(_look_up(host, port))
            self._names[host, port] = looking
        try:
            return await asyncio.shield(looking)
        except OSError:
            self._names.pop((host, port), None)
            raise


async def _look_up(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    answers = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for _, _, _, _, sockaddr in answers]


def _own(fields: bytes) -> bytes:
    """The header fields for one request on a connection of its own."""
    lines = fields.removesuffix(b"\r\n\r\n").split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith(_HOP_BY_HOP)]
    return b"\r\n".join([*kept, b"Connection: close", b"", b""])


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    with suppress(OSError, RuntimeError):
        writer.write_eof()


def entries_for(addresses: Iterable[str]) -> list[str]:
    """`address:port` of the hosts of http addresses, resolved now. What does not resolve is left
    out: the package manager says so better."""
    found: dict[str, None] = {}
    for address in addresses:
        try:
            parts = urlsplit(address)
            port = parts.port or (443 if parts.scheme == "https" else 80)
            answers = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        except (OSError, ValueError):
            continue
        for _, _, _, _, sockaddr in answers:
            host = str(sockaddr[0]).partition("%")[0]
            found[f"[{host}]:{port}" if ":" in host else f"{host}:{port}"] = None
    return list(found)
