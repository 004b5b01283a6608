"""Output of component code as log lines of the run that is going on.

Outside a run (while loading, or from a thread that outlived its run) output goes to the real
descriptors, which the platform reads as well.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from typing import Any

from ._run import MAX_LINE, Run

_LEVELS = ((logging.ERROR, "error"), (logging.WARNING, "warn"))
_CHATTY = ("httpx", "httpcore", "asyncio")


class Capture:
    """Takes over standard output, standard error and logging of this process, for good."""

    def __init__(self) -> None:
        self.run: Run | None = None
        self.out = Lines(self, 1, "info")
        self.err = Lines(self, 2, "error")
        root = logging.getLogger()
        root.handlers[:] = [_Records(self)]
        root.setLevel(logging.INFO)
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)

    def begin(self, run: Run) -> None:
        self.run = run
        sys.stdout, sys.stderr = self.out, self.err

    def end(self) -> None:
        """Lines without an end become lines; the run takes no more."""
        if self.out.pending:
            self.out.end_line()
        if self.err.pending:
            self.err.end_line()
        self.run = None


class Lines(io.TextIOBase):
    """A text stream whose finished lines are log lines."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, capture: Capture, fd: int, level: str) -> None:
        self._capture = capture
        self._fd = fd
        self._level = level
        self.pending = ""
        self.buffer = _Bytes(self)

    def write(self, text: str, /) -> int:
        if self._capture.run is None:
            os.write(self._fd, text.encode("utf-8", "replace"))
            return len(text)
        lines = (self.pending + text).split("\n")
        # A line without end must not grow without bound.
        self.pending = lines.pop()
        for line in lines:
            self._line(line)
        while len(self.pending) > MAX_LINE:
            line, self.pending = self.pending[:MAX_LINE], self.pending[MAX_LINE:]
            self._line(line)
        return len(text)

    def end_line(self) -> None:
        line, self.pending = self.pending, ""
        self._line(line)

    def _line(self, line: str) -> None:
        run = self._capture.run
        if run is not None and line.strip():
            run.log(self._level, line.rstrip("\r"))

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return False


class _Bytes(io.RawIOBase):
    """`sys.stdout.buffer`, for code that writes bytes."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._lines.write(bytes(data).decode("utf-8", "replace"))
        return len(data)

    def fileno(self) -> int:
        return self._lines.fileno()


class _Records(logging.Handler):
    def __init__(self, capture: Capture) -> None:
        super().__init__()
        self._capture = capture

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception as error:
            text = f"a log call that cannot be formatted: {error}"
        level = next((name for floor, name in _LEVELS if record.levelno >= floor), "info")
        run = self._capture.run
        if run is not None:
            run.log(level, text)
        else:
            os.write(2, (text + "\n").encode("utf-8", "replace"))
