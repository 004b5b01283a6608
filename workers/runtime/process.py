"""One child process: sends it frames, gathers what it answers, ends it.

Everything runs on the event loop's thread; a child serves one call at a time.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from apps.runs.contract import (
    TIMEOUT,
    Code,
    Description,
    Invocation,
    Level,
    Limits,
    LoadError,
    OnRespond,
    OptionsCall,
    Outcome,
    RunError,
)
from workers.runtime.endings import ran_out_of_memory, why_it_ended
from workers.runtime.frames import Decoder, Violation, invoke_frame, load_frame, options_frame
from workers.runtime.gather import Asked, Gather
from workers.runtime.outgoing import Outgoing
from workers.runtime.output import Lines
from workers.runtime.protocol import Done, Failed, Loaded, parse

_log = structlog.get_logger(__name__)
_READ: Final = 64 * 1024
_DEATH_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Spawned:
    """A child as the broker made it; the descriptors belong to the receiver."""

    pid: int
    run_dir: Path
    reads: int
    writes: int
    stdout: int
    stderr: int


class Child:
    """A child process of one component version.

    `kill` is given by the broker and ends the whole tree; `on_exit` is called by it, once, with
    the wait status, or None when the broker itself died and took its children along.
    """

    def __init__(self, code: Code, spawned: Spawned, kill: Callable[[int], None]) -> None:
        self.code = code
        self.pid = spawned.pid
        self.run_dir = spawned.run_dir
        self.base_anon = self.held_bytes = 0
        self.runs = 0
        self.fit = True
        self.description: Description | None = None
        self.gone = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._kill = kill
        self._killed = False
        self._status: int | None = None
        self._exited = False
        self._decoder = Decoder()
        self._gather: Gather | Asked | None = None
        self._limits = Limits()
        self._answer: asyncio.Future[Done | Loaded | Failed | None] | None = None
        self._error: RunError | None = None
        self._refused = False
        self._out = Outgoing(self._loop, spawned.writes, self.kill)
        self._last_words = b""
        self._fds = spawned
        self._open = {spawned.reads, spawned.stdout, spawned.stderr}
        self._lines: dict[int, Lines] = {}
        levels: tuple[tuple[int, Level], ...] = (
            (spawned.stdout, "info"),
            (spawned.stderr, "error"),
        )
        for fd, level in levels:
            self._watch_output(fd, level)
        os.set_blocking(spawned.reads, False)
        Context().run(self._loop.add_reader, spawned.reads, self._on_frames)

    # ---------------------------------------------------------------- calls

    async def load(
        self,
        env: dict[str, str],
        limits: Limits,
        timeout_s: float,
        packages: str | None = None,
    ) -> Description:
        """Sends the code. Raises LoadError; the child is then of no more use."""
        self._limits = limits
        try:
            frame = load_frame(self.code, env, packages)
        except ValueError as error:
            raise LoadError(RunError("Load Failed", str(error), code="load_failed")) from None
        answer, failure = await self._ask(frame, timeout_s)
        if isinstance(answer, Loaded):
            self.description = answer.description
            return answer.description
        self.kill()
        if isinstance(answer, Failed):
            raise LoadError(answer.error)
        if failure is not None and failure.name == TIMEOUT:
            message = f"loading took longer than {timeout_s:g} s"
            raise LoadError(RunError(TIMEOUT, message, code="load_timeout"))
        name, message = (failure.name, failure.message) if failure else ("Error", "no answer")
        said = self._last_words[-2048:].decode(errors="replace").replace("\0", "\ufffd") or None
        raise LoadError(RunError(name, message, stack=said, code="load_failed"))

    async def invoke(
        self, call: Invocation, limits: Limits, on_respond: OnRespond | None
    ) -> Outcome:
        """Runs one invocation. Never raises for what the component does; see `Outcome.error`."""
        gather = Gather(call, limits, on_respond)
        return gather.end(await self._gathering(gather, invoke_frame(call), limits))

    async def options(self, call: OptionsCall, limits: Limits) -> Asked:
        """Asks for choices. Never raises for what the component does; see `Asked.error`."""
        asked = Asked(call, limits)
        asked.end(await self._gathering(asked, options_frame(call), limits))
        return asked

    async def _gathering(
        self, gather: Gather | Asked, frame: bytes, limits: Limits
    ) -> RunError | None:
        """One call to its `done`; what comes before it goes to `gather`. Returns its error."""
        self._limits = limits
        self.runs += 1
        self._gather = gather
        try:
            answer, error = await self._ask(frame, limits.wall_s)
        finally:
            self._gather = None
        if isinstance(answer, Done):
            error = answer.error
            if not answer.reuse or (error is not None and ran_out_of_memory(error)):
                self.fit = False
        return error

    async def _ask(
        self, frame: bytes, timeout_s: float
    ) -> tuple[Done | Loaded | Failed | None, RunError | None]:
        """Sends a frame and waits for the message that ends the call, or for the child's end."""
        self._refused = False
        self._answer = self._loop.create_future()
        timer = self._loop.call_later(timeout_s, self._time_out, timeout_s)
        self._error = None
        try:
            if self._exited:
                self._give_up(self._answer)
            else:
                self._out.send(frame)
            answer = await self._answer
        except asyncio.CancelledError:
            self.kill()
            raise
        finally:
            timer.cancel()
            self._answer = None
        if answer is None:
            self.fit = False
            return None, self._ending()
        return answer, None

    def kill(self) -> None:
        """Ends the child and everything it started; returns at once."""
        self.fit = False
        if not self._killed and not self._exited:
            self._killed = True
            self._kill(self.pid)

    def run_out_of(self, error: RunError) -> None:
        """Called by the watchdog."""
        self._end(error)

    def _end(self, error: RunError | None) -> None:
        """Kills the child; the current call ends, with `error` if given, when it is gone."""
        if self._answer is not None and not self._answer.done() and self._error is None:
            self._error = error
            if not self._exited:
                self._loop.call_later(_DEATH_S, self._give_up, self._answer)
        self.kill()

    def _ending(self) -> RunError:
        """What the child was ended for, else how it ended by itself."""
        if self._error is not None:
            return self._error
        return why_it_ended(self._status, self._last_words)

    # ---------------------------------------------------------------- events

    def _time_out(self, timeout_s: float) -> None:
        self._end(RunError(TIMEOUT, f"ended after {timeout_s:g} s", code="timeout"))

    def _give_up(self, answer: asyncio.Future[Done | Loaded | Failed | None]) -> None:
        if not answer.done():
            answer.set_result(None)

    def _violate(self, violation: Violation) -> None:
        self._refused = True
        self._end(violation.error)

    def _on_frames(self) -> bool:
        """Reads once; False when there was nothing to read."""
        try:
            data = os.read(self._fds.reads, _READ)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            data = b""
        if not data:
            self._close(self._fds.reads)
            self._end(None)
            return False
        if self._refused:
            return True
        try:
            for body in self._decoder.feed(data):
                self._take(body)
        except Violation as violation:
            self._violate(violation)
        except Exception:
            # Hostile bytes found a hole in the reader: it costs this run, never the worker.
            _log.exception("runtime.unreadable_frame", pid=self.pid)
            self._violate(Violation("a frame that cannot be read"))
        return True

    def _take(self, body: bytes) -> None:
        answer, gather = self._answer, self._gather
        if answer is None or answer.done():
            raise Violation("a frame while nothing runs")
        if gather is None:
            loaded = parse(body, None, self._limits)
            if isinstance(loaded, Loaded | Failed):
                answer.set_result(loaded)
            return
        message = parse(body, gather.run_id, self._limits, asked_options=type(gather) is Asked)
        done = gather.add(message, len(body))
        if done is not None and self._error is None:
            for fd, lines in self._lines.items():
                if fd in self._open:
                    self._on_output(fd)
                    lines.flush()
            if self._error is None:
                answer.set_result(done)

    def _watch_output(self, fd: int, level: Level) -> None:
        def take(line: bytes) -> None:
            if self._gather is not None and not self._refused:
                self._gather.output(level, line)

        os.set_blocking(fd, False)
        self._lines[fd] = Lines(self._limits.log_line_bytes, take)
        Context().run(self._loop.add_reader, fd, self._on_output, fd)

    def _on_output(self, fd: int) -> bool:
        """Reads once; False when there was nothing to read."""
        try:
            data = os.read(fd, _READ)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            data = b""
        if not data:
            self._close(fd)
            return False
        if fd == self._fds.stderr:
            self._last_words = (self._last_words + data)[-8192:]
        try:
            self._lines[fd].feed(data)
        except Violation as violation:
            self._violate(violation)
        return True

    # ---------------------------------------------------------------- the end

    def on_exit(self, status: int | None) -> None:
        """The broker reaped the child: what it wrote before is read, then its call ends."""
        self._exited, self._status, self.fit = True, status, False
        while self._fds.reads in self._open and self._on_frames():
            pass
        for fd in (self._fds.stdout, self._fds.stderr):
            while fd in self._open and self._on_output(fd):
                pass
        for fd in tuple(self._open):
            self._close(fd)
        if self._fds.writes != self._fds.reads:
            self._out.stop()
            os.close(self._fds.writes)
        if not self.gone.done():
            self.gone.set_result(None)
        if self._answer is not None:
            self._give_up(self._answer)

    def _close(self, fd: int) -> None:
        self._open.discard(fd)
        self._loop.remove_reader(fd)
        if fd in self._lines:
            with suppress(Violation):
                self._lines[fd].flush()
        if fd == self._fds.writes:
            self._out.stop()
        os.close(fd)
