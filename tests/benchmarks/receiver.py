"""`python -m tests.benchmarks.receiver <port>`: answers every POST with 200 and remembers when it
was whole; `GET /` tells, and forgets, `[[<webhook-id>, <seconds since the epoch>], …]`."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from typing import cast

import orjson
import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ID = re.compile(rb"\r\nwebhook-id: *([^\r]*)", re.IGNORECASE)
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

received: list[tuple[str, float]] = []


class Receiver(asyncio.Protocol):
    """One connection; requests follow each other on it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's own are not of asyncio's class.
        self._transport = cast(asyncio.Transport, transport)
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while (end := self._rest.find(b"\r\n\r\n")) >= 0:
            head = self._rest[:end]
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._rest) < whole:
                return
            self._rest = self._rest[whole:]
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        if head.startswith(b"GET "):
            body = orjson.dumps(received)
            received.clear()
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            )
            return
        named = _ID.search(head)
        received.append((named[1].decode() if named else "", time.time()))
        self._transport.write(_OK)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
