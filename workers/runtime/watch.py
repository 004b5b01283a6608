"""The watchdog over what the kernel cannot bound: memory, threads, disk, work while idle."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from apps.runs.contract import Limits
from workers.runtime.disk import exceeds
from workers.runtime.endings import RAN_OUT_OF_DISK, RAN_OUT_OF_MEMORY
from workers.runtime.findings import Finding
from workers.runtime.process import Child

_BUSY_S: Final = 0.1
_IDLE_EVERY: Final = 20
_DISK_S: Final = 0.25
_DISK_IDLE_EVERY: Final = 40
_MAX_THREADS: Final = 128
_IDLE_CPU_TICKS: Final = os.sysconf("SC_CLK_TCK") // 5
_JAVASCRIPT_BASE: Final = 48 * 1024 * 1024


class Watchdog:
    """Reads /proc of every busy child ten times a second, of idle ones every two seconds; looks at
    the directories of busy ones four times a second, of idle ones every ten seconds.

    `look` asks for what children hold open: `Child.held_bytes`, by the next round.
    """

    def __init__(self, look: Callable[[Iterable[Child]], None]) -> None:
        self._look = look
        self._busy: dict[Child, Limits] = {}
        self._idle: dict[Child, tuple[int, Limits]] = {}

    def busy(self, child: Child, limits: Limits) -> None:
        self._idle.pop(child, None)
        self._busy[child] = limits
        child.held_bytes = 0

    def idle(self, child: Child) -> None:
        limits = self._busy.pop(child, None)
        if limits is not None:
            self._idle[child] = -1, limits

    def forget(self, child: Child) -> None:
        self._busy.pop(child, None)
        self._idle.pop(child, None)

    async def loop(self) -> None:
        round_number = 0
        while True:
            await asyncio.sleep(_BUSY_S)
            round_number += 1
            self.step()
            if round_number % _IDLE_EVERY == 0:
                self.step_idle()

    def step(self) -> None:
        for child, limits in tuple(self._busy.items()):
            if _too_big(child, limits):
                child.run_out_of(RAN_OUT_OF_MEMORY)

    async def disk_loop(self) -> None:
        round_number = 0
        while True:
            await asyncio.sleep(_DISK_S)
            round_number += 1
            watched = dict(self._busy)
            if round_number % _DISK_IDLE_EVERY == 0:
                watched |= {child: limits for child, (_, limits) in self._idle.items()}
            if watched:
                self._look(watched)
                await self.step_disk(watched)

    async def step_disk(self, watched: dict[Child, Limits]) -> None:
        """Walks in a thread: a component may have made thousands of files. What is found of one
        run is not held against the next."""
        runs = {child: child.runs for child in watched}
        for child in await asyncio.to_thread(_over, watched):
            if child.runs == runs[child]:
                child.run_out_of(RAN_OUT_OF_DISK)

    def step_idle(self) -> None:
        """An idle child that computes or grows hides something; it is ended."""
        for child, (before, limits) in tuple(self._idle.items()):
            now = _cpu_ticks(child.pid)
            if _too_big(child, limits) or (before >= 0 and now - before > _IDLE_CPU_TICKS):
                child.kill()
            self._idle[child] = now, limits


def watched(pid: int) -> Finding:
    """Whether the use of memory of that process, a zygote, can be seen from here."""
    memory, threads = _usage(pid)
    told = f"memory and threads {1 / _BUSY_S:g} times a second, disk {1 / _DISK_S:g} times"
    return Finding("watchdog", bool(memory and threads), told)


def _over(watched: dict[Child, Limits]) -> list[Child]:
    """Children that take more disk than they may."""
    return [
        child
        for child, limits in watched.items()
        if exceeds(child.run_dir, limits.scratch_bytes - child.held_bytes, limits.scratch_files)
    ]


def _too_big(child: Child, limits: Limits) -> bool:
    base = child.base_anon if child.code.language == "python" else _JAVASCRIPT_BASE
    memory, threads = _usage(child.pid)
    return memory > base + limits.memory_bytes or threads > _MAX_THREADS


def _usage(pid: int) -> tuple[int, int]:
    """Bytes of anonymous and shared memory, and threads; zeros when the process is gone."""
    memory = threads = 0
    try:
        with Path(f"/proc/{pid}/status").open("rb") as status:
            for line in status:
                if line.startswith((b"RssAnon:", b"RssShmem:")):
                    memory += int(line.split()[1]) * 1024
                elif line.startswith(b"Threads:"):
                    threads = int(line.split()[1])
    except (OSError, ValueError):
        return 0, 0
    return memory, threads


def _cpu_ticks(pid: int) -> int:
    try:
        with Path(f"/proc/{pid}/stat").open("rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12]) if len(fields) > 12 else 0
