"""Frames on the protocol descriptor: `<length><header>[\\n<part>]…`, at most 8 MiB each."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Mapping
from typing import Any

from ._errors import PayloadLimitError
from ._json import header as encode_header

MAX_FRAME = 8 * 1024 * 1024
_LENGTH = struct.Struct(">I")


class Channel:
    """One blocking descriptor, read by one thread and written by any."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._pending = b""
        # Re-entrant: a signal handler or a destructor may print while a frame is being written.
        self.lock = threading.RLock()

    def read(self) -> list[bytes] | None:
        """Header and parts of the next frame; None at the end of the stream.

        A frame above the bound, or cut short, is an error: nothing after it can be trusted.
        """
        data = self._pending
        while len(data) < 4 or len(data) < 4 + _LENGTH.unpack_from(data)[0]:
            if len(data) >= 4 and _LENGTH.unpack_from(data)[0] > MAX_FRAME:
                raise ValueError("a frame above 8 MiB")
            if len(data) > 65536:
                data = self._read_rest(data)
                continue
            more = os.read(self._fd, 65536)
            if not more:
                if data:
                    raise EOFError("the stream ended inside a frame")
                return None
            data = data + more if data else more
        end = 4 + _LENGTH.unpack_from(data)[0]
        self._pending = data[end:]
        return data[4:end].split(b"\n")

    def _read_rest(self, data: bytes) -> bytes:
        missing = 4 + _LENGTH.unpack_from(data)[0] - len(data)
        chunks = [data]
        while missing > 0:
            more = os.read(self._fd, min(missing, 1024 * 1024))
            if not more:
                raise EOFError("the stream ended inside a frame")
            chunks.append(more)
            missing -= len(more)
        return b"".join(chunks)

    def write(self, header: Mapping[str, Any], *parts: bytes) -> None:
        """Send one frame whole before returning. PayloadLimitError above the bound."""
        body = b"\n".join((encode_header(header), *parts))
        if len(body) > MAX_FRAME:
            raise PayloadLimitError(f"a message of {len(body)} bytes is above the bound of 8 MiB")
        data = _LENGTH.pack(len(body)) + body
        with self.lock:
            sent = os.write(self._fd, data)
            while sent < len(data):
                sent += os.write(self._fd, memoryview(data)[sent:])
