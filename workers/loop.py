"""The event loop of a worker process."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvloop

# Threads that wait for name servers on behalf of the whole process.
RESOLVERS = 32


class Loop(uvloop.Loop):
    """uvloop, but no connection to an address waits for names that others look up.

    uvloop looks up the address of every `sock_connect` as if it were a name, in libuv's threads,
    of which two at most wait for names. Two names whose server is silent held up every call of the
    process for as long, and ended it with a connect time-out. Here an address costs no thread, and
    names have threads of their own.
    """

    def __init__(self) -> None:
        super().__init__()
        self._names = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="names")

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        """As `socket.getaddrinfo`. Raises OSError."""
        numeric = flags | socket.AI_NUMERICHOST
        try:
            return socket.getaddrinfo(host, port, family, type, proto, numeric)
        except socket.gaierror as error:
            if error.errno != socket.EAI_NONAME or flags & socket.AI_NUMERICHOST:
                raise
        asked = (host, port, family, type, proto, flags)
        return await asyncio.wrap_future(self._names.submit(socket.getaddrinfo, *asked), loop=self)

    def close(self) -> None:
        self._names.shutdown(wait=False, cancel_futures=True)
        super().close()
