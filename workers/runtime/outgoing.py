"""What is sent to a child: frames into its descriptor, as fast as it takes them."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable


class Outgoing:
    """Writes without blocking; `broken` is called when the other end is gone.

    The descriptor belongs to the caller, who calls `stop` before closing it.
    """

    __slots__ = ("_broken", "_fd", "_loop", "_waiting")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, fd: int, broken: Callable[[], None]
    ) -> None:
        os.set_blocking(fd, False)
        self._loop = loop
        self._fd = fd
        self._broken = broken
        self._waiting: deque[bytes] = deque()

    def send(self, frame: bytes) -> None:
        if not self._waiting:
            sent = self._write(frame)
            if sent == len(frame):
                return
            frame = frame[sent:]
            self._loop.add_writer(self._fd, self._on_writable)
        self._waiting.append(frame)

    def stop(self) -> None:
        self._loop.remove_writer(self._fd)

    def _write(self, data: bytes) -> int:
        try:
            return os.write(self._fd, data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self._broken()
            return len(data)

    def _on_writable(self) -> None:
        while self._waiting:
            frame = self._waiting.popleft()
            sent = self._write(frame)
            if sent < len(frame):
                self._waiting.appendleft(frame[sent:])
                return
        self._loop.remove_writer(self._fd)
