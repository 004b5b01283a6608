"""Standard output and error of a child, cut into lines."""

from __future__ import annotations

from collections.abc import Callable


class Lines:
    """Cuts an output pipe into lines; of a line above the limit the beginning is kept."""

    __slots__ = ("_buffer", "_dropping", "_limit", "_take")

    def __init__(self, limit: int, take: Callable[[bytes], None]) -> None:
        self._buffer = b""
        self._dropping = False
        self._limit = limit
        self._take = take

    def feed(self, data: bytes) -> None:
        *whole, rest = (self._buffer + data).split(b"\n")
        for line in whole:
            if not self._dropping:
                self._take(line[: self._limit])
            self._dropping = False
        self._buffer = b"" if self._dropping else rest
        if len(rest) > self._limit:
            if not self._dropping:
                self._take(rest[: self._limit])
            self._buffer, self._dropping = b"", True

    def flush(self) -> None:
        if self._buffer:
            self._take(self._buffer)
        self._buffer, self._dropping = b"", False
