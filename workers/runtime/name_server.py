"""The name server that children ask in place of the system's when names are settled (`names.py`).

DNS over TCP on loopback, in the worker's loop. Settled names have an IPv4 address and nothing else;
what is asked of other names goes to the system's servers as it came.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from workers.runtime.egress import name_servers
from workers.runtime.names import parse, stand_ins

TTL_SECONDS = 60
ASK_SECONDS = 5.0


class NameServer:
    """`address` is known once it is started."""

    def __init__(self, entries: Sequence[str]) -> None:
        self._addresses = stand_ins([parse(entry) for entry in entries])
        self._server: asyncio.Server | None = None
        self.address: tuple[str, int] = ("", 0)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        self.address = str(host), int(port)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, TimeoutError, dns.exception.DNSException):
            while True:
                question = await _read(reader)
                _write(writer, await self._answer(question))
                await writer.drain()
        writer.close()

    async def _answer(self, question: bytes) -> bytes:
        message = dns.message.from_wire(question)
        asked = message.question[0] if len(message.question) == 1 else None
        name = "" if asked is None else asked.name.to_text(omit_final_dot=True).lower()
        if asked is None or name not in self._addresses:
            return await _forward(question, message)
        answer = dns.message.make_response(message, recursion_available=True)
        if asked.rdtype == dns.rdatatype.A and asked.rdclass == dns.rdataclass.IN:
            answer.answer.append(
                dns.rrset.from_text(asked.name, TTL_SECONDS, "IN", "A", *self._addresses[name])
            )
        return answer.to_wire()


async def _forward(question: bytes, message: dns.message.Message) -> bytes:
    """The first answer of the system's servers; SERVFAIL when none answers."""
    for server in name_servers():
        with contextlib.suppress(OSError, EOFError, TimeoutError):
            async with asyncio.timeout(ASK_SECONDS):
                reader, writer = await asyncio.open_connection(server, 53)
                try:
                    _write(writer, question)
                    await writer.drain()
                    return await _read(reader)
                finally:
                    writer.close()
    failure = dns.message.make_response(message, recursion_available=True)
    failure.set_rcode(dns.rcode.SERVFAIL)
    return failure.to_wire()


async def _read(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))


def _write(writer: asyncio.StreamWriter, message: bytes) -> None:
    writer.write(len(message).to_bytes(2, "big") + message)
