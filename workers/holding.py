"""The leases that this worker holds, and the work under them: renewed, counted, given back.

A lease is renewed every third of its length while it is held, also while the worker is stopping.
What can no longer be renewed is no longer ours: its child is killed (F5).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

import psycopg

from apps.core.about import ids
from apps.core.measures import LEASES_LOST
from apps.runs import lease
from apps.runs.lease import Held, Row
from workers.database import Line
from workers.drain import Drain

logger = logging.getLogger(__name__)

T = TypeVar("T")

# After a failure, before leases are renewed again.
RENEW_PAUSE_SECONDS = 0.2


class Holding:
    """`held`: source id → lease. `work`: those of them that occupy a slot, each with its task and,
    unless it carries out an operation, its drain."""

    def __init__(self, leases: Line, lease_seconds: float) -> None:
        self._leases = leases
        self._lease_seconds = lease_seconds
        # When the leases held were last prolonged, or none was; the database thinks so, or later.
        self._renewed_at = time.monotonic()
        self.freed = asyncio.Event()
        self.held: dict[str, Held] = {}
        self.work: dict[str, tuple[Drain | None, asyncio.Task[None]]] = {}

    def forget(self, held: Iterable[Held]) -> None:
        """These are let go. One that was lost and taken anew meanwhile is still held."""
        for h in held:
            if self.held.get(h.source_id) is h:
                del self.held[h.source_id]
        self.freed.set()

    def end_work(self, held: Held, task: asyncio.Task[None] | None) -> None:
        entry = self.work.get(held.source_id)
        if entry is not None and entry[1] is task:
            del self.work[held.source_id]

    async def more(self, source_id: str, known: list[int], limit: int) -> list[Row]:
        """For `Doors.more`. Nothing when the database does not answer: it is asked again soon."""
        try:
            async with self._leases as connection:
                return await lease.more_http_rows(connection, source_id, known, limit)
        except (psycopg.Error, OSError) as error:
            logger.warning("more requests to %s could not be looked for: %s", source_id, error)
            return []

    async def renew(self) -> None:
        """One third of a lease later: prolong what is held, end what is lost. What is not prolonged
        in time is lost, whatever a connection waits for: another worker begins it now."""
        if not self.held:
            self._renewed_at = time.monotonic()
        await asyncio.sleep(self._lease_seconds / 3)
        if not (held := list(self.held.values())):
            return
        ours = await self._prolonged(held)
        await self._lost([h for h in held if h.source_id not in ours])
        if ours:
            await _within(self._lease_seconds / 3, self._count_long_runs())

    async def _prolonged(self, held: list[Held]) -> set[str]:
        """Those of these sources that are still ours; tried until their leases are over, and once
        when this process stood still for so long: if nobody has taken them, they are ours."""
        over = self._renewed_at + self._lease_seconds
        patience = max(over - time.monotonic(), self._lease_seconds / 3)
        while patience > 0:
            try:
                return await _within(patience, self._prolong(held))
            except (psycopg.Error, OSError) as error:
                logger.warning("leases could not be renewed: %r", error)
            await asyncio.sleep(min(max(0.0, over - time.monotonic()), RENEW_PAUSE_SECONDS))
            patience = over - time.monotonic()
        return set()

    async def _prolong(self, held: list[Held]) -> set[str]:
        async with self._leases as connection:
            began = time.monotonic()
            ours = await lease.renew(connection, held, self._lease_seconds)
        self._renewed_at = began
        return ours

    async def _lost(self, lost: list[Held]) -> None:
        """All of them at once: one whose work waits for the database keeps no other alive."""
        tasks = []
        for held in lost:
            if self.held.get(held.source_id) is not held:
                continue
            LEASES_LOST.inc()
            logger.warning(
                "lease of %s (fence %d) is lost, its run is ended",
                held.source_id,
                held.fence,
                extra=ids(held),
            )
            self.forget([held])
            entry = self.work.get(held.source_id)
            if entry is not None and (entry[0] is None or entry[0].held is held):
                entry[1].cancel()
                tasks.append(entry[1])
        if tasks:
            await asyncio.wait(tasks, timeout=self._lease_seconds / 3)

    def oldest(self) -> float | None:
        """Since when the run that has taken longest is in its child (monotonic); None: none is."""
        runs = (row for drain, _ in self.work.values() if drain for row in drain.current.values())
        return min((row.began for row in runs), default=None)

    async def mark_started(self, source_id: str, row_id: int) -> None:
        """Count an attempt of a run."""
        async with self._leases as connection:
            await lease.mark_started(connection, [(source_id, row_id)])

    async def _count_long_runs(self) -> None:
        """A run that outlives a third of a lease may have begun before its worker dies (F6)."""
        for drain, _ in list(self.work.values()):
            if drain is not None:
                for row in list(drain.current.values()):
                    if row.id not in drain.counted:
                        await drain.count(row)

    async def wait(self, seconds: float) -> None:
        """Until nothing is held any more, at most so long."""
        until = time.monotonic() + seconds
        while self.held and (left := until - time.monotonic()) > 0:
            self.freed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self.freed.wait()

    async def end(self) -> None:
        """Kill what still runs, and take back the attempts that were counted of it: that its worker
        was told to stop says nothing about a run."""
        drains = []
        for drain, task in list(self.work.values()):
            await _cancelled(task)
            drains.append(drain)
        await self.spare(drains)

    async def spare(self, drains: Iterable[Drain | None]) -> None:
        """Take back what was counted of runs that ended by our doing, or never began."""
        counted = [(d.held.source_id, row) for d in drains if d for row in d.counted]
        if counted:
            with contextlib.suppress(psycopg.Error, OSError):
                async with self._leases as connection:
                    await lease.spare(connection, counted)

    async def release(self) -> None:
        if self.held:
            with contextlib.suppress(psycopg.Error, OSError):
                async with self._leases as connection:
                    await lease.release(connection, list(self.held.values()))


async def _cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a drain and wait until its child is gone."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """What it returns. TimeoutError, then and not later: psycopg takes seconds to give up a
    statement of a database that has fallen silent, and is left to it."""
    task = asyncio.create_task(work)
    try:
        done, _ = await asyncio.wait([task], timeout=seconds)
        if not done:
            raise TimeoutError(f"no answer within {seconds:.1f} s")
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
