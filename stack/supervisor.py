"""Keep programs alive, and stop them in order.

A program that dies is started again after a pause that doubles from 0.25 s to 30 s while it keeps
dying young: a restart, never a storm, and never a surrender. Each runs in a session of its own,
so that Ctrl-C reaches only the supervisor (F20); what a dead leader leaves in its group is killed
before its successor starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 30.0
# A program that lived this long starts its pauses anew.
SETTLED_S = 20.0
LOG_BYTES = 10 * 1024 * 1024


def say(text: str) -> None:
    """A progress line, for the person at the terminal."""
    print(text, flush=True)


def warn(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Program:
    """What to keep alive.

    command      makes the argument list at each start (see `identity.launch`)
    stage        programs of one stage stop together, the highest stage first
    grace_s      seconds between stop_signal and SIGKILL for its group
    """

    name: str
    command: Callable[[], list[str]]
    environment: dict[str, str]
    directory: Path
    log: Path
    stage: int
    grace_s: float
    stop_signal: signal.Signals = signal.SIGTERM


class Child:
    """One program under supervision: `run()` until `stop()`."""

    def __init__(self, program: Program, hurry: asyncio.Event) -> None:
        self.program = program
        self.deaths = 0
        self._pause = FIRST_PAUSE_S
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._hurry = hurry
        self._task = asyncio.create_task(self._run(), name=program.name)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def last_line(self) -> str:
        """The end of its log, for a message to a person."""
        lines = self.program.log.read_text(errors="replace").strip().splitlines() or ["no output"]
        return lines[-1]

    async def stop(self) -> None:
        """Stop it within its grace; nothing of its group is left afterwards."""
        self._stopping.set()
        while not self._task.done():
            if self._process and self._process.returncode is None:
                await self._end(self._process)
            await asyncio.wait({self._task}, timeout=0.05)
        self._task.result()

    async def _run(self) -> None:
        while not self._stopping.is_set():
            started = time.monotonic()
            code = await self._once()
            if self._stopping.is_set():
                return
            self.deaths += 1
            if time.monotonic() - started >= SETTLED_S:
                self._pause = FIRST_PAUSE_S
            warn(
                f"{self.program.name} {ending(code)}; starting it again in {self._pause:g} s"
                f" (log: {self.program.log})"
            )
            await first_of(self._stopping.wait(), within_s=self._pause)
            self._pause = min(self._pause * 2, LONGEST_PAUSE_S)

    async def _once(self) -> int:
        """Start it and wait for its end; its exit code, negative for a signal."""
        with self.program.log.open("ab") as log:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self.program.command(),
                    cwd=self.program.directory,
                    env=self.program.environment,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            except OSError as problem:
                warn(f"{self.program.name} cannot be started: {problem.strerror}")
                return os.EX_OSERR
        try:
            return await self._process.wait()
        finally:
            self._kill_group(self._process.pid)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(self.program.stop_signal)
        await first_of(process.wait(), self._hurry.wait(), within_s=self.program.grace_s)
        if process.returncode is None:
            if not self._hurry.is_set():
                warn(f"{self.program.name} did not stop in {self.program.grace_s:g} s: killed")
            self._kill_group(process.pid)
            await process.wait()

    @staticmethod
    def _kill_group(group: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


async def stop_in_order(children: Iterable[Child]) -> None:
    """The highest stage first, each stage as a whole before the next."""
    stages: dict[int, list[Child]] = {}
    for child in children:
        stages.setdefault(child.program.stage, []).append(child)
    for stage in sorted(stages, reverse=True):
        say("stopping " + ", ".join(child.program.name for child in stages[stage]))
        await asyncio.gather(*(child.stop() for child in stages[stage]))


async def first_of(*waits: Coroutine[Any, Any, object], within_s: float) -> None:
    """Return when one of the coroutines has ended or the time is over, whatever comes first."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    await asyncio.wait(tasks, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


async def bound_logs(children: Iterable[Child], every_s: float = 30.0) -> None:
    """Keep each log to about LOG_BYTES and one older part. The writers append, so a truncated
    file goes on from its start; lines written between the copy and the cut are lost."""
    while True:
        await asyncio.sleep(every_s)
        for child in children:
            log = child.program.log
            if log.exists() and log.stat().st_size > LOG_BYTES:
                shutil.copyfile(log, log.with_suffix(".log.1"))
                os.truncate(log, 0)


def ending(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
