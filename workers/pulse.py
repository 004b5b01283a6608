"""What the loops of a process say of themselves, and the sign of life that follows from it.

Each loop notes its turns here. The row of the process (`apps.runs.processes`) is written by the
loop that finds work, so that a row which is not renewed means that nothing is found any more; it
names the loops that are late. systemd's watchdog is fed as long as all loops turn, well or not:
starting a worker again helps against a loop that hangs, and not against a database that is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import psycopg
import redis
from django.conf import settings as django_settings
from django.db import DatabaseError

from apps.runs import processes
from apps.runs.processes import OK, STOPPED, Card
from workers import counting
from workers.committer import Committer
from workers.database import Line
from workers.delivery import Delivery
from workers.holding import Holding
from workers.runtime.pool import Runtime
from workers.settings import RunnerSettings

logger = logging.getLogger(__name__)

FAILURE_PAUSE_SECONDS = 0.5
# Of a database that is away, the last word of a process that stops is not waited for.
END_SECONDS = 1.0
# What a run may take beyond its own limit: to find a child, to load, to be killed.
RUN_MARGIN_SECONDS = 120.0
# The sweep's work of every hour deletes rows by the million.
SWEEP_SECONDS = 900.0
TAKE, RENEW, FAN_OUT, DELIVER = "take", "renew", "fan out", "deliver"
TICK, SWEEP = "tick", "sweep"
_PAGE = os.sysconf("SC_PAGE_SIZE")


def notify(text: str) -> bool:
    """Tell systemd (sd_notify): `READY=1`, `WATCHDOG=1`, `STOPPING=1`. False: nobody asks, or who
    asked does not listen: a supervisor that hangs must not hold up the loops."""
    if not (address := django_settings.NOTIFY_SOCKET):
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.setblocking(False)
        door.sendto(text.encode(), address)
        return True
    return False


def resident_bytes() -> int:
    """Memory of this process that is in RAM."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 (every few seconds)
        return int(file.read().split()[1]) * _PAGE


class Pulse:
    """Of one process. `loops`: each with the seconds for which it may be silent; `since`: for what
    waits for work without end, since when (monotonic) it has been at it, None: it is not."""

    def __init__(
        self,
        kind: str,
        loops: Mapping[str, float],
        facts: Callable[[], dict[str, Any]],
        since: Mapping[str, tuple[float, Callable[[], float | None]]] | None = None,
    ) -> None:
        self.card: Card = processes.named(kind, django_settings.PROCESS)
        self._loops = dict(loops)
        self._facts = facts
        self._more: dict[str, Callable[[], Any]] = {}
        self._since = dict(since or {})
        now = time.monotonic()
        # When each loop last ended a step well, and when it ended one at all.
        self._turned = dict.fromkeys(loops, now)
        self._moved = dict.fromkeys(loops, now)
        self._beat_at = 0.0
        self._fed_at = 0.0

    def turned(self, loop: str) -> None:
        self._turned[loop] = self._moved[loop] = time.monotonic()
        self._feed()

    def failed(self, loop: str) -> None:
        self._moved[loop] = time.monotonic()
        self._feed()

    def state(self) -> str:
        """`ok`, or the loops that are late."""
        late = self._late(self._turned)
        return f"late: {', '.join(late)}" if late else OK

    def facts(self) -> dict[str, Any]:
        more = {name: told() for name, told in self._more.items()}
        return {**self._facts(), **more, "resident_bytes": resident_bytes()}

    def tell(self, name: str, told: Callable[[], Any]) -> None:
        """One more fact of this process."""
        self._more[name] = told

    def due(self) -> bool:
        """Whether it is time for a sign of life; asked once for each."""
        now = time.monotonic()
        if now < self._beat_at:
            return False
        self._beat_at = now + django_settings.SILENT_SECONDS / 5
        return True

    async def beat(self, line: Line) -> None:
        """By the loop that finds work, after it has looked. Raises psycopg.Error."""
        if self.due():
            async with line as connection:
                await processes.beat(connection, self.card, self.state(), self.facts())

    def beat_now(self) -> None:
        """By the tick of a scheduler, in a thread. Raises DatabaseError."""
        if self.due():
            processes.beat_now(self.card, self.state(), self.facts())

    def end_now(self) -> None:
        notify("STOPPING=1")
        with contextlib.suppress(DatabaseError):
            processes.beat_now(self.card, STOPPED, self.facts())

    async def end(self, line: Line) -> None:
        """The last word of a process that stops in order."""
        notify("STOPPING=1")
        with contextlib.suppress(psycopg.Error, OSError):
            async with asyncio.timeout(END_SECONDS), line as connection:
                await processes.beat(connection, self.card, STOPPED, self.facts())

    async def forever(
        self, loop: str, step: Callable[[], Awaitable[None]], until: Callable[[], bool]
    ) -> None:
        """Until then, or until it is cancelled. Nothing may end a loop: a worker whose loop has
        ended is alive and deaf."""
        while not until():
            try:
                await step()
                self.turned(loop)
            except Exception as error:
                foreseen = isinstance(error, psycopg.Error | redis.RedisError | OSError)
                logger.warning(
                    "a step of the runner failed, trying again: %r", error, exc_info=not foreseen
                )
                self.failed(loop)
                await asyncio.sleep(FAILURE_PAUSE_SECONDS)

    def _late(self, marks: Mapping[str, float]) -> list[str]:
        now = time.monotonic()
        late = [loop for loop, patience in self._loops.items() if now - marks[loop] > patience]
        for name, (patience, since) in self._since.items():
            began = since()
            if began is not None and now - began > patience:
                late.append(name)
        return late

    def _feed(self) -> None:
        """The watchdog, once a second at most, and only while every loop moves."""
        now = time.monotonic()
        if not django_settings.NOTIFY_SOCKET or now < self._fed_at + 1:
            return
        if not self._late(self._moved):
            self._fed_at = now
            notify("WATCHDOG=1")


def runner_pulse(
    settings: RunnerSettings,
    runtime: Runtime,
    holding: Holding,
    committer: Committer,
    delivery: Delivery,
) -> Pulse:
    """Of a worker: late is a loop that does not turn, a commit or a run that takes too long."""
    silent = django_settings.SILENT_SECONDS
    loops = {
        TAKE: silent + settings.claim_seconds,
        RENEW: silent + settings.lease_seconds / 3,
        FAN_OUT: silent + settings.claim_seconds,
        DELIVER: silent + settings.claim_seconds,
    }
    since = {
        "commit": (silent + settings.lease_seconds, lambda: committer.busy_since),
        "runs": (settings.run_seconds + RUN_MARGIN_SECONDS, holding.oldest),
    }

    children_of = counting.Children()

    def facts() -> dict[str, Any]:
        children = runtime.stats()
        children_of.count(children)
        return {
            "slots": settings.slots,
            "running": len(holding.work),
            "leases": len(holding.held),
            "attempts": delivery.flying,
            "children": children["live"],
            "children_idle": children["idle"],
        }

    return Pulse("worker", loops, facts, since)


def scheduler_pulse() -> Pulse:
    """Of a scheduler: late are ticks or sweeps that do not come to an end."""
    silent = django_settings.SILENT_SECONDS
    return Pulse("scheduler", {TICK: silent, SWEEP: SWEEP_SECONDS}, dict)
