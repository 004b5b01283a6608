"""Step 3 of the way, for many sources at once: commit, append to the streams, let go.

Drains that end close together share one transaction: one COMMIT waits for the disk as long as
fifty do. A slow source is never waited for: it comes with a later group. The next group commits
while this one is being published.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import psycopg
import redis

from apps.core.about import ids
from apps.core.crash import crash
from apps.core.measures import COMMIT_FAILURES
from apps.events import tail
from apps.events.stream import Append, Entry, Stream
from apps.runs import lease
from apps.runs.commit import Committed, Drained, commit
from apps.runs.lease import Held
from workers import counting, tracing
from workers.database import Line

logger = logging.getLogger(__name__)

GROUP = 64
# How long a group waits for company while other drains are under way, in seconds.
LINGER_SECONDS = 0.004
# After a failure of Redis, seconds in which streams are left alone; the sweep republishes.
STREAM_PAUSE_SECONDS = 1.0
COMMIT_PAUSE_SECONDS = 0.2


class Committer:
    """`done(held, more)` is called for every group: what was let go, what has more to do;
    `fan_out(source ids)` of those whose events somebody waits for, as soon as they are stored."""

    def __init__(
        self,
        commits: Line,
        leases: Line,
        stream: Stream,
        length: int,
        done: Callable[[list[Held], list[str]], None],
        busy: Callable[[], int],
        lease_seconds: float,
        fan_out: Callable[[list[str]], None] = lambda _: None,
    ) -> None:
        self._commits, self._leases = commits, leases
        self._stream, self._length = stream, length
        self._done, self._busy = done, busy
        self._lease_seconds = lease_seconds
        self._fan_out = fan_out
        self._waiting: asyncio.Queue[Drained] = asyncio.Queue()
        self._publishing: set[asyncio.Task[None]] = set()
        self._streams_closed_until = 0.0
        # Since when a group is being committed (monotonic); None: none is.
        self.busy_since: float | None = None

    def add(self, drained: Drained) -> None:
        self._waiting.put_nowait(drained)

    async def flush(self, drained: Drained) -> bool:
        """Commit and publish without letting go. False: the lease is lost."""
        drained.kept = asyncio.get_running_loop().create_future()
        self.add(drained)
        return await drained.kept

    async def serve(self) -> None:
        while True:
            try:
                await self.group()
            except Exception:
                # Its sources' leases run out and others take them: this loop must go on.
                logger.exception("a group of commits failed")

    async def group(self) -> None:
        """One group: wait for a first drain, gather company, commit, publish behind the back."""
        batch = [await self._waiting.get()]
        until = time.monotonic() + LINGER_SECONDS
        while len(batch) < GROUP:
            try:
                batch.append(self._waiting.get_nowait())
                continue
            except asyncio.QueueEmpty:
                left = until - time.monotonic()
                if left <= 0 or not self._busy():
                    break
            try:
                async with asyncio.timeout(left):
                    batch.append(await self._waiting.get())
            except TimeoutError:
                break
        crash("drained")
        self.busy_since = time.monotonic()
        try:
            committed = await self._commit(batch)
        finally:
            self.busy_since = None
        crash("after_commit")
        if awaited := [source_id for source_id, new in committed.items() if new.fan_out]:
            self._fan_out(awaited)
        task = asyncio.create_task(self._publish_and_release(batch, committed))
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)

    async def settle(self) -> None:
        """Wait until every group that was committed is published and let go."""
        while self._publishing:
            await asyncio.gather(*self._publishing)

    async def _commit(self, batch: list[Drained]) -> dict[str, Committed]:
        """Try until it is through or the leases are over: repeating a commit is safe."""
        if not any(item.runs for item in batch):
            return {}
        deadline = time.monotonic() + self._lease_seconds
        while True:
            try:
                began = time.monotonic()
                async with self._commits as connection:
                    done = await commit(connection, batch)
                took = time.monotonic() - began
                counting.committed(done, took)
                tracing.committed(done, took)
                return done
            except (psycopg.OperationalError, psycopg.InterfaceError, OSError) as error:
                COMMIT_FAILURES.inc()
                logger.warning("commit of %d sources failed: %s", len(batch), error)
                if time.monotonic() >= deadline:
                    return {}
                await asyncio.sleep(COMMIT_PAUSE_SECONDS)
            except Exception:
                # What one source brought cannot be stored, and will not be: the others' can. Its
                # own run is tried again, with care, until its attempts are used up.
                if len(batch) == 1:
                    held = batch[0].held
                    logger.exception("commit of %s failed", held.source_id, extra=ids(held))
                    return {}
                return {k: v for item in batch for k, v in (await self._commit([item])).items()}

    async def _publish_and_release(
        self, batch: list[Drained], committed: dict[str, Committed]
    ) -> None:
        held: list[Held] = []
        for item in batch:
            if item.held.source_id in committed or not item.runs:
                held.append(item.held)
            else:
                logger.warning(
                    "lease of %s was lost; nothing of it kept",
                    item.held.source_id,
                    extra=ids(item.held),
                )
        kept = {id(item.held) for item in batch if item.kept is not None}
        more: list[str] = []
        try:
            await self._publish(held, committed)
            crash("after_publish")
            async with self._leases as connection:
                more = await lease.release(connection, [h for h in held if id(h) not in kept])
        except (psycopg.Error, OSError) as error:
            logger.warning("release of %d sources failed: %s", len(held), error)
        finally:
            # Whatever went wrong: what is not let go here would be renewed for ever.
            self._done([item.held for item in batch if item.kept is None], more)
            for item in batch:
                if item.kept is not None and not item.kept.done():
                    if new := committed.get(item.held.source_id):
                        item.held.last = new.last
                    item.kept.set_result(item.held.source_id in committed)

    async def _publish(self, held: list[Held], committed: dict[str, Committed]) -> None:
        """Append under the lease, in id order; the next holder republishes what fails (F2)."""
        if time.monotonic() < self._streams_closed_until:
            return
        appends: list[tuple[Held, tuple[int, int], list[Entry]]] = []
        for h in held:
            new = committed.get(h.source_id)
            newest = new.last if new else h.last
            if newest == h.published:
                continue
            # What a commit brought whose answer was lost is not among the entries of its repeat.
            if new is not None and h.published == new.before:
                entries = new.entries
            else:
                async with self._leases as connection:
                    entries = await tail.after(connection, h.source_id, h.published, self._length)
            appends.append((h, newest, entries))
        if not appends:
            return
        try:
            await self._append(appends)
        except (redis.RedisError, OSError) as error:
            self._streams_closed_until = time.monotonic() + STREAM_PAUSE_SECONDS
            logger.warning("streams are not there, the sweep republishes: %s", error)

    async def _append(self, appends: list[tuple[Held, tuple[int, int], list[Entry]]]) -> None:
        stale = await self._stream.append(
            [Append(h.source_id, *h.published, entries) for h, _, entries in appends]
        )
        for h, newest, _ in appends:
            if h.source_id not in stale or await self._rebuild(h, newest, stale[h.source_id]):
                h.published = newest

    async def _rebuild(self, held: Held, newest: tuple[int, int], seen: str) -> bool:
        """Write a stream anew from the ledger, if the lease still stands: nobody else does."""
        async with self._leases as connection:
            if not await lease.is_ours(connection, held):
                return False
            entries = await tail.after(connection, held.source_id, (0, 0), self._length)
        return await self._stream.rebuild(held.source_id, f"{newest[0]}-{newest[1]}", entries, seen)
