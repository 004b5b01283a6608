"""Tools behind the wall: Deno and pip on what a component imports, never on its code itself.

Like a child a tool is forked by the zygote, sees its own directory and the system's libraries, and
dials through the supervisor. It speaks no protocol: what it prints and its status are its answer.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from workers.runtime.scratch import empty

_READ: Final = 64 * 1024
_LOOK_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Job:
    """What a tool is to do.

    language  whose tool: Deno for "javascript", pip for "python"
    network   None for no network at all; else the one `address:port` that it may dial
    reads     directories and files that it may read
    memory, scratch  bytes that it may use; the latter of one file
    files     descriptors that it may have open: Deno copies whole trees at once
    """

    language: Literal["python", "javascript"]
    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)
    network: str | None = None
    reads: list[str] = field(default_factory=list)
    memory: int = 512 * 1024 * 1024
    scratch: int = 128 * 1024 * 1024
    files: int = 8192


@dataclass(frozen=True, slots=True)
class Ended:
    """How a tool ended; `status` is None when it was killed or its zygote died."""

    status: int | None
    output: bytes
    errors: bytes


class Tool:
    """A running tool. Its output is kept up to a bound; what comes after is read and dropped."""

    def __init__(self, pid: int, fds: list[int], kill: Callable[[int], None]) -> None:
        self.pid = pid
        self._kill = kill
        self._loop = asyncio.get_running_loop()
        self._texts = {fd: bytearray() for fd in fds}
        self._order = tuple(fds)
        self._limit = 0
        self.ended: asyncio.Future[int | None] = self._loop.create_future()
        for fd in fds:
            os.set_blocking(fd, False)
            self._loop.add_reader(fd, self._on_output, fd)

    def kill(self) -> None:
        self._kill(self.pid)

    def texts(self) -> tuple[bytes, bytes]:
        out, err = (bytes(self._texts[fd]) for fd in self._order)
        return out, err

    def on_exit(self, status: int | None) -> None:
        """Called by the broker, once."""
        for fd in self._order:
            while self._on_output(fd):
                pass
            self._loop.remove_reader(fd)
            os.close(fd)
        if not self.ended.done():
            exited = status is not None and os.WIFEXITED(status)
            self.ended.set_result(os.WEXITSTATUS(status or 0) if exited else None)

    def _on_output(self, fd: int) -> bool:
        try:
            data = os.read(fd, _READ)
        except OSError:
            return False
        kept = self._texts[fd]
        kept += data[: max(0, OUTPUT_BYTES - len(kept))]
        if not data:
            self._loop.remove_reader(fd)
        return bool(data)


OUTPUT_BYTES: Final = 16 * 1024 * 1024
Start = Callable[[Job, str], Awaitable[Tool]]


class TooMuch(Exception):
    """A tool took longer, or more room, than it may; the text says which."""


class Workbench:
    """The directory of tools that work one after another; `code` is where they start."""

    def __init__(self, path: Path, start: Start) -> None:
        self.path = path
        self.code = path / "code"
        self._start = start

    def prepare(self) -> None:
        """Make the directories as the zygote would, for the user that tools run as."""
        for directory in (self.path, self.path / "tmp", self.code):
            if not directory.is_dir():
                directory.mkdir(mode=0o700)
                self._hand_over(directory)

    def write(self, path: str, text: str) -> None:
        """A file below `code`; the path was checked by the caller."""
        file = self.code / path
        missing = [parent for parent in file.parents if not parent.exists()]
        for parent in reversed(missing):
            parent.mkdir(mode=0o700)
            self._hand_over(parent)
        file.write_text(text, encoding="utf-8", newline="")
        self._hand_over(file)

    def clear(self) -> None:
        """Forget what is below `code`."""
        empty(self.code)

    async def run(self, job: Job, seconds: float, most_bytes: int) -> Ended:
        """One tool to its end. Raises TooMuch for one that was ended: it ran for longer than
        `seconds`, or its directory grew over `most_bytes`. Raises BrokerError."""
        tool = await self._start(job, self.path.name)
        deadline = self._deadline(seconds)
        try:
            while not tool.ended.done():
                left = deadline - asyncio.get_running_loop().time()
                if left <= 0:
                    raise TooMuch(f"it took longer than {seconds:g} s")
                await asyncio.wait((tool.ended,), timeout=min(left, _LOOK_S))
                if await asyncio.to_thread(size_of, self.path) > most_bytes:
                    raise TooMuch(f"it takes more than {most_bytes} bytes")
        finally:
            if not tool.ended.done():
                tool.kill()
                await asyncio.shield(tool.ended)
        return Ended(tool.ended.result(), *tool.texts())

    @staticmethod
    def _deadline(seconds: float) -> float:
        return asyncio.get_running_loop().time() + seconds

    def _hand_over(self, path: Path) -> None:
        if os.geteuid() == 0:
            owner = self.path.parent.stat()
            os.chown(path, owner.st_uid, owner.st_gid)


def size_of(top: Path) -> int:
    """Bytes of all files below, links not followed; those that vanish meanwhile count nothing."""
    total = 0
    with suppress(OSError):
        for root, _folders, files in os.walk(top):
            for name in files:
                with suppress(OSError):
                    total += os.lstat(os.path.join(root, name)).st_size  # noqa: PTH118
    return total
